/* `_headers`: field lines for paths, in the dialects of two hosting services (docs/packing.md). */
#ifndef CAIRN_PACKER_HEADERS_FILE_H
#define CAIRN_PACKER_HEADERS_FILE_H

#include "packer/site/rule_file.h"

struct header_field {
    char *name;
    char *value;   /* a template; NULL: is_unset */
    bool is_unset; /* "! Name": takes the field away */
};

struct header_rule {
    uint32_t line;
    char *source; /* the path as it is written */
    char *host;   /* a pattern; NULL: any */
    char *pattern;
    unsigned pattern_flags;
    struct header_field *fields;
    size_t field_count;
    size_t field_capacity;
};

struct headers_file {
    enum dialect dialect;
    struct header_rule *rules; /* in the order of their lines */
    size_t rule_count;
    size_t rule_capacity;
    struct rule_problems problems;
};

/* Reads the file; what cannot be used is in `problems`. headers_file_fini() in any case. */
void headers_file_parse(struct slice text, enum dialect dialect, struct headers_file *out_file);
void headers_file_fini(struct headers_file *file);

/* The field lines of one answer, in order. Names compare without case. */
struct field {
    char *name;
    char *value;
};
struct field_list {
    struct field *rows;
    size_t count;
    size_t capacity;
};
void field_list_fini(struct field_list *list);
void field_list_set(struct field_list *list, const char *name, const char *value);
void field_list_remove(struct field_list *list, const char *name);
const char *field_list_get(const struct field_list *list, const char *name); /* or NULL */

/* Merges what the rules say of a path onto the fields that the answer has. Netlify: a later rule
 * replaces what an earlier one set. Cloudflare: the first rule that sets a field replaces the
 * server's, later ones add to it; "! Name" takes away what is there. `Vary` is always added to.
 * False if no rule matches. */
bool headers_file_apply(const struct headers_file *file, struct slice host, struct slice path,
                        struct field_list *fields);

#endif
