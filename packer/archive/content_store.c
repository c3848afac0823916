#include "packer/archive/content_store.h"

#include "common/mem.h"
#include "common/sha256.h"
#include "packer/parallel.h"
#include "packer/site/file_reader.h"

#include <stdlib.h>

enum {
    /* A file up to this size is read once, into memory; a larger one once for its hash and, if the
     * archive does not have it, once more for its bytes. */
    PIECE_BYTES = 8 << 20,
    /* What is read ahead of the thread that writes. */
    WINDOW_BYTES = 64 << 20,
};

void content_store_init(struct content_store *store, struct archive_writer *writer,
                        const struct catalog *catalog, int64_t created_s)
{
    *store = (struct content_store){
        .writer = writer,
        .catalog = *catalog,
        .created_s = created_s,
    };
}

void content_store_fini(struct content_store *store)
{
    catalog_fini(&store->catalog);
    free(store->buffer);
    *store = (struct content_store){0};
}

/* ---- reading, on any thread ---- */

struct reading {
    struct content_store *store;
    const struct walk *walk;
    const uint32_t *jobs; /* numbers of files that are to be read */
    struct stored_file *files;
};

/* What a thread found: the hash, and the bytes of a file that is not too large. */
struct read_file {
    int status;
    struct error *error; /* NULL: none */
    uint8_t *bytes;      /* NULL: the file is longer than PIECE_BYTES */
    struct hash128 hash;
    uint8_t digest[DIGEST_BYTES];
};

struct read_thread {
    struct sha256_stream *sha256;
    struct hash128_stream *hash;
};

static void *thread_new(void *context)
{
    (void)context;
    struct read_thread *thread = mem_zeroed(1, sizeof *thread);
    thread->sha256 = sha256_stream_new();
    thread->hash = hash128_stream_new();
    return thread;
}

static void thread_free(void *context, void *state)
{
    (void)context;
    struct read_thread *thread = state;
    sha256_stream_free(thread->sha256);
    hash128_stream_free(thread->hash);
    free(thread);
}

static size_t piece_bytes(uint64_t total, uint64_t offset)
{
    return total - offset < PIECE_BYTES ? (size_t)(total - offset) : PIECE_BYTES;
}

/* Both hashes of all bytes; keeps the bytes if they are one piece. */
static int read_pieces(struct read_thread *thread, const struct file_reader *reader,
                       struct read_file *result, struct error *error)
{
    uint64_t total = reader->state.bytes;
    uint8_t *buffer = mem_resize(NULL, piece_bytes(total, 0), 1);
    hash128_stream_restart(thread->hash);
    sha256_stream_restart(thread->sha256);
    int status = 0;
    for (uint64_t offset = 0; status == 0 && offset < total;) {
        size_t count = piece_bytes(total, offset);
        status = file_reader_read(reader, offset, buffer, count, error);
        if (status == 0) {
            hash128_stream_add(thread->hash, buffer, count);
            sha256_stream_add(thread->sha256, buffer, count);
        }
        offset += count;
    }
    result->hash = hash128_stream_value(thread->hash);
    sha256_stream_value(thread->sha256, result->digest);
    if (total <= PIECE_BYTES) {
        result->bytes = buffer;
    } else {
        free(buffer);
    }
    return status;
}

static void *read_one(void *context, void *state, size_t job)
{
    const struct reading *reading = context;
    const struct walk_file *file = &reading->walk->files[reading->jobs[job]];
    struct read_file *result = mem_zeroed(1, sizeof *result);
    struct file_reader reader;
    struct error error = {""};
    result->status =
        file_reader_open(reading->walk->root, file->name, &file->state, &reader, &error);
    if (result->status == 0) {
        result->status = read_pieces(state, &reader, result, &error);
    }
    if (result->status == 0) {
        result->status = file_reader_check(&reader, &error);
    }
    file_reader_close(&reader);
    if (result->status != 0) {
        result->error = mem_zeroed(1, sizeof *result->error);
        *result->error = error;
    }
    return result;
}

static void discard(void *context, size_t job, void *result)
{
    (void)context;
    (void)job;
    struct read_file *file = result;
    free(file->error);
    free(file->bytes);
    free(file);
}

