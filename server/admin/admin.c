#include "admin/admin.h"

#include "admin/change.h"
#include "admin/connection.h"
#include "common/clock.h"
#include "common/mem.h"
#include "common/wake.h"
#include "net/thread.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
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
    /* set by the main thread, read by this one after a wake */
    atomic_bool is_draining;
    atomic_bool is_released;
    atomic_bool is_stopping;
    struct admin_page page;
    struct admin_token token;
    /* the thread's own */
    struct admin_history history;
    struct admin_commands commands;
    struct admin_turn turn;
    struct admin_connection *connections[ADMIN_CONNECTIONS_MAX];
    size_t connection_count;
    int64_t rest_end_ms; /* accepting failed: not tried again before */
};

/* A page that is not there is no reason not to start. */
static void load_page(struct admin *admin, const char *index_path)
{
    struct error error = {""};
    if (index_path == NULL) {
        fprintf(stderr, "cairn-serve: admin: no status page is installed beside this program; "
                        "--admin-page names another\n");
    }
    if (admin_page_init(&admin->page, index_path, &error) != 0) {
        fprintf(stderr, "cairn-serve: admin: without its page: %s\n", error.text);
    }
}

static int open_all(struct admin *admin, const struct admin_settings *settings,
                    const struct listeners *listeners, struct error *error)
{
    unsigned seed;
    admin->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (admin->wake_fd < 0) {
        return error_set(error, -errno, "eventfd: %s", strerror(errno));
    }
    if (getentropy(&seed, sizeof seed) != 0) {
        return error_set(error, -errno, "random numbers: %s", strerror(errno));
    }
    admin_change_init(seed);
    load_page(admin, settings->page);
    int status = admin_token_init(&admin->token, settings->token_file, error);
    return status == 0 ? listeners_share(listeners, 0, 1, &admin->listener_fds,
                                         &admin->listener_count, error)
                       : status;
}

int admin_new(const struct admin_settings *settings, const struct listeners *listeners,
              struct admin **out_admin, struct error *error)
{
    struct admin *admin = mem_aligned(_Alignof(struct admin), sizeof *admin);
    admin->wake_fd = -1;
    admin_commands_init(&admin->commands, settings->command_fd);
    int status = open_all(admin, settings, listeners, error);
    if (status != 0) {
        admin_free(admin);
        return status;
    }
    struct admin_turn *turn = &admin->turn;
    limits_init(&turn->limits);
    turn->limits.head_bytes = ADMIN_HEAD_BYTES_MAX;
    turn->commands = &admin->commands;
    turn->common = (struct head_common){.date = {.seconds = -1}, .added = SLICE(ADDED_FIELDS)};
    turn->context = (struct admin_context){
        .metrics = settings->metrics,
        .hosts = settings->hosts,
        .token = &admin->token,
        .history = &admin->history,
        .page = &admin->page,
        .refusals = settings->refusals,
        .sandbox = settings->sandbox,
    };
    *out_admin = admin;
    return 0;
}

/* ---- the loop ---- */

static void begin_turn(struct admin *admin)
{
    struct admin_turn *turn = &admin->turn;
    turn->now_ms = monotonic_ms();
    turn->context.now_ms = turn->now_ms;
    turn->context.now_s = time(NULL);
    date_line_set(&turn->common.date, turn->context.now_s);
    admin_history_run(&admin->history, &turn->context.metrics, turn->context.refusals,
                      turn->now_ms);
    turn->context.is_draining = atomic_load(&admin->is_draining);
    turn->is_last = atomic_load(&admin->is_released);
}

static void close_listeners(struct admin *admin)
{
    while (admin->listener_count > 0) {
        close(admin->listener_fds[--admin->listener_count]);
    }
}

static void drop(struct admin *admin, struct admin_connection *connection)
{
    admin_commands_forget(&admin->commands, connection);
    admin_connection_free(connection);
}

