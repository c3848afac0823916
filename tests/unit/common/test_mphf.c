/* The hash function of an index: perfect and minimal for its keys, the same as the library's, and
 * safe on any bytes. */
#include "common/mphf.h"

#include "common/error.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

static int compare_hashes(const void *a, const void *b)
{
    return memcmp(a, b, HASH128_BYTES);
}

/* Sorted hashes of "/0", "/1", ...; the caller frees. */
static struct hash128 *make_keys(uint32_t count)
{
    struct hash128 *keys = calloc(count + 1u, sizeof *keys);
    cr_assert(keys != NULL);
    for (uint32_t i = 0; i < count; i++) {
        keys[i] = hash128(&i, sizeof i);
    }
    qsort(keys, count, sizeof *keys, compare_hashes);
    return keys;
}

struct built {
    void *packed;
    size_t bytes;
    uint64_t salt;
};

static struct built build(const struct hash128 *keys, uint32_t count)
{
    struct built built = {NULL, 0, 0};
    int status = mphf_build(keys, count, &built.packed, &built.bytes, &built.salt);
    cr_assert(status == 0, "%u keys: %d", count, status);
    return built;
}

static void check_size(uint32_t count)
{
    struct hash128 *keys = make_keys(count);
    struct built built = build(keys, count);
    struct built again = build(keys, count);
    cr_expect(built.bytes == again.bytes && built.salt == again.salt, "%u keys", count);
    cr_expect(built.bytes == 0 || memcmp(built.packed, again.packed, built.bytes) == 0);
    struct mphf mphf;
    const char *why;
    int status = mphf_init(built.packed, built.bytes, count, built.salt, &mphf, &why);
    cr_assert(status == 0, "%u keys: %s", count, why);
    uint8_t *seen = calloc(count + 1u, 1);
    cr_assert(seen != NULL);
    for (uint32_t i = 0; i < count; i++) {
        uint32_t position = mphf_find(&mphf, &keys[i]);
        cr_assert(position < count && seen[position] == 0, "%u keys: key %u", count, i);
        seen[position] = 1;
        uint32_t library = mphf_find_by_library(built.packed, &keys[i], built.salt);
        cr_assert(position == library, "%u keys: %u, library %u", count, position, library);
    }
    free(seen);
    free(built.packed);
    free(again.packed);
    free(keys);
}

Test(mphf, no_key)
{
    check_size(0);
    struct mphf mphf;
    const char *why;
    cr_assert(mphf_init(NULL, 0, 0, 0, &mphf, &why) == 0);
    struct hash128 hash = hash128("/", 1);
    cr_expect(mphf_find(&mphf, &hash) == UINT32_MAX);
    cr_expect(mphf_init("x", 1, 0, 0, &mphf, &why) == ERR_FORMAT);
}

Test(mphf, every_size_to_1200)
{
    for (uint32_t count = 1; count <= 1200; count++) {
        check_size(count);
    }
}

Test(mphf, thirty_thousand_keys)
{
    check_size(30000);
}

Test(mphf, other_hashes_get_any_position_or_none)
{
    struct hash128 *keys = make_keys(500);
    struct built built = build(keys, 500);
    struct mphf mphf;
    const char *why;
    cr_assert(mphf_init(built.packed, built.bytes, 500, built.salt, &mphf, &why) == 0);
    for (uint32_t i = 1000000; i < 1020000; i++) {
        struct hash128 hash = hash128(&i, sizeof i);
        uint32_t position = mphf_find(&mphf, &hash);
        cr_assert(position < 500 || position == UINT32_MAX, "%u", position);
    }
    free(built.packed);
    free(keys);
}

Test(mphf, keys_that_are_the_same_cannot_be_told_apart)
{
    struct hash128 keys[2] = {hash128("/", 1), hash128("/", 1)};
    void *packed = NULL;
    size_t bytes = 0;
    uint64_t salt = 0;
    cr_expect(mphf_build(keys, 2, &packed, &bytes, &salt) == ERR_FORMAT);
    cr_expect(packed == NULL);
}

/* ---- bytes that are no function ---- */

enum { SMALL = 40 };

/* A copy in a block of exactly that size, so that a read behind it is found. */
static uint8_t *copy_bytes(const void *bytes, size_t count)
{
    uint8_t *copy = malloc(count > 0 ? count : 1);
    cr_assert(copy != NULL);
    memcpy(copy, bytes, count);
    return copy;
}

Test(mphf, refuses_every_truncation_and_extension)
{
    struct hash128 *keys = make_keys(SMALL);
    struct built built = build(keys, SMALL);
    uint8_t *longer = calloc(1, built.bytes + 64);
    cr_assert(longer != NULL);
    memcpy(longer, built.packed, built.bytes);
    for (size_t count = 0; count < built.bytes + 64; count++) {
        uint8_t *copy = copy_bytes(longer, count);
        struct mphf mphf;
        const char *why = NULL;
        int status = mphf_init(copy, count, SMALL, 0, &mphf, &why);
        cr_expect(status == (count == built.bytes ? 0 : ERR_FORMAT), "%zu: %d", count, status);
        cr_expect(status == 0 || why != NULL, "%zu", count);
        free(copy);
    }
    free(longer);
    free(built.packed);
    free(keys);
}

