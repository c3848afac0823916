/* SHA-256 (FIPS 180-4), by OpenSSL: the digest of every stored form, from which entity tags and
 * Repr-Digest follow. */
#ifndef CAIRN_COMMON_SHA256_H
#define CAIRN_COMMON_SHA256_H

#include "common/format.h"

#include <stddef.h>

struct sha256_stream;

/* One thread at a time; may be used for one digest after another. Never NULL. */
struct sha256_stream *sha256_stream_new(void);
void sha256_stream_restart(struct sha256_stream *stream);
void sha256_stream_add(struct sha256_stream *stream, const void *bytes, size_t count);
void sha256_stream_value(struct sha256_stream *stream, uint8_t out_digest[DIGEST_BYTES]);
void sha256_stream_free(struct sha256_stream *stream); /* takes NULL */

/* The digest of bytes in one piece, with a stream that is at hand. */
void sha256(struct sha256_stream *stream, const void *bytes, size_t count,
            uint8_t out_digest[DIGEST_BYTES]);

#endif
