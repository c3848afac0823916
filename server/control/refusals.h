/* What was refused lately, for the person who looks: loads that failed and why, limits that clients
 * came up against. As many as fit a screen; the same again is counted. Any thread. */
#ifndef CAIRN_SERVER_REFUSALS_H
#define CAIRN_SERVER_REFUSALS_H

#include "common/compiler.h"

#include <pthread.h>
#include <stdbool.h>

enum { REFUSALS_MAX = 50, REFUSAL_TEXT_BYTES = 512 };

struct refusal {
    int64_t at_s;   /* Unix time; of the last one */
    uint64_t count; /* how often, since it was not among them */
    char text[REFUSAL_TEXT_BYTES];
};

struct refusals {
    pthread_mutex_t mutex;
    size_t count;
    struct refusal at[REFUSALS_MAX]; /* the latest first */
};

void refusals_init(struct refusals *refusals);

/* Notes one, `times` over. The text is cut if it is too long. NULL: nobody wants to know. */
void refusals_add(struct refusals *refusals, int64_t now_s, uint64_t times, const char *format, ...)
    CAIRN_PRINTF(4, 5);

/* Copies them, the latest first; returns how many. */
size_t refusals_copy(struct refusals *refusals, struct refusal out[REFUSALS_MAX]);

void refusals_fini(struct refusals *refusals);

#endif
