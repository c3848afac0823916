/* A worker's event loop: accepts, reads, answers, writes. Runs in one thread with nothing shared
 * but the publication; other threads may call loop_wake(), loop_drain() and loop_stop(), and read
 * the counters. epoll, level-triggered. */
#ifndef CAIRN_NET_LOOP_H
#define CAIRN_NET_LOOP_H

#include "common/error.h"
#include "net/access_line.h"
#include "net/conn.h"
#include "net/event_door.h"
#include "net/log_writer.h"
#include "net/meters.h"
#include "net/tracer.h"
#include "site/publication.h"

struct loop;

/* What all loops of a process share; stays with the caller, for as long as there are loops. */
struct loop_settings {
    struct publication *publication;
    struct admission *admission;
    struct limits limits;
    struct slice added_fields;          /* complete lines, for every response */
    struct address_list proxy_from;     /* peers that begin with a PROXY header */
    struct address_list forwarded_from; /* peers whose Forwarded fields tell the client */
    int news_fd;                        /* an eventfd: a shortage has begun; borrowed */
    struct log_writer *log_writer;      /* of the access log; NULL: there is none */
    enum access_format log_format;
    struct disk_readers *disk_readers; /* NULL: none; stopped before the loops are freed */
    struct tracer *tracers;            /* of each worker one; NULL: nothing is recorded */
    const struct live_reload *live;    /* NULL: pages are sent as they are stored */
    bool has_meters;                   /* answers are counted (net/meters.h) */
    struct event_door *events;         /* NULL: nobody can listen for releases */
};

/* Takes over `listener_count` listening sockets. On failure they are closed. `worker` counts the
 * loops of the process from 0. */
int loop_new(size_t worker, const int *listener_fds, size_t listener_count,
             const struct loop_settings *settings, struct loop **out_loop,
             struct error *error) CAIRN_MUST_CHECK;
void loop_free(struct loop *loop); /* takes NULL */

/* Serves until drained or stopped. */
void loop_run(struct loop *loop);

/* From any thread: no new connections; end when the open ones have had their answers. */
void loop_drain(struct loop *loop);

/* Why there was no room for another connection, since the last loop_end_shortage(): an errno of
 * accept4(), or one of these. From any thread. When it begins, the loop writes to news_fd. */
enum { SHORTAGE_NONE = 0, SHORTAGE_CONNECTIONS = -1 };
int loop_shortage(const struct loop *loop);
void loop_end_shortage(struct loop *loop);

/* From any thread: end now. */
void loop_stop(struct loop *loop);

/* What loops have done so far. */
struct loop_totals {
    uint64_t connections[CONN_STATES]; /* open now */
    uint64_t accepted;
    uint64_t shed;       /* connections that were given up for others */
    uint64_t shortages;  /* times that there was no room for a connection */
    uint64_t rests;      /* times that nothing could be accepted */
    uint64_t requests;   /* answered, the last byte handed to the system */
    uint64_t bytes;      /* sent */
    uint64_t disk_reads; /* pieces of archives that were not in the page cache */
    uint64_t log_lost;   /* lines of the access log that there was no room for */
    uint64_t limited[LIMITS_COUNT];
};

/* Adds a loop's; from any thread, each number as of some moment. */
void loop_add_totals(const struct loop *loop, struct loop_totals *io_totals);

/* Its counters of answers, for any thread to read. */
const struct meters *loop_meters(const struct loop *loop);

#endif
