#include "telemetry/item_ring.h"

#include "common/counter.h"
#include "common/mem.h"

#include <assert.h>
#include <stdlib.h>

enum { ITEM_BYTES = 1024, CAPACITY_MIN = 65536 };

/* Each stands behind its length. */
typedef uint32_t item_length;

void item_ring_init(struct item_ring *ring, uint64_t items_max)
{
    *ring = (struct item_ring){.items_max = items_max, .capacity = CAPACITY_MIN};
    while (ring->capacity < items_max * ITEM_BYTES) {
        ring->capacity *= 2;
    }
    ring->bytes = mem_aligned(64, ring->capacity);
}

void item_ring_fini(struct item_ring *ring)
{
    free(ring->bytes);
    ring->bytes = NULL;
}

/* The end of the memory is followed by its beginning. */
static void copy_in(struct item_ring *ring, size_t at, const void *from, size_t count)
{
    size_t offset = at & (ring->capacity - 1);
    size_t first = count < ring->capacity - offset ? count : ring->capacity - offset;
    memcpy(ring->bytes + offset, from, first);
    memcpy(ring->bytes, (const char *)from + first, count - first);
}

void item_ring_note_dropped(struct item_ring *ring)
{
    counter_add(&ring->dropped, 1);
}

uint64_t item_ring_put(struct item_ring *ring, struct slice item)
{
    const item_length length = (item_length)item.count;
    size_t at = atomic_load_explicit(&ring->put_bytes, memory_order_relaxed);
    uint64_t items = atomic_load_explicit(&ring->put_items, memory_order_relaxed);
    size_t taken = atomic_load_explicit(&ring->taken_bytes, memory_order_acquire);
    uint64_t waiting = items - atomic_load_explicit(&ring->taken_items, memory_order_relaxed);
    size_t room = ring->capacity - (at - taken);
    if (waiting >= ring->items_max || room < sizeof length || room - sizeof length < item.count) {
        item_ring_note_dropped(ring);
        return 0;
    }
    copy_in(ring, at, &length, sizeof length);
    copy_in(ring, at + sizeof length, item.bytes, item.count);
    atomic_store_explicit(&ring->put_items, items + 1, memory_order_relaxed);
    atomic_store_explicit(&ring->put_bytes, at + sizeof length + item.count, memory_order_release);
    return waiting + 1;
}

/* Taken items first: what was put is not less. */
uint64_t item_ring_waiting(const struct item_ring *ring)
{
    uint64_t taken = atomic_load_explicit(&ring->taken_items, memory_order_acquire);
    uint64_t put = atomic_load_explicit(&ring->put_items, memory_order_relaxed);
    return put - taken;
}

uint64_t item_ring_dropped(const struct item_ring *ring)
{
    return counter_read(&ring->dropped);
}

static void copy_out(const struct item_ring *ring, size_t at, size_t count, struct protobuf *into)
{
    size_t offset = at & (ring->capacity - 1);
    size_t first = count < ring->capacity - offset ? count : ring->capacity - offset;
    const char *bytes = (const char *)ring->bytes;
    protobuf_append(into, (struct slice){bytes + offset, first});
    protobuf_append(into, (struct slice){bytes, count - first});
}

static item_length length_at(const struct item_ring *ring, size_t at)
{
    uint8_t bytes[sizeof(item_length)];
    item_length length;
    for (size_t i = 0; i < sizeof bytes; i++) {
        bytes[i] = ring->bytes[(at + i) & (ring->capacity - 1)];
    }
    memcpy(&length, bytes, sizeof length);
    return length;
}

uint64_t item_ring_take(struct item_ring *ring, uint64_t items_max, struct protobuf *into)
{
    size_t at = atomic_load_explicit(&ring->taken_bytes, memory_order_relaxed);
    size_t end = atomic_load_explicit(&ring->put_bytes, memory_order_acquire);
    uint64_t before = atomic_load_explicit(&ring->taken_items, memory_order_relaxed);
    uint64_t items = 0;
    while (at != end && items < items_max) {
        item_length length = length_at(ring, at);
        assert(sizeof length + length <= end - at);
        copy_out(ring, at + sizeof length, length, into);
        at += sizeof length + length;
        items++;
    }
    atomic_store_explicit(&ring->taken_items, before + items, memory_order_relaxed);
    atomic_store_explicit(&ring->taken_bytes, at, memory_order_release);
    return items;
}
