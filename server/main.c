/* cairn-serve: loads the first releases, starts the workers, and then is the control thread: it
 * waits for commands, signals, workers that end and sites that nobody uses any more. */
#include "admin/admin.h"
#include "admin/page.h"
#include "common/fault_guard.h"
#include "common/mem.h"
#include "common/standard_streams.h"
#include "server/announcement.h"
#include "server/check.h"
#include "server/handover.h"
#include "server/process_setup.h"
#include "server/service_manager.h"
#include "server/shortage.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { EXIT_OK = 0, EXIT_FAILED = 1, EXIT_USAGE = 2 };

struct server {
    struct config config;
    struct undertaker undertaker;
    struct publication publication;
    struct loader loader;
    struct trust trust;
    struct workers *workers;
    struct control *control;
    struct command_context context;
    struct listeners listeners;
    struct listeners admin_listeners;
    struct admin *admin; /* NULL: nobody asked for one */
    struct process_files process_files;
    struct refusals refusals;
    char *admin_page; /* an index; NULL: there is none */
    char sandbox_words[SANDBOX_TEXT_BYTES];
    struct sandbox sandbox;
    struct shortage shortage;
    struct telemetry *telemetry; /* NULL: nobody asked for it */
    struct handover handover;    /* from the process before this one */
    char *program;               /* its file, by which a successor is started */
    char **argv;
    pid_t successor; /* 0: there is none */
    int successor_fd;
    int64_t successor_until_ms;
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

/* Loads the indexes of the command line in their order, once more by HUP. `reply` collects a line
 * each. */
static int load_start_indexes(struct server *server, bool is_again, struct reply *reply)
{
    int status = 0;
    for (size_t i = 0; i < server->config.index_count; i++) {
        struct load_request request = server->config.indexes[i];
        request.is_again = is_again;
        int result = command_load(&server->context, &request, reply);
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

/* The releases of the process before this one, with what is known of them. */
static int load_handed_sites(struct server *server, struct reply *reply)
{
    struct handover *handover = &server->handover;
    uint64_t *ids = mem_zeroed(handover->site_count + 1, sizeof *ids);
    int status = 0;
    for (size_t i = 0; i < handover->site_count && status == 0; i++) {
        struct load_result result;
        struct error error = {""};
        struct load_request request = handover->sites[i].request;
        request.is_handed = true;
        request.is_aside = handover->sites[i].is_aside;
        status = loader_load(&server->loader, &request, &result, &error);
        ids[i] = status == 0 ? result.id : 0;
        if (status != 0) {
            reply_format(reply, "error load index: %s\n", error.text);
        }
    }
    for (size_t i = 0; i < handover->site_count && status == 0; i++) {
        char id[24];
        snprintf(id, sizeof id, "%llu", (unsigned long long)ids[i]);
        const struct site *site = loader_find(&server->loader, slice_of_string(id));
        if (handover->sites[i].is_retired && site != NULL) {
            loader_retire(&server->loader, site);
        }
    }
    free(ids);
    return status;
}

/* What the process before this one had, or a service manager has opened; a socket that it calls
 * `admin` is the admin address. */
static int adopt_sockets(struct server *server, struct error *error)
{
    if (server->handover.is_there) {
        server->listeners = server->handover.listeners;
        server->admin_listeners = server->handover.admin;
        server->handover.listeners = (struct listeners){0};
        server->handover.admin = (struct listeners){0};
        return 0;
    }
    struct service_sockets given;
    service_manager_sockets(&given);
    int status = 0;
    for (size_t i = 0; i < given.count && status == 0; i++) {
        int fd = given.first_fd + (int)i;
        bool is_admin = strcmp(given.names[i], "admin") == 0;
        status = listeners_adopt(is_admin ? &server->admin_listeners : &server->listeners, &fd, 1,
                                 false, error);
    }
    service_sockets_fini(&given);
    return status;
}

/* The addresses of the configuration, besides sockets that were given; in place of the default
 * those alone. */
static int open_listeners(struct server *server, struct error *error)
{
    struct config *config = &server->config;
    if (server->handover.is_there) {
        return 0;
    }
    int status = 0;
    bool is_default_replaced = server->listeners.count > 0 && config->is_default_listener;
    for (size_t i = 0; i < config->listener_count && status == 0 && !is_default_replaced; i++) {
        status =
            listeners_open(&server->listeners, &config->listeners[i], config->worker_count, error);
    }
    if (status == 0 && config->has_admin && server->admin_listeners.count == 0) {
        status = listeners_open(&server->admin_listeners, &config->admin, 1, error);
    }
    return status;
}

static int open_admin(struct server *server, struct error *error)
{
    if (server->admin_listeners.count == 0) {
        return 0;
    }
    int ends[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) != 0) {
        return error_set(error, -errno, "socketpair: %s", strerror(errno));
    }
    control_attach(server->control, ends[0]);
    process_files_open(&server->process_files);
    server->admin_page = admin_page_find(server->config.admin_page, server->program);
    const struct admin_settings settings = {
        .metrics = {.publication = &server->publication,
                    .workers = server->workers,
                    .loads = &server->loader.counts,
                    .process = &server->process_files,
                    .started_s = server->context.started_s},
        .hosts = {server->config.admin_hosts, server->config.admin_host_count},
        .refusals = &server->refusals,
        .token_file = server->config.admin_token_file,
        .page = server->admin_page,
        .sandbox = server->sandbox_words,
        .command_fd = ends[1],
    };
    return admin_new(&settings, &server->admin_listeners, &server->admin, error);
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
        server->drain_until_ms = now_ms() + (int64_t)server->config.limits.drain_ms;
        workers_drain(server->workers);
    } else {
        workers_stop(server->workers); /* asked twice: at once */
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
    struct timespec now;
    struct reply reply = {0};
    clock_gettime(CLOCK_MONOTONIC, &now);
    service_manager_tell("RELOADING=1\nMONOTONIC_USEC=%lld",
                         (long long)now.tv_sec * 1000000 + now.tv_nsec / 1000);
    (void)load_start_indexes(server, true, &reply);
    log_reply(&reply);
    service_manager_tell("READY=1");
}

static void reopen_logs(struct server *server)
{
    struct reply reply = {0};
    command_reopen_logs(&server->context, &reply);
    log_reply(&reply);
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
    server->successor_until_ms = now_ms() + PATIENCE_MS;
    fprintf(stderr, "cairn-serve: handing over to process %ld\n", (long)server->successor);
}

/* The successor serves, has failed, or took too long. */
static void on_successor(struct server *server)
{
    char byte;
    bool is_over = now_ms() >= server->successor_until_ms;
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

enum { POLL_SIGNAL, POLL_UNDERTAKER, POLL_ENDED, POLL_SUCCESSOR, POLL_FIXED };

/* How long to wait for the next thing that comes by itself: the end of the drain, or a release that
 * is over its time. -1: there is none. */
static int64_t wait_ms(struct server *server)
{
    enum { LONGEST_MS = 3600000 };
    if (server->is_draining) {
        return server->drain_until_ms - now_ms();
    }
    if (server->successor != 0) {
        int64_t left = server->successor_until_ms - now_ms();
        return left > 0 ? left : 0;
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
    int64_t left_ms = shortage_turn(&server->shortage, &facts, now_ms());
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
    fds[POLL_SUCCESSOR] = (struct pollfd){.fd = server->successor_fd, .events = POLLIN};
    bool takes_commands = server->successor == 0;
    size_t control_count =
        takes_commands ? control_poll_fds(server->control, now_ms(), fds + POLL_FIXED) : 0;
    int64_t left = sooner(wait_ms(server), control_wait_ms(server->control, now_ms()));
    left = sooner(left, say_shortage(server));
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
        loader_say_damage(&server->loader); /* a load may let go of it */
        if (fds[POLL_SIGNAL].revents != 0) {
            on_signal(server);
        }
        /* what comes with the signal that starts a successor is the successor's */
        control_turn(server->control, now_ms(), fds + POLL_FIXED,
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

/* Everything of ours that has a name in the file system goes to the user that this process becomes.
 */
static int give_names(struct server *server, const struct account *account, struct error *error)
{
    int status = listeners_give(&server->listeners, account->uid, account->gid, error);
    if (status == 0) {
        status = listeners_give(&server->admin_listeners, account->uid, account->gid, error);
    }
    if (status == 0) {
        status = control_give(server->control, account->uid, account->gid, error);
    }
    return status == 0 ? workers_give_logs(server->workers, account->uid, account->gid, error)
                       : status;
}

static int enter_sandbox(struct server *server, struct error *error)
{
    const struct handover *handover = &server->handover;
    struct account account = {0};
    bool has_account = server->config.user != NULL && !handover->is_there;
    const struct sandbox_needs needs = {
        .config = &server->config,
        .listeners = &server->listeners,
        .admin = &server->admin_listeners,
        .telemetry = telemetry_settings_of(server->telemetry),
        .admin_page = server->admin_page,
        .account = has_account ? &account : NULL,
        .program = server->program,
    };
    if (handover->is_confined) {
        return sandbox_inherit(&server->sandbox, &needs, handover->landlock_version,
                               handover->has_filters, error);
    }
    int status = has_account ? account_find(server->config.user, &account, error) : 0;
    if (status == 0 && has_account && geteuid() == 0) {
        status = give_names(server, &account, error);
    }
    if (status == 0) {
        status = sandbox_enter(&server->sandbox, &needs, error);
    }
    account_fini(&account);
    if (status == 0 && has_account) {
        loader_user_changed(&server->loader);
    }
    return status;
}

/* Before the first list of sites: their hosts are counted for. */
static void count_answers(struct server *server)
{
    const struct telemetry_settings *telemetry = telemetry_settings_of(server->telemetry);
    server->config.has_meters = server->config.has_admin || server->admin_listeners.count > 0 ||
                                (telemetry != NULL && telemetry->targets[SIGNAL_METRICS].is_on);
    if (server->config.has_meters) {
        server->loader.host_meters.worker_count = server->config.worker_count;
    }
}

static int start_telemetry(struct server *server, struct error *error)
{
    const struct metrics_sources sources = {
        .publication = &server->publication,
        .workers = server->workers,
        .loads = &server->loader.counts,
        .started_s = server->context.started_s,
    };
    return telemetry_start(server->telemetry, &server->sandbox, &sources, error);
}

static int start(struct server *server, struct error *error)
{
    struct reply reply = {0};
    server->signal_fd = process_open_signals(error);
    if (server->signal_fd < 0) {
        return server->signal_fd;
    }
    int status = config_read_trust(&server->config, &server->trust, error);
    if (status == 0) {
        status = handover_receive(&server->handover, error);
    }
    if (status != 0) {
        return status;
    }
    status = adopt_sockets(server, error);
    if (status != 0) {
        return status;
    }
    server->telemetry = telemetry_new(server->config.worker_count);
    server->context.telemetry = server->telemetry;
    count_answers(server);
    status = server->handover.is_there ? load_handed_sites(server, &reply)
                                       : load_start_indexes(server, false, &reply);
    if (status != 0) {
        log_reply(&reply);
        return error_set(error, status, "not started, because an index could not be loaded");
    }
    free(reply.text); /* announced, when all is well */
    status = open_listeners(server, error);
    if (status == 0) {
        status = workers_new(&server->config, &server->listeners, &server->publication,
                             server->handover.access_log_fd, telemetry_tracers(server->telemetry),
                             &server->workers, error);
        server->handover.access_log_fd = -1;
    }
    if (status == 0) {
        const struct handover *handover = &server->handover;
        const struct control_handed handed = {handover->control_fds, handover->control_count,
                                              handover->client_fds, handover->client_count};
        server->context.workers = server->workers;
        status = control_new(&server->context, server->config.controls,
                             server->config.control_count, &handed, &server->control, error);
    }
    if (status == 0) {
        status = open_admin(server, error);
    }
    if (status == 0) {
        status = enter_sandbox(server, error);
        server->context.sandbox = &server->sandbox;
        sandbox_text(&server->sandbox, server->sandbox_words);
        server->loader.folders = sandbox_folders(&server->sandbox);
    }
    if (status == 0) {
        status = workers_start(server->workers, &server->sandbox, error);
    }
    if (status == 0 && server->admin != NULL) {
        status = admin_start(server->admin, sandbox_filter(&server->sandbox, THREAD_ADMIN), error);
    }
    return status == 0 ? start_telemetry(server, error) : status;
}

/* A successor that does not come up leaves the names of sockets alone: the process before it goes
 * on with them. */
static void leave_names(struct server *server)
{
    if (server->handover.is_there) {
        listeners_disown(&server->listeners);
        listeners_disown(&server->handover.listeners);
        listeners_disown(&server->admin_listeners);
        listeners_disown(&server->handover.admin);
        if (server->control != NULL) {
            control_release(server->control);
        }
    }
}

static void stop(struct server *server)
{
    admin_free(server->admin);
    telemetry_stop(server->telemetry);
    process_files_close(&server->process_files);
    workers_free(server->workers);
    telemetry_free(server->telemetry);
    control_free(server->control);
    listeners_close(&server->listeners);
    listeners_close(&server->admin_listeners);
    handover_fini(&server->handover);
    free(server->program);
    free(server->admin_page);
    refusals_fini(&server->refusals);
    publication_fini(&server->publication);
    host_meters_fini(&server->loader.host_meters);
    undertaker_fini(&server->undertaker);
    if (server->signal_fd >= 0) {
        close(server->signal_fd);
    }
    trust_fini(&server->trust);
    sandbox_fini(&server->sandbox);
    config_fini(&server->config);
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
                        .trust = server.config.trusted_count > 0 ? &server.trust : NULL,
                        .retention = {server.config.retain, (int64_t)server.config.retain_for_s}};
    server.context = (struct command_context){
        .loader = &server.loader, .refusals = &server.refusals, .started_s = time(NULL)};
    if (server.config.is_check) {
        server.loader.is_preloading = false;
        bool would_start = check_start(&server.config, &server.loader, &server.trust,
                                       &server.sandbox, server.program);
        stop(&server);
        return would_start ? EXIT_OK : EXIT_FAILED;
    }
    int status = start(&server, &error);
    if (status != 0) {
        leave_names(&server);
        stop(&server);
        return status == -ECANCELED ? EXIT_OK : failed(&error);
    }
    print_ready(&server);
    handover_confirm(&server.handover);
    service_manager_tell("READY=1");
    while (workers_running(server.workers) > 0) {
        turn(&server);
    }
    control_flush(server.control);
    stop(&server);
    return EXIT_OK;
}
