/* Coded forms: what is tried, what is kept, and that it decodes to what it was. */
#include "packer/archive/compress.h"

#include "common/mem.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

/* Text as pages are: words that come again. */
static uint8_t *text_of(size_t count)
{
    static const char *const words[] = {"<p>", "stone ", "of the ", "cairn ", "</p>\n", "path "};
    uint8_t *text = mem_zeroed(count, 1);
    uint32_t state = 1;
    for (size_t at = 0; at < count;) {
        state = state * 1664525 + 1013904223;
        const char *word = words[(state >> 16) % ARRAY_COUNT(words)];
        for (; *word != '\0' && at < count; word++) {
            text[at++] = (uint8_t)*word;
        }
    }
    return text;
}

static uint8_t *noise_of(size_t count)
{
    uint8_t *noise = mem_zeroed(count, 1);
    uint64_t state = 88172645463325252;
    for (size_t i = 0; i < count; i++) {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        noise[i] = (uint8_t)(state >> 32);
    }
    return noise;
}

static void forms_free(struct compressed forms[CODEC_COUNT])
{
    for (int codec = 0; codec < CODEC_COUNT; codec++) {
        free(forms[codec].bytes);
    }
}

Test(compress, forms_decode_to_the_content)
{
    static const size_t counts[] = {300, 5000, 70000, 3000000};
    for (int effort = EFFORT_FAST; effort <= EFFORT_DEFAULT; effort++) {
        struct compressor *compressor = compressor_new((enum effort)effort);
        for (size_t i = 0; i < ARRAY_COUNT(counts); i++) {
            uint8_t *text = text_of(counts[i]);
            struct compressed forms[CODEC_COUNT], again[CODEC_COUNT];
            compress_all(compressor, COMPRESS_ALWAYS, text, counts[i], forms);
            compress_all(compressor, COMPRESS_ALWAYS, text, counts[i], again);
            cr_expect(forms[CODEC_IDENTITY].bytes == NULL);
            cr_expect(forms[CODEC_GZIP].bytes != NULL && forms[CODEC_BR].bytes != NULL);
            for (int codec = CODEC_GZIP; codec < CODEC_COUNT; codec++) {
                const struct compressed *form = &forms[codec];
                cr_expect(form->count == again[codec].count);
                if (form->bytes == NULL) {
                    continue;
                }
                cr_expect(form->count < counts[i] - counts[i] / 20);
                cr_expect(memcmp(form->bytes, again[codec].bytes, form->count) == 0,
                          "the same bytes, the same form");
                cr_expect(compressed_decodes_to((enum codec)codec, form->bytes, form->count, text,
                                                counts[i]));
            }
            forms_free(forms);
            forms_free(again);
            free(text);
        }
        compressor_free(compressor);
    }
}

/* A form that was tampered with, cut, or has something behind it decodes to something else. */
Test(compress, other_forms_do_not)
{
    enum { COUNT = 20000 };
    uint8_t *text = text_of(COUNT);
    struct compressed forms[CODEC_COUNT];
    struct compressor *compressor = compressor_new(EFFORT_FAST);
    compress_all(compressor, COMPRESS_ALWAYS, text, COUNT, forms);
    for (int codec = CODEC_GZIP; codec < CODEC_COUNT; codec++) {
        const struct compressed *form = &forms[codec];
        cr_assert(form->bytes != NULL, "codec %d", codec);
        uint8_t *copy = mem_zeroed(form->count + 1, 1);
        memcpy(copy, form->bytes, form->count);
        enum codec as = (enum codec)codec;
        cr_expect(!compressed_decodes_to(as, copy, form->count + 1, text, COUNT), "a byte more");
        cr_expect(!compressed_decodes_to(as, copy, form->count - 1, text, COUNT), "a byte less");
        cr_expect(!compressed_decodes_to(as, copy, 0, text, COUNT), "nothing");
        cr_expect(!compressed_decodes_to(as, copy, form->count, text, COUNT - 1), "a shorter one");
        text[COUNT / 2] ^= 1;
        cr_expect(!compressed_decodes_to(as, copy, form->count, text, COUNT), "another one");
        text[COUNT / 2] ^= 1;
        copy[form->count / 2] ^= 0x40;
        cr_expect(!compressed_decodes_to(as, copy, form->count, text, COUNT), "a flipped bit");
        free(copy);
    }
    cr_expect(compressed_decodes_to(CODEC_IDENTITY, text, COUNT, text, COUNT));
    cr_expect(!compressed_decodes_to(CODEC_GZIP, text, COUNT, text, COUNT));
    forms_free(forms);
    compressor_free(compressor);
    free(text);
}

