#include "packer/content_store.h"

#include "common/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

/* A file up to this size is read once, into memory; a larger one once for its hash and, if the
 * archive does not have it, once more for its bytes. */
enum { BUFFER_BYTES = 8 << 20 };

/* A file that is being read: what it was when it was opened. */
struct source {
    int fd;
    char *path;
    struct stat before;
    uint64_t bytes;
};

void content_store_init(struct content_store *store, struct archive_writer *writer,
                        int64_t created_s)
{
    *store = (struct content_store){
        .writer = writer,
        .created_s = created_s,
        .buffer = mem_zeroed(BUFFER_BYTES, 1),
        .stream = hash128_stream_new(),
    };
    catalog_init(&store->catalog, writer->reader, writer->has_commit ? &writer->last_commit : NULL);
}

void content_store_fini(struct content_store *store)
{
    catalog_fini(&store->catalog);
    hash128_stream_free(store->stream);
    free(store->buffer);
    *store = (struct content_store){0};
}

static bool is_same_state(const struct stat *a, const struct stat *b)
{
    return a->st_dev == b->st_dev && a->st_ino == b->st_ino && a->st_size == b->st_size &&
           a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec &&
           a->st_ctim.tv_sec == b->st_ctim.tv_sec && a->st_ctim.tv_nsec == b->st_ctim.tv_nsec;
}

static int changed(const struct source *source, struct error *error)
{
    return error_set(error, ERR_CHANGED, "%s: it changed while it was packed", source->path);
}

static int source_open(const char *root, const struct walk_file *file, struct source *source,
                       struct error *error)
{
    source->path = mem_format("%s/%s", root, file->name);
    source->fd = open(source->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (source->fd < 0 || fstat(source->fd, &source->before) != 0) {
        return error_set(error, -errno, "%s: %s", source->path, strerror(errno));
    }
    if (!is_same_state(&source->before, &file->status)) {
        return changed(source, error);
    }
    source->bytes = (uint64_t)source->before.st_size;
    return 0;
}

static void source_close(struct source *source)
{
    if (source->fd >= 0) {
        close(source->fd);
    }
    free(source->path);
}

/* Fills `buffer` with exactly `count` bytes from `offset`. */
static int source_read(const struct source *source, uint64_t offset, uint8_t *buffer, size_t count,
                       struct error *error)
{
    while (count > 0) {
        ssize_t got = pread(source->fd, buffer, count, (off_t)offset);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got < 0) {
            return error_set(error, -errno, "%s: %s", source->path, strerror(errno));
        }
        if (got == 0) {
            return changed(source, error); /* shorter than it was */
        }
        buffer += got;
        offset += (uint64_t)got;
        count -= (size_t)got;
    }
    return 0;
}

/* Nobody wrote to it since it was opened. */
static int source_check(const struct source *source, struct error *error)
{
    struct stat after;
    if (fstat(source->fd, &after) != 0) {
        return error_set(error, -errno, "%s: %s", source->path, strerror(errno));
    }
    return is_same_state(&source->before, &after) ? 0 : changed(source, error);
}

static size_t piece_bytes(const struct source *source, uint64_t offset)
{
    uint64_t left = source->bytes - offset;
    return left < BUFFER_BYTES ? (size_t)left : BUFFER_BYTES;
}

/* The hash of all its bytes. Afterwards the buffer holds the first piece of them: all, if small. */
static int hash_source(struct content_store *store, const struct source *source,
                       struct hash128 *out_hash, struct error *error)
{
    hash128_stream_restart(store->stream);
    uint64_t offset = 0;
    while (offset < source->bytes) {
        size_t count = piece_bytes(source, offset);
        int status = source_read(source, offset, store->buffer, count, error);
        if (status != 0) {
            return status;
        }
        hash128_stream_add(store->stream, store->buffer, count);
        offset += count;
    }
    *out_hash = hash128_stream_value(store->stream);
    return 0;
}

/* Bytes [offset, offset + count) in the buffer: already there for a small file. */
static int load_piece(struct content_store *store, const struct source *source, uint64_t offset,
                      size_t count, struct error *error)
{
    if (source->bytes <= BUFFER_BYTES) {
        return 0;
    }
    return source_read(source, offset, store->buffer, count, error);
}

/* What the archive has at `content`, or what this run has written or still buffers. */
static int stored_piece(const struct content_store *store, uint64_t payload_offset, uint64_t offset,
                        uint8_t *buffer, size_t count, struct error *error)
{
    return archive_writer_read_back(store->writer, payload_offset + offset, buffer, count, error);
}

/* A hash that is equal is not yet content that is equal: 1 if every byte is, 0 if not. */
static int is_stored(struct content_store *store, const struct source *source,
                     const struct catalog_row *content, struct error *error)
{
    if (content->stored_bytes != source->bytes) {
        return 0;
    }
    uint8_t stored[65536];
    for (uint64_t offset = 0; offset < source->bytes;) {
        size_t count = piece_bytes(source, offset);
        int status = load_piece(store, source, offset, count, error);
        for (size_t at = 0; status == 0 && at < count;) {
            size_t part = count - at < sizeof stored ? count - at : sizeof stored;
            status = stored_piece(store, content->payload_offset, offset + at, stored, part, error);
            if (status == 0 && memcmp(stored, store->buffer + at, part) != 0) {
                return 0;
            }
            at += part;
        }
        if (status != 0) {
            return status;
        }
        offset += count;
    }
    return 1;
}