/* The words of the header: algorithm, hash, seed, vertices of a part, count of ranks. */
Test(mphf, refuses_extreme_header_fields)
{
    static const uint32_t extremes[] = {0,          1,          2,          0x55555555, 0x55555556,
                                        0x7fffffff, 0x80000000, 0xfffffffe, UINT32_MAX};
    enum { SEED_AT = 8 };
    struct hash128 *keys = make_keys(SMALL);
    struct built built = build(keys, SMALL);
    for (size_t at = 0; at < 20; at += 4) {
        for (size_t i = 0; i < ARRAY_COUNT(extremes); i++) {
            uint8_t *copy = copy_bytes(built.packed, built.bytes);
            bool is_same = memcmp(copy + at, &extremes[i], 4) == 0;
            memcpy(copy + at, &extremes[i], 4);
            struct mphf mphf;
            const char *why = NULL;
            int status = mphf_init(copy, built.bytes, SMALL, 0, &mphf, &why);
            int wanted = at == SEED_AT || is_same ? 0 : ERR_FORMAT;
            cr_expect(status == wanted, "word at %zu set to %u: %d", at, extremes[i], status);
            free(copy);
        }
    }
    free(built.packed);
    free(keys);
}

Test(mphf, refuses_key_counts_that_do_not_fit)
{
    struct hash128 *keys = make_keys(SMALL);
    struct built built = build(keys, SMALL);
    uint32_t part_vertices;
    memcpy(&part_vertices, (const uint8_t *)built.packed + 12, 4);
    struct mphf mphf;
    const char *why;
    cr_expect(mphf_init(built.packed, built.bytes, 3 * part_vertices, 0, &mphf, &why) == 0);
    cr_expect(mphf_init(built.packed, built.bytes, 3 * part_vertices + 1, 0, &mphf, &why) != 0);
    cr_expect(mphf_init(built.packed, built.bytes, UINT32_MAX, 0, &mphf, &why) == ERR_FORMAT);
    cr_expect(mphf_init(built.packed, built.bytes, 0, 0, &mphf, &why) == ERR_FORMAT);
    free(built.packed);
    free(keys);
}

Test(mphf, block_bits_must_fit_the_ranks)
{
    struct hash128 *keys = make_keys(SMALL);
    struct built built = build(keys, SMALL);
    uint32_t part_vertices, rank_count;
    memcpy(&part_vertices, (const uint8_t *)built.packed + 12, 4);
    memcpy(&rank_count, (const uint8_t *)built.packed + 16, 4);
    for (unsigned bits = 0; bits < 256; bits++) {
        uint8_t *copy = copy_bytes(built.packed, built.bytes);
        copy[20 + 4 * (size_t)rank_count] = (uint8_t)bits;
        struct mphf mphf;
        const char *why;
        uint64_t vertices = 3 * (uint64_t)part_vertices;
        bool fits =
            bits >= 3 && bits <= 10 && rank_count == (vertices + ((uint64_t)1 << bits) - 1) >> bits;
        int status = mphf_init(copy, built.bytes, SMALL, 0, &mphf, &why);
        cr_expect((status == 0) == fits, "b = %u: %d", bits, status);
        free(copy);
    }
    free(built.packed);
    free(keys);
}

/* ---- random damage ---- */

static uint64_t next_random(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

static bool mutate_and_search(const struct built *built, const struct hash128 *probes,
                              size_t probe_count, uint64_t *state)
{
    uint8_t *copy = copy_bytes(built->packed, built->bytes);
    for (uint64_t changes = 1 + next_random(state) % 4; changes > 0; changes--) {
        copy[next_random(state) % built->bytes] = (uint8_t)next_random(state);
    }
    uint32_t count = next_random(state) % 4 > 0 ? SMALL : (uint32_t)(next_random(state) % 100);
    struct mphf mphf;
    const char *why;
    bool is_accepted = mphf_init(copy, built->bytes, count, next_random(state), &mphf, &why) == 0;
    for (size_t i = 0; is_accepted && i < probe_count; i++) {
        uint32_t position = mphf_find(&mphf, &probes[i]);
        cr_assert(position < count || position == UINT32_MAX, "%u of %u", position, count);
    }
    free(copy);
    return is_accepted;
}

Test(mphf, random_damage_never_reads_outside)
{
    enum { ROUNDS = 20000, PROBES = 200 };
    struct hash128 *keys = make_keys(SMALL);
    struct hash128 *probes = make_keys(PROBES);
    struct built built = build(keys, SMALL);
    uint64_t state = 88172645463325252;
    size_t accepted = 0;
    for (size_t i = 0; i < ROUNDS; i++) {
        accepted += mutate_and_search(&built, probes, PROBES, &state);
    }
    cr_expect(accepted > ROUNDS / 20 && accepted < ROUNDS, "%zu accepted", accepted);
    free(built.packed);
    free(probes);
    free(keys);
}
