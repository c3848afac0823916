/* `_redirects`: where paths lead, in the dialects of two hosting services (docs/packing.md). */
#ifndef CAIRN_PACKER_REDIRECTS_FILE_H
#define CAIRN_PACKER_REDIRECTS_FILE_H

#include "packer/site/rule_file.h"

struct query_condition {
    char *key;
    char *value;
    int capture; /* -1: the value has to be `value`; else any, captured under this number */
};

struct redirect_rule {
    uint32_t line;
    char *source; /* "from" as it is written */
    char *host;   /* a pattern; NULL: any */
    char *pattern;
    unsigned pattern_flags;
    struct query_condition *queries;
    size_t query_count;
    char *target; /* a template: a path with or without query, or a URL; NULL: none */
    unsigned status;
    bool is_forced;        /* wins over a file */
    bool is_fallback;      /* a whole subtree is rewritten to one page: for navigations only */
    bool target_has_query; /* else the request's is appended */
};

struct redirects_file {
    enum dialect dialect;
    struct redirect_rule *rules; /* in the order in which they are asked: the first match decides */
    size_t rule_count;
    size_t rule_capacity;
    struct rule_problems problems;
};

/* Reads the file; what cannot be used is in `problems`. redirects_file_fini() in any case. */
void redirects_file_parse(struct slice text, enum dialect dialect, struct redirects_file *out_file);
void redirects_file_fini(struct redirects_file *file);

#endif
