/* The paths that a release answers, by hash, and the texts that belong to them. routes.h fills it
 * from the files of a site, route_rules.h from its `_redirects`. One thread. */
#ifndef CAIRN_PACKER_ROUTE_TABLE_H
#define CAIRN_PACKER_ROUTE_TABLE_H

#include "packer/site/redirects_file.h"

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

/* The row of a canonical path, or NULL; valid until the next route is added. */
struct route *route_table_find(const struct routes *routes, struct slice path);

/* Adds a route whose path is free; the path must stay. */
struct route *route_table_add(struct routes *routes, struct route route);

/* A copy that lives as long as the table, NUL-terminated. */
char *route_table_keep(struct routes *routes, const char *bytes, size_t count);
struct slice route_table_keep_path(struct routes *routes, struct slice path);

void route_table_fini(struct routes *routes);

#endif
