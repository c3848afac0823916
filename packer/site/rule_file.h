/* What `_headers` and `_redirects` have in common: lines, problems, and paths with wildcards that
 * become patterns (common/pattern.h). docs/packing.md, "Rules", says what the dialects mean. */
#ifndef CAIRN_PACKER_RULE_FILE_H
#define CAIRN_PACKER_RULE_FILE_H

#include "common/pattern.h"

enum dialect {
    DIALECT_NETLIFY,
    DIALECT_CLOUDFLARE,
};

struct rule_problem {
    uint32_t line;
    bool is_error; /* a rule that cannot be honoured, and must not be dropped in silence; else a
                      line that is not understood */
    char *text;    /* owned */
};

struct rule_problems {
    struct rule_problem *rows;
    size_t count;
    size_t capacity;
};

void rule_problem_add(struct rule_problems *problems, uint32_t line, bool is_error,
                      const char *format, ...) CAIRN_PRINTF(4, 5);
void rule_problems_fini(struct rule_problems *problems);

/* Takes the next line off *text, without its end and the white space around it; counts *line. False
 * at the end. A byte order mark is passed over. */
bool rule_next_line(struct slice *text, struct slice *out_line, uint32_t *line);

/* Takes the next run of bytes that are no white space off *line; empty at its end. */
struct slice rule_next_token(struct slice *line);

struct slice rule_trim(struct slice text);

/* The value of a hexadecimal digit, or -1. */
int rule_hex_digit(char byte);

/* Names of what a pattern captures, in order: "splat" for its '*'. */
struct rule_names {
    struct slice at[PATTERN_CAPTURES_MAX];
    unsigned count;
};

/* Compiles the path of a rule: percent-decoded, '*' and ':name' as operators. NULL with *why: a
 * static string that names the broken rule. The caller frees. */
char *rule_compile_path(struct slice path, enum dialect dialect, bool splat_anywhere,
                        struct rule_names *out_names, const char **why);

/* Compiles a text with ':name' and ':splat' to a template. Names that nothing captures stay as they
 * are. `encode`: bytes that cannot stand in a URL are percent-encoded. The caller frees. */
char *rule_compile_template(struct slice text, const struct rule_names *names, bool encode);

#endif
