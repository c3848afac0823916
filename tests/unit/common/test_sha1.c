/* SHA-1: the examples of FIPS 180 and RFC 3174, one after another with the same object. */
#include "common/sha1.h"

#include <criterion/criterion.h>

static const struct {
    struct slice text;
    uint8_t digest[SHA1_BYTES];
} examples[] = {
    {{"abc", 3}, {0xa9, 0x99, 0x3e, 0x36, 0x47, 0x06, 0x81, 0x6a, 0xba, 0x3e,
                  0x25, 0x71, 0x78, 0x50, 0xc2, 0x6c, 0x9c, 0xd0, 0xd8, 0x9d}},
    {{"", 0}, {0xda, 0x39, 0xa3, 0xee, 0x5e, 0x6b, 0x4b, 0x0d, 0x32, 0x55,
               0xbf, 0xef, 0x95, 0x60, 0x18, 0x90, 0xaf, 0xd8, 0x07, 0x09}},
    {{"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq", 56},
     {0x84, 0x98, 0x3e, 0x44, 0x1c, 0x3b, 0xd2, 0x6e, 0xba, 0xae,
      0x4a, 0xa1, 0xf9, 0x51, 0x29, 0xe5, 0xe5, 0x46, 0x70, 0xf1}},
};

Test(sha1, examples)
{
    struct sha1 *sha1 = sha1_new();
    for (size_t round = 0; round < 2; round++) {
        for (size_t i = 0; i < ARRAY_COUNT(examples); i++) {
            uint8_t digest[SHA1_BYTES];
            sha1_digest(sha1, examples[i].text, digest);
            cr_expect_arr_eq(digest, examples[i].digest, SHA1_BYTES, "\"%s\"",
                             examples[i].text.bytes);
        }
    }
    sha1_free(sha1);
    sha1_free(NULL);
}
