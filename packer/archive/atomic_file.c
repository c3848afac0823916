#include "packer/archive/atomic_file.h"

#include "common/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int fail(const char *path, struct error *error)
{
    return error_set(error, -errno, "%s: %s", path, strerror(errno));
}

static int write_all(int fd, const void *bytes, size_t count)
{
    const char *at = bytes;
    while (count > 0) {
        ssize_t written = write(fd, at, count);
        if (written < 0 && errno == EINTR) {
            continue;
        }
        if (written < 0) {
            return -1;
        }
        at += written;
        count -= (size_t)written;
    }
    return 0;
}

int atomic_file_write(const char *path, const char *temporary_path, const void *bytes, size_t count,
                      struct error *error)
{
    /* What a crash left there may be a file, or the link of atomic_file_link(). */
    if (unlink(temporary_path) != 0 && errno != ENOENT) {
        return fail(temporary_path, error);
    }
    int fd = open(temporary_path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
    if (fd < 0) {
        return fail(temporary_path, error);
    }
    int status = 0;
    if (write_all(fd, bytes, count) != 0 || fsync(fd) != 0) {
        status = fail(temporary_path, error);
    }
    if (close(fd) != 0 && status == 0) {
        status = fail(temporary_path, error);
    }
    if (status == 0 && rename(temporary_path, path) != 0) {
        status = fail(path, error);
    }
    if (status != 0) {
        unlink(temporary_path);
    }
    return status;
}

int atomic_file_link(const char *path, const char *temporary_path, const char *target,
                     struct error *error)
{
    if (unlink(temporary_path) != 0 && errno != ENOENT) {
        return fail(temporary_path, error);
    }
    if (symlink(target, temporary_path) != 0) {
        return fail(temporary_path, error);
    }
    if (rename(temporary_path, path) != 0) {
        int status = fail(path, error);
        unlink(temporary_path);
        return status;
    }
    return 0;
}

int directory_sync(const char *path, struct error *error)
{
    char *copy = mem_string(path, strlen(path));
    const char *folder = dirname(copy);
    int status = 0;
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 || fsync(fd) != 0) {
        status = fail(folder, error);
    }
    if (fd >= 0) {
        close(fd);
    }
    free(copy);
    return status;
}
