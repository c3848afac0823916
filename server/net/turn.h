/* What one worker has at hand for all its connections: the list of sites that is in use this turn,
 * the clock, and the buffers that are used anew for each connection. One per worker, one thread. */
#ifndef CAIRN_NET_TURN_H
#define CAIRN_NET_TURN_H

#include "common/counter.h"
#include "http/live_reload.h"
#include "http/respond.h"
#include "net/access_log.h"
#include "net/batch.h"
#include "net/conn.h"
#include "net/event_door.h"
#include "net/meters.h"
#include "net/residency.h"
#include "net/tracer.h"

/* Counters that other threads may read at any time; written by the worker's thread alone. */
struct turn_counters {
    atomic_uint_fast64_t accepted;   /* connections */
    atomic_uint_fast64_t requests;   /* answered, the last byte handed to the system */
    atomic_uint_fast64_t bytes;      /* sent */
    atomic_uint_fast64_t disk_reads; /* pieces that were not in the page cache */
    atomic_uint_fast64_t shed;       /* connections that were given up for others */
    atomic_uint_fast64_t shortages;  /* times that there was no room for a connection */
    atomic_uint_fast64_t rests; /* times that the listeners were put to rest (ACCEPT_REST_MS) */
    atomic_uint_fast64_t limited[LIMITS_COUNT]; /* times that a limit was come up against */
};

struct turn {
    const struct site_list *sites;
    const struct limits *limits;           /* borrowed */
    const struct address_list *proxy_from; /* borrowed: who begins with a PROXY header */
    struct event_door *events;             /* borrowed; NULL: nobody can listen for releases */
    struct head_common common;
    bool is_last;       /* the worker ends: connections are closed after their next answer */
    bool is_end_agreed; /* the last request is the last of its connection, as the client wants */
    bool ends_plainly;  /* and the batch ends it: it is closed as soon as the batch is out */
    unsigned refused_status; /* of what the batch ends with, if that is no request; else 0 */
    struct conn_pool conns;
    struct turn_counters counters;
    struct meters meters;
    uint64_t conn_bytes;               /* sent to the connection whose turn it is */
    struct disk_readers *disk_readers; /* borrowed; NULL: the worker waits for disks itself */
    struct disk_mailbox mailbox;
    struct residency residency;
    struct exchange_clock clock;
    struct access_log log;
    struct tracer *tracer;                     /* borrowed; NULL: nothing is recorded */
    const struct address_list *forwarded_from; /* borrowed: whose word on the client counts */
    const struct live_reload *live; /* borrowed; NULL: pages are sent as they are stored */
    struct live_reload_scratch *live_scratch; /* where there is that; owned */
    struct request request;
    const char *request_at; /* where in the input it was parsed; NULL: it is of nobody's any more */
    struct batch batch;
    struct h1_body body; /* of the request that the last batch ended before, if it needs more */
    struct {
        struct response response; /* of slices of the scratch and the input */
        size_t input_bytes;       /* of the input: its request */
        struct slice opening;     /* as in struct event_visitor */
    } leaving; /* the request that the last batch ended before, if the connection leaves with it */
    char input[READ_BYTES];
    struct response_scratch scratch;
};

static inline void turn_count_sent(struct turn *turn, uint64_t bytes)
{
    turn->conn_bytes += bytes;
    counter_add(&turn->counters.bytes, bytes);
}

#endif
