#include "packer/archive/codec_zstd.h"

#include "common/mem.h"

#include <stdlib.h>
#include <string.h>
#include <zstd.h>

enum { WINDOW_LOG_MAX = 23 }; /* 8 MiB */

struct zstd_encoder {
    ZSTD_CCtx *context;
    int level;
};

struct zstd_encoder *zstd_encoder_new(int level)
{
    struct zstd_encoder *encoder = mem_zeroed(1, sizeof *encoder);
    encoder->context = ZSTD_createCCtx();
    encoder->level = level;
    if (encoder->context == NULL) {
        abort();
    }
    return encoder;
}

void zstd_encoder_free(struct zstd_encoder *encoder)
{
    if (encoder != NULL) {
        ZSTD_freeCCtx(encoder->context);
        free(encoder);
    }
}

size_t zstd_encode(struct zstd_encoder *encoder, const uint8_t *bytes, size_t count, uint8_t *out,
                   size_t capacity)
{
    ZSTD_CCtx_reset(encoder->context, ZSTD_reset_session_and_parameters);
    ZSTD_CCtx_setParameter(encoder->context, ZSTD_c_compressionLevel, encoder->level);
    if (count > (size_t)1 << WINDOW_LOG_MAX) {
        ZSTD_CCtx_setParameter(encoder->context, ZSTD_c_windowLog, WINDOW_LOG_MAX);
    }
    size_t coded = ZSTD_compress2(encoder->context, out, capacity, bytes, count);
    return ZSTD_isError(coded) ? 0 : coded;
}

bool zstd_decodes_to(const uint8_t *coded, size_t coded_count, const uint8_t *bytes, size_t count)
{
    ZSTD_DCtx *context = ZSTD_createDCtx();
    if (context == NULL) {
        abort();
    }
    ZSTD_DCtx_setParameter(context, ZSTD_d_windowLogMax, WINDOW_LOG_MAX);
    uint8_t piece[65536];
    ZSTD_inBuffer in = {coded, coded_count, 0};
    size_t done = 0;
    size_t result = 1; /* 0: at the end of a frame, and all of it was given out */
    bool is_same = coded_count > 0;
    while (is_same && (in.pos < in.size || result != 0)) {
        ZSTD_outBuffer out = {piece, sizeof piece, 0};
        size_t before = in.pos;
        result = ZSTD_decompressStream(context, &out, &in);
        is_same = !ZSTD_isError(result) && out.pos <= count - done &&
                  memcmp(piece, bytes + done, out.pos) == 0;
        done += is_same ? out.pos : 0;
        if (out.pos == 0 && in.pos == before && in.pos == in.size) {
            break; /* cut off */
        }
    }
    ZSTD_freeDCtx(context);
    return is_same && result == 0 && in.pos == in.size && done == count;
}

const char *zstd_library_version(void)
{
    return ZSTD_versionString();
}