/* Members one behind the other are one gzip file (RFC 1952 §2.2); so are zstd frames. */
Test(compress, several_members)
{
    enum { COUNT = 20000 };
    uint8_t *text = text_of(COUNT);
    struct compressed forms[CODEC_COUNT];
    struct compressor *compressor = compressor_new(EFFORT_FAST);
    compress_all(compressor, COMPRESS_ALWAYS, text, COUNT, forms);
    uint8_t *twice = mem_zeroed(2, COUNT);
    memcpy(twice, text, COUNT);
    memcpy(twice + COUNT, text, COUNT);
    static const enum codec codecs[] = {CODEC_GZIP, CODEC_ZSTD};
    for (size_t i = 0; i < ARRAY_COUNT(codecs); i++) {
        const struct compressed *form = &forms[codecs[i]];
        cr_assert(form->bytes != NULL);
        uint8_t *both = mem_zeroed(2, form->count);
        memcpy(both, form->bytes, form->count);
        memcpy(both + form->count, form->bytes, form->count);
        cr_expect(
            compressed_decodes_to(codecs[i], both, 2 * form->count, twice, (uint64_t)2 * COUNT));
        free(both);
    }
    forms_free(forms);
    compressor_free(compressor);
    free(twice);
    free(text);
}

Test(compress, what_is_not_worth_it)
{
    enum { COUNT = 100000 };
    uint8_t *noise = noise_of(COUNT);
    uint8_t *text = text_of(COUNT);
    struct compressor *compressor = compressor_new(EFFORT_FAST);
    const struct {
        enum compressibility compressibility;
        const uint8_t *bytes;
        size_t count;
        bool is_kept;
    } rows[] = {
        {COMPRESS_ALWAYS, noise, COUNT, false},
        {COMPRESS_PROBE, noise, COUNT, false},
        {COMPRESS_PROBE, text, COUNT, true},
        {COMPRESS_NEVER, text, COUNT, false},
        {COMPRESS_ALWAYS, text, COMPRESS_BYTES_MIN - 1, false},
        {COMPRESS_ALWAYS, text, 0, false},
    };
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        struct compressed forms[CODEC_COUNT];
        compress_all(compressor, rows[i].compressibility, rows[i].bytes, rows[i].count, forms);
        for (int codec = CODEC_GZIP; codec <= CODEC_BR; codec++) {
            cr_expect((forms[codec].bytes != NULL) == rows[i].is_kept, "row %zu, %d", i, codec);
        }
        forms_free(forms);
    }
    compressor_free(compressor);
    free(noise);
    free(text);
}

Test(compress, types)
{
    static const struct {
        const char *type;
        enum compressibility wanted;
    } rows[] = {
        {"text/html; charset=utf-8", COMPRESS_ALWAYS},
        {"text/javascript;charset=utf-8", COMPRESS_ALWAYS},
        {"TEXT/CSS", COMPRESS_ALWAYS},
        {"application/json", COMPRESS_ALWAYS},
        {"application/manifest+json", COMPRESS_ALWAYS},
        {"application/atom+xml", COMPRESS_ALWAYS},
        {"application/wasm", COMPRESS_ALWAYS},
        {"image/svg+xml", COMPRESS_ALWAYS},
        {"image/vnd.microsoft.icon", COMPRESS_ALWAYS},
        {"font/ttf", COMPRESS_ALWAYS},
        {"font/woff2", COMPRESS_NEVER},
        {"image/png", COMPRESS_NEVER},
        {"image/avif", COMPRESS_NEVER},
        {"video/mp4", COMPRESS_NEVER},
        {"audio/mpeg", COMPRESS_NEVER},
        {"application/gzip", COMPRESS_NEVER},
        {"application/zip", COMPRESS_NEVER},
        {"application/pdf", COMPRESS_NEVER},
        {"application/octet-stream", COMPRESS_PROBE},
        {"model/gltf-binary", COMPRESS_PROBE},
        {"", COMPRESS_PROBE},
    };
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        cr_expect(compress_type(slice_of_string(rows[i].type)) == rows[i].wanted, "%s",
                  rows[i].type);
    }
    cr_expect(codec_token(CODEC_IDENTITY) == NULL);
    cr_expect(strcmp(codec_token(CODEC_BR), "br") == 0);
    cr_expect(!compress_is_tried(COMPRESS_ALWAYS, COMPRESS_BYTES_MAX + 1));
}
