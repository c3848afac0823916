#include "common/mphf.h"

#include "common/error.h"
#include "common/wire.h"

#include <string.h>

enum { UNASSIGNED = 3 };

/* Bob Jenkins' 96-bit mix of 1996 (lookup2; burtleburtle.net/bob/hash/evahash.html, free for any
 * use), over the one final block that an 11-byte key is. */
static void jenkins(const uint8_t key[16], uint32_t seed, uint32_t out[3])
{
    uint32_t words[3];
    memcpy(words, key, sizeof words);
    uint32_t a = 0x9e3779b9u + words[0];
    uint32_t b = 0x9e3779b9u + words[1];
    /* the lowest byte of the third word holds the length */
    uint32_t c = seed + MPHF_KEY_BYTES + (words[2] << 8);
    static const struct {
        uint8_t right_a, left_b, right_c;
    } shifts[3] = {{13, 8, 13}, {12, 16, 5}, {3, 10, 15}};
    for (int round = 0; round < 3; round++) {
        a = (a - b - c) ^ (c >> shifts[round].right_a);
        b = (b - c - a) ^ (a << shifts[round].left_b);
        c = (c - a - b) ^ (b >> shifts[round].right_c);
    }
    out[0] = a;
    out[1] = b;
    out[2] = c;
}

static unsigned value_at(const uint8_t *values, uint32_t vertex)
{
    return (unsigned)(values[vertex >> 2] >> ((vertex & 3) * 2)) & 3u;
}

static uint32_t assigned_in_word(uint64_t word)
{
    const uint64_t low_bits = 0x5555555555555555ULL;
    uint64_t unassigned = word & (word >> 1) & low_bits;
    return 32u - (uint32_t)__builtin_popcountll(unassigned);
}

/* Of the `word`th 32 vertices at `at`, those before `left` without a value: a bit in every pair. */
static uint64_t unassigned_before(const uint8_t *at, unsigned word, uint32_t left)
{
    uint64_t pairs;
    memcpy(&pairs, at + 8 * (size_t)word, sizeof pairs);
    uint32_t first = 32 * word;
    uint32_t count = left <= first ? 0 : left - first;
    uint64_t mask = count >= 32 ? UINT64_MAX : (UINT64_C(1) << 2 * count) - 1;
    return pairs & (pairs >> 1) & UINT64_C(0x5555555555555555) & mask;
}

/* assigned_in_block() for the blocks that we build, without a loop whose length nobody can predict:
 * four words, their counts added up side by side. */
static uint32_t assigned_of_128(const uint8_t *at, uint32_t left)
{
    const uint64_t pairs = 0x3333333333333333ULL;
    uint64_t three = unassigned_before(at, 0, left) + unassigned_before(at, 1, left) +
                     unassigned_before(at, 2, left);
    uint64_t fourth = unassigned_before(at, 3, left);
    uint64_t nibbles =
        (three & pairs) + (three >> 2 & pairs) + (fourth & pairs) + (fourth >> 2 & pairs);
    const uint64_t low_nibbles = 0x0f0f0f0f0f0f0f0fULL;
    uint64_t bytes = (nibbles & low_nibbles) + (nibbles >> 4 & low_nibbles);
    return left - (uint32_t)(bytes * 0x0101010101010101ULL >> 56);
}

/* How many of the vertices before `vertex`, from the start of its block, have a value. */
static uint32_t assigned_in_block(const struct mphf *mphf, uint32_t vertex)
{
    uint32_t block_start = (vertex >> mphf->block_bits) << mphf->block_bits;
    const uint8_t *at = mphf->values + (block_start >> 2);
    uint32_t left = vertex - block_start;
    if (mphf->block_bits == MPHF_BLOCK_BITS && block_start < mphf->whole_blocks_end) {
        return assigned_of_128(at, left);
    }
    uint32_t count = 0;
    for (; left >= 32; left -= 32, at += 8) {
        uint64_t word;
        memcpy(&word, at, sizeof word);
        count += assigned_in_word(word);
    }
    for (uint32_t i = 0; i < left; i++) {
        count += value_at(at, i) != UNASSIGNED;
    }
    return count;
}

