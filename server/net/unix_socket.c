#include "net/unix_socket.h"

#include "common/mem.h"

#include <errno.h>
#include <libgen.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

static int fail(const char *path, struct error *error)
{
    return error_set(error, -errno, "%s: %s", path, strerror(errno));
}

/* Removes a socket that nobody listens on any more; anything but a refused connection leaves it. */
static int remove_stale(const struct sockaddr_un *address, struct error *error)
{
    const char *path = address->sun_path;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) {
        return fail(path, error);
    }
    int result = connect(fd, (const struct sockaddr *)address, sizeof *address);
    int number = result == 0 ? EAGAIN : errno;
    close(fd);
    if (number == EAGAIN) {
        return error_set(error, ERR_BUSY, "%s: another server listens here", path);
    }
    if (number != ECONNREFUSED && number != ENOENT) {
        return error_set(error, -number, "%s: is it in use? %s", path, strerror(number));
    }
    return unlink(path) == 0 || errno == ENOENT ? 0 : fail(path, error);
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

/* What is at the path: nothing, a socket, or something that must not be replaced. */
static int look(const char *path, struct sockaddr_un *address, bool *out_is_there,
                struct error *error)
{
    struct stat status;
    bool exists = lstat(path, &status) == 0;
    if (!exists && errno != ENOENT && errno != ENAMETOOLONG) {
        return fail(path, error);
    }
    *address = (struct sockaddr_un){.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof address->sun_path) {
        return error_set(error, ERR_LIMIT, "%s: longer than a socket's path may be (%zu bytes)",
                         path, sizeof address->sun_path - 1);
    }
    memcpy(address->sun_path, path, strlen(path));
    if (exists && S_ISLNK(status.st_mode) && stat(path, &status) != 0) {
        return fail(path, error);
    }
    if (exists && !S_ISSOCK(status.st_mode)) {
        return error_set(error, ERR_FORMAT, "%s: something else than a socket is there", path);
    }
    *out_is_there = exists;
    return 0;
}

int unix_socket_check(const char *path, bool *out_is_there, struct error *error)
{
    struct sockaddr_un address;
    int status = look(path, &address, out_is_there, error);
    if (status != 0) {
        return status;
    }
    char *copy = mem_string(path, strlen(path));
    status = access(dirname(copy), W_OK | X_OK) == 0 ? 0 : fail(path, error);
    free(copy);
    return status;
}

int unix_socket_listen(const char *path, mode_t mode, int backlog, int *out_fd, struct error *error)
{
    struct sockaddr_un address;
    bool exists = false;
    int result = look(path, &address, &exists, error);
    if (result == 0 && exists) {
        result = remove_stale(&address, error);
    }
    if (result != 0) {
        return result;
    }
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) {
        return fail(path, error);
    }
    bool is_bound = bind_with_mode(fd, &address, mode) == 0;
    if (!is_bound || listen(fd, backlog) != 0) {
        int failure = fail(path, error);
        if (is_bound) {
            unlink(path);
        }
        close(fd);
        return failure;
    }
    *out_fd = fd;
    return 0;
}
