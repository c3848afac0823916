/* Lines on their way from one worker to the thread that writes them (net/log_writer.h): a ring of
 * bytes with one producer and one consumer. Neither waits for the other, and neither calls the
 * system but to wake the consumer where it sleeps. What finds no room is lost, and counted. */
#ifndef CAIRN_NET_LOG_RING_H
#define CAIRN_NET_LOG_RING_H

#include "common/slice.h"

#include <stdatomic.h>
#include <stdint.h>
#include <sys/uio.h>

/* Positions count all bytes since the beginning. Each side writes cache lines of its own. */
struct log_ring {
    /* the producer's */
    _Alignas(64) uint64_t put; /* up to here lines lie in the ring */
    uint64_t seen_taken;       /* `taken`, when it was looked at last */
    bool has_called;           /* the consumer was woken because the ring fills */
    /* the producer's, for others to read */
    _Alignas(64) atomic_uint_fast64_t published; /* up to here the consumer may take them */
    atomic_uint_fast64_t lost;                   /* lines */
    /* the consumer's */
    _Alignas(64) atomic_uint_fast64_t taken;
    /* set by the consumer when it goes to sleep, cleared by the producer that wakes it */
    _Alignas(64) atomic_bool is_awaited;
    /* fixed */
    _Alignas(64) char *bytes;
    size_t capacity; /* a power of two */
    int wake_fd;     /* borrowed: the consumer's eventfd */
};

/* `least_bytes`: what has to fit. */
void log_ring_init(struct log_ring *ring, size_t least_bytes, int wake_fd);
void log_ring_fini(struct log_ring *ring);

/* ---- the producer ---- */

/* Adds a line, which ends with its only '\n'. False: there is no room, and it is counted as lost.
 */
bool log_ring_put(struct log_ring *ring, struct slice line);

/* Lets the consumer have what was put, and wakes it if it sleeps or the ring fills. */
void log_ring_publish(struct log_ring *ring);

/* ---- the consumer ---- */

/* Up to `most` bytes behind the first `skip` of what is there, in up to two pieces: they end with a
 * line, unless one is longer. Returns how many bytes; 0: nothing is there. */
size_t log_ring_lines(const struct log_ring *ring, size_t skip, size_t most, struct iovec out[2]);

/* How many of the first `count` bytes are whole lines. */
size_t log_ring_whole(const struct log_ring *ring, size_t count);

/* Gives the room of the first `count` bytes back. */
void log_ring_take(struct log_ring *ring, size_t count);

/* Before going to sleep: asks to be woken. False: there is something already. */
bool log_ring_await(struct log_ring *ring);

/* How many lines are there. */
uint64_t log_ring_count(const struct log_ring *ring);

#endif
