#include "admin/admin.h"

#include "admin/connection.h"
#include "common/mem.h"
#include "common/wake.h"
#include "net/thread_filter.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

/* For browsers: the page is its own alone, what it shows is nobody else's, and nothing is kept. */
#define ADDED_FIELDS                                                                               \
    "Content-Security-Policy: default-src 'none'; script-src 'self'; style-src 'self'; "           \
    "img-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; "                    \
    "frame-ancestors 'none'\r\n"                                                                   \
    "X-Content-Type-Options: nosniff\r\n"                                                          \
    "X-Frame-Options: DENY\r\n"                                                                    \
    "Referrer-Policy: no-referrer\r\n"                                                             \
    "Cross-Origin-Opener-Policy: same-origin\r\n"                                                  \
    "Cross-Origin-Resource-Policy: same-origin\r\n"

struct admin {
    int *listener_fds;
    size_t listener_count;
    int wake_fd;
    pthread_t thread;
    bool is_started;
    const struct sock_fprog *filter; /* NULL: none */
    /* set by the main thread, read by this one after a wake */
    atomic_bool is_draining;
    atomic_bool is_released;
    atomic_bool is_stopping;
    /* the thread's own */
    struct admin_turn turn;
    struct admin_connection *connections[ADMIN_CONNECTIONS_MAX];
    size_t connection_count;
    int64_t rest_end_ms; /* accepting failed: not tried again before */
};

int admin_new(const struct admin_settings *settings, const struct listeners *listeners,
              struct admin **out_admin, struct error *error)
{
    struct admin *admin = mem_zeroed(1, sizeof *admin);
    admin->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    int status = admin->wake_fd < 0 ? error_set(error, -errno, "eventfd: %s", strerror(errno)) : 0;
    if (status == 0) {
        status =
            listeners_share(listeners, 0, 1, &admin->listener_fds, &admin->listener_count, error);
    }
    if (status != 0) {
        admin_free(admin);
        return status;
    }
    struct admin_turn *turn = &admin->turn;
    limits_init(&turn->limits);
    turn->limits.head_bytes = ADMIN_HEAD_BYTES_MAX;
    turn->context.metrics = settings->metrics;
    turn->context.hosts = settings->hosts;
    turn->common = (struct head_common){.date = {.seconds = -1}, .added = SLICE(ADDED_FIELDS)};
    *out_admin = admin;
    return 0;
}

/* ---- the loop ---- */

