#include "packer/rebuild.h"

#include "common/mem.h"
#include "common/release.h"
#include "packer/archive_writer.h"
#include "packer/publish.h"
#include "packer/release_view.h"
#include "packer/salvage.h"
#include "packer/verify.h"

#include <inttypes.h>
#include <stdlib.h>
#include <unistd.h>

struct rebuild {
    struct archive_writer *writer; /* for its lock, and for a new release */
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

static int make_missing(struct rebuild *rebuild, const struct commit *commits, size_t count,
                        uint64_t *out_newest)
{
    int last_status = 0;
    for (size_t i = 0; i < count; i++) {
        struct error error = {""};
        last_status = 0;
        if (!has_index(rebuild, &commits[i])) {
            last_status = make_index(rebuild, &commits[i], &error);
            if (last_status == 0) {
                fprintf(rebuild->messages, "cairn-pack: release %" PRIu64 ": index made again\n",
                        commits[i].release);
            } else {
                fprintf(rebuild->messages, "cairn-pack: warning: %s\n", error.text);
            }
        }
        if (last_status == 0) {
            *out_newest = commits[i].release;
        }
    }
    return last_status;
}

/* An index may be there and what it leads to be damaged: reads all of the newest release. */
static bool is_newest_whole(const struct rebuild *rebuild, uint64_t release)
{
    char *path = release_numbered_path(rebuild->stem, release);
    FILE *nowhere = fopen("/dev/null", "w");
    struct error error = {""};
    bool is_whole = nowhere != NULL && verify_release(path, nowhere, &error) == 0;
    if (!is_whole) {
        fprintf(rebuild->messages, "cairn-pack: warning: %s\n", error.text);
    }
    if (nowhere != NULL) {
        fclose(nowhere);
    }
    free(path);
    return is_whole;
}

int rebuild_indexes(const char *archive_path, FILE *messages, char **out_index_path,
                    struct error *error)
{
    struct rebuild rebuild = {.messages = messages};
    int status = archive_writer_open_existing(archive_path, &rebuild.writer, error);
    if (status != 0) {
        return status;
    }
    rebuild.stem = release_stem(rebuild.writer->path);
    char *cache_path = mem_format("%s.cache", rebuild.stem);
    (void)unlink(cache_path); /* what it knows may be what is damaged */
    free(cache_path);
    struct commit *commits;
    size_t count = release_commits(rebuild.writer->reader, &commits);
    uint64_t newest = 0;
    bool is_cut = count == 0 || commits[0].previous_offset != 0;
    int last_status = make_missing(&rebuild, commits, count, &newest);
    if (last_status != 0 || count == 0 || !is_newest_whole(&rebuild, newest)) {
        status = salvage_release(rebuild.writer, rebuild.stem, messages, &newest, error);
    } else if (is_cut) {
        fprintf(messages, "cairn-pack: warning: releases before %" PRIu64 " cannot be reached\n",
                commits[0].release);
    }
    if (status == 0) {
        status = publish_link(rebuild.stem, newest, out_index_path, error);
    }
    free(commits);
    free(rebuild.stem);
    archive_writer_close(rebuild.writer);
    return status;
}
