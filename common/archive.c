#include "common/archive.h"

#include "common/mem.h"
#include "common/read_at.h"
#include "common/wire.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static int map_file(struct archive *archive, uint64_t file_bytes, uint64_t reserve_bytes,
                    struct error *error)
{
    uint64_t wanted[2] = {file_bytes + reserve_bytes, file_bytes};
    for (size_t i = 0; i < ARRAY_COUNT(wanted); i++) {
        void *map = mmap(NULL, wanted[i], PROT_READ, MAP_SHARED | MAP_NORESERVE, archive->fd, 0);
        if (map != MAP_FAILED) {
            archive->map = map;
            archive->map_bytes = wanted[i];
            return 0;
        }
    }
    return error_set(error, -errno, "%s: cannot be mapped: %s", archive->path, strerror(errno));
}

void archive_ask_residency(struct archive *archive)
{
    struct stat status;
    bool is_owner = fstat(archive->fd, &status) == 0 && status.st_uid == geteuid();
    archive->is_residency_told =
        is_owner || faccessat(AT_FDCWD, archive->path, W_OK, AT_EACCESS) == 0;
}

static int open_and_check(struct archive *archive, uint64_t reserve_bytes, struct error *error)
{
    struct stat status;
    archive->fd = open(archive->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (archive->fd < 0 || fstat(archive->fd, &status) != 0) {
        return error_set(error, -errno, "%s: %s", archive->path, strerror(errno));
    }
    if (!S_ISREG(status.st_mode)) {
        return error_set(error, ERR_FORMAT, "%s: not a regular file", archive->path);
    }
    archive_ask_residency(archive);
    archive->device = status.st_dev;
    archive->inode = status.st_ino;
    uint8_t start[SUPERBLOCK_BYTES];
    ssize_t count = read_at(archive->fd, start, sizeof start, 0);
    if (count < 0) {
        return error_set(error, (int)count, "%s: %s", archive->path, error_name((int)count));
    }
    const char *why;
    int result = superblock_decode(start, (size_t)count, &archive->superblock, &why);
    if (result != 0) {
        return error_set(error, result, "%s: %s", archive->path, why);
    }
    return map_file(archive, (uint64_t)status.st_size, reserve_bytes, error);
}

int archive_open(const char *path, uint64_t reserve_bytes, struct archive **out_archive,
                 struct error *error)
{
    struct archive *archive = mem_zeroed(1, sizeof *archive);
    atomic_init(&archive->references, 1);
    archive->path = mem_string(path, strlen(path));
    int result = open_and_check(archive, reserve_bytes, error);
    if (result != 0) {
        archive_unref(archive);
        return result;
    }
    *out_archive = archive;
    return 0;
}

struct archive *archive_ref(struct archive *archive)
{
    unsigned before = atomic_fetch_add_explicit(&archive->references, 1, memory_order_relaxed);
    assert(before > 0);
    return archive;
}

void archive_unref(struct archive *archive)
{
    if (archive == NULL ||
        atomic_fetch_sub_explicit(&archive->references, 1, memory_order_acq_rel) > 1) {
        return;
    }
    if (archive->map != NULL) {
        munmap((void *)(uintptr_t)archive->map, archive->map_bytes);
    }
    if (archive->fd >= 0) {
        close(archive->fd);
    }
    free(archive->path);
    free(archive);
}

int archive_file_bytes(const struct archive *archive, uint64_t *out_bytes, struct error *error)
{
    struct stat status;
    if (fstat(archive->fd, &status) != 0) {
        return error_set(error, -errno, "%s: %s", archive->path, strerror(errno));
    }
    *out_bytes = (uint64_t)status.st_size;
    return 0;
}

/* Could a commit record start here? Only a first look: what it finds is decoded and checked. */
static bool looks_like_commit(const uint8_t *header)
{
    struct wire_reader reader = wire_reader(header, RECORD_HEADER_BYTES);
    return wire_u32(&reader) == RECORD_MAGIC && wire_u8(&reader) == RECORD_COMMIT;
}

/* The bytes are read, not looked at in the mapping: what a failed add gave back is a hole, and
 * touching a hole in a mapping allocates it on some file systems. */
int archive_last_commit(const struct archive *archive, uint64_t file_bytes,
                        struct commit *out_commit, uint64_t *out_end_offset, struct error *error)
{
    assert(file_bytes <= archive->map_bytes);
    uint8_t piece[65536];
    uint64_t end = file_bytes & ~(uint64_t)(FORMAT_ALIGNMENT - 1);
    while (end >= SUPERBLOCK_BYTES + COMMIT_RECORD_BYTES) {
        uint64_t start = end > sizeof piece ? end - sizeof piece : 0;
        ssize_t count = read_at(archive->fd, piece, (size_t)(end - start), start);
        if (count < 0) {
            return error_set(error, (int)count, "%s: %s", archive->path, error_name((int)count));
        }
        if (count != (ssize_t)(end - start)) {
            return error_set(error, ERR_CHANGED, "%s: somebody cut it short", archive->path);
        }
        for (; end >= start + COMMIT_RECORD_BYTES; end -= FORMAT_ALIGNMENT) {
            const char *why;
            if (looks_like_commit(piece + (end - COMMIT_RECORD_BYTES - start)) &&
                commit_decode(archive->map, end, archive->superblock.uuid, out_commit, &why) == 0) {
                *out_end_offset = end;
                return 1;
            }
        }
        if (start == 0) {
            break;
        }
    }
    *out_end_offset = SUPERBLOCK_BYTES;
    return 0;
}

bool archive_resync(const struct archive *archive, uint64_t end, uint64_t *offset)
{
    struct record record;
    const char *why;
    for (uint64_t at = format_align(*offset + 1); at < end; at += FORMAT_ALIGNMENT) {
        if (record_decode(archive->map, end, at, archive->superblock.uuid, &record, &why) == 0) {
            *offset = at;
            return true;
        }
    }
    return false;
}

int archive_next_record(const struct archive *archive, const struct commit *commit,
                        uint64_t *offset, struct record *out_record, const char **why)
{
    uint64_t end = commit->committed_bytes - COMMIT_RECORD_BYTES;
    if (*offset == end) {
        return 0;
    }
    struct record record;
    int status = record_decode(archive->map, end, *offset, archive->superblock.uuid, &record, why);
    if (status != 0) {
        return status;
    }
    *offset = record.end_offset;
    *out_record = record;
    return 1;
}
