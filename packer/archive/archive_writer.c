#include "packer/archive/archive_writer.h"

#include "common/mem.h"
#include "common/read_at.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

enum { BUFFER_BYTES = 1 << 20 };

static int fail(const struct archive_writer *writer, struct error *error)
{
    return error_set(error, -errno, "%s: %s", writer->path, strerror(errno));
}

/* Of an existing file, links followed; of one that is to be made, with its folder's links followed.
 */
static int resolve(const char *path, char **out_path, struct error *error)
{
    char *resolved = realpath(path, NULL);
    if (resolved == NULL && errno == ENOENT) {
        char *copy = mem_string(path, strlen(path));
        char *folder = realpath(dirname(copy), NULL);
        free(copy);
        copy = mem_string(path, strlen(path));
        if (folder != NULL) {
            resolved = mem_format("%s/%s", strcmp(folder, "/") == 0 ? "" : folder, basename(copy));
        }
        free(folder);
        free(copy);
    }
    if (resolved == NULL) {
        return error_set(error, -errno, "%s: %s", path, strerror(errno));
    }
    *out_path = resolved;
    return 0;
}

static int lock(struct archive_writer *writer, bool wait, struct error *error)
{
    while (flock(writer->fd, LOCK_EX | (wait ? 0 : LOCK_NB)) != 0) {
        if (errno == EWOULDBLOCK) {
            return error_set(error, ERR_BUSY,
                             "%s: another cairn-pack is adding to it (--wait waits)", writer->path);
        }
        if (errno != EINTR) {
            return fail(writer, error);
        }
    }
    return 0;
}

/* While one waited for the lock, the other may have removed the file that it had created: then the
 * lock is on a file without a name. */
static bool still_has_its_name(const struct archive_writer *writer)
{
    struct stat by_name, by_descriptor;
    return stat(writer->path, &by_name) == 0 && fstat(writer->fd, &by_descriptor) == 0 &&
           by_name.st_dev == by_descriptor.st_dev && by_name.st_ino == by_descriptor.st_ino;
}

static int open_and_lock(struct archive_writer *writer, bool wait, struct error *error)
{
    for (;;) {
        writer->fd = open(writer->path, O_RDWR | O_CREAT | O_CLOEXEC | O_NONBLOCK, 0644);
        if (writer->fd < 0) {
            return fail(writer, error);
        }
        int status = lock(writer, wait, error);
        if (status != 0 || still_has_its_name(writer)) {
            return status;
        }
        close(writer->fd);
        writer->fd = -1;
    }
}

static int write_all(struct archive_writer *writer, const void *bytes, size_t count,
                     uint64_t offset, struct error *error)
{
    const uint8_t *at = bytes;
    while (count > 0) {
        ssize_t written = pwrite(writer->fd, at, count, (off_t)offset);
        if (written < 0 && errno == EINTR) {
            continue;
        }
        if (written < 0) {
            return fail(writer, error);
        }
        at += written;
        offset += (uint64_t)written;
        count -= (size_t)written;
    }
    return 0;
}

int archive_writer_flush(struct archive_writer *writer, struct error *error)
{
    uint64_t offset = writer->offset - writer->buffered;
    int status = write_all(writer, writer->buffer, writer->buffered, offset, error);
    /* The disk may begin now, so that the fsync at the end finds less to do. */
    (void)sync_file_range(writer->fd, (off_t)offset, (off_t)writer->buffered,
                          SYNC_FILE_RANGE_WRITE);
    writer->buffered = 0;
    writer->is_torn |= status != 0;
    return status;
}

static int append(struct archive_writer *writer, const void *bytes, size_t count,
                  struct error *error)
{
    if (count > BUFFER_BYTES - writer->buffered) {
        int status = archive_writer_flush(writer, error);
        if (status != 0) {
            return status;
        }
    }
    if (count > BUFFER_BYTES) {
        int status = write_all(writer, bytes, count, writer->offset, error);
        writer->offset += count;
        return status;
    }
    memcpy(writer->buffer + writer->buffered, bytes, count);
    writer->buffered += count;
    writer->offset += count;
    return 0;
}

static int append_zeros_to(struct archive_writer *writer, uint64_t offset, struct error *error)
{
    static const uint8_t zeros[FORMAT_ALIGNMENT];
    assert(offset >= writer->offset && offset - writer->offset < sizeof zeros);
    return append(writer, zeros, (size_t)(offset - writer->offset), error);
}

