#include "packer/archive/catalog_cache.h"

#include "common/mem.h"
#include "packer/archive/atomic_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define CACHE_MAGIC "CRNCACHE"

/* As in memory: read by the program that wrote it, on the machine that wrote it. */
struct cache_header {
    char magic[8];
    uint32_t version;
    uint32_t row_bytes[3]; /* sizes of the three kinds of rows: a layout that changed is no match */
    uint32_t row_counts[3];
    uint8_t uuid[UUID_BYTES];
    uint64_t committed_bytes;
    struct hash128 options_hash;
    uint64_t options_offset;
    uint64_t options_bytes;
    uint64_t damaged_count;
    uint64_t rows_checksum;
    uint64_t checksum; /* of the header before it */
};

enum { CACHE_VERSION = 1 };

static uint64_t header_checksum(const struct cache_header *header)
{
    return hash64(header, offsetof(struct cache_header, checksum), 0);
}

static uint64_t rows_bytes(const struct cache_header *header)
{
    uint64_t count = 0;
    for (size_t i = 0; i < ARRAY_COUNT(header->row_bytes); i++) {
        count += (uint64_t)header->row_bytes[i] * header->row_counts[i];
    }
    return count;
}

static bool read_all(int fd, void *bytes, size_t count)
{
    char *at = bytes;
    while (count > 0) {
        ssize_t got = read(fd, at, count);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got <= 0) {
            return false;
        }
        at += got;
        count -= (size_t)got;
    }
    return true;
}

static bool header_fits(const struct cache_header *header, const uint8_t uuid[UUID_BYTES],
                        uint64_t committed_bytes, uint64_t file_bytes)
{
    return memcmp(header->magic, CACHE_MAGIC, sizeof header->magic) == 0 &&
           header->version == CACHE_VERSION && header->checksum == header_checksum(header) &&
           header->row_bytes[0] == sizeof(struct content) &&
           header->row_bytes[1] == sizeof(struct variant) &&
           header->row_bytes[2] == sizeof(struct bound_path) &&
           memcmp(header->uuid, uuid, UUID_BYTES) == 0 &&
           header->committed_bytes == committed_bytes &&
           file_bytes == sizeof *header + rows_bytes(header);
}

/* Rows 1 .. count, into an array whose row 0 is unused. */
static void *take_rows(const uint8_t **at, uint32_t count, size_t row_bytes, size_t *out_capacity)
{
    *out_capacity = mem_capacity(0, (size_t)count + 2);
    uint8_t *rows = mem_resize(NULL, *out_capacity, row_bytes);
    memset(rows, 0, row_bytes);
    if (count > 0) {
        memcpy(rows + row_bytes, *at, count * row_bytes);
    }
    *at += count * row_bytes;
    return rows;
}

static bool load(int fd, const uint8_t uuid[UUID_BYTES], uint64_t committed_bytes,
                 struct catalog *catalog)
{
    struct stat status;
    struct cache_header header;
    if (fstat(fd, &status) != 0 || !S_ISREG(status.st_mode) ||
        !read_all(fd, &header, sizeof header) ||
        !header_fits(&header, uuid, committed_bytes, (uint64_t)status.st_size)) {
        return false;
    }
    size_t count = (size_t)rows_bytes(&header);
    uint8_t *bytes = mem_resize(NULL, count, 1);
    bool is_whole = read_all(fd, bytes, count) && hash64(bytes, count, 0) == header.rows_checksum;
    if (is_whole) {
        const uint8_t *at = bytes;
        *catalog = (struct catalog){
            .content_count = header.row_counts[0],
            .variant_count = header.row_counts[1],
            .path_count = header.row_counts[2],
            .options_hash = header.options_hash,
            .options_offset = header.options_offset,
            .options_bytes = header.options_bytes,
            .damaged_count = header.damaged_count,
        };
        catalog->contents = take_rows(&at, catalog->content_count, sizeof *catalog->contents,
                                      &catalog->content_capacity);
        catalog->variants = take_rows(&at, catalog->variant_count, sizeof *catalog->variants,
                                      &catalog->variant_capacity);
        catalog->paths =
            take_rows(&at, catalog->path_count, sizeof *catalog->paths, &catalog->path_capacity);
        catalog_index_rows(catalog);
    }
    free(bytes);
    return is_whole;
}

bool catalog_cache_load(const char *path, const uint8_t uuid[UUID_BYTES], uint64_t committed_bytes,
                        struct catalog *out_catalog)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) {
        return false;
    }
    bool is_loaded = load(fd, uuid, committed_bytes, out_catalog);
    close(fd);
    return is_loaded;
}

static uint8_t *put_rows(uint8_t *at, const void *rows, uint32_t count, size_t row_bytes)
{
    if (count > 0) {
        memcpy(at, (const uint8_t *)rows + row_bytes, count * row_bytes);
    }
    return at + count * row_bytes;
}

int catalog_cache_save(const char *path, const char *temporary_path, const uint8_t uuid[UUID_BYTES],
                       uint64_t committed_bytes, int64_t now_s, struct catalog *catalog,
                       struct error *error)
{
    for (uint32_t row = 1; row <= catalog->path_count; row++) {
        struct bound_path *bound = &catalog->paths[row];
        bound->has_state &= file_state_is_settled(&bound->state, now_s);
        bound->is_seen = false;
    }
    struct cache_header header;
    memset(&header, 0, sizeof header); /* its padding is written too */
    memcpy(header.magic, CACHE_MAGIC, sizeof header.magic);
    header.version = CACHE_VERSION;
    const uint32_t row_bytes[] = {sizeof(struct content), sizeof(struct variant),
                                  sizeof(struct bound_path)};
    const uint32_t counts[] = {catalog->content_count, catalog->variant_count, catalog->path_count};
    memcpy(header.row_bytes, row_bytes, sizeof row_bytes);
    memcpy(header.row_counts, counts, sizeof counts);
    memcpy(header.uuid, uuid, UUID_BYTES);
    header.committed_bytes = committed_bytes;
    header.options_hash = catalog->options_hash;
    header.options_offset = catalog->options_offset;
    header.options_bytes = catalog->options_bytes;
    header.damaged_count = catalog->damaged_count;
    size_t count = (size_t)rows_bytes(&header);
    uint8_t *bytes = mem_resize(NULL, sizeof header + count, 1);
    uint8_t *at = bytes + sizeof header;
    at = put_rows(at, catalog->contents, catalog->content_count, sizeof(struct content));
    at = put_rows(at, catalog->variants, catalog->variant_count, sizeof(struct variant));
    put_rows(at, catalog->paths, catalog->path_count, sizeof(struct bound_path));
    header.rows_checksum = hash64(bytes + sizeof header, count, 0);
    header.checksum = header_checksum(&header);
    memcpy(bytes, &header, sizeof header);
    int status = atomic_file_write(path, temporary_path, bytes, sizeof header + count, error);
    free(bytes);
    return status;
}
