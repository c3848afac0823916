/* Brotli (RFC 7932) by libbrotli. This is the one file that includes it. */
#ifndef CAIRN_PACKER_CODEC_BR_H
#define CAIRN_PACKER_CODEC_BR_H

#include "common/compiler.h"

#include <stdbool.h>
#include <stddef.h>

/* Writes one stream into `out`; returns its length, 0 if that exceeds `capacity`. `quality`: 0 to
 * 11. */
size_t br_encode(int quality, const uint8_t *bytes, size_t count, uint8_t *out, size_t capacity);

/* Does this stream, and nothing behind it, decode to exactly these bytes? */
bool br_decodes_to(const uint8_t *coded, size_t coded_count, const uint8_t *bytes, size_t count);

/* Of the library that the program runs with. */
const char *br_library_version(void);

#endif
