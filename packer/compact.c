#include "packer/compact.h"

#include "common/mem.h"
#include "common/release.h"
#include "packer/archive/archive_writer.h"
#include "packer/release/overlay.h"
#include "packer/release/publish.h"
#include "packer/release/release_commit.h"
#include "packer/release/release_view.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

struct compaction {
    struct archive *old;
    struct content_store store; /* of the new archive: its writer and catalog */
    char *stem;                 /* of the new archive */
    const struct private_key *sign_key;
};

static int damaged(const struct compaction *compaction, const char *name, struct error *error)
{
    return error_set(error, ERR_DAMAGED, "%s: %s: its bytes are damaged; run verify, and rebuild",
                     compaction->old->path, name);
}

static int copy_variant(struct compaction *compaction, const struct release_view *view,
                        const char *name, const struct variant *variant, uint32_t content,
                        struct error *error)
{
    struct record record;
    const char *why;
    if (record_decode(view->archive->map, view->commit.committed_bytes, variant->record_offset,
                      view->archive->superblock.uuid, &record, &why) != 0) {
        return damaged(compaction, name, error);
    }
    const uint8_t *bytes = view->archive->map + variant->payload_offset;
    struct hash128 hash = hash128(bytes, (size_t)record.stored_bytes);
    if (memcmp(hash.bytes, record.payload_hash.bytes, HASH128_BYTES) != 0) {
        return damaged(compaction, name, error);
    }
    struct catalog *catalog = &compaction->store.catalog;
    record.source_offset = catalog->contents[content].record_offset;
    int status = archive_writer_record(compaction->store.writer, &record, bytes, error);
    if (status == 0) {
        uint32_t copy = catalog_add_variant(catalog, content, &record);
        memcpy(catalog->variants[copy].digest, variant->digest, DIGEST_BYTES);
        catalog->variants[copy].has_digest = true;
    }
    return status;
}

/* The coded forms of a content as they are, oldest first: the other way round than they are listed,
 * and a crafted archive lists any number. */
static int copy_variants(struct compaction *compaction, const struct release_view *view,
                         const char *name, uint32_t newest, uint32_t content, struct error *error)
{
    const struct variant *variants = view->catalog.variants;
    size_t count = 0;
    for (uint32_t row = newest; row != 0; row = variants[row].next) {
        count++;
    }
    uint32_t *rows = mem_zeroed(count, sizeof *rows);
    size_t left = count;
    for (uint32_t row = newest; row != 0; row = variants[row].next) {
        rows[--left] = row;
    }
    int status = 0;
    for (size_t i = 0; i < count && status == 0; i++) {
        status = copy_variant(compaction, view, name, &variants[rows[i]], content, error);
    }
    free(rows);
    return status;
}

/* That nothing was worth it is worth knowing, too. */
static int copy_effort(struct compaction *compaction, const char *name, const struct content *old,
                       uint32_t content, int64_t created_s, struct error *error)
{
    struct catalog *catalog = &compaction->store.catalog;
    if (old->effort <= catalog->contents[content].effort) {
        return 0;
    }
    struct record record = {
        .kind = RECORD_VARIANT,
        .effort = (enum effort)old->effort,
        .path = slice_of_string(name),
        .modified_s = created_s,
        .payload_hash = hash128("", 0),
        .source_offset = catalog->contents[content].record_offset,
    };
    int status = archive_writer_record(compaction->store.writer, &record, NULL, error);
    if (status == 0) {
        catalog_add_variant(catalog, content, &record);
    }
    return status;
}

static int copy_content(struct compaction *compaction, const struct release_view *view,
                        const struct stored_file *file, struct error *error)
{
    const struct content *old = &view->catalog.contents[file->content];
    const uint8_t *bytes = release_view_bytes(view, old);
    struct hash128 hash = hash128(bytes, (size_t)old->stored_bytes);
    if (memcmp(hash.bytes, old->hash.bytes, HASH128_BYTES) != 0) {
        return damaged(compaction, file->name, error);
    }
    struct record record = {
        .kind = RECORD_CONTENT,
        .path = slice_of_string(file->name),
        .stored_bytes = old->stored_bytes,
        .modified_s = file->modified_s,
        .payload_hash = hash,
    };
    int status = archive_writer_record(compaction->store.writer, &record, bytes, error);
    if (status == 0) {
        uint32_t content = catalog_add_content(&compaction->store.catalog, &record);
        memcpy(compaction->store.catalog.contents[content].digest, old->digest, DIGEST_BYTES);
        compaction->store.catalog.contents[content].has_digest = true;
        status = copy_variants(compaction, view, file->name, old->first_variant, content, error);
        if (status == 0) {
            status =
                copy_effort(compaction, file->name, old, content, view->commit.created_s, error);
        }
    }
    return status;
}

