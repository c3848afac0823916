#include "common/validators.h"

#include "common/http_date.h"

static const char base64url[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

void etag_format(const uint8_t digest[DIGEST_BYTES], char out[ETAG_BYTES])
{
    char *at = out;
    *at++ = '"';
    for (size_t i = 0; i < 15; i += 3) {
        uint32_t bits = (uint32_t)digest[i] << 16 | (uint32_t)digest[i + 1] << 8 | digest[i + 2];
        *at++ = base64url[bits >> 18];
        *at++ = base64url[bits >> 12 & 63];
        *at++ = base64url[bits >> 6 & 63];
        *at++ = base64url[bits & 63];
    }
    *at++ = base64url[digest[15] >> 2];
    *at++ = base64url[digest[15] << 4 & 63];
    *at = '"';
}

static char *put(char *at, const char *text, size_t count)
{
    memcpy(at, text, count);
    return at + count;
}

size_t validators_format(const uint8_t digest[DIGEST_BYTES], int64_t modified_s,
                         char out[VALIDATORS_BYTES])
{
    char *at = put(out, "ETag: ", ETAG_FIELD_BYTES);
    etag_format(digest, at);
    at = put(at + ETAG_BYTES, "\r\n", 2);
    if (modified_s > 1) {
        at = put(at, "Last-Modified: ", 15);
        http_date_format(modified_s, at);
        at = put(at + HTTP_DATE_BYTES, "\r\n", 2);
    }
    return (size_t)(at - out);
}

size_t length_field_format(uint64_t bytes, char out[LENGTH_FIELD_BYTES_MAX])
{
    enum { DIGITS_MAX = 20 };
    char digits[DIGITS_MAX];
    size_t first = DIGITS_MAX;
    do {
        digits[--first] = (char)('0' + bytes % 10);
        bytes /= 10;
    } while (bytes > 0);
    char *at = put(out, "Content-Length: ", 16);
    while (first < DIGITS_MAX) { /* a few: less than a call to copy them */
        *at++ = digits[first++];
    }
    at = put(at, "\r\n", 2);
    return (size_t)(at - out);
}
