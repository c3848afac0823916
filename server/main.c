/* cairn-serve: loads the first releases, starts the workers, and then is the control thread: it
 * waits for commands, signals, workers that end and sites that nobody uses any more. */
#include "common/clock.h"
#include "common/fault_guard.h"
#include "common/mem.h"
#include "common/standard_streams.h"
#include "server/announcement.h"
#include "server/check.h"
#include "server/server.h"
#include "server/service_manager.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { EXIT_OK = 0, EXIT_FAILED = 1, EXIT_USAGE = 2 };

static int failed(const struct error *error)
{
    fprintf(stderr, "cairn-serve: %s\n", error->text);
    return EXIT_FAILED;
}

static void print_ready(struct server *server)
{
    struct reply line = {0};
    if (!server->config.is_quiet) {
        announcement_print(&server->listeners, &server->admin_listeners,
                           loader_sites(&server->loader), stderr);
    }
    reply_format(&line, "ready");
    for (size_t i = 0; i < server->listeners.count; i++) {
        char url[URL_TEXT_BYTES];
        announcement_url(&server->listeners.at[i].address, url);
        reply_format(&line, " %s", url);
    }
    reply_format(&line, "\n");
    control_print(server->control, line.text, line.count);
    free(line.text);
}

static void begin_drain(struct server *server)
{
    if (!server->is_draining) {
        server->is_draining = true;
        listeners_close(&server->listeners);
        admin_drain(server->admin);
        events_drain(server->events, WS_CODE_GOING_AWAY);
        server->drain_until_ms = monotonic_ms() + (int64_t)server->config.limits.drain_ms;
        workers_drain(server->workers);
    } else {
        events_stop(server->events, true); /* asked twice: at once */
        workers_stop(server->workers);
    }
}

/* The end of the service. A process that has handed over ends too, but the service goes on: a
 * service manager that was told otherwise would take the successor down. */
static void begin_end(struct server *server)
{
    if (!server->is_draining) {
        service_manager_tell("STOPPING=1");
    }
    begin_drain(server);
}

static void reload(struct server *server)
{
    struct reply reply = {0};
    service_manager_tell("RELOADING=1\nMONOTONIC_USEC=%lld",
                         (long long)clock_ns(CLOCK_MONOTONIC) / 1000);
    (void)server_load_start_indexes(server, true, &reply);
    server_log_reply(&reply);
    service_manager_tell("READY=1");
}

static void reopen_logs(struct server *server)
{
    struct reply reply = {0};
    command_reopen_logs(&server->context, &reply);
    server_log_reply(&reply);
}

/* A new process of the program as it is on the disk now. Until it serves, or has failed, commands
 * wait: what they would change, it would not know. */
static void start_successor(struct server *server)
{
    enum { PATIENCE_MS = 60000 };
    struct error error = {""};
    if (server->is_draining || server->successor != 0) {
        return;
    }
    overwrite_check_run(loader_sites(&server->loader)); /* what is damaged, the next cannot load */
    const struct handing handing = {
        .listeners = &server->listeners,
        .admin = &server->admin_listeners,
        .control = server->control,
        .sites = loader_sites(&server->loader),
        .sandbox = &server->sandbox,
        .access_log_fd = workers_access_log(server->workers),
    };
    if (handover_start(server->program, server->argv, &handing, &server->successor,
                       &server->successor_fd, &error) != 0) {
        fprintf(stderr, "cairn-serve: %s\n", error.text);
        return;
    }
    server->successor_until_ms = monotonic_ms() + PATIENCE_MS;
    fprintf(stderr, "cairn-serve: handing over to process %ld\n", (long)server->successor);
}

