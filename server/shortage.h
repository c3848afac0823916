/* What is said when a server has no room for another connection: out of descriptors, of memory for
 * sockets, or at --limit connections. Once when it begins, then once a minute how often it was, and
 * once when it is over. Workers only count, and wake the main thread when it begins; that is whose
 * this is. */
#ifndef CAIRN_SERVER_SHORTAGE_H
#define CAIRN_SERVER_SHORTAGE_H

#include "net/loop.h"

struct shortage {
    bool is_on;
    int64_t next_ms;  /* monotonic: when to look again */
    uint64_t counted; /* connections that were given up or not taken, when it was looked at last */
    uint64_t all;     /* since it began */
};

/* What the workers know (workers_shortage()). */
struct shortage_facts {
    int what;       /* SHORTAGE_NONE: none has begun since the last one was over */
    uint64_t count; /* of connections that there was no room for, since the start; if so */
    uint64_t limit; /* of connections */
};

/* Says what there is to say. Returns how many milliseconds later to look again; -1: when a worker
 * says so. Where is_on ends with it, the workers are to be told. */
int64_t shortage_turn(struct shortage *shortage, const struct shortage_facts *facts,
                      int64_t now_ms);

#endif
