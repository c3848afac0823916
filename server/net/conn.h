/* A connection: what is left of it between two loop turns. Input that is not yet a whole request is
 * kept in a buffer of the worker's pool, and only then; the rest of a response is a position in the
 * archive. Owned by one worker's loop; no locks. */
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

#endif
