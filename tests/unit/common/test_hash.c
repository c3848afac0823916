/* Fingerprints: known values, so that files of one machine are read on another, and streams. */
#include "common/hash.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void to_hex(const struct hash128 *hash, char out[33])
{
    for (size_t i = 0; i < HASH128_BYTES; i++) {
        snprintf(out + 2 * i, 3, "%02x", hash->bytes[i]);
    }
}

/* The same in every release since 0.8, and on every machine. */
static const struct {
    const char *text;
    const char *hex;
} known[] = {
    {"", "99aa06d3014798d86001c324468d497f"},
    {"a", "a96faf705af16834e6c632b61e964e1f"},
    {"abc", "06b05ab6733a618578af5f94892f3950"},
};

Test(hash, known_values_in_canonical_order)
{
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        struct hash128 hash = hash128(known[i].text, strlen(known[i].text));
        char hex[33];
        to_hex(&hash, hex);
        cr_expect(strcmp(hex, known[i].hex) == 0, "\"%s\": %s", known[i].text, hex);
    }
}

Test(hash, known_values_of_64_bits)
{
    cr_expect(hash64("", 0, 0) == UINT64_C(0x2d06800538d394c2));
    cr_expect(hash64("", 0, 1) != hash64("", 0, 0));
}

Test(hash, seeds_chain_and_keep_order)
{
    uint64_t ab = hash64("b", 1, hash64("a", 1, 0));
    uint64_t ba = hash64("a", 1, hash64("b", 1, 0));
    cr_expect(ab == hash64("b", 1, hash64("a", 1, 0)), "stable");
    cr_expect(ab != ba && ab != hash64("ab", 2, 0));
    cr_expect(hash64("", 0, hash64("a", 1, 0)) != hash64("a", 1, 0));
}

enum { BYTES = 5000 };

static uint8_t *pattern(void)
{
    uint8_t *bytes = malloc(BYTES);
    cr_assert(bytes != NULL);
    for (size_t i = 0; i < BYTES; i++) {
        bytes[i] = (uint8_t)(i * 131 >> 3);
    }
    return bytes;
}

static bool same(const struct hash128 *a, const struct hash128 *b)
{
    return memcmp(a->bytes, b->bytes, HASH128_BYTES) == 0;
}

Test(hash, stream_equals_one_shot_for_every_length)
{
    uint8_t *bytes = pattern();
    struct hash128_stream *stream = hash128_stream_new();
    for (size_t count = 0; count <= 1100; count++) {
        struct hash128 wanted = hash128(bytes, count);
        hash128_stream_restart(stream);
        hash128_stream_add(stream, bytes, count / 3);
        hash128_stream_add(stream, bytes + count / 3, count - count / 3);
        struct hash128 value = hash128_stream_value(stream);
        cr_expect(same(&value, &wanted), "%zu bytes", count);
    }
    hash128_stream_free(stream);
    free(bytes);
}

Test(hash, stream_takes_pieces_of_any_size)
{
    static const size_t pieces[] = {1, 7, 64, 255, 256, 257, 1024, 4999, BYTES};
    uint8_t *bytes = pattern();
    struct hash128 wanted = hash128(bytes, BYTES);
    for (size_t i = 0; i < sizeof pieces / sizeof pieces[0]; i++) {
        struct hash128_stream *stream = hash128_stream_new();
        for (size_t at = 0; at < BYTES; at += pieces[i]) {
            size_t count = BYTES - at < pieces[i] ? BYTES - at : pieces[i];
            hash128_stream_add(stream, bytes + at, count);
            hash128_stream_add(stream, bytes, 0);
        }
        struct hash128 value = hash128_stream_value(stream);
        struct hash128 again = hash128_stream_value(stream);
        cr_expect(same(&value, &wanted), "pieces of %zu", pieces[i]);
        cr_expect(same(&again, &wanted), "asking changes nothing");
        hash128_stream_free(stream);
    }
    free(bytes);
}

Test(hash, stream_of_nothing)
{
    struct hash128_stream *stream = hash128_stream_new();
    struct hash128 value = hash128_stream_value(stream);
    struct hash128 wanted = hash128("", 0);
    cr_expect(same(&value, &wanted));
    hash128_stream_free(stream);
    hash128_stream_free(NULL);
}

Test(hash, restart_forgets)
{
    struct hash128_stream *stream = hash128_stream_new();
    hash128_stream_add(stream, "abc", 3);
    hash128_stream_restart(stream);
    hash128_stream_add(stream, "a", 1);
    struct hash128 value = hash128_stream_value(stream);
    struct hash128 wanted = hash128("a", 1);
    cr_expect(same(&value, &wanted));
    hash128_stream_free(stream);
}
