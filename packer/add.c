#include "packer/add.h"

#include "common/mem.h"
#include "common/release.h"
#include "packer/atomic_file.h"
#include "packer/catalog_cache.h"
#include "packer/compress.h"
#include "packer/overlay.h"
#include "packer/publish.h"
#include "packer/release_commit.h"
#include "packer/sidecars.h"
#include "packer/variant_store.h"

#include <errno.h>
#include <inttypes.h>
#include <libgen.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* Everything that one run holds. */
struct add {
    const struct add_options *options;
    struct progress progress;
    struct walk walk;
    struct superblock superblock; /* for a new archive; created_s is this run's time too */
    struct archive_writer *writer;
    char *stem; /* of the archive's path */
    char *cache_path;
    struct content_store store;
    struct stored_file *files;
    struct rule_texts texts;
    struct site_plan plan;
    struct index_image image;
    uint64_t release;
    uint64_t old_bytes;   /* of the archive */
    int64_t started_at_s; /* Unix time */
    double started_s;
    struct add_result *result;
};

static double now_s(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* A hash of what the walk saw: with a fixed date, the same tree makes the same archive. The UUID is
 * marked as version 8, "custom" (RFC 9562 §5.8), a random one as version 4. */
static void uuid_of_walk(const struct walk *walk, int64_t created_s, uint8_t uuid[UUID_BYTES])
{
    struct hash128_stream *stream = hash128_stream_new();
    hash128_stream_add(stream, &created_s, sizeof created_s);
    for (size_t i = 0; i < walk->file_count; i++) {
        uint64_t bytes = walk->files[i].state.bytes;
        hash128_stream_add(stream, walk->files[i].name, strlen(walk->files[i].name) + 1);
        hash128_stream_add(stream, &bytes, sizeof bytes);
    }
    struct hash128 hash = hash128_stream_value(stream);
    hash128_stream_free(stream);
    memcpy(uuid, hash.bytes, UUID_BYTES);
}

static int choose_identity(struct add *add, struct error *error)
{
    const char *epoch = getenv("SOURCE_DATE_EPOCH");
    uint8_t *uuid = add->superblock.uuid;
    unsigned version = 8;
    if (epoch != NULL && *epoch != '\0') {
        char *end;
        errno = 0;
        long long seconds = strtoll(epoch, &end, 10);
        if (*end != '\0' || errno != 0 || seconds < 0) {
            return error_set(error, ERR_USAGE, "SOURCE_DATE_EPOCH: not a number of seconds: %s",
                             epoch);
        }
        add->superblock.created_s = seconds;
        uuid_of_walk(&add->walk, seconds, uuid);
    } else {
        add->superblock.created_s = time(NULL);
        version = 4;
        if (getentropy(uuid, UUID_BYTES) != 0) {
            return error_set(error, -errno, "the archive's UUID: %s", strerror(errno));
        }
    }
    uuid[6] = (uint8_t)((uuid[6] & 0x0fu) | version << 4);
    uuid[8] = (uint8_t)((uuid[8] & 0x3fu) | 0x80u);
    return 0;
}

static int walk_site(struct add *add, struct error *error)
{
    const struct add_options *options = add->options;
    int status = walk_init(options->site_directory, &options->walk, &add->walk, error);
    if (status != 0) {
        return status;
    }
    for (size_t i = 0; i < add->walk.note_count && !options->quiet; i++) {
        const struct walk_note *note = &add->walk.notes[i];
        if (note->line == 0) {
            fprintf(options->messages, "cairn-pack: left out: %s: %s\n", note->name, note->reason);
        } else {
            fprintf(options->messages, "cairn-pack: warning: %s:%u: %s\n", note->name, note->line,
                    note->reason);
        }
    }
    if (add->walk.file_count == 0 && !options->allow_empty) {
        return error_set(error, ERR_EMPTY,
                         "%s: no file in it; --allow-empty publishes a site without pages",
                         options->site_directory);
    }
    return 0;
}

/* An archive inside the site would pack itself, twice as large each time. */
static int check_archive_place(struct add *add, struct error *error)
{
    const char *root = add->walk.root;
    size_t count = strlen(root);
    char *copy = mem_string(add->options->archive_path, strlen(add->options->archive_path));
    char *folder = realpath(dirname(copy), NULL);
    int status = 0;
    if (folder != NULL && strncmp(folder, root, count) == 0 &&
        (folder[count] == '/' || folder[count] == '\0' || strcmp(root, "/") == 0)) {
        status =
            error_set(error, ERR_USAGE, "%s: the archive must not lie inside the site directory",
                      add->options->archive_path);
    }
    free(folder);
    free(copy);
    return status;
}

/* The command that is printed names the archive's folder: it must fit a line. */
static int check_archive_name(const struct add *add, struct error *error)
{
    for (const char *at = add->writer->path; *at != '\0'; at++) {
        if ((unsigned char)*at < 0x20 || *at == 0x7f) {
            return error_set(error, ERR_NAME, "%s: the archive's path has a control character",
                             add->writer->path);
        }
    }
    return 0;
}

/* What the archive holds: from the cache of the last run, or, if that is not to be trusted, from
 * its records. */
static void load_catalog(struct add *add, struct catalog *out_catalog)
{
    const struct archive_writer *writer = add->writer;
    const struct commit *last = writer->has_commit ? &writer->last_commit : NULL;
    if (last == NULL || add->options->read_all ||
        !catalog_cache_load(add->cache_path, writer->reader->superblock.uuid, last->committed_bytes,
                            out_catalog)) {
        catalog_init(out_catalog, writer->reader, last);
    }
    if (out_catalog->damaged_count > 0) {
        fprintf(add->options->messages,
                "cairn-pack: warning: %s: %zu earlier release%s damaged records; run verify\n",
                writer->path, out_catalog->damaged_count,
                out_catalog->damaged_count == 1 ? " has" : "s have");
    }
}

static int store_files(struct add *add, struct error *error)
{
    struct catalog catalog;
    load_catalog(add, &catalog);
    content_store_init(&add->store, add->writer, &catalog, add->superblock.created_s);
    add->store.read_all = add->options->read_all;
    add->store.thread_count = add->options->thread_count;
    add->store.progress = &add->progress;
    add->files = mem_zeroed(add->walk.file_count, sizeof *add->files);
    int status = content_store_add(&add->store, &add->walk, add->files, error);
    walk_forget_states(&add->walk);
    if (status == 0) {
        status = content_store_record_gone(&add->store, error);
    }
    if (status == 0) {
        char *text = site_options_write(add->options->site);
        status = content_store_record_options(&add->store, slice_of_string(text), error);
        free(text);
    }
    return status;
}

int add_read_rules(struct archive_writer *writer, const struct catalog *catalog,
                   const struct stored_file *files, size_t count, const char *name,
                   struct slice *out_text, struct error *error)
{
    *out_text = (struct slice){NULL, 0};
    for (size_t i = 0; i < count; i++) {
        if (files[i].role != FILE_RULES || strcmp(files[i].name, name) != 0) {
            continue;
        }
        const struct content *content = &catalog->contents[files[i].content];
        char *text = mem_zeroed((size_t)content->stored_bytes + 1, 1);
        *out_text = (struct slice){text, (size_t)content->stored_bytes};
        return archive_writer_read_back(writer, content->payload_offset, text, out_text->count,
                                        error);
    }
    return 0;
}

/* Says what is odd about rules and options; fails where that must not be published. */
static int plan_site(struct add *add, struct error *error)
{
    const struct add_options *options = add->options;
    int status = add_read_rules(add->writer, &add->store.catalog, add->files, add->walk.file_count,
                                "_headers", &add->texts.headers, error);
    if (status == 0) {
        status = add_read_rules(add->writer, &add->store.catalog, add->files, add->walk.file_count,
                                "_redirects", &add->texts.redirects, error);
    }
    if (status != 0) {
        return status;
    }
    site_plan_init(&add->plan, add->files, add->walk.file_count, options->site, &add->texts);
    for (size_t i = 0; i < add->plan.notes.count && !options->quiet; i++) {
        const struct site_note *note = &add->plan.notes.rows[i];
        if (!note->is_error && !note->is_remark) {
            fprintf(options->messages, "cairn-pack: warning: %s:%u: %s\n", note->file, note->line,
                    note->text);
        }
    }
    return site_plan_problem(&add->plan, options->strict, error);
}

static int build_index(struct add *add, struct error *error)
{
    struct index_properties properties = {
        .release = add->release,
        .committed_bytes = release_committed_bytes(add->writer, add->options->sign_key),
        .created_s = add->superblock.created_s,
    };
    memcpy(properties.archive_uuid, add->writer->reader->superblock.uuid, UUID_BYTES);
    return release_index_build(&add->plan, &add->store.catalog, add->stem, &properties, &add->image,
                               &add->result->savings, error);
}

/* The coded forms, and the digests that are not known. */
static int make_variants(struct add *add, struct error *error)
{
    struct variant_options options = {.effort = add->options->site->effort};
    int status = variant_store_add(&add->store, add->files, add->walk.file_count, &options, error);
    return status == 0 ? sidecars_check(&add->store, &add->plan, error) : status;
}

static int commit(struct add *add, struct error *error)
{
    int status = release_commit(add->writer, add->options->sign_key, add->release,
                                add->superblock.created_s, &add->image, error);
    return status == 0 ? directory_sync(add->writer->path, error) : status;
}

static int publish(struct add *add, struct error *error)
{
    int status = publish_index(add->stem, add->release, &add->image, error);
    return status == 0 ? publish_link(add->stem, add->release, &add->result->index_path, error)
                       : status;
}

/* The next run is faster with it, and as right without. */
static void save_cache(struct add *add)
{
    char *temporary = mem_format("%s.tmp", add->cache_path);
    struct error error = {""};
    int status = catalog_cache_save(
        add->cache_path, temporary, add->writer->reader->superblock.uuid,
        add->writer->last_commit.committed_bytes, add->started_at_s, &add->store.catalog, &error);
    if (status != 0) {
        fprintf(add->options->messages, "cairn-pack: warning: published, but %s\n", error.text);
    }
    free(temporary);
}

static void print_bytes(FILE *file, double bytes)
{
    static const char *const units[] = {"B", "kB", "MB", "GB", "TB"};
    size_t unit = 0;
    while (bytes >= 1000 && unit + 1 < ARRAY_COUNT(units)) {
        bytes /= 1000;
        unit++;
    }
    fprintf(file, unit == 0 ? "%.0f %s" : "%.1f %s", bytes, units[unit]);
}

static const char *plural(uint64_t count)
{
    return count == 1 ? "" : "s";
}

static void print_savings(FILE *file, const struct site_savings *savings)
{
    static const enum codec order[] = {CODEC_BR, CODEC_ZSTD, CODEC_GZIP};
    for (size_t i = 0; i < ARRAY_COUNT(order); i++) {
        uint64_t before = savings->identity_bytes[order[i]];
        uint64_t after = savings->coded_bytes[order[i]];
        if (before > 0) {
            fprintf(file, ", %s saves %.0f%%", codec_token(order[i]),
                    100.0 - 100.0 * (double)after / (double)before);
            return;
        }
    }
}

static void print_summary(const struct add *add)
{
    const struct add_result *result = add->result;
    FILE *file = add->options->messages;
    fprintf(file, "cairn-pack: %" PRIu64 " path%s, %" PRIu64 " new, ", result->path_count,
            plural(result->path_count), result->new_count);
    print_bytes(file, (double)result->appended_bytes);
    fputs(" appended", file);
    print_savings(file, &result->savings);
    fprintf(file, ", release %" PRIu64 ", %.1f s\n", result->release, result->seconds);
}

static void fill_result(struct add *add)
{
    struct add_result *result = add->result;
    result->release = add->release;
    result->file_count = add->walk.file_count;
    result->path_count = add->plan.routes.count;
    result->read_count = add->store.read_count;
    result->new_count = add->store.stored_count;
    result->file_bytes = add->store.file_bytes;
    result->appended_bytes = add->writer->offset - add->old_bytes;
    result->index_bytes = add->image.count;
    result->seconds = now_s() - add->started_s;
}

static void tell_result(const struct add *add)
{
    struct operation *operation = add->options->operation;
    const struct add_result *result = add->result;
    operation_text(operation, "cairn.index.path", slice_of_string(result->index_path));
    operation_number(operation, "cairn.release", result->release);
    operation_number(operation, "cairn.files", result->file_count);
    operation_number(operation, "cairn.files.size", result->file_bytes);
    operation_number(operation, "cairn.paths", result->path_count);
    operation_number(operation, "cairn.archive.appended.size", result->appended_bytes);
}

static int open_archive(struct add *add, struct error *error)
{
    int status = archive_writer_open(add->options->archive_path, add->options->wait,
                                     &add->superblock, &add->writer, error);
    if (status == 0) {
        status = check_archive_name(add, error);
    }
    if (status == 0) {
        add->old_bytes = add->writer->begin_offset;
        add->release = add->writer->has_commit ? add->writer->last_commit.release + 1 : 1;
        add->stem = release_stem(add->writer->path);
        add->cache_path = mem_format("%s.cache", add->stem);
    }
    return status;
}

static int run(struct add *add, struct error *error)
{
    static const struct {
        const char *phase; /* that begins with it; NULL: it belongs to the one before */
        int (*step)(struct add *, struct error *);
    } steps[] = {
        {"walk", walk_site},         {NULL, check_archive_place}, {NULL, choose_identity},
        {"write", open_archive},     {NULL, store_files},         {NULL, plan_site},
        {"compress", make_variants}, {"index", build_index},      {"commit", commit},
        {"publish", publish},
    };
    for (size_t i = 0; i < ARRAY_COUNT(steps); i++) {
        if (steps[i].phase != NULL) {
            operation_phase(add->options->operation, steps[i].phase);
        }
        int status = steps[i].step(add, error);
        if (status != 0) {
            return status;
        }
    }
    save_cache(add);
    fill_result(add);
    tell_result(add);
    if (!add->options->quiet) {
        print_summary(add);
    }
    return 0;
}

int add_release(const struct add_options *options, struct add_result *out_result,
                struct error *error)
{
    *out_result = (struct add_result){0};
    struct add add = {
        .options = options,
        .started_s = now_s(),
        .started_at_s = time(NULL),
        .result = out_result,
    };
    progress_init(&add.progress, options->messages, !options->quiet);
    int status = run(&add, error);
    progress_end(&add.progress);
    free(add.image.bytes);
    site_plan_fini(&add.plan);
    free((char *)(uintptr_t)add.texts.headers.bytes);
    free((char *)(uintptr_t)add.texts.redirects.bytes);
    free(add.files);
    content_store_fini(&add.store);
    archive_writer_close(add.writer);
    walk_fini(&add.walk);
    free(add.stem);
    free(add.cache_path);
    return status;
}

void add_result_fini(struct add_result *result)
{
    free(result->index_path);
    result->index_path = NULL;
}
