/* XXH3, the only hash of paths, payloads and checksums (xxHash 0.8; not cryptographic: it finds
 * damage and duplicates, it does not stop a forger). This is the one file that includes xxhash. */
#ifndef CAIRN_COMMON_HASH_H
#define CAIRN_COMMON_HASH_H

#include "common/compiler.h"

enum { HASH128_BYTES = 16 };

/* XXH3-128, seed 0, in its canonical (big-endian) byte order: the same on every machine. */
struct hash128 {
    uint8_t bytes[HASH128_BYTES];
};

struct hash128 hash128(const void *bytes, size_t count);

/* XXH3-64 with a seed, as a number. Seeds chain: hash64(b, n, hash64(a, m, 0)). */
uint64_t hash64(const void *bytes, size_t count, uint64_t seed);

/* The same hash128 of bytes that arrive in pieces. One thread at a time. */
struct hash128_stream;
struct hash128_stream *hash128_stream_new(void);
void hash128_stream_restart(struct hash128_stream *stream);
void hash128_stream_add(struct hash128_stream *stream, const void *bytes, size_t count);
struct hash128 hash128_stream_value(const struct hash128_stream *stream);
void hash128_stream_free(struct hash128_stream *stream); /* takes NULL */

/* Of the library, as it was built in. */
const char *hash_library_version(void);

#endif
