/* The server as a whole: everything that it owns, and how that is opened, in which order, and given
 * back. What it does in between is main.c's. Main thread. */
#ifndef CAIRN_SERVER_SERVER_H
#define CAIRN_SERVER_SERVER_H

#include "admin/admin.h"
#include "events/events.h"
#include "server/handover.h"
#include "server/overwrite_check.h"
#include "server/process_setup.h"
#include "server/shortage.h"

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
    struct events *events; /* NULL: nobody can listen for releases */
    struct announcer announcer;
    struct admin *admin; /* NULL: nobody asked for one */
    struct process_files process_files;
    struct refusals refusals;
    char *admin_page; /* an index; NULL: there is none */
    char sandbox_words[SANDBOX_TEXT_BYTES];
    struct sandbox sandbox;
    struct shortage shortage;
    struct overwrite_check overwrite_check;
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

/* Loads what is to be loaded at the start, opens everything, enters the sandbox, starts the
 * threads. The caller has set what needs no opening (the configuration, the loader, the context).
 * On failure server_stop() gives back what there is. -ECANCELED: the process before this one has
 * changed its mind. */
int server_start(struct server *server, struct error *error) CAIRN_MUST_CHECK;

/* Loads the indexes of the command line in their order; once more by HUP (`is_again`). `reply`
 * collects a line each. */
int server_load_start_indexes(struct server *server, bool is_again, struct reply *reply);

/* Says on standard error what a reply says, and frees it. */
void server_log_reply(struct reply *reply);

/* A successor that does not come up leaves the names of sockets alone: the process before it goes
 * on with them. */
void server_leave_names(struct server *server);

/* Stops the threads and frees everything. */
void server_stop(struct server *server);

#endif
