/* Every path that a release answers, and what with: files, folder pages, clean URLs, redirects, and
 * what `_redirects` says. What depends on the request stays a rule. One thread. */
#ifndef CAIRN_PACKER_ROUTES_H
#define CAIRN_PACKER_ROUTES_H

#include "packer/redirects_file.h"
#include "packer/site_options.h"

enum route_kind {
    ROUTE_FILE,     /* the bytes of a file; status 200, 404 or 410 */
    ROUTE_REDIRECT, /* to `target` */
    ROUTE_GONE,     /* nothing, with status 404 or 410 */
};

struct route {
    struct slice path;  /* canonical */
    const char *target; /* of a redirect: as Location has it */
    uint32_t file;      /* of a file: its number */
    uint32_t line;      /* of `_redirects`; 0: follows from the files */
    uint16_t status;
    uint8_t kind;
    bool is_derived; /* not the file's own name */
    bool is_decided; /* a rule that does not win over a file was the first to match */
    bool asks_rules; /* a rule that depends on the request may win */
    bool keeps_query;
};

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

struct routes {
    struct route *rows; /* files first, in their order, then what follows from them, then rules */
    size_t count;
    size_t capacity;
    uint32_t *table; /* 1 + row by the hash of the path; at most half full */
    size_t table_capacity;
    const struct redirect_rule **rules; /* that the server has to ask, in their order */
    size_t rule_count;
    uint32_t not_found;       /* 1 + row of /404.html; 0: there is none */
    uint32_t not_found_depth; /* of the deepest folder with another 404.html */
    struct routes_text *text; /* of paths and targets */
};

/* The names of files that are served, sorted. `redirects` may hold no rules. Remarks go to
 * `notes`; an error there is for the caller to act upon. */
void routes_init(struct routes *routes, const struct slice *names, size_t count,
                 const struct site_options *options, const struct redirects_file *redirects,
                 struct site_notes *notes);
void routes_fini(struct routes *routes);

/* The row of a canonical path, or NULL. */
const struct route *routes_find(const struct routes *routes, struct slice path);

#endif