/* Equal content is stored once in the old archive, so a hash that is known here is this content,
 * unless the bytes differ (two contents of one hash). */
static bool is_known(const struct compaction *compaction, const struct release_view *view,
                     const struct stored_file *file, uint32_t *out_content)
{
    const struct content *old = &view->catalog.contents[file->content];
    uint32_t row = catalog_find_content(&compaction->store.catalog, &old->hash);
    *out_content = row;
    return row != 0 && compaction->store.catalog.contents[row].stored_bytes == old->stored_bytes;
}

static int copy_file(struct compaction *compaction, const struct release_view *view,
                     const struct stored_file *file, struct error *error)
{
    struct catalog *catalog = &compaction->store.catalog;
    struct slice name = slice_of_string(file->name);
    uint32_t content;
    int status = 0;
    if (!is_known(compaction, view, file, &content)) {
        status = copy_content(compaction, view, file, error);
    } else {
        status = content_store_bind(&compaction->store, name, file->modified_s, content, error);
    }
    if (status == 0) {
        catalog->paths[catalog_find_path(catalog, name)].is_seen = true;
    }
    return status;
}

static int copy_files(struct compaction *compaction, const struct release_view *view,
                      struct error *error)
{
    struct catalog *catalog = &compaction->store.catalog;
    for (uint32_t row = 1; row <= catalog->path_count; row++) {
        catalog->paths[row].is_seen = false;
    }
    int status = 0;
    for (size_t i = 0; i < view->file_count && status == 0; i++) {
        status = copy_file(compaction, view, &view->files[i], error);
    }
    if (status == 0) {
        status = content_store_record_gone(&compaction->store, error);
    }
    return status;
}

/* The files as the new archive has them; the caller frees. */
static struct stored_file *new_files(const struct compaction *compaction,
                                     const struct release_view *view)
{
    const struct catalog *catalog = &compaction->store.catalog;
    struct stored_file *files = mem_zeroed(view->file_count, sizeof *files);
    for (size_t i = 0; i < view->file_count; i++) {
        files[i] = view->files[i];
        const struct bound_path *path =
            &catalog->paths[catalog_find_path(catalog, slice_of_string(files[i].name))];
        files[i].content = path->content;
        files[i].is_rebound = path->is_rebound;
    }
    return files;
}

static int make_index(struct compaction *compaction, const struct release_view *view,
                      struct index_image *out_image, struct error *error)
{
    struct archive_writer *writer = compaction->store.writer;
    struct stored_file *files = new_files(compaction, view);
    struct site_plan plan;
    site_plan_init(&plan, files, view->file_count, &view->options, &view->texts);
    struct index_properties properties = {
        .release = view->commit.release,
        .committed_bytes = release_committed_bytes(writer, compaction->sign_key),
        .created_s = view->commit.created_s,
    };
    memcpy(properties.archive_uuid, writer->reader->superblock.uuid, UUID_BYTES);
    int status = release_index_build(&plan, &compaction->store.catalog, compaction->stem,
                                     &properties, out_image, NULL, error);
    site_plan_fini(&plan);
    free(files);
    return status;
}

static int commit_release(struct compaction *compaction, const struct release_view *view,
                          struct error *error)
{
    struct index_image image = {0};
    char *text = site_options_write(&view->options);
    int status = content_store_record_options(&compaction->store, slice_of_string(text), error);
    free(text);
    if (status == 0) {
        status = make_index(compaction, view, &image, error);
    }
    if (status == 0) {
        status = release_commit(compaction->store.writer, compaction->sign_key,
                                view->commit.release, view->commit.created_s, &image, error);
    }
    if (status == 0) {
        status = publish_index(compaction->stem, view->commit.release, &image, error);
    }
    free(image.bytes);
    return status;
}

