/* What a response says of one representation and no other: ETag, Last-Modified, Content-Length.
 * They follow from the index, so they are written when they are needed instead of being stored for
 * each path. Pure functions. */
#ifndef CAIRN_COMMON_VALIDATORS_H
#define CAIRN_COMMON_VALIDATORS_H

#include "common/format.h"
#include "common/slice.h"

enum {
    ETAG_FIELD_BYTES = 6,  /* "ETag: " */
    ETAG_BYTES = 24,       /* 22 characters of base64url in quotes */
    VALIDATORS_BYTES = 80, /* "ETag: ..." and "Last-Modified: ...", each with CRLF */
    LENGTH_FIELD_BYTES_MAX = 40,
};

/* The strong entity tag of stored bytes with this SHA-256 (RFC 9110 §8.8.3): base64url (RFC 4648
 * §5, no padding) of its first 16 bytes, in quotes. A function of the bytes that are sent, so it is
 * the same on every host and after every pack, and another for each content coding. */
void etag_format(const uint8_t digest[DIGEST_BYTES], char out[ETAG_BYTES]);

/* "ETag: ...\r\n", and "Last-Modified: ...\r\n" unless modified_s is 0 or 1, which is what
 * containers and reproducible builds set and means nothing. Returns the length. */
size_t validators_format(const uint8_t digest[DIGEST_BYTES], int64_t modified_s,
                         char out[VALIDATORS_BYTES]);

/* "Content-Length: ...\r\n". Returns the length. */
size_t length_field_format(uint64_t bytes, char out[LENGTH_FIELD_BYTES_MAX]);

#endif
