/* Tag, time and length as field lines. */
#include "common/validators.h"

#include <criterion/criterion.h>

/* base64url: 22 characters, the last of which holds two bits; every bit of sixteen bytes counts. */
Test(validators, tags_tell_digests_apart)
{
    static const char alphabet[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    for (int bit = -1; bit < 256; bit++) {
        uint8_t digest[DIGEST_BYTES] = {0};
        char wanted[] = "\"AAAAAAAAAAAAAAAAAAAAAA\"";
        char etag[ETAG_BYTES];
        if (bit >= 0) {
            digest[bit / 8] = (uint8_t)(0x80u >> (bit % 8));
        }
        if (bit >= 0 && bit < 128) {
            wanted[1 + bit / 6] = alphabet[32 >> (bit % 6)];
        }
        etag_format(digest, etag);
        cr_expect(memcmp(etag, wanted, ETAG_BYTES) == 0, "bit %d: %.24s", bit, etag);
    }
    uint8_t ones[DIGEST_BYTES];
    char etag[ETAG_BYTES];
    memset(ones, 0xff, sizeof ones);
    etag_format(ones, etag);
    cr_expect(memcmp(etag, "\"_____________________w\"", ETAG_BYTES) == 0, "%.24s", etag);
}

#define ETAG "ETag: \"AAAAAAAAAAAAAAAAAAAAAA\"\r\n"

Test(validators, fields)
{
    static const struct {
        int64_t modified_s;
        const char *text;
    } rows[] = {
        {0, ETAG},
        {1, ETAG}, /* what reproducible builds and containers set means nothing */
        {-5, ETAG},
        {2, ETAG "Last-Modified: Thu, 01 Jan 1970 00:00:02 GMT\r\n"},
        {784111777, ETAG "Last-Modified: Sun, 06 Nov 1994 08:49:37 GMT\r\n"},
        {253402300799, ETAG "Last-Modified: Fri, 31 Dec 9999 23:59:59 GMT\r\n"},
    };
    static const uint8_t digest[DIGEST_BYTES];
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        char text[VALIDATORS_BYTES + 1] = "";
        size_t count = validators_format(digest, rows[i].modified_s, text);
        cr_expect(count == strlen(rows[i].text) && memcmp(text, rows[i].text, count) == 0,
                  "row %zu: %s", i, text);
    }
}

Test(validators, length)
{
    static const struct {
        uint64_t bytes;
        const char *text;
    } rows[] = {
        {0, "Content-Length: 0\r\n"},
        {9, "Content-Length: 9\r\n"},
        {10, "Content-Length: 10\r\n"},
        {4700000003, "Content-Length: 4700000003\r\n"},
        {UINT64_MAX, "Content-Length: 18446744073709551615\r\n"},
    };
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        char text[LENGTH_FIELD_BYTES_MAX + 1] = "";
        size_t count = length_field_format(rows[i].bytes, text);
        cr_expect(count == strlen(rows[i].text) && memcmp(text, rows[i].text, count) == 0, "%s",
                  text);
    }
}