int mphf_init(const void *packed, size_t bytes, uint32_t key_count, uint64_t salt,
              struct mphf *out_mphf, const char **why)
{
    if (key_count == 0) {
        *why = "a hash function for no keys has to be absent";
        *out_mphf = (struct mphf){.salt = salt};
        return bytes == 0 ? 0 : ERR_FORMAT;
    }
    struct wire_reader reader = wire_reader(packed, bytes);
    uint32_t algorithm = wire_u32(&reader);
    uint32_t hash_kind = wire_u32(&reader);
    uint32_t seed = wire_u32(&reader);
    uint32_t part_vertices = wire_u32(&reader);
    uint32_t rank_count = wire_u32(&reader);
    *why = "the hash function is too short for its header";
    if (!wire_ok(&reader) || bytes < MPHF_FIXED_BYTES) {
        return ERR_FORMAT;
    }
    *why = "the hash function is of an unknown algorithm";
    if (algorithm != MPHF_BDZ || hash_kind != MPHF_JENKINS) {
        return ERR_FORMAT;
    }
    *why = "the hash function's graph does not fit its keys";
    uint64_t vertices = 3 * (uint64_t)part_vertices;
    if (part_vertices == 0 || vertices > UINT32_MAX || key_count > vertices) {
        return ERR_FORMAT;
    }
    *why = "the hash function's tables point outside its bytes";
    uint64_t values_bytes = (vertices + 3) / 4;
    if (bytes != MPHF_FIXED_BYTES + 4 * (uint64_t)rank_count + values_bytes) {
        return ERR_FORMAT;
    }
    const uint8_t *ranks = reader.at;
    uint8_t block_bits = ranks[4 * (size_t)rank_count];
    *why = "the hash function's rank table does not fit its graph";
    if (block_bits < 3 || block_bits > 10 ||
        rank_count != (vertices + (1u << block_bits) - 1) >> block_bits) {
        return ERR_FORMAT;
    }
    *out_mphf = (struct mphf){
        .ranks = ranks,
        .values = ranks + 4 * (size_t)rank_count + 1,
        .key_count = key_count,
        .seed = seed,
        .part_vertices = part_vertices,
        .whole_blocks_end = (uint32_t)(vertices & ~(uint64_t)((1 << MPHF_BLOCK_BITS) - 1)),
        .block_bits = block_bits,
        .part_inverse = UINT64_MAX / part_vertices + 1,
        .salt = salt,
    };
    return 0;
}

/* hash % part_vertices without a division (Lemire, Kaser, Kurz: Faster remainder by direct
 * computation, 2019): the fraction of the quotient, times the divisor. */
static uint32_t vertex_in_part(const struct mphf *mphf, uint32_t hash)
{
    uint64_t fraction = mphf->part_inverse * hash;
    return (uint32_t)((unsigned __int128)fraction * mphf->part_vertices >> 64);
}

uint32_t mphf_find(const struct mphf *mphf, const struct hash128 *hash)
{
    if (mphf->key_count == 0) {
        return UINT32_MAX;
    }
    uint8_t key[16];
    uint32_t vertices[3];
    mphf_key(hash, mphf->salt, key);
    jenkins(key, mphf->seed, vertices);
    unsigned sum = 0;
    for (uint32_t part = 0; part < 3; part++) {
        vertices[part] = vertex_in_part(mphf, vertices[part]) + part * mphf->part_vertices;
        sum += value_at(mphf->values, vertices[part]);
    }
    uint32_t vertex = vertices[sum % 3];
    uint32_t rank;
    memcpy(&rank, mphf->ranks + 4 * (size_t)(vertex >> mphf->block_bits), sizeof rank);
    rank += assigned_in_block(mphf, vertex);
    return rank < mphf->key_count ? rank : UINT32_MAX;
}
