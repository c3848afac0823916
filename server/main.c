/* cairn-serve: loads the first releases, starts the workers, and then is the control thread: it
 * waits for commands, signals, workers that end and sites that nobody uses any more. */
#include "common/fault_guard.h"
#include "common/mem.h"
#include "common/standard_streams.h"
#include "server/control.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

enum { EXIT_OK = 0, EXIT_FAILED = 1, EXIT_USAGE = 2 };

struct server {
    struct config config;
    struct undertaker undertaker;
    struct publication publication;
    struct loader loader;
    struct workers *workers;
    struct control *control;
    struct command_context context;
    int signal_fd;
    bool is_draining;
    int64_t drain_until_ms;
};

static int64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static int failed(const struct error *error)
{
    fprintf(stderr, "cairn-serve: %s\n", error->text);
    return EXIT_FAILED;
}

/* A descriptor per connection: take as many as the system lets us. */
static void raise_descriptor_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
        limit.rlim_cur = limit.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &limit);
    }
}

/* Signals arrive as bytes on a descriptor, in this thread, between two commands. */
static int open_signals(struct error *error)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGHUP);
    sigprocmask(SIG_BLOCK, &set, NULL);
    signal(SIGPIPE, SIG_IGN);
    signal(SIGTTIN, SIG_IGN); /* in the background of a terminal, reading it is an error */
    signal(SIGTTOU, SIG_IGN);
    int fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    return fd >= 0 ? fd : error_set(error, -errno, "signalfd: %s", strerror(errno));
}

/* Loads the indexes of the command line in their order. `reply` collects a line each. */
static int load_start_indexes(struct server *server, struct reply *reply)
{
    int status = 0;
    for (size_t i = 0; i < server->config.index_count; i++) {
        int result = command_load(&server->context, &server->config.indexes[i], reply);
        status = status == 0 ? result : status;
    }
    return status;
}

static void log_reply(struct reply *reply)
{
    if (reply->count > 0) {
        fprintf(stderr, "cairn-serve: %.*s", (int)reply->count, reply->text);
    }
    free(reply->text);
    *reply = (struct reply){0};
}

static void print_ready(struct server *server)
{
    struct reply line = {0};
    reply_format(&line, "ready");
    for (size_t i = 0; i < server->config.listener_count; i++) {
        char text[ADDRESS_TEXT_BYTES];
        listen_address_text(&server->config.listeners[i], text);
        bool is_path = server->config.listeners[i].socket_address.ss_family == AF_UNIX;
        reply_format(&line, is_path ? " %s" : " http://%s/", text);
    }
    reply_format(&line, "\n");
    control_print(server->control, line.text, line.count);
    free(line.text);
}

static void begin_drain(struct server *server)
{
    if (!server->is_draining) {
        server->is_draining = true;
        server->drain_until_ms = now_ms() + (int64_t)server->config.limits.drain_ms;
        workers_drain(server->workers);
    } else {
        workers_stop(server->workers); /* asked twice: at once */
    }
}

static void on_signal(struct server *server)
{
    struct signalfd_siginfo info;
    while (read(server->signal_fd, &info, sizeof info) == (ssize_t)sizeof info) {
        if (info.ssi_signo == SIGHUP) {
            struct reply reply = {0};
            (void)load_start_indexes(server, &reply);
            log_reply(&reply);
        } else {
            begin_drain(server);
        }
    }
}

enum { POLL_SIGNAL, POLL_UNDERTAKER, POLL_ENDED, POLL_FIXED };

/* How long to wait for the next thing that comes by itself: the end of the drain, or a release that
 * is over its time. -1: there is none. */
static int64_t wait_ms(struct server *server)
{
    enum { LONGEST_MS = 3600000 };
    if (server->is_draining) {
        return server->drain_until_ms - now_ms();
    }
    int64_t expiry_s = loader_expire(&server->loader);
    int64_t left_s = expiry_s - time(NULL);
    return expiry_s < 0 ? -1 : left_s > LONGEST_MS / 1000 ? LONGEST_MS : left_s * 1000;
}

/* One wait and what came of it. */
static void turn(struct server *server)
{
    size_t capacity = POLL_FIXED + control_poll_count(server->control);
    struct pollfd *fds = mem_zeroed(capacity, sizeof *fds);
    fds[POLL_SIGNAL] = (struct pollfd){.fd = server->signal_fd, .events = POLLIN};
    fds[POLL_UNDERTAKER] = (struct pollfd){.fd = server->undertaker.wake_fd, .events = POLLIN};
    fds[POLL_ENDED] = (struct pollfd){.fd = workers_ended_fd(server->workers), .events = POLLIN};
    size_t control_count = control_poll_fds(server->control, fds + POLL_FIXED);
    int64_t left = wait_ms(server);
    if (server->is_draining && left <= 0) {
        workers_stop(server->workers);
        left = 100;
    }
    int ready = poll(fds, POLL_FIXED + control_count, (int)left);
    if (ready > 0) {
        uint64_t ignored;
        if (fds[POLL_ENDED].revents != 0) {
            (void)!read(fds[POLL_ENDED].fd, &ignored, sizeof ignored);
        }
        if (fds[POLL_SIGNAL].revents != 0) {
            on_signal(server);
        }
        control_turn(server->control, fds + POLL_FIXED, control_count);
        undertaker_bury(&server->undertaker);
    }
    free(fds);
    if (server->context.wants_quit && !server->is_draining) {
        begin_drain(server);
    }
}

static int start(struct server *server, struct error *error)
{
    struct reply reply = {0};
    server->signal_fd = open_signals(error);
    if (server->signal_fd < 0) {
        return server->signal_fd;
    }
    int status = load_start_indexes(server, &reply);
    log_reply(&reply);
    if (status != 0) {
        return error_set(error, status, "not started, because an index could not be loaded");
    }
    status = workers_new(&server->config, &server->publication, &server->workers, error);
    if (status == 0) {
        server->context.workers = server->workers;
        status = control_new(&server->context, server->config.controls,
                             server->config.control_count, &server->control, error);
    }
    return status == 0 ? workers_start(server->workers, error) : status;
}

static void stop(struct server *server)
{
    workers_free(server->workers);
    control_free(server->control);
    publication_fini(&server->publication);
    undertaker_fini(&server->undertaker);
    if (server->signal_fd >= 0) {
        close(server->signal_fd);
    }
    config_fini(&server->config);
}

int main(int argc, char **argv)
{
    static struct server server = {.signal_fd = -1};
    standard_streams_reserve();
    enum config_result result = config_init(&server.config, argc, argv);
    if (result != CONFIG_RUN) {
        return result == CONFIG_EXIT ? EXIT_OK : EXIT_USAGE;
    }
    struct error error = {""};
    raise_descriptor_limit();
    fault_guard_install();
    if (undertaker_init(&server.undertaker, &error) != 0) {
        return failed(&error);
    }
    publication_init(&server.publication);
    server.loader =
        (struct loader){.publication = &server.publication,
                        .undertaker = &server.undertaker,
                        .retention = {server.config.retain, (int64_t)server.config.retain_for_s}};
    server.context = (struct command_context){.loader = &server.loader, .started_s = time(NULL)};
    if (start(&server, &error) != 0) {
        stop(&server);
        return failed(&error);
    }
    print_ready(&server);
    while (workers_running(server.workers) > 0) {
        turn(&server);
    }
    control_flush(server.control);
    stop(&server);
    return EXIT_OK;
}