/* Gives the blocks of [from, to) back and leaves the length. Where the file system cannot, the
 * bytes stay, and do no harm. */
static void punch(const struct archive_writer *writer, uint64_t from, uint64_t to)
{
    if (to > from) {
        (void)fallocate(writer->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)from,
                        (off_t)(to - from));
    }
}

/* A file that ends inside a superblock is what a crash right after its creation leaves. 1: this is
 * one; 0: it is not; else a negative code. */
static int is_unfinished_superblock(const struct archive_writer *writer, uint64_t file_bytes,
                                    struct error *error)
{
    uint8_t start[MAGIC_BYTES] = {0};
    ssize_t count = read_at(writer->fd, start, sizeof start, 0);
    if (count < 0) {
        return error_set(error, (int)count, "%s: %s", writer->path, error_name((int)count));
    }
    return file_bytes < SUPERBLOCK_BYTES && memcmp(start, ARCHIVE_MAGIC, (size_t)count) == 0;
}

static int read_or_create(struct archive_writer *writer, const struct superblock *superblock,
                          struct error *error)
{
    struct stat status;
    if (fstat(writer->fd, &status) != 0) {
        return fail(writer, error);
    }
    if (!S_ISREG(status.st_mode)) {
        return error_set(error, ERR_FORMAT, "%s: not a regular file", writer->path);
    }
    uint64_t file_bytes = (uint64_t)status.st_size;
    int result = is_unfinished_superblock(writer, file_bytes, error);
    if (result < 0) {
        return result;
    }
    if (result > 0) {
        uint8_t bytes[SUPERBLOCK_BYTES];
        superblock_encode(superblock, bytes);
        writer->is_new = true;
        result = write_all(writer, bytes, sizeof bytes, 0, error);
        if (result != 0) {
            return result;
        }
        file_bytes = SUPERBLOCK_BYTES;
    }
    result = archive_open(writer->path, 0, &writer->reader, error);
    if (result != 0) {
        return result;
    }
    uint64_t committed;
    result =
        archive_last_commit(writer->reader, file_bytes, &writer->last_commit, &committed, error);
    if (result < 0) {
        return result;
    }
    writer->has_commit = result > 0;
    /* What lies behind the last commit is skipped and left alone: a commit record that went bad on
     * the disk would look the same as an add that was cut off. */
    writer->begin_offset = format_align(file_bytes);
    writer->offset = writer->begin_offset;
    return 0;
}

/* The file exists now. If its name was a link that led nowhere, its own name is another: indexes go
 * beside the file. */
static int resolve_again(struct archive_writer *writer, struct error *error)
{
    char *path;
    int status = resolve(writer->path, &path, error);
    if (status == 0) {
        free(writer->path);
        writer->path = path;
    }
    return status;
}

int archive_writer_open(const char *path, bool wait, const struct superblock *superblock,
                        struct archive_writer **out_writer, struct error *error)
{
    struct archive_writer *writer = mem_zeroed(1, sizeof *writer);
    writer->fd = -1;
    writer->buffer = mem_zeroed(BUFFER_BYTES, 1);
    int status = resolve(path, &writer->path, error);
    if (status == 0) {
        status = open_and_lock(writer, wait, error);
    }
    if (status == 0) {
        status = resolve_again(writer, error);
    }
    if (status == 0) {
        status = read_or_create(writer, superblock, error);
    }
    if (status != 0) {
        archive_writer_close(writer);
        return status;
    }
    *out_writer = writer;
    return 0;
}

int archive_writer_open_existing(const char *path, struct archive_writer **out_writer,
                                 struct error *error)
{
    struct stat status;
    if (stat(path, &status) != 0) {
        return error_set(error, -errno, "%s: %s", path, strerror(errno));
    }
    if (status.st_size < SUPERBLOCK_BYTES) {
        return error_set(error, ERR_FORMAT, "%s: not a Cairn archive: too short", path);
    }
    static const struct superblock unused;
    return archive_writer_open(path, false, &unused, out_writer, error);
}

