/* gzip (RFC 1952) by libdeflate. This is the one file that includes it. */
#ifndef CAIRN_COMMON_CODEC_GZIP_H
#define CAIRN_COMMON_CODEC_GZIP_H

#include "common/compiler.h"

#include <stdbool.h>
#include <stddef.h>

struct gzip_encoder;
struct gzip_encoder *gzip_encoder_new(int level);     /* 1 to 12 */
void gzip_encoder_free(struct gzip_encoder *encoder); /* takes NULL */

/* Writes one member into `out`; returns its length, 0 if that exceeds `capacity`. */
size_t gzip_encode(struct gzip_encoder *encoder, const uint8_t *bytes, size_t count, uint8_t *out,
                   size_t capacity);

/* Do these members, one or more and nothing else, decode to exactly these bytes? */
bool gzip_decodes_to(const uint8_t *coded, size_t coded_count, const uint8_t *bytes, size_t count);

/* Of the library that the program was built with: it does not say more. */
const char *gzip_library_version(void);

#endif
