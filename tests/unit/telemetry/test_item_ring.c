/* Items from one thread to another: each once, in order, or dropped and counted. */
#include "telemetry/item_ring.h"

#include <criterion/criterion.h>
#include <pthread.h>
#include <stdlib.h>

static uint64_t put(struct item_ring *ring, unsigned number, size_t count)
{
    char *item = malloc(count);
    memset(item, (int)(number & 0xff), count);
    uint64_t waiting = item_ring_put(ring, (struct slice){item, count});
    free(item);
    return waiting;
}

Test(item_ring, takes_no_more_items_than_it_may_have)
{
    struct item_ring ring;
    struct protobuf taken = protobuf_growing();
    item_ring_init(&ring, 3);
    cr_assert_eq(put(&ring, 1, 10), 1);
    cr_assert_eq(put(&ring, 2, 10), 2);
    cr_assert_eq(put(&ring, 3, 10), 3);
    cr_assert_eq(put(&ring, 4, 10), 0);
    cr_assert_eq(item_ring_dropped(&ring), 1);
    cr_assert_eq(item_ring_take(&ring, 2, &taken), 2);
    cr_assert_eq(taken.count, 20);
    cr_assert_eq(item_ring_waiting(&ring), 1);
    cr_assert_eq(put(&ring, 5, 10), 2);
    cr_assert_eq(item_ring_take(&ring, 100, &taken), 2);
    cr_assert_eq(taken.bytes[20], 3);
    cr_assert_eq(taken.bytes[30], 5);
    cr_assert_eq(item_ring_take(&ring, 100, &taken), 0);
    protobuf_fini(&taken);
    item_ring_fini(&ring);
}

/* Large items fill the bytes before the number is reached. */
Test(item_ring, takes_no_more_bytes_than_it_has)
{
    struct item_ring ring;
    struct protobuf taken = protobuf_growing();
    item_ring_init(&ring, 1000000);
    uint64_t items = 0;
    while (put(&ring, 1, 100000) > 0) {
        items++;
    }
    cr_assert_eq(item_ring_dropped(&ring), 1);
    cr_assert_eq(item_ring_take(&ring, UINT64_MAX, &taken), items);
    cr_assert_eq(taken.count, items * 100000);
    cr_assert_eq(put(&ring, 1, ring.capacity), 0);
    cr_assert_eq(put(&ring, 1, ring.capacity - 4), 1);
    item_ring_note_dropped(&ring);
    cr_assert_eq(item_ring_dropped(&ring), 3);
    protobuf_fini(&taken);
    item_ring_fini(&ring);
}

enum { ROUNDS = 200000 };

static size_t length_of(unsigned number)
{
    return 1 + number * 7919 % 700;
}

static void *make(void *argument)
{
    struct item_ring *ring = argument;
    for (unsigned i = 0; i < ROUNDS; i++) {
        (void)put(ring, i, length_of(i));
    }
    return NULL;
}

/* Whatever the two threads do: what was not dropped comes out whole and in its order. */
Test(item_ring, two_threads)
{
    struct item_ring ring;
    struct protobuf taken = protobuf_growing();
    pthread_t maker;
    uint64_t items = 0;
    unsigned next = 0;
    item_ring_init(&ring, 100);
    cr_assert_eq(pthread_create(&maker, NULL, make, &ring), 0);
    while (items + item_ring_dropped(&ring) < ROUNDS) {
        taken.count = 0;
        if (item_ring_take(&ring, 1, &taken) == 0) {
            continue;
        }
        items++;
        while (next < ROUNDS &&
               (length_of(next) != taken.count || (next & 0xff) != taken.bytes[0])) {
            next++;
        }
        cr_assert_lt(next, ROUNDS, "an item that nobody has put in, or out of its order");
        for (size_t i = 1; i < taken.count; i++) {
            cr_assert_eq(taken.bytes[i], taken.bytes[0]);
        }
        next++;
    }
    pthread_join(maker, NULL);
    cr_assert_gt(items, 0);
    protobuf_fini(&taken);
    item_ring_fini(&ring);
}