static int write_content(struct content_store *store, const struct source *source,
                         struct record *record, struct error *error)
{
    int status = archive_writer_begin_record(store->writer, record, error);
    hash128_stream_restart(store->stream);
    for (uint64_t offset = 0; status == 0 && offset < source->bytes;) {
        size_t count = piece_bytes(source, offset);
        status = load_piece(store, source, offset, count, error);
        if (status == 0) {
            hash128_stream_add(store->stream, store->buffer, count);
            status = archive_writer_payload(store->writer, store->buffer, count, error);
        }
        offset += count;
    }
    if (status != 0) {
        return status;
    }
    struct hash128 written = hash128_stream_value(store->stream);
    if (memcmp(written.bytes, record->payload_hash.bytes, HASH128_BYTES) != 0) {
        return changed(source, error);
    }
    return archive_writer_end_record(store->writer, record, error);
}

static int write_alias(struct content_store *store, struct record *record,
                       const struct catalog_row *content, struct error *error)
{
    uint8_t payload[ALIAS_PAYLOAD_BYTES];
    alias_encode(content->content_offset, payload);
    record->kind = RECORD_ALIAS;
    record->stored_bytes = sizeof payload;
    record->payload_hash = hash128(payload, sizeof payload);
    int status = archive_writer_begin_record(store->writer, record, error);
    if (status == 0) {
        status = archive_writer_payload(store->writer, payload, sizeof payload, error);
    }
    return status == 0 ? archive_writer_end_record(store->writer, record, error) : status;
}

/* The content is in the archive: bind the path to it, if it is not already. */
static int bind(struct content_store *store, struct record *record,
                const struct catalog_row *content, struct error *error)
{
    struct hash128 key = hash128(record->path.bytes, record->path.count);
    struct catalog_row *bound = catalog_find(&store->catalog.paths, &key);
    if (bound != NULL && !bound->is_gone && bound->content_offset == content->content_offset &&
        bound->modified_s == record->modified_s) {
        bound->is_seen = true;
        return 0;
    }
    int status = write_alias(store, record, content, error);
    if (status == 0) {
        catalog_bind_path(&store->catalog, record, content);
        catalog_find(&store->catalog.paths, &key)->is_seen = true;
    }
    return status;
}

static int store_source(struct content_store *store, const struct source *source,
                        struct record *record, uint64_t *out_payload_offset, struct error *error)
{
    const struct catalog_row *known = catalog_find(&store->catalog.contents, &record->payload_hash);
    int stored = known == NULL ? 0 : is_stored(store, source, known, error);
    if (stored < 0) {
        return stored;
    }
    if (stored > 0) {
        *out_payload_offset = known->payload_offset;
        struct catalog_row content = *known;
        return bind(store, record, &content, error);
    }
    int status = write_content(store, source, record, error);
    if (status == 0) {
        *out_payload_offset = record->payload_offset;
        store->stored_count++;
        catalog_add_content(&store->catalog, record);
        struct hash128 key = hash128(record->path.bytes, record->path.count);
        catalog_find(&store->catalog.paths, &key)->is_seen = true;
    }
    return status;
}

int content_store_add(struct content_store *store, const char *root, const struct walk_file *file,
                      struct stored_file *out_file, struct error *error)
{
    struct source source = {.fd = -1};
    struct hash128 hash;
    int status = source_open(root, file, &source, error);
    if (status == 0) {
        status = hash_source(store, &source, &hash, error);
    }
    if (status == 0) {
        int64_t modified_s = source.before.st_mtim.tv_sec;
        struct record record = {
            .kind = RECORD_CONTENT,
            .path = slice_of_string(file->name),
            .stored_bytes = source.bytes,
            .modified_s = modified_s < store->created_s ? modified_s : store->created_s,
            .payload_hash = hash,
        };
        *out_file = (struct stored_file){
            .name = file->name,
            .stored_bytes = source.bytes,
            .hash = hash,
            .modified_s = record.modified_s,
        };
        status = store_source(store, &source, &record, &out_file->payload_offset, error);
    }
    if (status == 0) {
        status = source_check(&source, error);
        store->file_bytes += source.bytes;
    }
    source_close(&source);
    return status;
}

static int compare_rows(const void *a, const void *b)
{
    const struct catalog_row *const *x = a;
    const struct catalog_row *const *y = b;
    return ((*x)->record_offset > (*y)->record_offset) -
           ((*x)->record_offset < (*y)->record_offset);
}

static int write_gone(struct content_store *store, const struct catalog_row *row,
                      struct error *error)
{
    struct record bound;
    const char *why;
    const struct archive *archive = store->writer->reader;
    int status = record_decode(archive->map, archive->map_bytes, row->record_offset,
                               archive->superblock.uuid, &bound, &why);
    if (status != 0) {
        return error_set(error, status, "%s: %s", archive->path, why);
    }
    struct record record = {
        .kind = RECORD_GONE,
        .path = bound.path,
        .modified_s = store->created_s,
        .payload_hash = hash128("", 0),
    };
    status = archive_writer_begin_record(store->writer, &record, error);
    return status == 0 ? archive_writer_end_record(store->writer, &record, error) : status;
}

int content_store_record_gone(struct content_store *store, struct error *error)
{
    const struct catalog_table *paths = &store->catalog.paths;
    const struct catalog_row **gone = mem_zeroed(paths->count, sizeof(const struct catalog_row *));
    size_t count = 0;
    for (size_t i = 0; i < paths->capacity; i++) {
        const struct catalog_row *row = &paths->rows[i];
        if (row->content_offset != 0 && !row->is_gone && !row->is_seen) {
            gone[count++] = row;
        }
    }
    if (count > 0) {
        qsort(gone, count, sizeof(const struct catalog_row *), compare_rows);
    }
    int status = 0;
    for (size_t i = 0; i < count && status == 0; i++) {
        status = write_gone(store, gone[i], error);
    }
    free(gone);
    return status;
}
