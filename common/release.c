#include "common/release.h"

#include "common/fault_guard.h"

#include "common/mem.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <unistd.h>

static const char archive_suffix[] = ".cairn";
static const char index_suffix[] = ".idx";

/* How many bytes of `text` stand before `suffix`; all of them if it does not end so. */
static size_t bytes_before(const char *text, size_t count, const char *suffix)
{
    size_t suffix_bytes = strlen(suffix);
    bool ends_so =
        count > suffix_bytes && memcmp(text + count - suffix_bytes, suffix, suffix_bytes) == 0;
    return ends_so ? count - suffix_bytes : count;
}

char *release_stem(const char *archive_path)
{
    return mem_string(archive_path,
                      bytes_before(archive_path, strlen(archive_path), archive_suffix));
}

char *release_numbered_path(const char *stem, uint64_t release)
{
    return mem_format("%s.%06" PRIu64 "%s", stem, release, index_suffix);
}

int release_index_path(const char *path, char **out_path, struct error *error)
{
    char *resolved = realpath(path, NULL);
    if (resolved == NULL) {
        return error_set(error, -errno, "%s: %s", path, strerror(errno));
    }
    *out_path = resolved;
    return 0;
}

/* NAME of NAME.idx and NAME.000042.idx. */
static size_t stem_bytes(const char *index_path)
{
    size_t count = bytes_before(index_path, strlen(index_path), index_suffix);
    size_t digits = 0;
    while (digits < count && index_path[count - 1 - digits] >= '0' &&
           index_path[count - 1 - digits] <= '9') {
        digits++;
    }
    bool is_numbered = digits > 0 && digits < count && index_path[count - 1 - digits] == '.';
    return is_numbered ? count - 1 - digits : count;
}

int release_archive_path(const char *index_path, char **out_path, struct error *error)
{
    char *resolved = NULL;
    int status = release_index_path(index_path, &resolved, error);
    if (status != 0) {
        return status;
    }
    char *stem = mem_string(resolved, stem_bytes(resolved));
    char *path = mem_format("%s%s", stem, archive_suffix);
    if (access(path, F_OK) != 0 && access(stem, F_OK) == 0) {
        free(path);
        path = mem_string(stem, strlen(stem));
    }
    free(stem);
    free(resolved);
    *out_path = path;
    return 0;
}

struct commit_reading {
    const struct index *index;
    const struct archive *archive;
    struct commit *commit;
    const char *why;
    int status;
};

static void read_commit(void *argument)
{
    struct commit_reading *reading = argument;
    reading->status =
        commit_decode(reading->archive->map, reading->index->committed_bytes,
                      reading->archive->superblock.uuid, reading->commit, &reading->why);
}

int release_bind(const struct index *index, const struct archive *archive, struct error *error)
{
    if (memcmp(index->archive_uuid, archive->superblock.uuid, UUID_BYTES) != 0) {
        return error_set(error, ERR_BINDING, "%s: not the archive that this index was made for",
                         archive->path);
    }
    uint64_t file_bytes;
    int result = archive_file_bytes(archive, &file_bytes, error);
    if (result != 0) {
        return result;
    }
    if (file_bytes < index->committed_bytes || archive->map_bytes < index->committed_bytes) {
        return error_set(error, ERR_BINDING,
                         "%s: %" PRIu64 " bytes long, but this index needs %" PRIu64, archive->path,
                         file_bytes, index->committed_bytes);
    }
    struct commit commit;
    const void *ignored;
    struct commit_reading reading = {
        .index = index, .archive = archive, .commit = &commit, .why = "not readable"};
    if (!fault_guard_run(read_commit, &reading, &ignored) || reading.status != 0) {
        return error_set(error, ERR_BINDING, "%s: %s", archive->path, reading.why);
    }
    if (commit.release != index->release || commit.index_bytes != index->map_bytes ||
        memcmp(commit.index_checksum.bytes, index->checksum.bytes, HASH128_BYTES) != 0) {
        return error_set(error, ERR_BINDING, "%s: its commit record names another index than this",
                         archive->path);
    }
    return 0;
}

int release_commits(const struct archive *archive, struct commit **out_commits, size_t *out_count,
                    struct error *error)
{
    struct commit *commits = NULL;
    size_t count = 0;
    size_t capacity = 0;
    struct commit commit = {0};
    uint64_t end;
    uint64_t file_bytes;
    int result = archive_file_bytes(archive, &file_bytes, error);
    if (result == 0) {
        result = archive_last_commit(archive, file_bytes, &commit, &end, error);
    }
    if (result < 0) {
        return result;
    }
    bool is_there = result > 0;
    while (is_there) {
        if (count == capacity) {
            capacity = mem_capacity(capacity, count + 1);
            commits = mem_resize(commits, capacity, sizeof *commits);
        }
        commits[count++] = commit;
        const char *why;
        is_there = commit.previous_offset != 0 &&
                   commit_decode(archive->map, commit.previous_offset + COMMIT_RECORD_BYTES,
                                 archive->superblock.uuid, &commit, &why) == 0;
    }
    for (size_t i = 0; i < count / 2; i++) {
        struct commit swapped = commits[i];
        commits[i] = commits[count - 1 - i];
        commits[count - 1 - i] = swapped;
    }
    *out_commits = commits;
    *out_count = count;
    return 0;
}
