#include "packer/add.h"

#include "common/mem.h"
#include "common/release.h"
#include "packer/atomic_file.h"
#include "packer/site_index.h"

#include <errno.h>
#include <inttypes.h>
#include <libgen.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

/* Everything that one run holds. */
struct add {
    const struct add_options *options;
    struct walk walk;
    struct superblock superblock; /* for a new archive; created_s is this run's time too */
    struct archive_writer *writer;
    struct content_store store;
    struct stored_file *files;
    struct index_image image;
    uint64_t release;
    uint64_t old_bytes; /* of the archive */
    double started_s;
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
        uint64_t bytes = (uint64_t)walk->files[i].status.st_size;
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
        if (getrandom(uuid, UUID_BYTES, 0) != UUID_BYTES) {
            return error_set(error, -errno, "getrandom: %s", strerror(errno));
        }
    }
    uuid[6] = (uint8_t)((uuid[6] & 0x0fu) | version << 4);
    uuid[8] = (uint8_t)((uuid[8] & 0x3fu) | 0x80u);
    return 0;
}

static int walk_site(struct add *add, struct error *error)
{
    const struct add_options *options = add->options;
    int status = walk_init(options->site_directory, &add->walk, error);
    if (status != 0) {
        return status;
    }
    for (size_t i = 0; i < add->walk.note_count; i++) {
        fprintf(options->messages, "cairn-pack: left out: %s: %s\n", add->walk.notes[i].name,
                add->walk.notes[i].reason);
    }
    if (add->walk.file_count == 0 && !options->allow_empty) {
        return error_set(error, ERR_EMPTY,
                         "%s: no file in it; --allow-empty publishes a site without pages",
                         options->site_directory);
    }
    return 0;
}

/* An archive inside the site would pack itself, twice as large each time. */
static int check_archive_place(const struct add *add, struct error *error)
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

static int store_files(struct add *add, struct error *error)
{
    content_store_init(&add->store, add->writer, add->superblock.created_s);
    if (add->store.catalog.damaged_count > 0) {
        fprintf(add->options->messages,
                "cairn-pack: warning: %s: %zu earlier releases have damaged records; run verify\n",
                add->writer->path, add->store.catalog.damaged_count);
    }
    add->files = mem_zeroed(add->walk.file_count, sizeof *add->files);
    for (size_t i = 0; i < add->walk.file_count; i++) {
        int status = content_store_add(&add->store, add->walk.root, &add->walk.files[i],
                                       &add->files[i], error);
        if (status != 0) {
            return status;
        }
    }
    return content_store_record_gone(&add->store, error);
}

static int build_index(struct add *add, struct error *error)
{
    add->release = add->writer->has_commit ? add->writer->last_commit.release + 1 : 1;
    struct index_properties properties = {
        .release = add->release,
        .committed_bytes = archive_writer_committed_bytes(add->writer),
        .created_s = add->superblock.created_s,
    };
    memcpy(properties.archive_uuid, add->writer->reader->superblock.uuid, UUID_BYTES);
    return site_index_build(add->files, add->walk.file_count, &properties, &add->image, error);
}

static int commit(struct add *add, struct error *error)
{
    struct commit commit = {
        .release = add->release,
        .created_s = add->superblock.created_s,
        .index_bytes = add->image.count,
        .index_checksum = add->image.checksum,
    };
    int status = archive_writer_commit(add->writer, &commit, error);
    return status == 0 ? directory_sync(add->writer->path, error) : status;
}

/* The index, then the link to it; each appears whole. Fixed temporary names, since the lock is
 * ours: what a crash leaves is overwritten by the next run. */
static int publish(struct add *add, char **out_index_path, struct error *error)
{
    char *stem = release_stem(add->writer->path);
    char *path = mem_format("%s.%06" PRIu64 ".idx", stem, add->release);
    char *link = mem_format("%s.idx", stem);
    char *temporary = mem_format("%s.idx.tmp", stem);
    char *target = mem_string(path, strlen(path));
    int status = atomic_file_write(path, temporary, add->image.bytes, add->image.count, error);
    if (status == 0) {
        status = directory_sync(path, error);
    }
    if (status == 0) {
        status = atomic_file_link(link, temporary, basename(target), error);
    }
    if (status == 0) {
        /* It is published from here on: only the link's new target may not outlive a crash. */
        struct error late = {""};
        if (directory_sync(path, &late) != 0) {
            fprintf(add->options->messages, "cairn-pack: warning: published, but %s\n", late.text);
        }
        *out_index_path = path;
        path = NULL;
    }
    free(target);
    free(temporary);
    free(link);
    free(path);
    free(stem);
    return status;
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

static void print_summary(const struct add *add)
{
    FILE *file = add->options->messages;
    fprintf(file, "cairn-pack: release %" PRIu64 ": %zu files, ", add->release,
            add->walk.file_count);
    print_bytes(file, (double)add->store.file_bytes);
    fprintf(file, "; %" PRIu64 " new, ", add->store.stored_count);
    print_bytes(file, (double)(add->writer->offset - add->old_bytes));
    fprintf(file, " appended; %.1f s\n", now_s() - add->started_s);
}

static int run(struct add *add, char **out_index_path, struct error *error)
{
    int status = walk_site(add, error);
    if (status == 0) {
        status = check_archive_place(add, error);
    }
    if (status == 0) {
        status = choose_identity(add, error);
    }
    if (status == 0) {
        status = archive_writer_open(add->options->archive_path, add->options->wait,
                                     &add->superblock, &add->writer, error);
    }
    if (status == 0) {
        status = check_archive_name(add, error);
    }
    if (status != 0) {
        return status;
    }
    add->old_bytes = add->writer->begin_offset;
    status = store_files(add, error);
    if (status == 0) {
        status = build_index(add, error);
    }
    if (status == 0) {
        status = commit(add, error);
    }
    if (status == 0) {
        status = publish(add, out_index_path, error);
    }
    if (status == 0 && !add->options->quiet) {
        print_summary(add);
    }
    return status;
}

int add_release(const struct add_options *options, char **out_index_path, struct error *error)
{
    struct add add = {.options = options, .started_s = now_s()};
    int status = run(&add, out_index_path, error);
    free(add.image.bytes);
    free(add.files);
    content_store_fini(&add.store);
    archive_writer_close(add.writer);
    walk_fini(&add.walk);
    return status;
}