static int copy_release(struct compaction *compaction, const struct commit *commit, bool is_first,
                        struct error *error)
{
    struct release_view view;
    int status = release_view_init(&view, compaction->old, commit, error);
    if (status == 0 && (view.catalog.damaged_count > 0 || view.lost_count > 0)) {
        status = error_set(error, ERR_DAMAGED, "%s: release %" PRIu64 " has damaged records",
                           compaction->old->path, commit->release);
    }
    if (status == 0) {
        view.options.overlay = view.options.overlay && !is_first; /* the first is whole */
        release_view_digest(&view);
        compaction->store.created_s = commit->created_s;
        status = copy_files(compaction, &view, error);
    }
    if (status == 0) {
        status = commit_release(compaction, &view, error);
    }
    if (status == 0) {
        status = archive_writer_refresh(compaction->store.writer, error);
    }
    release_view_fini(&view);
    return status;
}

static int new_superblock(const struct commit *newest, struct superblock *out_superblock,
                          struct error *error)
{
    uint8_t *uuid = out_superblock->uuid;
    const char *epoch = getenv("SOURCE_DATE_EPOCH");
    *out_superblock = (struct superblock){.created_s = newest->created_s};
    unsigned version = 4;
    if (epoch != NULL && *epoch != '\0') {
        struct hash128 hash = newest->index_checksum; /* the same input, the same bytes */
        memcpy(uuid, hash.bytes, UUID_BYTES);
        version = 8;
    } else if (getentropy(uuid, UUID_BYTES) != 0) {
        return error_set(error, -errno, "the archive's UUID: %s", strerror(errno));
    }
    uuid[6] = (uint8_t)((uuid[6] & 0x0fu) | version << 4);
    uuid[8] = (uint8_t)((uuid[8] & 0x3fu) | 0x80u);
    return 0;
}

/* After a failure: the new archive and the indexes that it got so far. */
static void remove_new(const struct compaction *compaction, const char *new_path,
                       const struct commit *commits, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        char *path = release_numbered_path(compaction->stem, commits[i].release);
        unlink(path);
        free(path);
    }
    unlink(new_path);
}

/* What is there already is never touched: not knowing is reason enough. */
static int check_absent(const char *path, struct error *error)
{
    struct stat status;
    if (stat(path, &status) == 0) {
        return error_set(error, -EEXIST, "%s: it is there already", path);
    }
    return errno == ENOENT ? 0 : error_set(error, -errno, "%s: %s", path, strerror(errno));
}

static int copy_all(struct compaction *compaction, const struct commit *commits, size_t count,
                    const char *new_path, char **out_index_path, struct error *error)
{
    struct superblock superblock;
    struct archive_writer *writer;
    int status = new_superblock(&commits[count - 1], &superblock, error);
    if (status == 0) {
        status = check_absent(new_path, error);
    }
    if (status != 0) {
        return status;
    }
    status = archive_writer_open(new_path, false, &superblock, &writer, error);
    if (status != 0) {
        struct stat begun;
        if (status != ERR_BUSY && stat(new_path, &begun) == 0 &&
            begun.st_size <= SUPERBLOCK_BYTES) {
            unlink(new_path); /* it was not there before */
        }
        return status;
    }
    const struct catalog empty = {0};
    content_store_init(&compaction->store, writer, &empty, 0);
    compaction->stem = release_stem(writer->path);
    for (size_t i = 0; i < count && status == 0; i++) {
        status = copy_release(compaction, &commits[i], i == 0, error);
    }
    if (status == 0) {
        status = publish_link(compaction->stem, commits[count - 1].release, out_index_path, error);
    }
    if (status != 0) {
        remove_new(compaction, new_path, commits, count);
    }
    content_store_fini(&compaction->store);
    archive_writer_close(writer);
    free(compaction->stem);
    return status;
}

int compact_archive(const char *archive_path, const char *new_path, uint64_t keep,
                    const struct private_key *sign_key, FILE *messages, char **out_index_path,
                    struct error *error)
{
    struct compaction compaction = {.sign_key = sign_key};
    int status = archive_open(archive_path, 0, &compaction.old, error);
    if (status != 0) {
        return status;
    }
    struct commit *commits = NULL;
    size_t count = 0;
    status = release_commits(compaction.old, &commits, &count, error);
    size_t kept = keep < count ? (size_t)keep : count;
    if (status == 0 && kept == 0) {
        status = error_set(error, ERR_EMPTY, "%s: it holds no release", archive_path);
    } else if (status == 0) {
        status =
            copy_all(&compaction, commits + (count - kept), kept, new_path, out_index_path, error);
    }
    if (status == 0) {
        fprintf(messages, "cairn-pack: %zu of %zu releases in %s; the old archive is as it was\n",
                kept, count, new_path);
    }
    free(commits);
    archive_unref(compaction.old);
    return status;
}
