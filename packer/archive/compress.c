#include "packer/archive/compress.h"

#include "common/codec_gzip.h"
#include "common/mem.h"
#include "packer/archive/codec_br.h"
#include "packer/archive/codec_zstd.h"

#include <stdlib.h>

/* Levels: docs/performance.md, "Efforts", says what each costs and saves. */
static const struct {
    int gzip, br, zstd;
} levels[EFFORT_COUNT] = {
    [EFFORT_FAST] = {6, 7, 9},
    [EFFORT_DEFAULT] = {9, 10, 15},
    [EFFORT_MAX] = {12, 11, 19},
};

enum {
    PROBE_BYTES = 65536,
    SAVED_BYTES_MIN = 64, /* about what Content-Encoding and Vary add to a head */
    SAVED_PART_MIN = 20,  /* one in twenty */
};

const char *codec_token(enum codec codec)
{
    static const char *const tokens[CODEC_COUNT] = {
        [CODEC_GZIP] = "gzip",
        [CODEC_BR] = "br",
        [CODEC_ZSTD] = "zstd",
    };
    return tokens[codec];
}

static bool starts_with(struct slice text, const char *start)
{
    size_t count = strlen(start);
    return text.count >= count && slice_equal_ignoring_case((struct slice){text.bytes, count},
                                                            (struct slice){start, count});
}

static bool is_one_of(struct slice type, const char *const *names, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (slice_equal_ignoring_case(type, slice_of_string(names[i]))) {
            return true;
        }
    }
    return false;
}

enum compressibility compress_type(struct slice media_type)
{
    /* Of the kinds that are coded as a rule, those that are not. */
    static const char *const plain[] = {
        "image/svg+xml",
        "image/bmp",
        "image/x-icon",
        "image/vnd.microsoft.icon",
        "image/x-ms-bmp",
        "image/x-portable-pixmap",
        "audio/midi",
        "audio/wav",
        "audio/x-wav",
        "font/ttf",
        "font/otf",
        "font/collection",
        "application/vnd.ms-fontobject",
        "application/x-font-ttf",
    };
    /* Of the kinds that may be anything, those that are coded. */
    static const char *const coded[] = {
        "application/gzip",
        "application/zip",
        "application/zstd",
        "application/x-bzip2",
        "application/x-xz",
        "application/x-7z-compressed",
        "application/vnd.rar",
        "application/java-archive",
        "application/pdf",
        "application/epub+zip",
        "application/x-compressed-tar",
        "application/font-woff",
        "application/x-brotli",
        "application/x-lzma",
        "application/x-rar-compressed",
        "application/vnd.android.package-archive",
    };
    static const char *const text[] = {
        "application/javascript",   "application/json",          "application/xml",
        "application/wasm",         "application/manifest+json", "application/rtf",
        "application/sql",          "application/x-sh",          "application/postscript",
        "application/yaml",         "application/toml",          "application/x-ndjson",
        "application/x-javascript", "application/ecmascript",    "application/graphql",
    };
    const char *end =
        media_type.count == 0 ? NULL : memchr(media_type.bytes, ';', media_type.count);
    struct slice type = {media_type.bytes,
                         end == NULL ? media_type.count : (size_t)(end - media_type.bytes)};
    while (type.count > 0 && type.bytes[type.count - 1] == ' ') {
        type.count--;
    }
    bool is_suffixed = (type.count > 4 && memcmp(type.bytes + type.count - 4, "+xml", 4) == 0) ||
                       (type.count > 5 && memcmp(type.bytes + type.count - 5, "+json", 5) == 0);
    if (starts_with(type, "text/") || is_suffixed || is_one_of(type, text, ARRAY_COUNT(text)) ||
        is_one_of(type, plain, ARRAY_COUNT(plain))) {
        return COMPRESS_ALWAYS;
    }
    if (starts_with(type, "image/") || starts_with(type, "audio/") || starts_with(type, "video/") ||
        starts_with(type, "font/") || starts_with(type, "application/vnd.openxmlformats") ||
        starts_with(type, "application/vnd.oasis.opendocument") ||
        is_one_of(type, coded, ARRAY_COUNT(coded))) {
        return COMPRESS_NEVER;
    }
    return COMPRESS_PROBE;
}