static uint64_t weight(void *context, size_t job)
{
    const struct reading *reading = context;
    uint64_t bytes = reading->walk->files[reading->jobs[job]].state.bytes;
    return bytes < PIECE_BYTES ? bytes : PIECE_BYTES;
}

/* ---- storing, on one thread, in the order of the names ---- */

/* A file on its way into the archive. */
struct source {
    const struct walk *walk;
    const struct walk_file *file;
    const struct read_file *read;
    struct file_reader reader; /* open if the bytes are not at hand */
};

/* Bytes [offset, offset + count): at hand, or read once more. */
static int source_piece(struct content_store *store, struct source *source, uint64_t offset,
                        size_t count, const uint8_t **out_bytes, struct error *error)
{
    if (source->read->bytes != NULL) {
        *out_bytes = source->read->bytes + offset;
        return 0;
    }
    if (store->buffer == NULL) {
        store->buffer = mem_resize(NULL, PIECE_BYTES, 1);
    }
    int status = 0;
    if (source->reader.path == NULL) {
        status = file_reader_open(source->walk->root, source->file->name, &source->file->state,
                                  &source->reader, error);
    }
    if (status == 0) {
        status = file_reader_read(&source->reader, offset, store->buffer, count, error);
    }
    *out_bytes = store->buffer;
    return status;
}

static int source_check(const struct source *source, struct error *error)
{
    return source->reader.path == NULL ? 0 : file_reader_check(&source->reader, error);
}

/* 1 if these bytes are what the archive has at `offset`, 0 if not. */
static int is_same(struct content_store *store, const uint8_t *bytes, size_t count, uint64_t offset,
                   struct error *error)
{
    uint8_t stored[65536];
    for (size_t at = 0; at < count;) {
        size_t part = count - at < sizeof stored ? count - at : sizeof stored;
        int status = archive_writer_read_back(store->writer, offset + at, stored, part, error);
        if (status != 0) {
            return status;
        }
        if (memcmp(stored, bytes + at, part) != 0) {
            return 0;
        }
        at += part;
    }
    return 1;
}

/* A record whose header is damaged is found by nobody who has no cache. Those that this run has
 * written are not in the mapping yet, and are whole. */
static bool has_record(const struct content_store *store, const struct content *content)
{
    const struct archive *archive = store->writer->reader;
    struct record record;
    const char *why;
    return content->record_offset >= store->writer->begin_offset ||
           record_decode(archive->map, archive->map_bytes, content->record_offset,
                         archive->superblock.uuid, &record, &why) == 0;
}

/* A hash that is equal is not yet content that is equal: 1 if every byte is, 0 if not. */
static int is_stored(struct content_store *store, struct source *source,
                     const struct content *content, struct error *error)
{
    uint64_t total = source->file->state.bytes;
    int same = content->stored_bytes == total && has_record(store, content);
    for (uint64_t offset = 0; same == 1 && offset < total;) {
        size_t count = piece_bytes(total, offset);
        const uint8_t *bytes;
        same = source_piece(store, source, offset, count, &bytes, error);
        if (same == 0) {
            same = is_same(store, bytes, count, content->payload_offset + offset, error);
        }
        offset += count;
    }
    int status = same > 0 ? source_check(source, error) : 0;
    return status < 0 ? status : same;
}

static int write_content(struct content_store *store, struct source *source, struct record *record,
                         struct error *error)
{
    int status = archive_writer_begin_record(store->writer, record, error);
    struct hash128_stream *stream = source->read->bytes == NULL ? hash128_stream_new() : NULL;
    for (uint64_t offset = 0; status == 0 && offset < record->stored_bytes;) {
        size_t count = piece_bytes(record->stored_bytes, offset);
        const uint8_t *bytes;
        status = source_piece(store, source, offset, count, &bytes, error);
        if (status == 0) {
            if (stream != NULL) {
                hash128_stream_add(stream, bytes, count);
            }
            status = archive_writer_payload(store->writer, bytes, count, error);
        }
        offset += count;
    }
    if (status == 0 && stream != NULL) { /* what was read the second time is what was hashed */
        struct hash128 written = hash128_stream_value(stream);
        if (memcmp(written.bytes, record->payload_hash.bytes, HASH128_BYTES) != 0) {
            status = file_reader_changed(&source->reader, error);
        }
    }
    hash128_stream_free(stream);
    if (status == 0) {
        status = source_check(source, error);
    }
    return status == 0 ? archive_writer_end_record(store->writer, record, error) : status;
}

