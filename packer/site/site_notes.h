/* What a pack has to say of a site's rule files and options: errors, warnings, remarks, each with
 * its line. One thread. */
#ifndef CAIRN_PACKER_SITE_NOTES_H
#define CAIRN_PACKER_SITE_NOTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A remark on a line of a rule file, or on an option. */
struct site_note {
    const char *file; /* "_headers", "_redirects", or an option; static */
    uint32_t line;    /* 0: of none */
    bool is_error;    /* cannot be packed like that; else only under --strict */
    bool is_remark;   /* nothing wrong: shadowed by a file, and the like */
    char *text;       /* owned */
};

struct site_notes {
    struct site_note *rows;
    size_t count;
    size_t capacity;
};

void site_notes_add(struct site_notes *notes, struct site_note note);
void site_notes_fini(struct site_notes *notes);

#endif
