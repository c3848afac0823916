/* The serving threads: one event loop each, on sockets of its own. Used by the main thread. */
#ifndef CAIRN_SERVER_WORKERS_H
#define CAIRN_SERVER_WORKERS_H

#include "net/loop.h"
#include "server/config.h"
#include "server/listeners.h"
#include "server/sandbox/sandbox.h"

struct workers;

/* Makes the loops, each with its share of the sockets; nothing is accepted yet. The config has to
 * stay until workers_free(). `handed_log_fd` is the access log's, open already, and taken over; -1:
 * it is to be opened, if there is to be one. `tracers`, one for each, have to stay as well; NULL:
 * nothing is recorded. `events` has to stay, too, and gets the admission of all connections; NULL:
 * nobody can listen for releases. */
int workers_new(const struct config *config, const struct listeners *listeners,
                struct publication *publication, int handed_log_fd, struct tracer *tracers,
                struct event_door *events, struct workers **out_workers,
                struct error *error) CAIRN_MUST_CHECK;

/* Starts the threads (net/thread.h), these and those that read disks and write the log, each in its
 * part of the sandbox. */
int workers_start(struct workers *workers, const struct sandbox *sandbox,
                  struct error *error) CAIRN_MUST_CHECK;

/* The descriptor of the access log; -1: there is none. */
int workers_access_log(const struct workers *workers);

/* A file that was made for the access log goes to the user that this process becomes. */
int workers_give_logs(const struct workers *workers, uid_t uid, gid_t gid,
                      struct error *error) CAIRN_MUST_CHECK;

/* Opens the access log's path anew and goes on there. *out_files: how many there are, 0 or 1; a
 * descriptor that was given to the process has no path. On failure it goes on with the old one. */
int workers_reopen_logs(struct workers *workers, size_t *out_files,
                        struct error *error) CAIRN_MUST_CHECK;

void workers_drain(struct workers *workers);
void workers_stop(struct workers *workers);

/* Why there was no room for another connection (loop_shortage()). */
int workers_shortage(const struct workers *workers);
void workers_end_shortage(struct workers *workers);

/* An eventfd that is readable when a worker has ended, or a shortage has begun. */
int workers_ended_fd(const struct workers *workers);

/* How many threads still run. */
size_t workers_running(const struct workers *workers);

size_t workers_count(const struct workers *workers);

/* The counters of all loops, added up; from any thread. */
struct loop_totals workers_totals(const struct workers *workers);

/* Those of answers that one of them has; from any thread. */
const struct meters *workers_meters(const struct workers *workers, size_t worker);

/* Stops what still runs, waits for it, frees everything. Takes NULL. */
void workers_free(struct workers *workers);

#endif
