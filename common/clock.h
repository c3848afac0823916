/* Times of the system's clocks. The monotonic one is for how long something takes and when it is
 * due: it does not jump, and says nothing of the date (clock_gettime(2)). Any thread. */
#ifndef CAIRN_COMMON_CLOCK_H
#define CAIRN_COMMON_CLOCK_H

#include <stdint.h>
#include <time.h>

static inline int64_t clock_ns(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static inline int64_t clock_ms(clockid_t clock)
{
    return clock_ns(clock) / 1000000;
}

/* The monotonic one, in whole milliseconds and with what is between them. */
static inline int64_t monotonic_ms(void)
{
    return clock_ms(CLOCK_MONOTONIC);
}

static inline double monotonic_exact_ms(void)
{
    return (double)clock_ns(CLOCK_MONOTONIC) / 1e6;
}

#endif
