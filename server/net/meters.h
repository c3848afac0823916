/* Counts answers: by host, status and coding, and how long they took. A worker writes its own
 * counters, on cache lines of their own, and nobody else's; any thread reads, each number as of
 * some moment. Of hosts there are those that the list of sites names, never what clients send. */
#ifndef CAIRN_NET_METERS_H
#define CAIRN_NET_METERS_H

#include "common/format.h"
#include "http/method.h"
#include "site/site_list.h"

enum {
    STATUS_CLASSES = 5,        /* 1xx to 5xx */
    CODINGS = CODEC_COUNT + 1, /* the last: an answer without a representation */
    DURATION_BOUNDS = 22,
    METERED_STATUSES = 30,
};

/* The upper bounds of the buckets, in nanoseconds, and in seconds for people. The fourteen from 5
 * ms to 10 s are those that OpenTelemetry advises for http.server.request.duration; below them is
 * where a file out of memory is answered, above them where a download over a slow line ends. */
struct duration_bound {
    uint64_t ns;
    const char *seconds;
};
extern const struct duration_bound duration_bounds[DURATION_BOUNDS];

/* The statuses that answers are timed by; the first, 0, stands for every other one. */
extern const unsigned metered_statuses[METERED_STATUSES];

/* How long answers took. */
struct duration_counts {
    _Alignas(64) atomic_uint_fast64_t buckets[DURATION_BOUNDS + 1]; /* the last: above all bounds */
    atomic_uint_fast64_t sum_ns;
};

/* One worker's, of one host. */
struct answer_counts {
    _Alignas(64) atomic_uint_fast64_t answers[STATUS_CLASSES][CODINGS];
    atomic_uint_fast64_t body_bytes; /* handed to the system */
    atomic_uint_fast64_t aborted;    /* answers that did not come to their end */
};

/* A host's, of all workers. Counts on as long as some list has the host. */
struct host_meter {
    char *name; /* as in struct mount */
    struct answer_counts workers[];
};

/* All hosts' of a process. The control thread's. */
struct host_meters {
    size_t worker_count; /* 0: nobody wants to know */
    size_t count;
    struct host_meter **at; /* sorted by name */
};

/* Gives each host of a list that nobody else sees yet its meter: the one that it had, or a new one.
 */
void host_meters_assign(struct host_meters *meters, struct site_list *list);

/* `list` has been published: frees what only lists before it had. */
void host_meters_prune(struct host_meters *meters, const struct site_list *list);

void host_meters_fini(struct host_meters *meters);

/* A worker's. */
struct meters {
    bool is_on;
    size_t worker;                 /* which one, from 0 */
    struct answer_counts hostless; /* requests that led to no host, or were none */
    /* NULL: there was no such answer yet */
    _Atomic(struct duration_counts *) durations[METHOD_NAMES][METERED_STATUSES];
};

/* What there is to count of an answer. */
struct meter_entry {
    struct host_meter *host; /* NULL: none */
    size_t method;           /* in method_names */
    unsigned status;
    enum codec codec; /* CODEC_COUNT: the answer has no representation */
    uint64_t body_bytes;
    bool is_whole;
    uint64_t duration_ns;
};

void meters_add(struct meters *meters, const struct meter_entry *entry);

void meters_fini(struct meters *meters);

#endif