int archive_writer_begin_record(struct archive_writer *writer, struct record *record,
                                struct error *error)
{
    writer->is_torn = true;
    record->offset = writer->offset;
    record_place(record);
    uint8_t header[RECORD_HEADER_BYTES];
    record_encode(record, writer->reader->superblock.uuid, header);
    int status = append(writer, header, sizeof header, error);
    if (status == 0) {
        status = append(writer, record->path.bytes, record->path.count, error);
    }
    return status == 0 ? append_zeros_to(writer, record->payload_offset, error) : status;
}

int archive_writer_payload(struct archive_writer *writer, const void *bytes, size_t count,
                           struct error *error)
{
    return append(writer, bytes, count, error);
}

int archive_writer_end_record(struct archive_writer *writer, const struct record *record,
                              struct error *error)
{
    assert(writer->offset == record->payload_offset + record->stored_bytes);
    int status = append_zeros_to(writer, record->end_offset, error);
    writer->is_torn = status != 0;
    return status;
}

int archive_writer_record(struct archive_writer *writer, struct record *record, const void *payload,
                          struct error *error)
{
    int status = archive_writer_begin_record(writer, record, error);
    if (status == 0 && record->stored_bytes > 0) {
        status = archive_writer_payload(writer, payload, (size_t)record->stored_bytes, error);
    }
    return status == 0 ? archive_writer_end_record(writer, record, error) : status;
}

int archive_writer_read_back(struct archive_writer *writer, uint64_t offset, void *out_bytes,
                             size_t count, struct error *error)
{
    uint8_t *at = out_bytes;
    assert(offset + count <= writer->offset);
    uint64_t flushed = writer->offset - writer->buffered;
    uint64_t left = offset < flushed ? flushed - offset : 0;
    size_t in_file = left < count ? (size_t)left : count;
    ssize_t got = read_at(writer->fd, at, in_file, offset);
    if (got < 0) {
        return error_set(error, (int)got, "%s: %s", writer->path, error_name((int)got));
    }
    if ((size_t)got < in_file) {
        return error_set(error, ERR_CHANGED, "%s: somebody cut it short", writer->path);
    }
    if (count > in_file) {
        memcpy(at + in_file, writer->buffer + (offset + in_file - flushed), count - in_file);
    }
    return 0;
}

uint64_t archive_writer_committed_bytes(const struct archive_writer *writer)
{
    return writer->offset + COMMIT_RECORD_BYTES;
}

static int flush_and_sync(struct archive_writer *writer, struct error *error)
{
    int status = archive_writer_flush(writer, error);
    if (status == 0 && fsync(writer->fd) != 0) {
        status = fail(writer, error);
    }
    return status;
}

int archive_writer_commit(struct archive_writer *writer, struct commit *commit, struct error *error)
{
    assert(!writer->is_torn);
    int status = flush_and_sync(writer, error);
    if (status != 0) {
        return status;
    }
    commit->begin_offset = writer->begin_offset;
    commit->committed_bytes = archive_writer_committed_bytes(writer);
    commit->previous_offset =
        writer->has_commit ? writer->last_commit.committed_bytes - COMMIT_RECORD_BYTES : 0;
    uint8_t payload[COMMIT_PAYLOAD_BYTES];
    commit_encode(commit, payload);
    struct record record = {
        .kind = RECORD_COMMIT,
        .path = SLICE(""),
        .stored_bytes = sizeof payload,
        .modified_s = commit->created_s,
        .payload_hash = hash128(payload, sizeof payload),
    };
    status = archive_writer_record(writer, &record, payload, error);
    if (status == 0) {
        status = flush_and_sync(writer, error);
    }
    if (status == 0) {
        writer->has_commit = true;
        writer->last_commit = *commit;
        writer->begin_offset = writer->offset;
        writer->is_new = false;
    }
    return status;
}

int archive_writer_refresh(struct archive_writer *writer, struct error *error)
{
    struct archive *reader;
    int status = archive_open(writer->path, 0, &reader, error);
    if (status == 0) {
        archive_unref(writer->reader);
        writer->reader = reader;
    }
    return status;
}

void archive_writer_close(struct archive_writer *writer)
{
    if (writer == NULL) {
        return;
    }
    if (writer->fd >= 0 && writer->reader != NULL) {
        punch(writer, writer->begin_offset, writer->offset);
        if (writer->is_new) {
            unlink(writer->path);
        }
    }
    if (writer->fd >= 0) {
        close(writer->fd);
    }
    archive_unref(writer->reader);
    free(writer->buffer);
    free(writer->path);
    free(writer);
}
