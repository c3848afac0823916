/* All numbers that the server tells about itself, as of one moment, without a pointer into anything
 * that changes. Whoever exports them makes of it what its protocol wants. */
#ifndef CAIRN_SERVER_METRICS_SNAPSHOT_H
#define CAIRN_SERVER_METRICS_SNAPSHOT_H

#include "events/events.h"
#include "server/loader.h"
#include "server/metrics/process_numbers.h"
#include "server/workers.h"

/* Where the numbers come from. All of it is borrowed, and stays as long as somebody asks. */
struct metrics_sources {
    struct publication *publication;
    const struct workers *workers;
    const struct events *events; /* NULL: nobody can listen for releases */
    const struct load_counts *loads;
    const struct process_files *process;
    int64_t started_s; /* Unix time */
};

/* Answers for one host. */
struct metrics_host {
    char *name; /* as `host=` takes it: "a.example", "*.a.example", "*"; empty: no host was found */
    uint64_t answers[STATUS_CLASSES][CODINGS];
    uint64_t body_bytes;
    uint64_t aborted;
};

/* The stack of releases of a host and prefix. */
struct metrics_site {
    char *host;
    char *prefix;      /* "/docs"; "/" for the root */
    uint64_t releases; /* those that were taken back not among them */
    uint64_t release;  /* on top */
    int64_t loaded_s;  /* Unix time; of the one on top, as all that follows */
    uint64_t paths;
    uint64_t archive_bytes; /* committed */
    uint64_t index_bytes;
    bool is_damaged; /* it is answered with 503 */
};

/* How long the answers of one kind took. */
struct metrics_duration {
    const char *method; /* in method_names; static */
    unsigned status;    /* in metered_statuses; 0: another one */
    uint64_t buckets[DURATION_BOUNDS + 1];
    uint64_t sum_ns;
};

struct metrics_snapshot {
    int64_t taken_s; /* Unix time */
    int64_t started_s;
    uint64_t workers;          /* that run */
    struct loop_totals totals; /* limits: those that listeners came up against as well */
    uint64_t websockets;       /* that listen for events now */
    uint64_t streams;
    uint64_t event_messages;                 /* that a listener has taken whole */
    uint64_t durations[DURATION_BOUNDS + 1]; /* of all answers; the last: above all bounds */
    uint64_t duration_ns;
    size_t duration_count;
    struct metrics_duration *duration_kinds; /* of each kind that there was */
    uint64_t loads[LOAD_OUTCOMES];
    uint64_t load_us;
    int64_t last_load_s; /* Unix time; 0: there was none */
    bool is_last_load_refused;
    uint64_t rollbacks;
    struct process_numbers process;
    size_t host_count;
    struct metrics_host *hosts; /* the first is nobody's; then sorted by name */
    size_t site_count;
    struct metrics_site *sites;
};

/* The numbers of this moment. The caller frees it. A load that ends meanwhile waits for it before
 * it lets go of the old list; nobody else does. One thread at a time, which is no worker. */
struct metrics_snapshot *metrics_take(const struct metrics_sources *sources);
void metrics_free(struct metrics_snapshot *snapshot); /* takes NULL */

#endif
