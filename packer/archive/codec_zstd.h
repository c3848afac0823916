/* Zstandard (RFC 8878) by libzstd. This is the one file that includes it. */
#ifndef CAIRN_PACKER_CODEC_ZSTD_H
#define CAIRN_PACKER_CODEC_ZSTD_H

#include "common/compiler.h"

#include <stdbool.h>
#include <stddef.h>

struct zstd_encoder;
struct zstd_encoder *zstd_encoder_new(int level);     /* 1 to 19 */
void zstd_encoder_free(struct zstd_encoder *encoder); /* takes NULL */

/* Writes one frame into `out`; returns its length, 0 if that exceeds `capacity`. Its window is at
 * most 8 MiB, which every decoder of the content coding supports (RFC 9659). */
size_t zstd_encode(struct zstd_encoder *encoder, const uint8_t *bytes, size_t count, uint8_t *out,
                   size_t capacity);

/* Do these frames, one or more and nothing else, decode to exactly these bytes? */
bool zstd_decodes_to(const uint8_t *coded, size_t coded_count, const uint8_t *bytes, size_t count);

/* Of the library that the program runs with. */
const char *zstd_library_version(void);

#endif
