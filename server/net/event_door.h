/* The door between the workers and the thread that browsers hear of releases from
 * (events/events.h): a connection whose request asked for that is handed through with its place in
 * the admission, and does not come back. Opened by that thread's owner; workers go through; any
 * thread. */
#ifndef CAIRN_NET_EVENT_DOOR_H
#define CAIRN_NET_EVENT_DOOR_H

#include "http/event_answer.h"
#include "net/admission.h"

#include <pthread.h>
#include <stdatomic.h>

/* A connection on its way. Freed with free(). */
struct event_visitor {
    struct event_visitor *next;
    int fd;
    struct ip_address address; /* of the client: its place in the admission */
    bool is_stream;            /* else a WebSocket */
    struct slice host;         /* as host_name() gives it; what follows lies behind it */
    struct slice
        opening;        /* a stream: the head of its answer; a WebSocket: the key of its request */
    struct slice input; /* what has come behind the request */
    char bytes[];
};

struct event_door {
    const struct event_endpoint *endpoint; /* borrowed */
    struct admission *admission;           /* borrowed, set before there are workers */
    size_t most;                           /* that may be inside, or on their way */
    int wake_fd;                           /* an eventfd: somebody came in; borrowed */
    atomic_size_t inside;
    pthread_mutex_t mutex; /* of what follows */
    bool is_closed;
    struct event_visitor *oldest;
    struct event_visitor *newest;
};

void event_door_init(struct event_door *door, const struct event_endpoint *endpoint, size_t most,
                     int wake_fd);

/* Nobody is on the way any more. */
void event_door_fini(struct event_door *door);

enum event_door_answer {
    DOOR_OPEN, /* there is a place, which is the caller's until event_door_leave() */
    DOOR_FULL,
    DOOR_CLOSED, /* the process ends */
};

/* A place inside, for a connection that will go through. */
enum event_door_answer event_door_reserve(struct event_door *door);

/* Makes a visitor with a copy of its parts. */
struct event_visitor *event_visitor_new(struct slice host, struct slice opening,
                                        struct slice input);

/* Goes through, with a place that was reserved: visitor and descriptor are the other side's from
 * here on. False: the door was closed meanwhile, and they are still the caller's. */
bool event_door_enter(struct event_door *door, struct event_visitor *visitor) CAIRN_MUST_CHECK;

/* Gives back a place that was reserved. */
void event_door_leave(struct event_door *door);

/* All that are on their way, in their order, linked; NULL: none. Those of the other side. */
struct event_visitor *event_door_take(struct event_door *door);

/* From here on nobody enters. */
void event_door_close(struct event_door *door);

#endif
