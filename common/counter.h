/* Counters that one thread writes and any may read, each as of some moment. */
#ifndef CAIRN_COMMON_COUNTER_H
#define CAIRN_COMMON_COUNTER_H

#include <stdatomic.h>
#include <stdint.h>

/* Of the thread that writes it: so it takes no locked instruction. */
static inline void counter_add(atomic_uint_fast64_t *counter, uint64_t by)
{
    uint64_t value = atomic_load_explicit(counter, memory_order_relaxed);
    atomic_store_explicit(counter, value + by, memory_order_relaxed);
}

static inline uint64_t counter_read(const atomic_uint_fast64_t *counter)
{
    return atomic_load_explicit(counter, memory_order_relaxed);
}

#endif
