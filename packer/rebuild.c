#include "packer/rebuild.h"

#include "common/mem.h"
#include "common/release.h"
#include "packer/archive/archive_writer.h"
#include "packer/release/publish.h"
#include "packer/release/release_view.h"
#include "packer/release/salvage.h"
#include "packer/verify.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct rebuild {
    struct archive_writer *writer;      /* for its lock, and for a new release */
    const struct private_key *sign_key; /* of a new release; NULL: unsigned */
    char *stem;
    FILE *messages;
};

/* Is the index on disk the one that the commit record names? */
static bool has_index(const struct rebuild *rebuild, const struct commit *commit)
{
    char *path = release_numbered_path(rebuild->stem, commit->release);
    struct index *index = NULL;
    struct error ignored;
    bool is_there = index_open(path, &index, &ignored) == 0 &&
                    release_bind(index, rebuild->writer->reader, &ignored) == 0 &&
                    index->release == commit->release;
    index_close(index);
    free(path);
    return is_there;
}

/* The same index again, or ERR_DAMAGED. */
static int make_index(const struct rebuild *rebuild, const struct commit *commit,
                      struct error *error)
{
    struct release_view view;
    struct index_image image = {0};
    int status = release_view_init(&view, rebuild->writer->reader, commit, error);
    if (status == 0) {
        status = release_view_index(&view, rebuild->stem, &image, error);
    }
    if (status == 0 &&
        (image.count != commit->index_bytes ||
         memcmp(image.checksum.bytes, commit->index_checksum.bytes, HASH128_BYTES) != 0)) {
        status = error_set(error, ERR_DAMAGED,
                           "release %" PRIu64
                           " cannot be made again as it was: bytes of it are damaged, "
                           "or another version of cairn-pack made it",
                           commit->release);
    }
    if (status == 0) {
        status = publish_index(rebuild->stem, commit->release, &image, error);
    }
    free(image.bytes);
    release_view_fini(&view);
    return status;
}

/* What the system refuses (-errno) tells nothing about what is damaged; but that an index is not
 * there does: an overlay is made from the one below it. */
static bool is_damage(int status)
{
    return status <= ERR_FORMAT || status == -ENOENT;
}

/* What of a release is damaged is told, and does not stop the others. */
static int make_missing_one(const struct rebuild *rebuild, const struct commit *commit,
                            struct error *error)
{
    if (has_index(rebuild, commit)) {
        return 0;
    }
    int status = make_index(rebuild, commit, error);
    if (status == 0) {
        fprintf(rebuild->messages, "cairn-pack: release %" PRIu64 ": index made again\n",
                commit->release);
    } else if (is_damage(status)) {
        fprintf(rebuild->messages, "cairn-pack: warning: %s\n", error->text);
    }
    return status;
}

/* 0, or what is the matter with the newest release. */
static int make_missing(struct rebuild *rebuild, const struct commit *commits, size_t count,
                        uint64_t *out_newest, struct error *error)
{
    int status = ERR_EMPTY;
    for (size_t i = 0; i < count; i++) {
        status = make_missing_one(rebuild, &commits[i], error);
        if (status != 0 && !is_damage(status)) {
            return status;
        }
        if (status == 0) {
            *out_newest = commits[i].release;
        }
    }
    return status;
}

/* An index may be there and what it leads to be damaged: reads all of the newest release. */
static int check_newest(const struct rebuild *rebuild, uint64_t release, struct error *error)
{
    FILE *nowhere = fopen("/dev/null", "w");
    if (nowhere == NULL) {
        return error_set(error, -errno, "/dev/null: %s", strerror(errno));
    }
    char *path = release_numbered_path(rebuild->stem, release);
    const struct trust anybody = {0};
    int status = verify_release(path, &anybody, nowhere, error);
    if (is_damage(status)) {
        fprintf(rebuild->messages, "cairn-pack: warning: %s\n", error->text);
    }
    fclose(nowhere);
    free(path);
    return status;
}

/* What the cache knows may be what is damaged. */
static int remove_cache(const struct rebuild *rebuild, struct error *error)
{
    char *path = mem_format("%s.cache", rebuild->stem);
    int status = 0;
    if (unlink(path) != 0 && errno != ENOENT) {
        status = error_set(error, -errno, "%s: %s", path, strerror(errno));
    }
    free(path);
    return status;
}

/* Makes what is missing; if that cannot be done, a new release of what is whole. */
static int make_release(struct rebuild *rebuild, uint64_t *out_release, struct error *error)
{
    struct commit *commits;
    size_t count;
    int status = release_commits(rebuild->writer->reader, &commits, &count, error);
    if (status != 0) {
        return status;
    }
    bool is_cut = count == 0 || commits[0].previous_offset != 0;
    status = make_missing(rebuild, commits, count, out_release, error);
    if (status == 0) {
        status = check_newest(rebuild, *out_release, error);
    }
    if (is_damage(status)) {
        status = salvage_release(rebuild->writer, rebuild->stem, rebuild->sign_key,
                                 rebuild->messages, out_release, error);
    } else if (status == 0 && is_cut) {
        fprintf(rebuild->messages,
                "cairn-pack: warning: releases before %" PRIu64 " cannot be reached\n",
                commits[0].release);
    }
    free(commits);
    return status;
}

int rebuild_indexes(const char *archive_path, const struct private_key *sign_key, FILE *messages,
                    char **out_index_path, struct error *error)
{
    struct rebuild rebuild = {.sign_key = sign_key, .messages = messages};
    int status = archive_writer_open_existing(archive_path, &rebuild.writer, error);
    if (status != 0) {
        return status;
    }
    rebuild.stem = release_stem(rebuild.writer->path);
    uint64_t newest = 0;
    status = remove_cache(&rebuild, error);
    if (status == 0) {
        status = make_release(&rebuild, &newest, error);
    }
    if (status == 0) {
        status = publish_link(rebuild.stem, newest, out_index_path, error);
    }
    free(rebuild.stem);
    archive_writer_close(rebuild.writer);
    return status;
}
