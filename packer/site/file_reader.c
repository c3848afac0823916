#include "packer/site/file_reader.h"

#include "common/mem.h"
#include "common/read_at.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int fail(const struct file_reader *reader, struct error *error)
{
    return error_set(error, -errno, "%s: %s", reader->path, strerror(errno));
}

int file_reader_changed(const struct file_reader *reader, struct error *error)
{
    return error_set(error, ERR_CHANGED, "%s: it changed while it was packed", reader->path);
}

int file_reader_open(const char *root, const char *name, const struct file_state *state,
                     struct file_reader *out_reader, struct error *error)
{
    struct stat status;
    out_reader->state = *state;
    out_reader->path = mem_format("%s/%s", root, name);
    out_reader->fd = open(out_reader->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (out_reader->fd < 0 || fstat(out_reader->fd, &status) != 0) {
        return fail(out_reader, error);
    }
    struct file_state now = file_state_of(&status);
    return file_state_equal(&now, state) ? 0 : file_reader_changed(out_reader, error);
}

void file_reader_close(struct file_reader *reader)
{
    if (reader->fd >= 0) {
        close(reader->fd);
    }
    free(reader->path);
}

int file_reader_read(const struct file_reader *reader, uint64_t offset, void *buffer, size_t count,
                     struct error *error)
{
    ssize_t got = read_at(reader->fd, buffer, count, offset);
    if (got < 0) {
        return error_set(error, (int)got, "%s: %s", reader->path, error_name((int)got));
    }
    return (size_t)got == count ? 0 : file_reader_changed(reader, error); /* it is shorter */
}

int file_reader_check(const struct file_reader *reader, struct error *error)
{
    struct stat status;
    if (fstat(reader->fd, &status) != 0) {
        return fail(reader, error);
    }
    struct file_state now = file_state_of(&status);
    return file_state_equal(&now, &reader->state) ? 0 : file_reader_changed(reader, error);
}