/* The successor serves, has failed, or took too long. */
static void on_successor(struct server *server)
{
    char byte;
    bool is_over = monotonic_ms() >= server->successor_until_ms;
    ssize_t count = read(server->successor_fd, &byte, 1);
    if (count < 0 && (errno == EAGAIN || errno == EINTR) && !is_over) {
        return;
    }
    if (count == 1) {
        fprintf(stderr, "cairn-serve: handed over to process %ld\n", (long)server->successor);
        service_manager_tell("MAINPID=%ld", (long)server->successor);
        listeners_disown(&server->listeners);
        listeners_disown(&server->admin_listeners);
        admin_release(server->admin);
        control_release(server->control);
        events_drain(server->events, WS_CODE_SERVICE_RESTART);
        begin_drain(server);
    } else {
        kill(server->successor, SIGKILL);
        fprintf(stderr, "cairn-serve: process %ld did not come up (%s); this one goes on\n",
                (long)server->successor, is_over ? "it took too long" : "it ended");
        while (waitpid(server->successor, NULL, 0) < 0 && errno == EINTR) {
        }
    }
    close(server->successor_fd);
    server->successor_fd = -1;
    server->successor = 0;
}

static void on_signal(struct server *server)
{
    struct signalfd_siginfo info;
    while (read(server->signal_fd, &info, sizeof info) == (ssize_t)sizeof info) {
        switch (info.ssi_signo) {
        case SIGHUP:
            reload(server);
            break;
        case SIGUSR1:
            reopen_logs(server);
            break;
        case SIGUSR2:
            start_successor(server);
            break;
        default:
            begin_end(server);
            break;
        }
    }
}

enum { POLL_SIGNAL, POLL_UNDERTAKER, POLL_ENDED, POLL_EVENTS, POLL_SUCCESSOR, POLL_FIXED };

/* How long to wait for the next thing that comes by itself: the end of the drain, or a release that
 * is over its time. -1: there is none. */
static int64_t wait_ms(struct server *server)
{
    enum { LONGEST_MS = 3600000 };
    if (server->is_draining || server->successor != 0) {
        int64_t until_ms =
            server->is_draining ? server->drain_until_ms : server->successor_until_ms;
        int64_t left_ms = until_ms - monotonic_ms();
        return left_ms > 0 ? left_ms : 0;
    }
    int64_t expiry_s = loader_expire(&server->loader);
    int64_t left_s = expiry_s - time(NULL);
    return expiry_s < 0 ? -1 : left_s > LONGEST_MS / 1000 ? LONGEST_MS : left_s * 1000;
}

/* The less of two waits; -1 is for ever. */
static int64_t sooner(int64_t a_ms, int64_t b_ms)
{
    return a_ms < 0 || (b_ms >= 0 && b_ms < a_ms) ? b_ms : a_ms;
}

/* Returns when to look again. */
static int64_t say_shortage(struct server *server)
{
    bool was_on = server->shortage.is_on;
    struct shortage_facts facts = {.limit = server->config.limits.connections};
    facts.what = workers_shortage(server->workers);
    if (facts.what != SHORTAGE_NONE) { /* else the workers' counters are left alone */
        facts.count = workers_totals(server->workers).shortages;
    }
    int64_t left_ms = shortage_turn(&server->shortage, &facts, monotonic_ms());
    if (was_on && !server->shortage.is_on) {
        workers_end_shortage(server->workers);
    }
    return left_ms;
}

