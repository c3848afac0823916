/* What is said of a build to who looks at the site in a browser: commands of a server's control
 * channels (docs/control.md, "announce"). Pure. */
#ifndef CAIRN_PACKER_WATCH_ANNOUNCEMENT_H
#define CAIRN_PACKER_WATCH_ANNOUNCEMENT_H

#define ANNOUNCEMENT_MENDED "announce mended"

/* That the site cannot be packed, and why (struct error's text); the caller frees. */
char *announcement_error(const char *problem);

#endif
