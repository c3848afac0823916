/* What bytes may be part of: a token (RFC 9110 §5.6.2: methods, field names, names of extensions),
 * or, as they are, a reg-name (RFC 3986 §3.2.2: the name of a host); and lists of tokens. */
#ifndef CAIRN_HTTP_TOKEN_H
#define CAIRN_HTTP_TOKEN_H

#include "common/slice.h"

#include <stdint.h>

enum { TOKEN_BYTE = 1, REG_NAME_BYTE = 2 };

extern const uint8_t byte_classes[256];

static inline bool is_token_byte(unsigned char byte)
{
    return (byte_classes[byte] & TOKEN_BYTE) != 0;
}

/* An unreserved character or a sub-delimiter. */
static inline bool is_reg_name_byte(unsigned char byte)
{
    return (byte_classes[byte] & REG_NAME_BYTE) != 0;
}

/* One token byte at least, and nothing else. */
static inline bool is_token(struct slice text)
{
    for (size_t i = 0; i < text.count; i++) {
        if (!is_token_byte((unsigned char)text.bytes[i])) {
            return false;
        }
    }
    return text.count > 0;
}

/* Is `option` a member of a comma-separated list? Members compare without case. */
static inline bool list_has(struct slice list, struct slice option)
{
    while (list.count > 0) {
        const char *comma = memchr(list.bytes, ',', list.count);
        size_t count = comma == NULL ? list.count : (size_t)(comma - list.bytes);
        if (slice_equal_ignoring_case(slice_trim((struct slice){list.bytes, count}), option)) {
            return true;
        }
        list = slice_after(list, count + 1);
    }
    return false;
}

#endif