/* One wait and what came of it. */
static void turn(struct server *server)
{
    size_t capacity = POLL_FIXED + control_poll_count(server->control);
    struct pollfd *fds = mem_zeroed(capacity, sizeof *fds);
    fds[POLL_SIGNAL] = (struct pollfd){.fd = server->signal_fd, .events = POLLIN};
    fds[POLL_UNDERTAKER] = (struct pollfd){.fd = server->undertaker.wake_fd, .events = POLLIN};
    fds[POLL_ENDED] = (struct pollfd){.fd = workers_ended_fd(server->workers), .events = POLLIN};
    fds[POLL_EVENTS] = (struct pollfd){.fd = events_ended_fd(server->events), .events = POLLIN};
    fds[POLL_SUCCESSOR] = (struct pollfd){.fd = server->successor_fd, .events = POLLIN};
    bool takes_commands = server->successor == 0;
    int64_t now_ms = monotonic_ms(); /* one for both: what is not polled now is waited for */
    size_t control_count =
        takes_commands ? control_poll_fds(server->control, now_ms, fds + POLL_FIXED) : 0;
    int64_t left = sooner(wait_ms(server), control_wait_ms(server->control, now_ms));
    left = sooner(left, say_shortage(server));
    left = sooner(left, overwrite_check_turn(&server->overwrite_check,
                                             loader_sites(&server->loader), monotonic_ms()));
    if (server->is_draining && monotonic_ms() >= server->drain_until_ms) {
        workers_stop(server->workers);
        left = 100;
    }
    loader_announce(&server->loader); /* the replies to what it was told to do are out */
    int ready = poll(fds, POLL_FIXED + control_count, (int)left);
    if (ready > 0) {
        uint64_t ignored;
        if (fds[POLL_ENDED].revents != 0) {
            (void)!read(fds[POLL_ENDED].fd, &ignored, sizeof ignored);
        }
        loader_say_damage(&server->loader); /* a load may let go of it */
        if (fds[POLL_SIGNAL].revents != 0) {
            on_signal(server);
        }
        /* what comes with the signal that starts a successor is the successor's */
        control_turn(server->control, monotonic_ms(), fds + POLL_FIXED,
                     server->successor == 0 ? control_count : 0);
        loader_say_damage(&server->loader);
        undertaker_bury(&server->undertaker);
    }
    free(fds);
    if (server->successor != 0) {
        on_successor(server);
    }
    if (server->context.wants_quit && !server->is_draining) {
        begin_end(server);
    }
}

int main(int argc, char **argv)
{
    static struct server server = {
        .signal_fd = -1,
        .successor_fd = -1,
        .process_files = {-1, -1},
        .handover = {.ready_fd = -1, .access_log_fd = -1},
    };
    standard_streams_reserve();
    enum config_result words = config_init(&server.config, argc, argv);
    if (words != CONFIG_RUN) {
        return words == CONFIG_EXIT ? EXIT_OK : EXIT_USAGE;
    }
    struct error error = {""};
    server.argv = argv;
    server.program = realpath("/proc/self/exe", NULL);
    process_raise_descriptor_limit();
    fault_guard_install();
    if (undertaker_init(&server.undertaker, &error) != 0) {
        return failed(&error);
    }
    publication_init(&server.publication);
    refusals_init(&server.refusals);
    server.loader =
        (struct loader){.publication = &server.publication,
                        .undertaker = &server.undertaker,
                        .is_preloading = server.config.is_preloading,
                        .awaited = server.config.indexes,
                        .awaited_count = server.config.index_count,
                        .trust = server.config.trusted_count > 0 ? &server.trust : NULL,
                        .retention = {server.config.retain, (int64_t)server.config.retain_for_s}};
    server.context = (struct command_context){
        .loader = &server.loader, .refusals = &server.refusals, .started_s = time(NULL)};
    if (server.config.is_check) {
        server.loader.is_preloading = false;
        bool would_start = check_start(&server.config, &server.loader, &server.trust,
                                       &server.sandbox, server.program);
        server_stop(&server);
        return would_start ? EXIT_OK : EXIT_FAILED;
    }
    int status = server_start(&server, &error);
    if (status != 0) {
        server_leave_names(&server);
        server_stop(&server);
        return status == -ECANCELED ? EXIT_OK : failed(&error);
    }
    print_ready(&server);
    handover_confirm(&server.handover);
    service_manager_tell("READY=1");
    while (workers_running(server.workers) > 0) {
        turn(&server);
    }
    events_finish(server.events); /* listeners have their time, signals and commands still count */
    while (events_is_running(server.events)) {
        turn(&server);
    }
    control_flush(server.control);
    server_stop(&server);
    return EXIT_OK;
}
