/* The bytes of a token (RFC 9110 §5.6.2): methods, field names, names of extensions. */
#ifndef CAIRN_HTTP_TOKEN_H
#define CAIRN_HTTP_TOKEN_H

#include "common/slice.h"

extern const bool token_bytes[256];

static inline bool is_token_byte(unsigned char byte)
{
    return token_bytes[byte];
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

#endif