/* At the limit, whoever has been at the same thing for longest makes room. Those that wait for
 * commands are fewer than there may be connections. */
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
        drop(admin, admin->connections[oldest]);
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

/* Until something happens by itself. */
static int wait_ms(const struct admin *admin)
{
    int64_t until = admin->history.due_ms;
    if (admin->rest_end_ms > admin->turn.now_ms && admin->rest_end_ms < until) {
        until = admin->rest_end_ms;
    }
    for (size_t i = 0; i < admin->connection_count; i++) {
        if (admin->connections[i]->until_ms < until) {
            until = admin->connections[i]->until_ms;
        }
    }
    int64_t left = until - admin->turn.now_ms;
    return left > 0 ? (int)left : 0;
}

static void run_connections(struct admin *admin, const struct pollfd *fds)
{
    size_t kept = 0;
    for (size_t i = 0; i < admin->connection_count; i++) {
        struct admin_connection *connection = admin->connections[i];
        admin_connection_run(connection, &admin->turn, fds[i].revents);
        if (connection->phase == ADMIN_ENDED) {
            drop(admin, connection);
        } else {
            admin->connections[kept++] = connection;
        }
    }
    admin->connection_count = kept;
}

static void run_commands(struct admin *admin)
{
    void *sender;
    struct slice reply;
    admin_commands_run(&admin->commands);
    while (admin_commands_take(&admin->commands, &sender, &reply)) {
        if (sender != NULL) {
            admin_connection_reply(sender, &admin->turn, reply);
        }
    }
}

enum { POLL_WAKE, POLL_COMMANDS, POLL_FIXED };

/* One wait and what came of it. `fds` has room for the listeners and all connections besides. */
static void turn(struct admin *admin, struct pollfd *fds)
{
    size_t listener_count = admin->listener_count;
    struct pollfd *of_connections = fds + POLL_FIXED + listener_count;
    bool accepts = admin->turn.now_ms >= admin->rest_end_ms;
    fds[POLL_WAKE] = (struct pollfd){.fd = admin->wake_fd, .events = POLLIN};
    fds[POLL_COMMANDS] = (struct pollfd){.fd = admin->commands.fd,
                                         .events = admin_commands_events(&admin->commands)};
    for (size_t i = 0; i < listener_count; i++) {
        fds[POLL_FIXED + i] =
            (struct pollfd){.fd = accepts ? admin->listener_fds[i] : -1, .events = POLLIN};
    }
    for (size_t i = 0; i < admin->connection_count; i++) {
        const struct admin_connection *connection = admin->connections[i];
        of_connections[i] =
            (struct pollfd){.fd = connection->fd, .events = admin_connection_events(connection)};
    }
    size_t count = POLL_FIXED + listener_count + admin->connection_count;
    bool is_told = poll(fds, count, wait_ms(admin)) > 0;
    for (size_t i = 0; i < count && !is_told; i++) {
        fds[i].revents = 0;
    }
    uint64_t ignored;
    if (fds[POLL_WAKE].revents != 0) {
        (void)!read(admin->wake_fd, &ignored, sizeof ignored);
    }
    begin_turn(admin);
    run_connections(admin, of_connections);
    run_commands(admin);
    for (size_t i = 0; i < listener_count && !admin->turn.is_last; i++) {
        if (fds[POLL_FIXED + i].revents != 0) {
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
    struct pollfd *fds =
        mem_zeroed(POLL_FIXED + admin->listener_count + ADMIN_CONNECTIONS_MAX, sizeof *fds);
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
    const struct thread_plan plan = {.run = run, .argument = admin, .filter = filter};
    int status = thread_start(&plan, &admin->thread, error);
    admin->is_started = status == 0;
    return status;
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
    admin_commands_fini(&admin->commands);
    admin_token_fini(&admin->token);
    admin_page_fini(&admin->page);
    if (admin->wake_fd >= 0) {
        close(admin->wake_fd);
    }
    free(admin);
}
