#include "common/hash.h"

#include "common/mem.h"

#include <stdio.h>
#include <stdlib.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

_Static_assert(sizeof(XXH128_canonical_t) == sizeof(struct hash128), "canonical form is 16 bytes");

struct hash128_stream {
    XXH3_state_t state; /* aligned to 64 bytes */
};

static struct hash128 canonical(XXH128_hash_t value)
{
    XXH128_canonical_t bytes;
    XXH128_canonicalFromHash(&bytes, value);
    struct hash128 hash;
    memcpy(hash.bytes, bytes.digest, sizeof hash.bytes);
    return hash;
}

struct hash128 hash128(const void *bytes, size_t count)
{
    return canonical(XXH3_128bits(bytes, count));
}

uint64_t hash64(const void *bytes, size_t count, uint64_t seed)
{
    return XXH3_64bits_withSeed(bytes, count, seed);
}

struct hash128_stream *hash128_stream_new(void)
{
    struct hash128_stream *stream = mem_aligned(_Alignof(struct hash128_stream), sizeof *stream);
    hash128_stream_restart(stream);
    return stream;
}

void hash128_stream_restart(struct hash128_stream *stream)
{
    XXH3_128bits_reset(&stream->state);
}

void hash128_stream_add(struct hash128_stream *stream, const void *bytes, size_t count)
{
    XXH3_128bits_update(&stream->state, bytes, count);
}

struct hash128 hash128_stream_value(const struct hash128_stream *stream)
{
    return canonical(XXH3_128bits_digest(&stream->state));
}

void hash128_stream_free(struct hash128_stream *stream)
{
    free(stream);
}

const char *hash_library_version(void)
{
    static char text[32];
    unsigned version = XXH_versionNumber();
    snprintf(text, sizeof text, "%u.%u.%u", version / 10000, version / 100 % 100, version % 100);
    return text;
}
