#include "packer/site_index.h"

#include "common/http_date.h"
#include "common/path.h"
#include "packer/mime.h"

#include <inttypes.h>
#include <stdio.h>
#include <strings.h>

/* Every answer may be kept, and is asked about again before it is used: right for any file of a
 * site that changes, and cheap, since an unchanged one is a 304. */
static const char policy[] = "Accept-Ranges: bytes\r\nCache-Control: no-cache\r\n";

/* A redirect to a folder holds as long as the folder does. */
static const char redirect_entity[] = "Content-Length: 0\r\n";
static const char redirect_policy[] = "Cache-Control: no-cache\r\n";

enum {
    ETAG_BYTES = 24, /* 22 characters of base64url in quotes */
    HEAD_BYTES_MAX = 160,
};

/* A strong tag, a function of the bytes alone: the same on every host, after every pack
 * (RFC 9110 §8.8.3). base64url of the content's XXH3-128, RFC 4648 §5 without padding. */
static void put_etag(const struct hash128 *hash, char out[ETAG_BYTES])
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    uint32_t bits = 0;
    int bit_count = 0;
    char *at = out;
    *at++ = '"';
    for (size_t i = 0; i < HASH128_BYTES; i++) {
        bits = bits << 8 | hash->bytes[i];
        for (bit_count += 8; bit_count >= 6; bit_count -= 6) {
            *at++ = digits[bits >> (bit_count - 6) & 63];
        }
    }
    *at++ = digits[bits << (6 - bit_count) & 63];
    *at = '"';
}

/* ETag, Last-Modified, Content-Length. A time of 0 or 1 s is what containers and reproducible
 * builds set, and means nothing. Returns the length. */
static size_t put_head(const struct stored_file *file, char out[HEAD_BYTES_MAX],
                       size_t *out_validator_bytes)
{
    char etag[ETAG_BYTES];
    put_etag(&file->hash, etag);
    int count = snprintf(out, HEAD_BYTES_MAX, "ETag: %.*s\r\n", ETAG_BYTES, etag);
    if (file->modified_s > 1) {
        char date[HTTP_DATE_BYTES];
        http_date_format(file->modified_s, date);
        count += snprintf(out + count, HEAD_BYTES_MAX - (size_t)count, "Last-Modified: %.*s\r\n",
                          HTTP_DATE_BYTES, date);
    }
    *out_validator_bytes = (size_t)count;
    count += snprintf(out + count, HEAD_BYTES_MAX - (size_t)count,
                      "Content-Length: %" PRIu64 "\r\n", file->stored_bytes);
    return (size_t)count;
}

/* Content-Type, and for the one media type that is always a coded form, its coding. */
static size_t put_entity(const struct stored_file *file, char *out, size_t capacity)
{
    size_t name_bytes = strlen(file->name);
    const char *type = mime_type(file->name, name_bytes);
    bool is_svgz = name_bytes > 5 && strcasecmp(file->name + name_bytes - 5, ".svgz") == 0;
    return (size_t)snprintf(out, capacity, "Content-Type: %s\r\n%s", type,
                            is_svgz ? "Content-Encoding: gzip\r\n" : "");
}

static uint32_t put_file(struct index_writer *writer, struct slice path,
                         const struct stored_file *file)
{
    char entity[256];
    char head[HEAD_BYTES_MAX];
    size_t entity_bytes = put_entity(file, entity, sizeof entity);
    struct representation_input identity = {
        .payload_offset = file->payload_offset,
        .stored_bytes = file->stored_bytes,
        .codec = CODEC_IDENTITY,
        .shared_head =
            index_writer_head(writer, (struct slice){entity, entity_bytes}, SLICE(policy)),
        .etag_bytes = ETAG_BYTES,
    };
    identity.head = (struct slice){head, put_head(file, head, &identity.validator_bytes)};
    return index_writer_file(writer, path, 0, &identity, 1);
}

/* The folder of an index.html: its path with the slash is the page, without it a redirect. */
static void put_folder(struct index_writer *writer, struct slice folder, uint32_t page)
{
    index_writer_same_file(writer, folder, ENTRY_DERIVED, page);
    if (folder.count > 1) {
        char target[PATH_ENCODED_BYTES_MAX];
        uint32_t head = index_writer_head(writer, SLICE(redirect_entity), SLICE(redirect_policy));
        struct slice bare = {folder.bytes, folder.count - 1};
        index_writer_redirect(writer, bare, 301,
                              (struct slice){target, path_encode(folder, target)}, head);
    }
}

static void put_paths(struct index_writer *writer, const struct stored_file *file)
{
    static const char page_name[] = "/index.html";
    const size_t page_name_bytes = sizeof page_name - 1;
    char key[PATH_BYTES_MAX];
    size_t count = strlen(file->name) + 1;
    key[0] = '/';
    memcpy(key + 1, file->name, count - 1);
    struct slice path = {key, count};
    uint32_t number = put_file(writer, path, file);
    if (count >= page_name_bytes &&
        memcmp(key + count - page_name_bytes, page_name, page_name_bytes) == 0) {
        put_folder(writer, (struct slice){key, count - page_name_bytes + 1}, number);
    }
    if (slice_equal(path, SLICE("/404.html"))) {
        index_writer_not_found(writer, number);
    }
}

int site_index_build(const struct stored_file *files, size_t count,
                     const struct index_properties *properties, struct index_image *out_image,
                     struct error *error)
{
    struct index_writer *writer = index_writer_new();
    for (size_t i = 0; i < count; i++) {
        put_paths(writer, &files[i]);
    }
    int status = index_writer_finish(writer, properties, out_image, error);
    index_writer_free(writer);
    return status;
}
