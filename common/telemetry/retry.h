/* What the OTLP specification says of answers: which of them end an export, and how long to wait
 * before the next try. Pure functions. */
#ifndef CAIRN_TELEMETRY_RETRY_H
#define CAIRN_TELEMETRY_RETRY_H

#include "common/compiler.h"

enum delivery {
    DELIVERED,
    DELIVERY_REFUSED, /* for good: another try would be answered the same */
    DELIVERY_LATER,
};

/* By the status of the answer; 0: there was none. */
enum delivery delivery_of(unsigned status);

enum {
    RETRY_FIRST_MS = 1000,
    RETRY_LONGEST_MS = 16000,
    RETRY_ASKED_LONGEST_MS = 600000, /* a receiver that asks for more is asked again all the same */
};

/* How long to wait after so many tries (1 and more) that came to nothing: twice as long each time,
 * half of it by chance, so that many who lost the same receiver do not come back at once; and no
 * less than the receiver asks for (-1: it does not), up to RETRY_ASKED_LONGEST_MS. */
uint64_t retry_delay_ms(unsigned tries, int64_t retry_after_s, uint64_t random);

#endif
