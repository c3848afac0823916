/* Field lines as a head has them: "Name: value" and CRLF, one behind the other (RFC 9112 §5). What
 * comes out of an index is not known to be well-formed: the last line may be without its end.
 * Pure. */
#ifndef CAIRN_COMMON_FIELD_LINES_H
#define CAIRN_COMMON_FIELD_LINES_H

#include "common/slice.h"

/* Takes the first line, with its end if it has one, off *lines. */
static inline struct slice field_line_take(struct slice *lines)
{
    const char *end = lines->count == 0 ? NULL : memchr(lines->bytes, '\n', lines->count);
    size_t count = end == NULL ? lines->count : (size_t)(end - lines->bytes) + 1;
    struct slice line = {lines->bytes, count};
    *lines = slice_after(*lines, count);
    return line;
}

/* Does the line begin so: with a name and its colon, or with what several names begin with? */
static inline bool field_line_is(struct slice line, struct slice start)
{
    return line.count >= start.count &&
           slice_equal_ignoring_case((struct slice){line.bytes, start.count}, start);
}

/* What stands behind the first `start` bytes, without white space and the line's end. */
static inline struct slice field_line_value(struct slice line, size_t start)
{
    struct slice value = slice_after(line, start);
    while (value.count > 0 &&
           (value.bytes[value.count - 1] == '\n' || value.bytes[value.count - 1] == '\r')) {
        value.count--;
    }
    return slice_trim(value);
}

/* The value of the first line of a name ("Name:"); empty if there is none. */
static inline struct slice field_lines_value(struct slice lines, struct slice name)
{
    while (lines.count > 0) {
        struct slice line = field_line_take(&lines);
        if (field_line_is(line, name)) {
            return field_line_value(line, name.count);
        }
    }
    return (struct slice){"", 0};
}

#endif