bool compress_is_tried(enum compressibility compressibility, uint64_t count)
{
    return compressibility != COMPRESS_NEVER && count >= COMPRESS_BYTES_MIN &&
           count <= COMPRESS_BYTES_MAX;
}

struct compressor {
    enum effort effort;
    struct gzip_encoder *gzip;
    struct gzip_encoder *probe;
    struct zstd_encoder *zstd;
};

struct compressor *compressor_new(enum effort effort)
{
    struct compressor *compressor = mem_zeroed(1, sizeof *compressor);
    compressor->effort = effort;
    compressor->gzip = gzip_encoder_new(levels[effort].gzip);
    compressor->probe = gzip_encoder_new(1);
    compressor->zstd = zstd_encoder_new(levels[effort].zstd);
    return compressor;
}

void compressor_free(struct compressor *compressor)
{
    if (compressor != NULL) {
        gzip_encoder_free(compressor->gzip);
        gzip_encoder_free(compressor->probe);
        zstd_encoder_free(compressor->zstd);
        free(compressor);
    }
}

/* The longest form that is worth keeping. */
static size_t worth_bytes(uint64_t count)
{
    uint64_t saved = count / SAVED_PART_MIN;
    return (size_t)(count - (saved > SAVED_BYTES_MIN ? saved : SAVED_BYTES_MIN));
}

/* Is a sample from the middle, where headers and padding are not, worth it at the lowest level? */
static bool probe(struct compressor *compressor, const uint8_t *bytes, uint64_t count)
{
    size_t sample = count < PROBE_BYTES ? (size_t)count : PROBE_BYTES;
    uint8_t *out = mem_resize(NULL, sample, 1);
    size_t coded = gzip_encode(compressor->probe, bytes + (count - sample) / 2, sample, out,
                               worth_bytes(sample));
    free(out);
    return coded > 0;
}

static size_t encode(struct compressor *compressor, enum codec codec, const uint8_t *bytes,
                     size_t count, uint8_t *out, size_t capacity)
{
    switch (codec) {
    case CODEC_GZIP:
        return gzip_encode(compressor->gzip, bytes, count, out, capacity);
    case CODEC_BR:
        return br_encode(levels[compressor->effort].br, bytes, count, out, capacity);
    case CODEC_ZSTD:
        return zstd_encode(compressor->zstd, bytes, count, out, capacity);
    default:
        return 0;
    }
}

void compress_all(struct compressor *compressor, enum compressibility compressibility,
                  const uint8_t *bytes, uint64_t count, struct compressed out[CODEC_COUNT])
{
    memset(out, 0, CODEC_COUNT * sizeof *out);
    if (!compress_is_tried(compressibility, count) ||
        (compressibility == COMPRESS_PROBE && !probe(compressor, bytes, count))) {
        return;
    }
    size_t capacity = worth_bytes(count);
    uint8_t *buffer = mem_resize(NULL, capacity, 1);
    for (int codec = CODEC_IDENTITY + 1; codec < CODEC_COUNT; codec++) {
        size_t coded =
            encode(compressor, (enum codec)codec, bytes, (size_t)count, buffer, capacity);
        /* zstd is chosen for its size: browsers that have it have br too, so where it is not even
         * smaller than gzip it would only fill the archive. */
        if (coded == 0 || (codec == CODEC_ZSTD && out[CODEC_GZIP].bytes != NULL &&
                           coded >= out[CODEC_GZIP].count)) {
            continue;
        }
        out[codec].bytes = mem_resize(NULL, coded, 1);
        out[codec].count = coded;
        memcpy(out[codec].bytes, buffer, coded);
    }
    free(buffer);
}

bool compressed_decodes_to(enum codec codec, const uint8_t *coded, uint64_t coded_count,
                           const uint8_t *bytes, uint64_t count)
{
    switch (codec) {
    case CODEC_GZIP:
        return gzip_decodes_to(coded, (size_t)coded_count, bytes, (size_t)count);
    case CODEC_BR:
        return br_decodes_to(coded, (size_t)coded_count, bytes, (size_t)count);
    case CODEC_ZSTD:
        return zstd_decodes_to(coded, (size_t)coded_count, bytes, (size_t)count);
    default:
        return coded_count == count && (count == 0 || memcmp(coded, bytes, count) == 0);
    }
}
