/* The control commands: one table, from which parsing, help and dispatch are made. Each gives its
 * rows and then one line, `ok COMMAND ...` or `error COMMAND: reason`. docs/control.md. */
#ifndef CAIRN_SERVER_COMMAND_H
#define CAIRN_SERVER_COMMAND_H

#include "events/events.h"
#include "server/control/line_reader.h"
#include "server/control/refusals.h"
#include "server/loader.h"
#include "server/telemetry.h"
#include "server/workers.h"

/* What commands act upon. */
struct command_context {
    struct loader *loader;
    struct workers *workers;       /* NULL before they are made */
    struct events *events;         /* NULL: nobody can listen for releases */
    const struct sandbox *sandbox; /* NULL before it is entered */
    struct telemetry *telemetry;   /* NULL: nobody is told of what commands do */
    struct refusals *refusals;     /* what was refused is noted there; NULL: nobody asks */
    int64_t started_s;             /* Unix time */
    bool wants_quit;               /* set by `quit` */
};

/* Lines for the one who asked. Grows; the caller frees `text`. */
struct reply {
    char *text;
    size_t count;
    size_t capacity;
};

void reply_format(struct reply *reply, const char *format, ...) CAIRN_PRINTF(2, 3);

/* `reopen logs`, as on USR1. */
void command_reopen_logs(struct command_context *context, struct reply *reply);

/* Carries out one line. */
void command_run(struct command_context *context, struct slice line, struct reply *reply);

/* The error line for what is no command line (any event but LINE_READY and LINE_MORE). */
void command_reject(enum line_event event, struct reply *reply);

/* `load index` of all of them at once, as at start-up and on HUP: a line for each. Returns what
 * loader_load_all() returned. */
int command_load_all(struct command_context *context, const struct load_request *requests,
                     size_t count, struct reply *reply);

#endif
