#include "packer/watch/ending.h"

#include "common/wake.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

int ending_open(int *out_fd, struct error *error)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGHUP);
    sigprocmask(SIG_BLOCK, &set, NULL);
    int fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    if (fd < 0) {
        return error_set(error, -errno, "signalfd: %s", strerror(errno));
    }
    *out_fd = fd;
    return 0;
}

static void *guard_main(void *argument)
{
    const struct ending_guard *guard = argument;
    struct pollfd fds[] = {{.fd = guard->signals, .events = POLLIN},
                           {.fd = guard->stop_fd, .events = POLLIN}};
    while (poll(fds, ARRAY_COUNT(fds), -1) < 0 && errno == EINTR) {
    }
    if (fds[1].revents == 0 && fds[0].revents != 0) {
        scratch_folder_remove_used(guard->folder);
        _exit(0);
    }
    return NULL;
}

int ending_guard_begin(struct ending_guard *guard, int signals, const struct scratch_folder *folder,
                       struct error *error)
{
    *guard = (struct ending_guard){.signals = signals, .folder = folder};
    guard->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (guard->stop_fd < 0) {
        return error_set(error, -errno, "eventfd: %s", strerror(errno));
    }
    int problem = pthread_create(&guard->thread, NULL, guard_main, guard);
    if (problem != 0) {
        close(guard->stop_fd);
        return error_set(error, -problem, "a thread: %s", strerror(problem));
    }
    return 0;
}

void ending_guard_end(struct ending_guard *guard)
{
    wake_eventfd(guard->stop_fd);
    pthread_join(guard->thread, NULL);
    close(guard->stop_fd);
}
