#include "common/codec_gzip.h"

#include "common/mem.h"

#include <libdeflate.h>
#include <stdlib.h>
#include <string.h>

struct gzip_encoder {
    struct libdeflate_compressor *compressor;
};

struct gzip_encoder *gzip_encoder_new(int level)
{
    struct gzip_encoder *encoder = mem_zeroed(1, sizeof *encoder);
    encoder->compressor = libdeflate_alloc_compressor(level);
    if (encoder->compressor == NULL) {
        abort();
    }
    return encoder;
}

void gzip_encoder_free(struct gzip_encoder *encoder)
{
    if (encoder != NULL) {
        libdeflate_free_compressor(encoder->compressor);
        free(encoder);
    }
}

size_t gzip_encode(struct gzip_encoder *encoder, const uint8_t *bytes, size_t count, uint8_t *out,
                   size_t capacity)
{
    return libdeflate_gzip_compress(encoder->compressor, bytes, count, out, capacity);
}

bool gzip_decodes_to(const uint8_t *coded, size_t coded_count, const uint8_t *bytes, size_t count)
{
    struct libdeflate_decompressor *decompressor = libdeflate_alloc_decompressor();
    uint8_t *out = mem_resize(NULL, count, 1);
    if (decompressor == NULL) {
        abort();
    }
    bool is_same = coded_count > 0;
    size_t done = 0;
    while (is_same && coded_count > 0) {
        size_t used = 0;
        size_t got = 0;
        enum libdeflate_result result = libdeflate_gzip_decompress_ex(
            decompressor, coded, coded_count, out, count - done, &used, &got);
        is_same = result == LIBDEFLATE_SUCCESS && (got == 0 || memcmp(out, bytes + done, got) == 0);
        done += got;
        coded += used;
        coded_count -= used;
    }
    free(out);
    libdeflate_free_decompressor(decompressor);
    return is_same && done == count;
}

const char *gzip_library_version(void)
{
    return LIBDEFLATE_VERSION_STRING;
}
