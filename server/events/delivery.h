/* What is said to many listeners, made once: a message as a frame of a WebSocket and as an event of
 * a text/event-stream. Deliveries are a chain in the order in which they are said: a listener that
 * is behind holds on to the one that it takes, and finds those that follow. The thread of events
 * alone. */
#ifndef CAIRN_EVENTS_DELIVERY_H
#define CAIRN_EVENTS_DELIVERY_H

#include "events/event_message.h"

#include <stdbool.h>

struct delivery {
    struct delivery *next; /* said after it; NULL: nothing was yet */
    uint32_t references;   /* of the delivery before it, of listeners, of who says it */
    uint32_t number;       /* counts deliveries, and begins anew after the last number */
    uint64_t end_bytes;    /* what all take in memory that were said up to this one */
    struct event_message *message;
    struct slice frame;
    struct slice stream;
    char bytes[];
};

/* Takes the message over. One reference, the caller's. */
struct delivery *delivery_new(struct event_message *message, uint32_t number);

/* Has `next`, which is not in the chain yet, follow the last one. */
void delivery_append(struct delivery *last, struct delivery *next);

struct delivery *delivery_ref(struct delivery *delivery);
void delivery_unref(struct delivery *delivery); /* takes NULL */

/* Writes an event of a stream: `state` as its id (empty: none), `text` one line. *out_bytes
 * excludes the NUL. The caller frees. */
char *delivery_stream_event(const char *type, const char *state, struct slice text,
                            size_t *out_bytes);

#endif
