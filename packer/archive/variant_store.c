#include "packer/archive/variant_store.h"

#include "common/mem.h"
#include "common/mime.h"
#include "common/sha256.h"
#include "packer/archive/compress.h"
#include "packer/parallel.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

enum { WINDOW_BYTES = 128 << 20 };

/* What is to be done for one content. */
struct job {
    uint32_t content;
    uint8_t compressibility;
    bool wants_forms;
    bool wants_digests; /* of the content and its variants, where they are not known */
};

struct making {
    struct content_store *store;
    const struct variant_options *options;
    const struct stored_file *files;
    struct job *jobs;
    size_t job_count;
    const char **names; /* by job: the path that the records are named after */
};

struct form {
    uint8_t *bytes;
    uint64_t count;
    struct hash128 hash;
    uint8_t digest[DIGEST_BYTES];
};

struct made {
    int status;
    struct error *error;
    struct form forms[CODEC_COUNT];
    uint8_t digest[DIGEST_BYTES]; /* of the content, if it was wanted */
    uint32_t variant_count;       /* digests of its variants, newest first */
    uint8_t (*variant_digests)[DIGEST_BYTES];
};

struct make_thread {
    struct sha256_stream *sha256;
    struct compressor *compressor;
};

static void *thread_new(void *context)
{
    const struct making *making = context;
    struct make_thread *thread = mem_zeroed(1, sizeof *thread);
    thread->sha256 = sha256_stream_new();
    if (making->options->effort != EFFORT_NONE) {
        thread->compressor = compressor_new(making->options->effort);
    }
    return thread;
}

static void thread_free(void *context, void *state)
{
    (void)context;
    struct make_thread *thread = state;
    sha256_stream_free(thread->sha256);
    compressor_free(thread->compressor);
    free(thread);
}

/* Stored bytes, mapped or read: what the archive has at `offset`. */
struct view {
    void *map;
    size_t map_bytes;
    const uint8_t *bytes;
};

static int view_open(const struct archive_writer *writer, uint64_t offset, uint64_t count,
                     struct view *out_view, struct error *error)
{
    *out_view = (struct view){.bytes = (const uint8_t *)""};
    if (count == 0) {
        return 0;
    }
    uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
    uint64_t start = offset / page * page;
    out_view->map_bytes = (size_t)(offset + count - start);
    out_view->map = mmap(NULL, out_view->map_bytes, PROT_READ, MAP_SHARED | MAP_POPULATE,
                         writer->fd, (off_t)start);
    if (out_view->map == MAP_FAILED) {
        out_view->map = NULL;
        return error_set(error, -errno, "%s: cannot be mapped: %s", writer->path, strerror(errno));
    }
    out_view->bytes = (const uint8_t *)out_view->map + (offset - start);
    return 0;
}

static void view_close(struct view *view)
{
    if (view->map != NULL) {
        munmap(view->map, view->map_bytes);
    }
}

static int digest_stored(const struct making *making, struct make_thread *thread, uint64_t offset,
                         uint64_t count, uint8_t out_digest[DIGEST_BYTES], struct error *error)
{
    struct view view;
    int status = view_open(making->store->writer, offset, count, &view, error);
    if (status == 0) {
        sha256(thread->sha256, view.bytes, (size_t)count, out_digest);
    }
    view_close(&view);
    return status;
}

static int make_digests(const struct making *making, struct make_thread *thread,
                        const struct content *content, struct made *made, struct error *error)
{
    const struct catalog *catalog = &making->store->catalog;
    for (uint32_t row = content->first_variant; row != 0; row = catalog->variants[row].next) {
        made->variant_count++;
    }
    made->variant_digests = mem_zeroed(made->variant_count, sizeof *made->variant_digests);
    int status = digest_stored(making, thread, content->payload_offset, content->stored_bytes,
                               made->digest, error);
    uint32_t i = 0;
    for (uint32_t row = content->first_variant; row != 0 && status == 0;
         row = catalog->variants[row].next) {
        const struct variant *variant = &catalog->variants[row];
        status = digest_stored(making, thread, variant->payload_offset, variant->stored_bytes,
                               made->variant_digests[i++], error);
    }
    return status;
}

