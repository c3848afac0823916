#include "telemetry/retry.h"

enum delivery delivery_of(unsigned status)
{
    switch (status) {
    case 0:
    case 429:
    case 502:
    case 503:
    case 504:
        return DELIVERY_LATER;
    default:
        return status >= 200 && status < 300 ? DELIVERED : DELIVERY_REFUSED;
    }
}

uint64_t retry_delay_ms(unsigned tries, int64_t retry_after_s, uint64_t random)
{
    uint64_t longest_ms = RETRY_FIRST_MS;
    for (unsigned i = 1; i < tries && longest_ms < RETRY_LONGEST_MS; i++) {
        longest_ms *= 2;
    }
    uint64_t delay_ms = longest_ms / 2 + random % (longest_ms / 2 + 1);
    uint64_t asked_ms = retry_after_s <= 0 ? 0
                        : retry_after_s < RETRY_ASKED_LONGEST_MS / 1000
                            ? (uint64_t)retry_after_s * 1000
                            : RETRY_ASKED_LONGEST_MS;
    return delay_ms > asked_ms ? delay_ms : asked_ms;
}
