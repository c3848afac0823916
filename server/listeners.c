#include "server/listeners.h"

#include "common/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct listening *append(struct listeners *listeners, size_t fd_count)
{
    listeners->at = mem_resize(listeners->at, listeners->count + 1, sizeof *listeners->at);
    struct listening *added = &listeners->at[listeners->count++];
    *added = (struct listening){.fd_count = fd_count, .fds = mem_zeroed(fd_count, sizeof(int))};
    return added;
}

int listeners_open(struct listeners *listeners, struct listen_address *address, size_t worker_count,
                   struct error *error)
{
    struct listening *added = append(listeners, worker_count);
    int status = listen_open(address, added->fds, worker_count, error);
    if (status != 0) {
        free(added->fds);
        listeners->count--;
        return status;
    }
    added->address = *address;
    added->is_ours = true;
    return 0;
}

int listeners_adopt(struct listeners *listeners, const int *fds, size_t count, bool is_ours,
                    struct error *error)
{
    struct listen_address address = {.socket_address_bytes = sizeof address.socket_address};
    int accepts = 0;
    socklen_t bytes = sizeof accepts;
    for (size_t i = 0; i < count; i++) {
        int flags = fcntl(fds[i], F_GETFL);
        if (flags < 0 || fcntl(fds[i], F_SETFL, flags | O_NONBLOCK) != 0 ||
            fcntl(fds[i], F_SETFD, FD_CLOEXEC) != 0 ||
            getsockopt(fds[i], SOL_SOCKET, SO_ACCEPTCONN, &accepts, &bytes) != 0) {
            return error_set(error, -errno, "inherited socket %d: %s", fds[i], strerror(errno));
        }
        if (accepts == 0) {
            return error_set(error, ERR_FORMAT, "inherited socket %d: it does not listen", fds[i]);
        }
    }
    if (getsockname(fds[0], (struct sockaddr *)&address.socket_address,
                    &address.socket_address_bytes) != 0) {
        return error_set(error, -errno, "inherited socket %d: %s", fds[0], strerror(errno));
    }
    struct listening *added = append(listeners, count);
    memcpy(added->fds, fds, count * sizeof *fds);
    added->address = address;
    added->is_ours = is_ours;
    return 0;
}

int listeners_check_local(const struct listen_address *address, struct error *error)
{
    if (listen_address_is_local(address)) {
        return 0;
    }
    char text[ADDRESS_TEXT_BYTES];
    listen_address_text(address, text);
    return error_set(
        error, ERR_USAGE,
        "%s: other machines can connect to it, and --live-reload is for who is at work "
        "on this one; listen on 127.0.0.1, or say --live-reload-anywhere",
        text);
}

/* How many descriptors a worker has of one address. */
static size_t share_of(const struct listening *listening, size_t worker, size_t worker_count)
{
    size_t all = listening->fd_count > worker_count ? listening->fd_count : worker_count;
    return all / worker_count + (worker < all % worker_count);
}

int listeners_share(const struct listeners *listeners, size_t worker, size_t worker_count,
                    int **out_fds, size_t *out_count, struct error *error)
{
    size_t capacity = 0;
    for (size_t i = 0; i < listeners->count; i++) {
        capacity += share_of(&listeners->at[i], worker, worker_count);
    }
    int *fds = mem_zeroed(capacity + 1, sizeof *fds);
    size_t count = 0;
    for (size_t i = 0; i < listeners->count; i++) {
        const struct listening *listening = &listeners->at[i];
        for (size_t j = 0; j < share_of(listening, worker, worker_count); j++) {
            size_t place = (worker + j * worker_count) % listening->fd_count;
            fds[count] = fcntl(listening->fds[place], F_DUPFD_CLOEXEC, 0);
            if (fds[count] < 0) {
                int number = errno;
                while (count > 0) {
                    close(fds[--count]);
                }
                free(fds);
                return error_set(error, -number, "listening socket: %s", strerror(number));
            }
            count++;
        }
    }
    *out_fds = fds;
    *out_count = count;
    return 0;
}

int listeners_give(const struct listeners *listeners, uid_t uid, gid_t gid, struct error *error)
{
    for (size_t i = 0; i < listeners->count; i++) {
        const char *path = listen_address_path(&listeners->at[i].address);
        if (path != NULL && listeners->at[i].is_ours && lchown(path, uid, gid) != 0) {
            return error_set(error, -errno, "%s: %s", path, strerror(errno));
        }
    }
    return 0;
}

void listeners_disown(struct listeners *listeners)
{
    for (size_t i = 0; i < listeners->count; i++) {
        listeners->at[i].is_ours = false;
    }
}

void listeners_close(struct listeners *listeners)
{
    for (size_t i = 0; i < listeners->count; i++) {
        for (size_t j = 0; j < listeners->at[i].fd_count; j++) {
            close(listeners->at[i].fds[j]);
        }
        if (listeners->at[i].is_ours) {
            listen_address_remove(&listeners->at[i].address);
        }
        free(listeners->at[i].fds);
    }
    free(listeners->at);
    *listeners = (struct listeners){0};
}
