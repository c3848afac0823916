#include "server/server.h"

#include "admin/page.h"
#include "common/mem.h"
#include "server/service_manager.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* ---- releases ---- */

int server_load_start_indexes(struct server *server, bool is_again, struct reply *reply)
{
    const struct config *config = &server->config;
    struct load_request *requests = mem_zeroed(config->index_count + 1, sizeof *requests);
    size_t count = 0;
    for (size_t i = 0; i < config->index_count; i++) {
        if (!config_awaits(config, config->indexes[i].path)) {
            requests[count] = config->indexes[i];
            requests[count++].is_again = is_again;
        }
    }
    int status = command_load_all(&server->context, requests, count, reply);
    free(requests);
    return status;
}

void server_log_reply(struct reply *reply)
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

/* ---- sockets ---- */

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

/* Those that were given, and those of the configuration, which are open already where a process has
 * handed over. */
static int check_live_addresses(const struct server *server, struct error *error)
{
    const struct config *config = &server->config;
    bool is_to_open =
        !server->handover.is_there && config_opens_listeners(config, server->listeners.count);
    int status = 0;
    if (!config->is_live || config->is_live_anywhere) {
        return 0;
    }
    for (size_t i = 0; i < server->listeners.count && status == 0; i++) {
        status = listeners_check_local(&server->listeners.at[i].address, error);
    }
    for (size_t i = 0; i < config->listener_count && status == 0 && is_to_open; i++) {
        status = listeners_check_local(&config->listeners[i], error);
    }
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
    bool is_to_open = config_opens_listeners(config, server->listeners.count);
    for (size_t i = 0; i < config->listener_count && status == 0 && is_to_open; i++) {
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
                    .events = server->events,
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

/* ---- confinement, and all in order ---- */

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
        .events = server->events,
        .loads = &server->loader.counts,
        .started_s = server->context.started_s,
    };
    return telemetry_start(server->telemetry, &server->sandbox, &sources, error);
}

static int open_events(struct server *server, struct error *error)
{
    const struct events_settings settings = {
        .publication = &server->publication,
        .limits = &server->config.limits,
        .endpoint = &server->config.events,
    };
    int status =
        server->config.events.path.count == 0 ? 0 : events_new(&settings, &server->events, error);
    server->context.events = server->events;
    if (server->events != NULL) { /* the releases of the start are no news */
        server->announcer.events = server->events;
        server->loader.announcer = &server->announcer;
    }
    return status;
}

static int open_workers(struct server *server, struct error *error)
{
    struct event_door *door = server->events == NULL ? NULL : events_door(server->events);
    int handed_log_fd = server->handover.access_log_fd;
    server->handover.access_log_fd = -1; /* taken over, whatever comes of it */
    return workers_new(&server->config, &server->listeners, &server->publication, handed_log_fd,
                       telemetry_tracers(server->telemetry), door, &server->workers, error);
}

int server_start(struct server *server, struct error *error)
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
    if (status == 0) {
        status = check_live_addresses(server, error);
    }
    if (status != 0) {
        return status;
    }
    server->telemetry = telemetry_new(server->config.worker_count);
    server->context.telemetry = server->telemetry;
    count_answers(server);
    status = server->handover.is_there ? load_handed_sites(server, &reply)
                                       : server_load_start_indexes(server, false, &reply);
    if (status != 0) {
        server_log_reply(&reply);
        return error_set(error, status, "not started, because an index could not be loaded");
    }
    free(reply.text); /* announced, when all is well */
    status = open_listeners(server, error);
    if (status == 0) {
        status = open_events(server, error);
    }
    if (status == 0) {
        status = open_workers(server, error);
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
    if (status == 0 && server->events != NULL) {
        status =
            events_start(server->events, sandbox_filter(&server->sandbox, THREAD_EVENTS), error);
    }
    if (status == 0) {
        status = workers_start(server->workers, &server->sandbox, error);
    }
    if (status == 0 && server->admin != NULL) {
        status = admin_start(server->admin, sandbox_filter(&server->sandbox, THREAD_ADMIN), error);
    }
    return status == 0 ? start_telemetry(server, error) : status;
}

void server_leave_names(struct server *server)
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

void server_stop(struct server *server)
{
    admin_free(server->admin);
    telemetry_stop(server->telemetry);
    process_files_close(&server->process_files);
    events_stop(server->events, false);
    workers_free(server->workers);
    events_free(server->events);
    telemetry_free(server->telemetry);
    control_free(server->control);
    listeners_close(&server->listeners);
    listeners_close(&server->admin_listeners);
    handover_fini(&server->handover);
    free(server->program);
    free(server->admin_page);
    refusals_fini(&server->refusals);
    announcer_fini(&server->announcer);
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
