/* Listeners by the host that they asked for: what concerns a host is looked up once, however many
 * listen for it. The thread of events alone. */
#ifndef CAIRN_EVENTS_AUDIENCE_H
#define CAIRN_EVENTS_AUDIENCE_H

#include "common/slice.h"

#include <stdint.h>

struct event_conn;

/* Those of one host, the newest first. */
struct audience {
    struct audience *newer; /* in the order in which they came to be */
    struct audience *older;
    struct audience *next; /* in its bucket */
    struct event_conn *newest;
    uint64_t hash;
    struct slice host; /* as host_name() gives it */
    char bytes[];
};

struct audiences {
    uint64_t seed; /* a number that no client knows: hosts are theirs to choose */
    struct audience *newest;
    struct audience **buckets;
    size_t capacity; /* a power of two, or 0 */
    size_t count;
};

/* That of a host; one without listeners, if nobody listened for it. */
struct audience *audiences_join(struct audiences *audiences, struct slice host);

/* Forgets one that has no listeners any more. */
void audiences_forget(struct audiences *audiences, struct audience *audience);

/* When all are forgotten. */
void audiences_fini(struct audiences *audiences);

#endif
