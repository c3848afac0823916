/* A worker's event loop: accepts, reads, answers, writes. Runs in one thread with nothing shared
 * but the publication; other threads may call loop_wake(), loop_drain() and loop_stop(), and read
 * the counters. epoll, level-triggered. */
#ifndef CAIRN_NET_LOOP_H
#define CAIRN_NET_LOOP_H

#include "net/batch.h"
#include "net/conn.h"
#include "site/publication.h"

/* Counters that other threads may read at any time; written by the loop's thread alone. */
struct loop_counters {
    atomic_uint_fast64_t connections; /* open now */
    atomic_uint_fast64_t accepted;
    atomic_uint_fast64_t requests; /* answered, the last byte handed to the system */
    atomic_uint_fast64_t bytes;    /* sent */
};

struct loop;

/* Takes over `listener_count` listening sockets. On failure they are closed. */
int loop_new(const int *listener_fds, size_t listener_count, struct publication *publication,
             struct loop **out_loop, struct error *error) CAIRN_MUST_CHECK;
void loop_free(struct loop *loop); /* takes NULL */

/* Serves until drained or stopped. */
void loop_run(struct loop *loop);

/* From any thread: no new connections; end when the open ones have had their answers. */
void loop_drain(struct loop *loop);

/* From any thread: end now. */
void loop_stop(struct loop *loop);

const struct loop_counters *loop_counters(const struct loop *loop);

#endif
