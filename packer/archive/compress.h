/* Coded forms of contents: which contents are tried, what is spent, and which forms are worth
 * keeping. What each effort costs and saves: docs/performance.md. */
#ifndef CAIRN_PACKER_COMPRESS_H
#define CAIRN_PACKER_COMPRESS_H

#include "common/format.h"
#include "common/slice.h"

/* The name of a content coding (RFC 9110 §8.4.1); NULL for identity. */
const char *codec_token(enum codec codec);

enum compressibility {
    COMPRESS_NEVER,  /* coded already: images, sound, archives, woff2 */
    COMPRESS_PROBE,  /* may be anything: a sample decides */
    COMPRESS_ALWAYS, /* text, in a wide sense */
};

/* By media type, with or without parameters. */
enum compressibility compress_type(struct slice media_type);

/* Contents below this are not tried: a packet's worth is not saved. Above the other, neither: such
 * a file is a download, and making it would take memory of its size. */
enum { COMPRESS_BYTES_MIN = 256 };
#define COMPRESS_BYTES_MAX (UINT64_C(1) << 30)

/* Is a content of this length tried at all? */
bool compress_is_tried(enum compressibility compressibility, uint64_t count);

struct compressed {
    uint8_t *bytes; /* NULL: not worth it; else the caller frees */
    uint64_t count;
};

/* One thread's tools for one effort. */
struct compressor;
struct compressor *compressor_new(enum effort effort); /* not EFFORT_NONE */
void compressor_free(struct compressor *compressor);   /* takes NULL */

/* Makes the forms of a content that is tried, and keeps those that save a twentieth and 64 bytes at
 * least. out[CODEC_IDENTITY] is left empty. The same bytes and effort give the same forms. */
void compress_all(struct compressor *compressor, enum compressibility compressibility,
                  const uint8_t *bytes, uint64_t count, struct compressed out[CODEC_COUNT]);

/* Does a coded form decode to exactly these bytes? Bounded memory, whatever the form claims. */
bool compressed_decodes_to(enum codec codec, const uint8_t *coded, uint64_t coded_count,
                           const uint8_t *bytes, uint64_t count);

#endif