static void begin_turn(struct admin *admin)
{
    struct admin_turn *turn = &admin->turn;
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    turn->now_ms = (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
    date_line_set(&turn->common.date, time(NULL));
    turn->context.is_draining = atomic_load(&admin->is_draining);
    turn->is_last = atomic_load(&admin->is_released);
}

static void close_listeners(struct admin *admin)
{
    while (admin->listener_count > 0) {
        close(admin->listener_fds[--admin->listener_count]);
    }
}

/* At the limit, whoever has been at the same thing for longest makes room. */
static void make_room(struct admin *admin)
{
    size_t oldest = 0;
    for (size_t i = 1; i < admin->connection_count; i++) {
        if (admin_connection_rank(admin->connections[i]) <
            admin_connection_rank(admin->connections[oldest])) {
            oldest = i;
        }
    }
    if (admin->connection_count == ADMIN_CONNECTIONS_MAX) {
        admin_connection_free(admin->connections[oldest]);
        admin->connections[oldest] = admin->connections[--admin->connection_count];
    }
}

static void accept_one(struct admin *admin, int listener_fd)
{
    int fd = accept4(listener_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0) {
        if (errno != EAGAIN && errno != EINTR && errno != ECONNABORTED) {
            admin->rest_end_ms = admin->turn.now_ms + ACCEPT_REST_MS;
        }
        return;
    }
    make_room(admin);
    admin->connections[admin->connection_count++] = admin_connection_new(fd, admin->turn.now_ms);
}

/* Until something happens by itself; -1: nothing does. */
static int wait_ms(const struct admin *admin)
{
    bool rests = admin->rest_end_ms > admin->turn.now_ms;
    int64_t until = rests ? admin->rest_end_ms : INT64_MAX;
    for (size_t i = 0; i < admin->connection_count; i++) {
        if (admin->connections[i]->until_ms < until) {
            until = admin->connections[i]->until_ms;
        }
    }
    int64_t left = until - admin->turn.now_ms;
    return until == INT64_MAX ? -1 : left > 0 ? (int)left : 0;
}

static void run_connections(struct admin *admin, const struct pollfd *fds)
{
    size_t kept = 0;
    for (size_t i = 0; i < admin->connection_count; i++) {
        struct admin_connection *connection = admin->connections[i];
        admin_connection_run(connection, &admin->turn, fds[i].revents);
        if (connection->phase == ADMIN_ENDED) {
            admin_connection_free(connection);
        } else {
            admin->connections[kept++] = connection;
        }
    }
    admin->connection_count = kept;
}

/* One wait and what came of it. `fds` has room for the wake-up, the listeners and all connections.
 */
static void turn(struct admin *admin, struct pollfd *fds)
{
    size_t listener_count = admin->listener_count;
    struct pollfd *of_connections = fds + 1 + listener_count;
    bool accepts = admin->turn.now_ms >= admin->rest_end_ms;
    fds[0] = (struct pollfd){.fd = admin->wake_fd, .events = POLLIN};
    for (size_t i = 0; i < listener_count; i++) {
        fds[1 + i] = (struct pollfd){.fd = accepts ? admin->listener_fds[i] : -1, .events = POLLIN};
    }
    for (size_t i = 0; i < admin->connection_count; i++) {
        const struct admin_connection *connection = admin->connections[i];
        of_connections[i] =
            (struct pollfd){.fd = connection->fd, .events = admin_connection_events(connection)};
    }
    size_t count = 1 + listener_count + admin->connection_count;
    bool is_told = poll(fds, count, wait_ms(admin)) > 0;
    for (size_t i = 0; i < count && !is_told; i++) {
        fds[i].revents = 0;
    }
    uint64_t ignored;
    if (fds[0].revents != 0) {
        (void)!read(admin->wake_fd, &ignored, sizeof ignored);
    }
    begin_turn(admin);
    run_connections(admin, of_connections);
    for (size_t i = 0; i < listener_count && !admin->turn.is_last; i++) {
        if (fds[1 + i].revents != 0) {
            accept_one(admin, admin->listener_fds[i]);
        }
    }
    if (admin->turn.is_last) {
        close_listeners(admin);
    }
}

static void *run(void *argument)
{
    struct admin *admin = argument;
    thread_filter_require(admin->filter);
    struct pollfd *fds = mem_zeroed(1 + admin->listener_count + ADMIN_CONNECTIONS_MAX, sizeof *fds);
    begin_turn(admin);
    while (!atomic_load(&admin->is_stopping)) {
        turn(admin, fds);
    }
    free(fds);
    return NULL;
}

/* ---- from the main thread ---- */

int admin_start(struct admin *admin, const struct sock_fprog *filter, struct error *error)
{
    sigset_t all, before;
    sigfillset(&all);
    sigdelset(&all, SIGBUS); /* raised by the thread itself (common/fault_guard.h) */
    admin->filter = filter;
    pthread_sigmask(SIG_BLOCK, &all, &before);
    int status = pthread_create(&admin->thread, NULL, run, admin);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    admin->is_started = status == 0;
    return status == 0 ? 0 : error_set(error, -status, "thread: %s", strerror(status));
}

static void tell(struct admin *admin, atomic_bool *what)
{
    atomic_store(what, true);
    wake_eventfd(admin->wake_fd);
}

void admin_drain(struct admin *admin)
{
    if (admin != NULL) {
        tell(admin, &admin->is_draining);
    }
}

void admin_release(struct admin *admin)
{
    if (admin != NULL) {
        tell(admin, &admin->is_released);
    }
}

void admin_free(struct admin *admin)
{
    if (admin == NULL) {
        return;
    }
    if (admin->is_started) {
        tell(admin, &admin->is_stopping);
        pthread_join(admin->thread, NULL);
    }
    for (size_t i = 0; i < admin->connection_count; i++) {
        admin_connection_free(admin->connections[i]);
    }
    close_listeners(admin);
    free(admin->listener_fds);
    if (admin->wake_fd >= 0) {
        close(admin->wake_fd);
    }
    free(admin);
}