static int write_alias(struct content_store *store, struct record *record, uint64_t content_offset,
                       struct error *error)
{
    uint8_t payload[ALIAS_PAYLOAD_BYTES];
    alias_encode(content_offset, payload);
    record->kind = RECORD_ALIAS;
    record->stored_bytes = sizeof payload;
    record->payload_hash = hash128(payload, sizeof payload);
    return archive_writer_record(store->writer, record, payload, error);
}

int content_store_bind(struct content_store *store, struct slice path, int64_t modified_s,
                       uint32_t content, struct error *error)
{
    uint32_t row = catalog_find_path(&store->catalog, path);
    if (row != 0) {
        const struct bound_path *bound = &store->catalog.paths[row];
        if (!bound->is_gone && bound->content == content && bound->modified_s == modified_s) {
            return 0;
        }
    }
    struct record record = {.path = path, .modified_s = modified_s};
    int status = write_alias(store, &record, store->catalog.contents[content].record_offset, error);
    if (status == 0) {
        catalog_bind_path(&store->catalog, &record, content);
    }
    return status;
}

static int64_t published_time(const struct content_store *store, const struct walk_file *file)
{
    int64_t modified_s = file->state.modified_s;
    return modified_s < store->created_s ? modified_s : store->created_s;
}

/* The path is bound: note it in the catalog and for the index. */
static void note_file(struct content_store *store, const struct walk_file *file, bool was_read,
                      struct stored_file *out_file)
{
    uint32_t row = catalog_find_path(&store->catalog, slice_of_string(file->name));
    struct bound_path *bound = &store->catalog.paths[row];
    bound->is_seen = true;
    bound->has_state = true;
    bound->state = file->state;
    *out_file = (struct stored_file){
        .name = file->name,
        .modified_s = bound->modified_s,
        .content = bound->content,
        .role = (uint8_t)file->role,
        .is_rebound = bound->is_rebound,
        .was_read = was_read,
    };
}

static int store_source(struct content_store *store, struct source *source, struct error *error)
{
    struct record record = {
        .kind = RECORD_CONTENT,
        .path = slice_of_string(source->file->name),
        .stored_bytes = source->file->state.bytes,
        .modified_s = published_time(store, source->file),
        .payload_hash = source->read->hash,
    };
    uint32_t row = catalog_find_content(&store->catalog, &record.payload_hash);
    int stored = row == 0 ? 0 : is_stored(store, source, &store->catalog.contents[row], error);
    if (stored < 0) {
        return stored;
    }
    int status = stored > 0 ? content_store_bind(store, record.path, record.modified_s, row, error)
                            : write_content(store, source, &record, error);
    if (status == 0 && stored == 0) {
        row = catalog_add_content(&store->catalog, &record);
        store->stored_count++;
        store->stored_bytes += record.stored_bytes;
    }
    if (status == 0) {
        struct content *content = &store->catalog.contents[row];
        memcpy(content->digest, source->read->digest, DIGEST_BYTES);
        content->has_digest = true;
    }
    return status;
}

static int consume(void *context, size_t job, void *result, struct error *error)
{
    struct reading *reading = context;
    struct read_file *read = result;
    uint32_t number = reading->jobs[job];
    struct source source = {
        .walk = reading->walk,
        .file = &reading->walk->files[number],
        .read = read,
        .reader = {.fd = -1},
    };
    int status = read->status;
    if (status != 0) {
        error_set(error, status, "%s", read->error->text);
    } else {
        status = store_source(reading->store, &source, error);
    }
    if (status == 0) {
        note_file(reading->store, source.file, true, &reading->files[number]);
        progress_add(reading->store->progress, 1, source.file->state.bytes);
    }
    file_reader_close(&source.reader);
    discard(context, job, result);
    return status;
}

