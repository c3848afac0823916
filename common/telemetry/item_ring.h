/* Items on their way from the thread that makes them to the one that sends them. Bounded: what does
 * not fit is dropped and counted, so that the first never waits. One thread puts, one takes. */
#ifndef CAIRN_TELEMETRY_ITEM_RING_H
#define CAIRN_TELEMETRY_ITEM_RING_H

#include "telemetry/protobuf.h"

#include <stdatomic.h>

struct item_ring {
    /* the maker's */
    _Alignas(64) atomic_size_t put_bytes; /* ever; modulo the size of size_t */
    atomic_uint_fast64_t put_items;
    atomic_uint_fast64_t dropped;
    /* the taker's */
    _Alignas(64) atomic_size_t taken_bytes;
    atomic_uint_fast64_t taken_items;
    /* fixed */
    _Alignas(64) uint8_t *bytes;
    size_t capacity; /* a power of two */
    uint64_t items_max;
};

/* Room for `items_max` items of some 1 KiB each. */
void item_ring_init(struct item_ring *ring, uint64_t items_max);
void item_ring_fini(struct item_ring *ring);

/* The maker: puts one in. Returns how many wait now; 0: there was no room, and it is dropped. */
uint64_t item_ring_put(struct item_ring *ring, struct slice item);

/* The maker: one could not even be made. */
void item_ring_note_dropped(struct item_ring *ring);

/* Any thread: how many wait, and how many were dropped so far. */
uint64_t item_ring_waiting(const struct item_ring *ring);
uint64_t item_ring_dropped(const struct item_ring *ring);

/* The taker: appends up to `items_max` of those that wait; returns how many. */
uint64_t item_ring_take(struct item_ring *ring, uint64_t items_max, struct protobuf *into);

#endif
