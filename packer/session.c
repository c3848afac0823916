#include "packer/session.h"

#include "common/mem.h"
#include "common/release.h"
#include "packer/archive/atomic_file.h"
#include "packer/archive/catalog_cache.h"
#include "packer/archive/compress.h"
#include "packer/archive/sidecars.h"
#include "packer/archive/variant_store.h"
#include "packer/release/publish.h"
#include "packer/release/release_commit.h"

#include <errno.h>
#include <libgen.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

struct session_step {
    const char *phase; /* that begins with it; NULL: it belongs to the one before */
    int (*take)(struct session *, struct error *);
};

static int take_steps(struct session *session, const struct session_step *steps, size_t count,
                      struct error *error)
{
    int status = 0;
    for (size_t i = 0; i < count && status == 0; i++) {
        if (steps[i].phase != NULL) {
            operation_phase(session->options->operation, steps[i].phase);
        }
        status = steps[i].take(session, error);
    }
    return status;
}

/* ---- what is packed, and into what ---- */

static int walk_site(struct session *session, struct error *error)
{
    const struct add_options *options = session->options;
    int status = walk_init(options->site_directory, &options->walk, &session->walk, error);
    if (status != 0) {
        return status;
    }
    for (size_t i = 0; i < session->walk.note_count && !options->quiet; i++) {
        const struct walk_note *note = &session->walk.notes[i];
        if (note->line == 0) {
            fprintf(options->messages, "cairn-pack: left out: %s: %s\n", note->name, note->reason);
        } else {
            fprintf(options->messages, "cairn-pack: warning: %s:%u: %s\n", note->name, note->line,
                    note->reason);
        }
    }
    if (session->walk.file_count == 0 && !options->allow_empty) {
        return error_set(error, ERR_EMPTY,
                         "%s: no file in it; --allow-empty publishes a site without pages",
                         options->site_directory);
    }
    return 0;
}

/* An archive inside the site would pack itself, twice as large each time. */
static int check_archive_place(struct session *session, struct error *error)
{
    const char *root = session->walk.root;
    size_t count = strlen(root);
    const char *path = session->options->archive_path;
    char *copy = mem_string(path, strlen(path));
    char *folder = realpath(dirname(copy), NULL);
    int status = 0;
    if (folder != NULL && strncmp(folder, root, count) == 0 &&
        (folder[count] == '/' || folder[count] == '\0' || strcmp(root, "/") == 0)) {
        status = error_set(error, ERR_USAGE,
                           "%s: the archive must not lie inside the site directory", path);
    }
    free(folder);
    free(copy);
    return status;
}

int session_choose_time(struct session *session, struct error *error)
{
    const char *epoch = getenv("SOURCE_DATE_EPOCH");
    if (epoch == NULL || *epoch == '\0') {
        session->superblock.created_s = time(NULL);
        session->store.created_s = session->superblock.created_s;
        return 0;
    }
    char *end;
    errno = 0;
    long long seconds = strtoll(epoch, &end, 10);
    if (*end != '\0' || errno != 0 || seconds < 0) {
        return error_set(error, ERR_USAGE, "SOURCE_DATE_EPOCH: not a number of seconds: %s", epoch);
    }
    session->superblock.created_s = seconds;
    session->store.created_s = seconds;
    return 0;
}

/* A hash of what the walk saw: with a fixed date, the same tree makes the same archive. */
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

/* A UUID that follows from the tree is marked as version 8, "custom" (RFC 9562 §5.8), a random one
 * as version 4. */
static int choose_identity(struct session *session, struct error *error)
{
    const char *epoch = getenv("SOURCE_DATE_EPOCH");
    uint8_t *uuid = session->superblock.uuid;
    unsigned version = 4;
    int status = session_choose_time(session, error);
    if (status != 0) {
        return status;
    }
    if (epoch != NULL && *epoch != '\0') {
        uuid_of_walk(&session->walk, session->superblock.created_s, uuid);
        version = 8;
    } else if (getentropy(uuid, UUID_BYTES) != 0) {
        return error_set(error, -errno, "the archive's UUID: %s", strerror(errno));
    }
    uuid[6] = (uint8_t)((uuid[6] & 0x0fu) | version << 4);
    uuid[8] = (uint8_t)((uuid[8] & 0x3fu) | 0x80u);
    return 0;
}

