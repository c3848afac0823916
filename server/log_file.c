#include "server/log_file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char fd_prefix[] = "fd:";

/* The number behind "fd:"; -1: it is none. */
static int fd_number(const char *name)
{
    char *end;
    const char *digits = name + sizeof fd_prefix - 1;
    errno = 0;
    unsigned long number = strtoul(digits, &end, 10);
    return *digits >= '0' && *digits <= '9' && *end == '\0' && errno == 0 && number <= INT_MAX
               ? (int)number
               : -1;
}

static bool is_fd(const char *name)
{
    return strncmp(name, fd_prefix, sizeof fd_prefix - 1) == 0;
}

bool log_file_is_path(const char *name)
{
    return strcmp(name, "-") != 0 && !is_fd(name);
}

static int open_fd(const char *name, int *out_fd, struct error *error)
{
    int number = is_fd(name) ? fd_number(name) : STDERR_FILENO;
    if (number < 0) {
        return error_set(error, ERR_USAGE, "%s: fd: is followed by the number of a descriptor",
                         name);
    }
    int fd = fcntl(number, F_DUPFD_CLOEXEC, 0);
    if (fd < 0 && errno == EBADF) {
        return error_set(error, -EBADF, "%s: no such descriptor was given to this process", name);
    }
    if (fd < 0) {
        return error_set(error, -errno, "%s: %s", name, strerror(errno));
    }
    if ((fcntl(fd, F_GETFL) & O_ACCMODE) == O_RDONLY) {
        close(fd);
        return error_set(error, -EBADF, "%s: it is open for reading only", name);
    }
    *out_fd = fd;
    return 0;
}

/* What the caller can do about it. */
static const char *advice(int number)
{
    switch (number) {
    case ENXIO:
        return " (nobody reads this FIFO)";
    case EACCES:
    case EROFS:
        return " (the server's user has to be able to write the file, or to make it in its folder)";
    case ELOOP:
        return " (root follows no link to a log: name the file itself)";
    case ENOENT:
        return " (its folder has to be there)";
    default:
        return "";
    }
}

int log_file_open(const char *name, int *out_fd, struct error *error)
{
    if (!log_file_is_path(name)) {
        return open_fd(name, out_fd, error);
    }
    int flags = O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NONBLOCK | O_NOCTTY;
    if (geteuid() == 0 && strncmp(name, "/dev/", 5) != 0) {
        flags |= O_NOFOLLOW; /* who may write the folder must not choose what root opens */
    }
    int fd = open(name, flags, 0640);
    if (fd < 0) {
        int number = errno;
        return error_set(error, -number, "%s: %s%s", name, strerror(number), advice(number));
    }
    *out_fd = fd;
    return 0;
}

int log_file_give(int fd, const char *name, uid_t uid, gid_t gid, struct error *error)
{
    struct stat status;
    if (!log_file_is_path(name) || fstat(fd, &status) != 0 || !S_ISREG(status.st_mode) ||
        status.st_uid != 0 || status.st_size != 0 || status.st_nlink != 1) {
        return 0;
    }
    return fchown(fd, uid, gid) == 0 ? 0
                                     : error_set(error, -errno, "%s: %s", name, strerror(errno));
}
