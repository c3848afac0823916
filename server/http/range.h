/* Range (RFC 9110 §14): which bytes of a representation a client wants. Pure functions. */
#ifndef CAIRN_HTTP_RANGE_H
#define CAIRN_HTTP_RANGE_H

#include "common/slice.h"
#include "http/limits.h"

struct byte_range {
    uint64_t first;
    uint64_t bytes; /* more than 0 */
};

struct byte_ranges {
    size_t count;
    struct byte_range at[RANGES_MAX];
};

enum range_result {
    RANGE_NONE,        /* not for us, or malformed: the whole representation (§14.2) */
    RANGE_OUTSIDE,     /* none of them begins inside: 416 (§15.5.17) */
    RANGE_SATISFIABLE, /* at least one */
};

/* White space is allowed around members of the list. Reads the field's value for a representation
 * of `length` bytes. More than `count_max` ranges are RANGE_NONE (§17.15), and so is every range of
 * an empty representation. Ranges that overlap, or lie closer than RANGE_GAP_BYTES together, become
 * one, at the place of the first of them; the others keep their order (§15.3.7.2). *out_ranges is
 * whole only if the result is RANGE_SATISFIABLE. */
enum range_result range_parse(struct slice value, uint64_t length, size_t count_max,
                              struct byte_ranges *out_ranges);

#endif