static int make_forms(const struct making *making, struct make_thread *thread,
                      const struct job *job, const struct content *content, struct made *made,
                      struct error *error)
{
    struct view view;
    int status = view_open(making->store->writer, content->payload_offset, content->stored_bytes,
                           &view, error);
    if (status == 0) {
        struct compressed forms[CODEC_COUNT] = {{NULL, 0}};
        compress_all(thread->compressor, (enum compressibility)job->compressibility, view.bytes,
                     content->stored_bytes, forms);
        for (int codec = CODEC_IDENTITY + 1; codec < CODEC_COUNT; codec++) {
            struct form *form = &made->forms[codec];
            form->bytes = forms[codec].bytes;
            form->count = forms[codec].count;
            if (form->bytes != NULL) {
                form->hash = hash128(form->bytes, form->count);
                sha256(thread->sha256, form->bytes, form->count, form->digest);
            }
        }
    }
    view_close(&view);
    return status;
}

/* The consuming thread changes rows of contents whose jobs are done, and moves no rows. */
static void *make_one(void *context, void *state, size_t number)
{
    const struct making *making = context;
    const struct job *job = &making->jobs[number];
    const struct content *content = &making->store->catalog.contents[job->content];
    struct made *made = mem_zeroed(1, sizeof *made);
    struct error error = {""};
    if (job->wants_digests) {
        made->status = make_digests(making, state, content, made, &error);
    }
    if (made->status == 0 && job->wants_forms) {
        made->status = make_forms(making, state, job, content, made, &error);
    }
    if (made->status != 0) {
        made->error = mem_zeroed(1, sizeof *made->error);
        *made->error = error;
    }
    return made;
}

static void discard(void *context, size_t job, void *result)
{
    (void)context;
    (void)job;
    struct made *made = result;
    for (int codec = 0; codec < CODEC_COUNT; codec++) {
        free(made->forms[codec].bytes);
    }
    free(made->variant_digests);
    free(made->error);
    free(made);
}

static uint64_t weight(void *context, size_t number)
{
    const struct making *making = context;
    return making->store->catalog.contents[making->jobs[number].content].stored_bytes;
}

static int write_variant(struct content_store *store, uint32_t content, struct record *record,
                         const struct form *form, struct error *error)
{
    int status =
        archive_writer_record(store->writer, record, form == NULL ? NULL : form->bytes, error);
    if (status == 0) {
        uint32_t row = catalog_add_variant(&store->catalog, content, record);
        if (form != NULL) {
            memcpy(store->catalog.variants[row].digest, form->digest, DIGEST_BYTES);
            store->catalog.variants[row].has_digest = true;
        }
    }
    return status;
}

/* A record for each form; where there is none, one that says so. */
static int write_forms(struct making *making, size_t number, const struct made *made,
                       struct error *error)
{
    struct content_store *store = making->store;
    uint32_t content = making->jobs[number].content;
    struct record record = {
        .kind = RECORD_VARIANT,
        .effort = making->options->effort,
        .path = slice_of_string(making->names[number]),
        .modified_s = store->created_s,
        .source_offset = store->catalog.contents[content].record_offset,
    };
    unsigned written = 0;
    for (int codec = CODEC_IDENTITY + 1; codec < CODEC_COUNT; codec++) {
        const struct form *form = &made->forms[codec];
        if (form->bytes == NULL) {
            continue;
        }
        record.codec = (enum codec)codec;
        record.stored_bytes = form->count;
        record.payload_hash = form->hash;
        int status = write_variant(store, content, &record, form, error);
        if (status != 0) {
            return status;
        }
        written++;
    }
    if (written > 0) {
        return 0;
    }
    record.codec = CODEC_IDENTITY;
    record.stored_bytes = 0;
    record.payload_hash = hash128("", 0);
    return write_variant(store, content, &record, NULL, error);
}

