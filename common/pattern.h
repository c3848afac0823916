/* Patterns and templates of a site's rules, compiled by the packer and matched by the server. A
 * pattern is literal bytes with operators; a template literal bytes with references to what the
 * operators captured. Keys hold no control characters, so operators are bytes below 0x20. Pure
 * functions, no allocation, work bounded by the length of the path times that of the pattern.
 * docs/format.md, "Section 6: rules". */
#ifndef CAIRN_COMMON_PATTERN_H
#define CAIRN_COMMON_PATTERN_H

#include "common/slice.h"

enum pattern_operator {
    PATTERN_SPLAT = 1,       /* any bytes, '/' too, or none */
    PATTERN_PLACEHOLDER = 2, /* one or more bytes other than '/'; in a template: a capture's number
                                plus 0x20 follows */
    PATTERN_SUBTREE = 3,     /* nothing, or '/' and any bytes, of which the latter are captured */
};

enum pattern_flag {
    PATTERN_IGNORE_CASE = 1,    /* ASCII letters */
    PATTERN_OPTIONAL_SLASH = 2, /* one at the end of the path or of the pattern does not matter */
};

enum { PATTERN_CAPTURES_MAX = 16 };

struct pattern_captures {
    struct slice at[PATTERN_CAPTURES_MAX]; /* of the path, in the order of the operators */
    unsigned count;
};

/* Does the whole path match? Operators take as much as they can, the first ones first, as in a
 * regular expression. A pattern with more than PATTERN_CAPTURES_MAX operators matches nothing. */
bool pattern_matches(struct slice pattern, unsigned flags, struct slice path,
                     struct pattern_captures *out_captures);

/* Has it no operators? */
bool pattern_is_exact(struct slice pattern);

/* Writes a template with its captures in place. `encode`: captures are percent-encoded as parts of
 * a URL's path (path_encode()), behind a '?' as values of its query. Returns the length, SIZE_MAX
 * if it exceeds `capacity`. */
size_t pattern_expand(struct slice template, const struct pattern_captures *captures, bool encode,
                      char *buffer, size_t capacity);

#endif