/* The command that is printed names the archive's folder: it must fit a line. */
static int check_archive_name(const struct session *session, struct error *error)
{
    for (const char *at = session->writer->path; *at != '\0'; at++) {
        if ((unsigned char)*at < 0x20 || *at == 0x7f) {
            return error_set(error, ERR_NAME, "%s: the archive's path has a control character",
                             session->writer->path);
        }
    }
    return 0;
}

/* What the archive holds: from the cache of the last run, or, if that is not to be trusted, from
 * its records. */
static void load_catalog(struct session *session, struct catalog *out_catalog)
{
    const struct archive_writer *writer = session->writer;
    const struct commit *last = writer->has_commit ? &writer->last_commit : NULL;
    if (last == NULL || session->options->read_all ||
        !catalog_cache_load(session->cache_path, writer->reader->superblock.uuid,
                            last->committed_bytes, out_catalog)) {
        catalog_init(out_catalog, writer->reader, last);
    }
    if (out_catalog->damaged_count > 0) {
        fprintf(session->options->messages,
                "cairn-pack: warning: %s: %zu earlier release%s damaged records; run verify\n",
                writer->path, out_catalog->damaged_count,
                out_catalog->damaged_count == 1 ? " has" : "s have");
    }
}

static int open_archive(struct session *session, struct error *error)
{
    const struct add_options *options = session->options;
    int status = archive_writer_open(options->archive_path, options->wait, &session->superblock,
                                     &session->writer, error);
    if (status == 0) {
        status = check_archive_name(session, error);
    }
    if (status != 0) {
        return status;
    }
    session->old_bytes = session->writer->begin_offset;
    session->stem = release_stem(session->writer->path);
    session->cache_path = mem_format("%s.cache", session->stem);
    struct catalog catalog;
    load_catalog(session, &catalog);
    content_store_init(&session->store, session->writer, &catalog, session->superblock.created_s);
    session->store.read_all = options->read_all;
    session->store.thread_count = options->thread_count;
    session->store.progress = &session->progress;
    return 0;
}

int session_init(struct session *session, const struct add_options *options, struct error *error)
{
    static const struct session_step steps[] = {
        {"walk", walk_site},
        {NULL, check_archive_place},
        {NULL, choose_identity},
        {"write", open_archive},
    };
    *session = (struct session){
        .options = options,
        .site = *options->site,
        .started_at_s = time(NULL),
    };
    progress_init(&session->progress, options->messages, !options->quiet);
    return take_steps(session, steps, ARRAY_COUNT(steps), error);
}

void session_fini(struct session *session)
{
    progress_end(&session->progress);
    free(session->image.bytes);
    free(session->index_path);
    layers_fini(&session->layers);
    site_plan_fini(&session->plan);
    session_free_texts(&session->texts);
    free(session->files);
    content_store_fini(&session->store);
    archive_writer_close(session->writer);
    walk_fini(&session->walk);
    free(session->stem);
    free(session->cache_path);
    *session = (struct session){0};
}

/* ---- a release ---- */

