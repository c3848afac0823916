#include "net/unix_socket.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

static int fail(const char *path, struct error *error)
{
    return error_set(error, -errno, "%s: %s", path, strerror(errno));
}

/* Does a process answer on this socket? */
static bool is_alive(const struct sockaddr_un *address)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    bool answered =
        fd >= 0 &&
        (connect(fd, (const struct sockaddr *)address, sizeof *address) == 0 || errno == EAGAIN);
    if (fd >= 0) {
        close(fd);
    }
    return answered;
}

static int bind_with_mode(int fd, const struct sockaddr_un *address, mode_t mode)
{
    mode_t before = umask(0777 & ~mode);
    int result = bind(fd, (const struct sockaddr *)address, sizeof *address);
    int number = errno;
    umask(before);
    errno = number;
    return result;
}

int unix_socket_listen(const char *path, mode_t mode, int backlog, int *out_fd, struct error *error)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct stat status;
    bool exists = lstat(path, &status) == 0;
    if (strlen(path) >= sizeof address.sun_path) {
        return error_set(error, ERR_LIMIT, "%s: longer than a socket's path may be (%zu bytes)",
                         path, sizeof address.sun_path - 1);
    }
    memcpy(address.sun_path, path, strlen(path));
    if (exists && S_ISLNK(status.st_mode) && stat(path, &status) != 0) {
        return fail(path, error);
    }
    if (exists && !S_ISSOCK(status.st_mode)) {
        return error_set(error, ERR_FORMAT, "%s: something else than a socket is there", path);
    }
    if (exists && is_alive(&address)) {
        return error_set(error, ERR_BUSY, "%s: another server listens here", path);
    }
    if (exists && unlink(path) != 0) {
        return fail(path, error);
    }
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0 || bind_with_mode(fd, &address, mode) != 0 || listen(fd, backlog) != 0) {
        int failure = fail(path, error);
        if (fd >= 0) {
            close(fd);
        }
        return failure;
    }
    *out_fd = fd;
    return 0;
}
