/* A run of bytes that somebody else owns: a part of a connection's input buffer, of a mapped file,
 * of a literal. Not NUL-terminated. Valid as long as its owner is. */
#ifndef CAIRN_COMMON_SLICE_H
#define CAIRN_COMMON_SLICE_H

#include "common/compiler.h"

#include <stdbool.h>
#include <string.h>

struct slice {
    const char *bytes;
    size_t count;
};

/* A slice of a string literal. */
#define SLICE(literal) ((struct slice){(literal), sizeof(literal) - 1})

static inline struct slice slice_of_string(const char *string)
{
    return (struct slice){string, strlen(string)};
}

static inline bool slice_equal(struct slice a, struct slice b)
{
    return a.count == b.count && (a.count == 0 || memcmp(a.bytes, b.bytes, a.count) == 0);
}

/* Less than, equal to or greater than 0, by bytes; what begins another one stands before it. */
static inline int slice_compare(struct slice a, struct slice b)
{
    size_t shorter = a.count < b.count ? a.count : b.count;
    int order = shorter == 0 ? 0 : memcmp(a.bytes, b.bytes, shorter);
    return order != 0 ? order : (a.count > b.count) - (a.count < b.count);
}

/* The same for qsort() and bsearch() of slices. */
static inline int slice_order(const void *a, const void *b)
{
    return slice_compare(*(const struct slice *)a, *(const struct slice *)b);
}

static inline bool slice_starts_with(struct slice whole, struct slice start)
{
    return whole.count >= start.count && memcmp(whole.bytes, start.bytes, start.count) == 0;
}

static inline bool string_starts_with(const char *whole, const char *start)
{
    return strncmp(whole, start, strlen(start)) == 0;
}

/* What stands behind the first `count` bytes (all of it if there are fewer: an empty slice). */
static inline struct slice slice_after(struct slice whole, size_t count)
{
    if (count > whole.count) {
        count = whole.count;
    }
    return (struct slice){whole.bytes + count, whole.count - count};
}

/* Without the spaces and tabs around it: OWS (RFC 9110 §5.6.3). */
static inline struct slice slice_trim(struct slice text)
{
    while (text.count > 0 && (text.bytes[0] == ' ' || text.bytes[0] == '\t')) {
        text = slice_after(text, 1);
    }
    while (text.count > 0 &&
           (text.bytes[text.count - 1] == ' ' || text.bytes[text.count - 1] == '\t')) {
        text.count--;
    }
    return text;
}

/* Takes what stands before the first `separator`, or all of it, off *text, and the separator. */
static inline struct slice slice_take(struct slice *text, char separator)
{
    const char *end = text->count == 0 ? NULL : memchr(text->bytes, separator, text->count);
    size_t count = end == NULL ? text->count : (size_t)(end - text->bytes);
    struct slice part = {text->bytes, count};
    *text = slice_after(*text, count + 1);
    return part;
}

/* ASCII letters compare without case: field names (RFC 9110 §5.1), connection options. */
static inline bool slice_equal_ignoring_case(struct slice a, struct slice b)
{
    if (a.count != b.count) {
        return false;
    }
    for (size_t i = 0; i < a.count; i++) {
        unsigned char x = (unsigned char)a.bytes[i];
        unsigned char y = (unsigned char)b.bytes[i];
        unsigned char differing = x ^ y;
        bool is_letter = (unsigned char)((x | 0x20) - 'a') < 26;
        if (differing != 0 && !(differing == 0x20 && is_letter)) {
            return false;
        }
    }
    return true;
}

#endif