static void take_digests(struct catalog *catalog, uint32_t row, const struct made *made)
{
    struct content *content = &catalog->contents[row];
    memcpy(content->digest, made->digest, DIGEST_BYTES);
    content->has_digest = true;
    uint32_t i = 0;
    for (uint32_t at = content->first_variant; at != 0; at = catalog->variants[at].next) {
        memcpy(catalog->variants[at].digest, made->variant_digests[i++], DIGEST_BYTES);
        catalog->variants[at].has_digest = true;
    }
}

static int consume(void *context, size_t number, void *result, struct error *error)
{
    struct making *making = context;
    const struct job *job = &making->jobs[number];
    const struct made *made = result;
    int status = made->status;
    if (status != 0) {
        error_set(error, status, "%s", made->error->text);
    }
    if (status == 0 && job->wants_digests) {
        take_digests(&making->store->catalog, job->content, made);
    }
    if (status == 0 && job->wants_forms) {
        status = write_forms(making, number, made, error);
    }
    uint64_t bytes = making->store->catalog.contents[job->content].stored_bytes;
    progress_add(making->store->progress, 1, bytes);
    discard(context, number, result);
    return status;
}

static bool lacks_digests(const struct catalog *catalog, const struct content *content)
{
    for (uint32_t row = content->first_variant; row != 0; row = catalog->variants[row].next) {
        if (!catalog->variants[row].has_digest) {
            return true;
        }
    }
    return !content->has_digest;
}

/* One job for each content of the release that lacks something, in the order of the files. */
static void list_jobs(struct making *making, size_t file_count)
{
    const struct catalog *catalog = &making->store->catalog;
    uint32_t *job_of = mem_zeroed((size_t)catalog->content_count + 1, sizeof *job_of);
    making->jobs = mem_zeroed(file_count, sizeof *making->jobs);
    making->names = mem_zeroed(file_count, sizeof(const char *));
    for (size_t i = 0; i < file_count; i++) {
        const struct stored_file *file = &making->files[i];
        const struct content *content = &catalog->contents[file->content];
        enum compressibility kind = COMPRESS_NEVER;
        if (file->role == FILE_SERVED && making->options->effort != EFFORT_NONE) {
            kind = compress_type(slice_of_string(mime_type(file->name, strlen(file->name))));
        }
        bool wants_forms = content->effort < making->options->effort &&
                           compress_is_tried(kind, content->stored_bytes);
        bool wants_digests = lacks_digests(catalog, content);
        if (job_of[file->content] == 0 && (wants_forms || wants_digests)) {
            making->names[making->job_count] = file->name;
            making->jobs[making->job_count++].content = file->content;
            job_of[file->content] = (uint32_t)making->job_count;
        }
        if (job_of[file->content] != 0) {
            struct job *job = &making->jobs[job_of[file->content] - 1];
            job->wants_forms |= wants_forms;
            job->wants_digests |= wants_digests;
            if (wants_forms && kind > job->compressibility) {
                job->compressibility = (uint8_t)kind;
            }
        }
    }
    free(job_of);
}

int variant_store_add(struct content_store *store, const struct stored_file *files, size_t count,
                      const struct variant_options *options, struct error *error)
{
    int status = archive_writer_flush(store->writer, error); /* the threads read the file */
    if (status != 0) {
        return status;
    }
    struct making making = {.store = store, .options = options, .files = files};
    list_jobs(&making, count);
    uint64_t bytes = 0;
    for (size_t i = 0; i < making.job_count; i++) {
        bytes += weight(&making, i);
    }
    struct parallel_work work = {
        .job_count = making.job_count,
        .thread_count = store->thread_count,
        .window_bytes = WINDOW_BYTES,
        .weight = weight,
        .thread_new = thread_new,
        .thread_free = thread_free,
        .run = make_one,
        .consume = consume,
        .discard = discard,
        .context = &making,
    };
    catalog_reserve_variants(&store->catalog, making.job_count * (CODEC_COUNT - 1));
    progress_begin(store->progress, "Compressing", making.job_count, bytes);
    status = parallel_run(&work, error);
    progress_end(store->progress);
    free(making.jobs);
    free(making.names);
    return status;
}
