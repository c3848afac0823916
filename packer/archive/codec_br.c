#include "packer/archive/codec_br.h"

#include <brotli/decode.h>
#include <brotli/encode.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The smallest window that holds the content: decoders allocate by it. */
static int window_bits(size_t count)
{
    int bits = BROTLI_MIN_WINDOW_BITS;
    while (bits < BROTLI_MAX_WINDOW_BITS && ((size_t)1 << bits) - 16 < count) {
        bits++;
    }
    return bits;
}

size_t br_encode(int quality, const uint8_t *bytes, size_t count, uint8_t *out, size_t capacity)
{
    size_t coded = capacity;
    BROTLI_BOOL is_done = BrotliEncoderCompress(quality, window_bits(count), BROTLI_MODE_TEXT,
                                                count, bytes, &coded, out);
    return is_done == BROTLI_TRUE ? coded : 0;
}

bool br_decodes_to(const uint8_t *coded, size_t coded_count, const uint8_t *bytes, size_t count)
{
    BrotliDecoderState *state = BrotliDecoderCreateInstance(NULL, NULL, NULL);
    uint8_t piece[65536];
    size_t done = 0;
    BrotliDecoderResult result = BROTLI_DECODER_RESULT_NEEDS_MORE_OUTPUT;
    if (state == NULL) {
        abort();
    }
    bool is_same = true;
    while (is_same && result == BROTLI_DECODER_RESULT_NEEDS_MORE_OUTPUT) {
        uint8_t *out = piece;
        size_t left = sizeof piece;
        result = BrotliDecoderDecompressStream(state, &coded_count, &coded, &left, &out, NULL);
        size_t got = sizeof piece - left;
        is_same = got <= count - done && memcmp(piece, bytes + done, got) == 0;
        done += is_same ? got : 0;
    }
    BrotliDecoderDestroyInstance(state);
    return is_same && result == BROTLI_DECODER_RESULT_SUCCESS && coded_count == 0 && done == count;
}

const char *br_library_version(void)
{
    static char text[32];
    uint32_t version = BrotliEncoderVersion(); /* 8 bits, 12 bits, 12 bits */
    snprintf(text, sizeof text, "%u.%u.%u", version >> 24, version >> 12 & 0xfff, version & 0xfff);
    return text;
}
