/* libcmph's half of a hash function: building. Apart from the reader, so that what only reads
 * indexes needs no libcmph. */
#include "common/error.h"
#include "common/mem.h"
#include "common/mphf.h"
#include "common/wire.h"

#include <cmph.h>
#include <stdlib.h>
#include <string.h>

enum { BUILD_SALTS_MAX = 64 }; /* each salt has libcmph's 15 seeds to try */

_Static_assert((int)MPHF_BDZ == (int)CMPH_BDZ, "libcmph numbers its algorithms as we store them");
_Static_assert((int)MPHF_JENKINS == (int)CMPH_HASH_JENKINS, "and its hash functions");

/* Vertices per key. Small sets need more room for a graph without cycles to be likely. */
static double graph_size(uint32_t count)
{
    if (count < 300) {
        return 2.0;
    }
    return count < 20000 ? 1.30 : 1.23;
}

static bool positions_are_distinct(const struct mphf *mphf, const struct hash128 *hashes,
                                   uint32_t count)
{
    uint8_t *seen = mem_zeroed(count / 8 + 1, 1);
    bool distinct = true;
    for (uint32_t i = 0; i < count && distinct; i++) {
        uint32_t position = mphf_find(mphf, &hashes[i]);
        uint8_t bit = (uint8_t)(1u << (position & 7));
        distinct = position < count && (seen[position / 8] & bit) == 0;
        if (distinct) {
            seen[position / 8] |= bit;
        }
    }
    free(seen);
    return distinct;
}

/* One attempt with one salt: the packed function, or NULL. */
static void *build_once(struct hash128 *keys, uint32_t count, size_t *out_bytes)
{
    void *packed = NULL;
    cmph_io_adapter_t *source =
        cmph_io_struct_vector_adapter(keys, sizeof *keys, 0, MPHF_KEY_BYTES, count);
    cmph_config_t *config = cmph_config_new(source);
    cmph_config_set_algo(config, CMPH_BDZ);
    cmph_config_set_graphsize(config, graph_size(count));
    cmph_config_set_b(config, MPHF_BLOCK_BITS);
    srand(1); /* libcmph draws its seeds from rand(): the same keys give the same function */
    cmph_t *function = cmph_new(config);
    cmph_config_destroy(config);
    cmph_io_struct_vector_adapter_destroy(source);
    if (function != NULL) {
        *out_bytes = cmph_packed_size(function);
        packed = mem_zeroed(*out_bytes, 1);
        cmph_pack(function, packed);
        cmph_destroy(function);
    }
    return packed;
}

/* libcmph counts a word more than it packs: the length that mphf_init() expects is the real one. */
static size_t real_bytes(const void *packed, size_t bytes)
{
    struct wire_reader reader = wire_reader(packed, bytes);
    wire_u64(&reader);
    wire_u32(&reader);
    uint64_t vertices = 3 * (uint64_t)wire_u32(&reader);
    return MPHF_FIXED_BYTES + 4 * (size_t)wire_u32(&reader) + (size_t)((vertices + 3) / 4);
}

int mphf_build(const struct hash128 *hashes, uint32_t count, void **out_packed, size_t *out_bytes,
               uint64_t *out_salt)
{
    if (count == 0) {
        *out_packed = NULL;
        *out_bytes = 0;
        *out_salt = 0;
        return 0;
    }
    if ((double)count * graph_size(count) > (double)(UINT32_MAX - 16)) {
        return ERR_LIMIT;
    }
    struct hash128 *keys = mem_zeroed(count, sizeof *keys);
    int status = ERR_FORMAT;
    for (uint64_t attempt = 0; attempt < BUILD_SALTS_MAX && status != 0; attempt++) {
        uint64_t salt = attempt * 0x9e3779b97f4a7c15ULL;
        for (uint32_t i = 0; i < count; i++) {
            mphf_key(&hashes[i], salt, keys[i].bytes);
        }
        size_t bytes = 0;
        void *packed = build_once(keys, count, &bytes);
        struct mphf mphf;
        const char *why;
        if (packed != NULL) {
            bytes = real_bytes(packed, bytes);
            if (mphf_init(packed, bytes, count, salt, &mphf, &why) == 0 &&
                positions_are_distinct(&mphf, hashes, count)) {
                *out_packed = packed;
                *out_bytes = bytes;
                *out_salt = salt;
                status = 0;
                continue;
            }
        }
        free(packed);
    }
    free(keys);
    return status;
}

uint32_t mphf_find_by_library(const void *packed, const struct hash128 *hash, uint64_t salt)
{
    uint8_t key[16];
    mphf_key(hash, salt, key);
    /* cmph_search_packed() takes a pointer to non-const but only reads. */
    void *function;
    memcpy(&function, &packed, sizeof function);
    return cmph_search_packed(function, (const char *)key, MPHF_KEY_BYTES);
}
