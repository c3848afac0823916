/* The minimal perfect hash of an index: n keys to 0 .. n-1 without storing the keys, so any other
 * key gets some position too (or none) and the caller must compare. Built by libcmph's BDZ, stored
 * as cmph_pack() leaves it, read by our own bounds-checked reader, which keeps the validated header
 * apart from the mapping (docs/decisions.md, "Our own reader for libcmph's function").
 * mphf.c reads; mphf_build.c is the one file that includes libcmph. Reading is thread-safe;
 * building is not (rand()). */
#ifndef CAIRN_COMMON_MPHF_H
#define CAIRN_COMMON_MPHF_H

#include "common/compiler.h"
#include "common/hash.h"

#include <stdbool.h>
#include <string.h>

/* As libcmph packs a function of ours. */
enum {
    MPHF_KEY_BYTES = 11,   /* one round of Jenkins' hash */
    MPHF_BDZ = 5,          /* CMPH_BDZ */
    MPHF_JENKINS = 0,      /* CMPH_HASH_JENKINS */
    MPHF_FIXED_BYTES = 21, /* five words and one byte around the two arrays */
    MPHF_BLOCK_BITS = 7,   /* 128 vertices, 32 bytes of values, per rank */
};

/* A validated function over mapped bytes that the caller keeps alive. Zero keys: no bytes. */
struct mphf {
    const uint8_t *ranks;  /* uint32 little-endian, one per 2^block_bits vertices */
    const uint8_t *values; /* two bits per vertex */
    uint32_t key_count;
    uint32_t seed;
    uint32_t part_vertices;    /* `r`: vertices of each of the three parts */
    uint32_t whole_blocks_end; /* vertices of the blocks of our size that have all their bytes */
    uint8_t block_bits;        /* `b` */
    uint64_t part_inverse;     /* 2^64 / part_vertices, rounded up */
    uint64_t salt;             /* XORed into the hash before it becomes a key */
};

/* Validates a packed function of `bytes` for `key_count` keys. After 0 no look-up can read outside
 * the bytes, whatever is in them and even if they change. On failure ERR_FORMAT and *why is a
 * static string. The format is in docs/format.md, "Section 1: hash function". */
int mphf_init(const void *packed, size_t bytes, uint32_t key_count, uint64_t salt,
              struct mphf *out_mphf, const char **why) CAIRN_MUST_CHECK;

/* The position of a path's hash, below key_count; UINT32_MAX if the function shows that it is none
 * of its keys. For most keys that it was not built from, it returns a position all the same. */
uint32_t mphf_find(const struct mphf *mphf, const struct hash128 *hash);

/* What libcmph takes for the key of a hash: the first MPHF_KEY_BYTES bytes of the salted hash, each
 * with its top bit cleared. libcmph adds bytes up as plain `char`, whose sign differs between
 * machines; with seven bits there is no sign. */
static inline void mphf_key(const struct hash128 *hash, uint64_t salt, uint8_t key[16])
{
    const uint64_t low_seven = 0x7f7f7f7f7f7f7f7fULL;
    uint64_t words[2];
    memcpy(words, hash->bytes, sizeof words);
    words[0] = (words[0] ^ salt) & low_seven;
    words[1] = (words[1] ^ salt) & low_seven & 0xffffffULL;
    memcpy(key, words, sizeof words);
}

/* Builds the function for `count` hashes, sorted and without duplicates, and packs it. The result
 * is the same for the same hashes. The caller frees *out_packed. Sets the salt that it was built
 * with. ERR_LIMIT for more keys than BDZ can number (about 1.1e9). ERR_FORMAT if no seed or salt
 * worked, which means that two hashes agree in all 77 bits that are used. */
int mphf_build(const struct hash128 *hashes, uint32_t count, void **out_packed, size_t *out_bytes,
               uint64_t *out_salt) CAIRN_MUST_CHECK;

/* The same look-up by libcmph itself: for tests that hold our reader against it. */
uint32_t mphf_find_by_library(const void *packed, const struct hash128 *hash, uint64_t salt);

#endif
