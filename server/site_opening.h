/* A release as a site that is in no list yet: its index opened and validated, bound to its archive,
 * and where it shall answer. Control thread. */
#ifndef CAIRN_SERVER_SITE_OPENING_H
#define CAIRN_SERVER_SITE_OPENING_H

#include "server/loader.h"

/* Opens the release of a request. Its archive is mapped once, however many of its releases are in
 * the loader's list. One reference, the caller's; it has no number yet. On failure *error names the
 * file, and says what to start the server with where its sandbox is the reason. */
int site_opening(const struct loader *loader, const struct load_request *request,
                 struct site **out_site, struct error *error) CAIRN_MUST_CHECK;

#endif