static int store_files(struct session *session, struct error *error)
{
    session->file_count = session->walk.file_count;
    session->files = mem_zeroed(session->file_count, sizeof *session->files);
    int status = content_store_add(&session->store, &session->walk, session->files, error);
    walk_forget_states(&session->walk);
    return status == 0 ? content_store_record_gone(&session->store, error) : status;
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

int session_read_texts(struct session *session, const struct stored_file *files, size_t count,
                       struct rule_texts *out_texts, struct error *error)
{
    const struct catalog *catalog = &session->store.catalog;
    *out_texts = (struct rule_texts){0};
    int status = add_read_rules(session->writer, catalog, files, count, "_headers",
                                &out_texts->headers, error);
    if (status == 0) {
        status = add_read_rules(session->writer, catalog, files, count, "_redirects",
                                &out_texts->redirects, error);
    }
    return status;
}

void session_free_texts(struct rule_texts *texts)
{
    free((char *)(uintptr_t)texts->headers.bytes);
    free((char *)(uintptr_t)texts->redirects.bytes);
    *texts = (struct rule_texts){0};
}

int session_check_plan(const struct session *session, const struct site_plan *plan,
                       struct error *error)
{
    const struct add_options *options = session->options;
    for (size_t i = 0; i < plan->notes.count && !options->quiet; i++) {
        const struct site_note *note = &plan->notes.rows[i];
        if (!note->is_error && !note->is_remark) {
            fprintf(options->messages, "cairn-pack: warning: %s:%u: %s\n", note->file, note->line,
                    note->text);
        }
    }
    return site_plan_problem(plan, options->strict, error);
}

static int plan_site(struct session *session, struct error *error)
{
    int status =
        session_read_texts(session, session->files, session->file_count, &session->texts, error);
    if (status != 0) {
        return status;
    }
    site_plan_init(&session->plan, session->files, session->file_count, &session->site,
                   &session->texts);
    return session_check_plan(session, &session->plan, error);
}

int session_make_variants(struct session *session, const struct site_plan *plan,
                          const struct stored_file *files, size_t count, struct error *error)
{
    struct variant_options options = {.effort = session->site.effort};
    int status = variant_store_add(&session->store, files, count, &options, error);
    return status == 0 ? sidecars_check(&session->store, plan, error) : status;
}

uint64_t session_next_release(const struct session *session)
{
    return session->writer->has_commit ? session->writer->last_commit.release + 1 : 1;
}

void session_index_properties(const struct session *session, struct index_properties *out)
{
    *out = (struct index_properties){
        .release = session_next_release(session),
        .committed_bytes = release_committed_bytes(session->writer, session->options->sign_key),
        .created_s = session->superblock.created_s,
    };
    memcpy(out->archive_uuid, session->writer->reader->superblock.uuid, UUID_BYTES);
}

static int build_index(struct session *session, struct error *error)
{
    struct index_properties properties;
    session_index_properties(session, &properties);
    return release_index_build(&session->plan, &session->store.catalog, session->stem, &properties,
                               &session->image, &session->savings, error);
}

int session_publish(struct session *session, struct error *error)
{
    struct archive_writer *writer = session->writer;
    uint64_t release = session_next_release(session);
    operation_phase(session->options->operation, "commit");
    int status = release_commit(writer, session->options->sign_key, release,
                                session->superblock.created_s, &session->image, error);
    if (status == 0) {
        status = directory_sync(writer->path, error);
    }
    if (status == 0) {
        operation_phase(session->options->operation, "publish");
        status = publish_index(session->stem, release, &session->image, error);
    }
    char *index_path;
    if (status == 0) {
        status = publish_link(session->stem, release, &index_path, error);
    }
    if (status == 0) {
        free(session->index_path);
        session->index_path = index_path;
    }
    return status;
}

int session_record_options(struct session *session, struct error *error)
{
    char *text = site_options_write(&session->site);
    int status = content_store_record_options(&session->store, slice_of_string(text), error);
    free(text);
    return status;
}

static int make_variants(struct session *session, struct error *error)
{
    return session_make_variants(session, &session->plan, session->files, session->file_count,
                                 error);
}

int session_pack(struct session *session, struct error *error)
{
    static const struct session_step steps[] = {
        {NULL, store_files},         {NULL, session_record_options}, {NULL, plan_site},
        {"compress", make_variants}, {"index", build_index},         {NULL, session_publish},
    };
    return take_steps(session, steps, ARRAY_COUNT(steps), error);
}

void session_save_cache(struct session *session)
{
    if (session->writer->offset != session->writer->begin_offset) {
        return; /* it knows of records that will never be committed */
    }
    char *temporary = mem_format("%s.tmp", session->cache_path);
    struct error error = {""};
    int status =
        catalog_cache_save(session->cache_path, temporary, session->writer->reader->superblock.uuid,
                           session->writer->last_commit.committed_bytes, session->started_at_s,
                           &session->store.catalog, &error);
    if (status != 0) {
        fprintf(session->options->messages, "cairn-pack: warning: published, but %s\n", error.text);
    }
    free(temporary);
}