/* Was the file read before, and is it still what it was then? */
static bool is_unchanged(const struct content_store *store, const struct walk_file *file)
{
    uint32_t row = catalog_find_path(&store->catalog, slice_of_string(file->name));
    if (row == 0) {
        return false;
    }
    const struct bound_path *bound = &store->catalog.paths[row];
    return !bound->is_gone && bound->has_state && file_state_equal(&bound->state, &file->state) &&
           bound->modified_s == published_time(store, file);
}

int content_store_add(struct content_store *store, const struct walk *walk,
                      struct stored_file *out_files, struct error *error)
{
    uint32_t *jobs = mem_zeroed(walk->file_count, sizeof *jobs);
    size_t job_count = 0;
    uint64_t job_bytes = 0;
    for (size_t i = 0; i < walk->file_count; i++) {
        const struct walk_file *file = &walk->files[i];
        store->file_bytes += file->state.bytes;
        if (!store->read_all && is_unchanged(store, file)) {
            note_file(store, file, false, &out_files[i]);
        } else {
            jobs[job_count++] = (uint32_t)i;
            job_bytes += file->state.bytes;
        }
    }
    store->read_count = job_count;
    struct reading reading = {store, walk, jobs, out_files};
    struct parallel_work work = {
        .job_count = job_count,
        .thread_count = store->thread_count,
        .window_bytes = WINDOW_BYTES,
        .weight = weight,
        .thread_new = thread_new,
        .thread_free = thread_free,
        .run = read_one,
        .consume = consume,
        .discard = discard,
        .context = &reading,
    };
    progress_begin(store->progress, "Reading", job_count, job_bytes);
    int status = parallel_run(&work, error);
    progress_end(store->progress);
    free(jobs);
    return status;
}

void content_store_forget(struct content_store *store, const char *name)
{
    uint32_t row = catalog_find_path(&store->catalog, slice_of_string(name));
    if (row != 0) {
        store->catalog.paths[row].is_seen = false;
        store->catalog.paths[row].has_state = false;
    }
}

void content_store_forget_all(struct content_store *store, int64_t now_s)
{
    for (uint32_t row = 1; row <= store->catalog.path_count; row++) {
        struct bound_path *bound = &store->catalog.paths[row];
        bound->is_seen = false;
        bound->has_state &= file_state_is_settled(&bound->state, now_s);
    }
}

/* ---- what is no file ---- */

static int compare_rows(const void *a, const void *b)
{
    const struct bound_path *const *x = a;
    const struct bound_path *const *y = b;
    return ((*x)->record_offset > (*y)->record_offset) -
           ((*x)->record_offset < (*y)->record_offset);
}

static int write_gone(struct content_store *store, const struct bound_path *path,
                      struct error *error)
{
    struct record bound;
    const char *why;
    const struct archive *archive = store->writer->reader;
    int status = record_decode(archive->map, archive->map_bytes, path->record_offset,
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
    return archive_writer_record(store->writer, &record, NULL, error);
}

int content_store_record_gone(struct content_store *store, struct error *error)
{
    struct catalog *catalog = &store->catalog;
    struct bound_path **gone = mem_zeroed(catalog->path_count, sizeof(struct bound_path *));
    size_t count = 0;
    for (uint32_t row = 1; row <= catalog->path_count; row++) {
        struct bound_path *path = &catalog->paths[row];
        if (!path->is_gone && !path->is_seen) {
            gone[count++] = path;
        }
    }
    if (count > 0) {
        qsort(gone, count, sizeof(struct bound_path *), compare_rows);
    }
    int status = 0;
    for (size_t i = 0; i < count && status == 0; i++) {
        status = write_gone(store, gone[i], error);
        gone[i]->is_gone = true;
        gone[i]->has_state = false;
    }
    free(gone);
    return status;
}

int content_store_record_options(struct content_store *store, struct slice options,
                                 struct error *error)
{
    struct record record = {
        .kind = RECORD_OPTIONS,
        .path = SLICE(""),
        .stored_bytes = options.count,
        .modified_s = store->created_s,
        .payload_hash = hash128(options.bytes, options.count),
    };
    if (memcmp(record.payload_hash.bytes, store->catalog.options_hash.bytes, HASH128_BYTES) == 0) {
        return 0;
    }
    int status = archive_writer_record(store->writer, &record, options.bytes, error);
    if (status == 0) {
        catalog_replay(&store->catalog, store->writer->reader, &record);
    }
    return status;
}
