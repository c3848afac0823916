#include "net/log_ring.h"

#include "common/counter.h"
#include "common/mem.h"
#include "common/wake.h"

#include <assert.h>
#include <stdlib.h>

/* The part of the ring that may fill before the consumer is woken for it: early enough that the
 * rest lasts until it has come. */
enum { CALL_FILL_DIVISOR = 4 };

void log_ring_init(struct log_ring *ring, size_t least_bytes, int wake_fd)
{
    size_t capacity = 64;
    while (capacity < least_bytes) {
        capacity *= 2;
    }
    *ring = (struct log_ring){
        .bytes = mem_aligned(64, capacity), .capacity = capacity, .wake_fd = wake_fd};
}

void log_ring_fini(struct log_ring *ring)
{
    free(ring->bytes);
    ring->bytes = NULL;
}

/* ---- the producer ---- */

static uint64_t fill(const struct log_ring *ring)
{
    return ring->put - ring->seen_taken;
}

/* The consumer's position is on its cache line: it is looked at only when the last one known does
 * not do. */
static bool has_room(struct log_ring *ring, size_t count)
{
    if (count > ring->capacity - fill(ring)) {
        ring->seen_taken = atomic_load_explicit(&ring->taken, memory_order_acquire);
    }
    return count <= ring->capacity - fill(ring);
}

bool log_ring_put(struct log_ring *ring, struct slice line)
{
    assert(line.count > 0 && line.bytes[line.count - 1] == '\n');
    if (!has_room(ring, line.count)) {
        counter_add(&ring->lost, 1);
        return false;
    }
    size_t at = ring->put & (ring->capacity - 1);
    size_t first = ring->capacity - at < line.count ? ring->capacity - at : line.count;
    memcpy(ring->bytes + at, line.bytes, first);
    memcpy(ring->bytes, line.bytes + first, line.count - first);
    ring->put += line.count;
    return true;
}

static bool is_filling(struct log_ring *ring)
{
    size_t most = ring->capacity / CALL_FILL_DIVISOR;
    if (fill(ring) > most) {
        ring->seen_taken = atomic_load_explicit(&ring->taken, memory_order_acquire);
    }
    return fill(ring) > most;
}

void log_ring_publish(struct log_ring *ring)
{
    if (ring->put == atomic_load_explicit(&ring->published, memory_order_relaxed)) {
        return;
    }
    /* In one order with the consumer's, which sets is_awaited and then looks at what is published:
     * one of the two sees what the other did. */
    atomic_store(&ring->published, ring->put);
    if (atomic_load(&ring->is_awaited)) {
        atomic_store_explicit(&ring->is_awaited, false, memory_order_relaxed);
        wake_eventfd(ring->wake_fd);
        return;
    }
    bool calls = is_filling(ring);
    if (calls && !ring->has_called) {
        wake_eventfd(ring->wake_fd);
    }
    ring->has_called = calls;
}

/* ---- the consumer ---- */

static uint64_t taken(const struct log_ring *ring)
{
    return atomic_load_explicit(&ring->taken, memory_order_relaxed); /* its own */
}

static size_t available(const struct log_ring *ring)
{
    return (size_t)(atomic_load(&ring->published) - taken(ring));
}

static char byte_at(const struct log_ring *ring, size_t i)
{
    return ring->bytes[(taken(ring) + i) & (ring->capacity - 1)];
}

size_t log_ring_whole(const struct log_ring *ring, size_t count)
{
    while (count > 0 && byte_at(ring, count - 1) != '\n') {
        count--;
    }
    return count;
}

size_t log_ring_lines(const struct log_ring *ring, size_t skip, size_t most, struct iovec out[2])
{
    size_t end = available(ring); /* only whole lines are published */
    if (end - skip > most) {
        size_t whole = log_ring_whole(ring, skip + most);
        end = whole > skip ? whole : skip + most;
    }
    size_t count = end - skip;
    size_t at = (taken(ring) + skip) & (ring->capacity - 1);
    size_t first = ring->capacity - at < count ? ring->capacity - at : count;
    out[0] = (struct iovec){ring->bytes + at, first};
    out[1] = (struct iovec){ring->bytes, count - first};
    return count;
}

void log_ring_take(struct log_ring *ring, size_t count)
{
    atomic_store_explicit(&ring->taken, taken(ring) + count, memory_order_release);
}

bool log_ring_await(struct log_ring *ring)
{
    atomic_store(&ring->is_awaited, true);
    return available(ring) == 0;
}

uint64_t log_ring_count(const struct log_ring *ring)
{
    uint64_t lines = 0;
    size_t count = available(ring);
    for (size_t i = 0; i < count; i++) {
        lines += byte_at(ring, i) == '\n';
    }
    return lines;
}
