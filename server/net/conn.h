/* A connection: what is left of it between two loop turns. Input that is not yet a whole request is
 * kept in a buffer of the worker's pool, and only then; the rest of a response is a position in the
 * archive. A pool belongs to one worker's thread; no locks. */
#ifndef CAIRN_NET_CONN_H
#define CAIRN_NET_CONN_H

#include "http/message.h"

enum conn_state {
    CONN_IDLE,      /* waits for a request */
    CONN_HEAD,      /* has the beginning of a request */
    CONN_WRITING,   /* has the rest of a response, and maybe requests behind it */
    CONN_LINGERING, /* said all it had to say; waits for the client to close */
    CONN_STATES,
    CONN_CLOSED, /* in no list; freed at the end of the turn */
};

/* A buffer of the pool: input or the rest of a head. */
struct conn_buffer {
    struct conn_buffer *next_free;
    size_t start; /* bytes [start, end) are unused */
    size_t end;
    char bytes[REQUEST_HEAD_BYTES_MAX + RESPONSE_HEAD_BYTES_MAX];
};

/* What an epoll event points at. */
enum source_kind {
    SOURCE_CONN,
    SOURCE_LISTENER,
    SOURCE_WAKE,
};

struct conn {
    enum source_kind kind; /* SOURCE_CONN */
    enum conn_state state;
    int fd;
    uint32_t events;  /* what epoll watches it for */
    bool close_after; /* once the response is out */
    bool was_served;  /* it has had an answer */
    int64_t since_ms; /* when it got into its state, or last made progress in it */
    struct conn *newer;
    struct conn *older;
    struct conn_buffer *input; /* NULL: none waiting */
    struct conn_buffer *head;  /* the rest of a response head; NULL: it is out */
    struct site *site;         /* counted, as long as a body is under way */
    uint64_t body_offset;
    uint64_t body_bytes; /* still to be sent */
};
_Static_assert(sizeof(struct conn) <= 128, "an idle connection is two cache lines");

/* Connections in one state, oldest first. */
struct conn_list {
    struct conn *oldest;
    struct conn *newest;
};

/* All connections of a worker, and what is recycled of those that ended. */
struct conn_pool {
    int epoll_fd;   /* borrowed */
    int64_t now_ms; /* monotonic; set by the loop at each turn */
    struct conn_list lists[CONN_STATES];
    struct conn *closed; /* until the end of the turn: an event may still point at them */
    struct conn *free_conns;
    struct conn_buffer *free_buffers;
    atomic_size_t count; /* open; other threads may read it */
};

/* Takes over a socket and watches it for input. Closes it if that cannot be. */
void conn_open(struct conn_pool *pool, int fd);
void conn_close(struct conn_pool *pool, struct conn *conn);

/* The one place where a state changes; also says that the connection made progress in its state.
 * The time of a head runs from its first byte, so that it cannot be stretched. */
void conn_set_state(struct conn_pool *pool, struct conn *conn, enum conn_state state);

/* Changes what epoll watches the connection for, if it is something else. False: the system
 * refused, and the connection is of no use any more. */
bool conn_watch(struct conn_pool *pool, struct conn *conn, uint32_t events);

/* A buffer, empty; and back. *buffer may be NULL and is NULL afterwards. */
struct conn_buffer *conn_take_buffer(struct conn_pool *pool);
void conn_give_buffer(struct conn_pool *pool, struct conn_buffer **buffer);

/* Closes those whose time in their state is up (limits.h). */
void conn_close_expired(struct conn_pool *pool);

/* Milliseconds until the next connection's time is up; -1: there is none. */
int64_t conn_next_expiry_ms(const struct conn_pool *pool);

/* Out of descriptors: closes the connection that has been idle for longest. False: none is. */
bool conn_shed_idle(struct conn_pool *pool);

/* Draining, after a turn in which every request that was waiting has been read: connections between
 * two requests have nothing to lose, and those that never sent one get a moment to do so. */
void conn_close_drained(struct conn_pool *pool);

/* The end of a turn: what was closed in it is recycled. */
void conn_recycle(struct conn_pool *pool);

/* Closes and frees everything. */
void conn_pool_fini(struct conn_pool *pool);

#endif
