/* A connection: what is left of it between two loop turns. Input that is not yet a whole request is
 * kept in a buffer of its size, and only then; the rest of a response is a position in the archive.
 * A pool belongs to one worker's thread; no locks but those of the admission. */
#ifndef CAIRN_NET_CONN_H
#define CAIRN_NET_CONN_H

#include "http/h1_body.h"
#include "http/message.h"
#include "net/admission.h"
#include "net/disk_readers.h"
#include "net/exchange.h"

enum conn_state {
    CONN_NEW,       /* has not sent a byte */
    CONN_IDLE,      /* waits for another request */
    CONN_HEAD,      /* has the beginning of a request */
    CONN_BODY,      /* has a request whose body is being dropped */
    CONN_WRITING,   /* has the rest of a response, and maybe requests behind it */
    CONN_READING,   /* the same, and waits for a disk */
    CONN_LINGERING, /* said all it had to say; waits for the client to close */
    CONN_STATES,
    CONN_CLOSED, /* in no list; freed at the end of the turn */
};

/* What metrics call a state. Static. */
const char *conn_state_name(enum conn_state state);

/* Input, or the rest of a head. */
struct conn_buffer {
    size_t start; /* bytes [start, end) are unused */
    size_t end;
    size_t capacity;
    int64_t read_ns;     /* when the input came, as in struct exchange_clock */
    struct h1_body body; /* of the request whose head this is, in CONN_BODY */
    char bytes[];
};

/* A body of several parts, those that are not out yet. */
struct conn_parts {
    uint64_t body_offset; /* of the representation, in the archive */
    size_t next;          /* the one whose text is sent next */
    struct multipart multipart;
};

/* What an epoll event points at: the first byte tells. */
enum source_kind {
    SOURCE_CONN,
    SOURCE_LISTENER,
    SOURCE_WAKE,
};

struct conn {
    uint8_t kind;             /* SOURCE_CONN */
    uint8_t state;            /* enum conn_state */
    uint8_t linger_turns : 4; /* times that the wait for its end was prolonged */
    uint8_t events : 4;       /* what epoll watches it for: EPOLLIN, EPOLLOUT, or neither */
    bool close_after : 1;     /* once the response is out */
    bool is_body_read : 1;    /* of the request that the kept input begins with */
    bool wants_proxy : 1;     /* its first bytes have to say who the client is */
    bool is_watched : 1;      /* epoll knows it */
    uint8_t waits : 3; /* for a disk, one after the other, without a byte sent between them */
    int fd;
    uint32_t requests;     /* answered */
    uint32_t queued_bytes; /* what the system had not delivered yet, at `since_ms` */
    int64_t since_ms;      /* when it got into its state; where a rate is asked for: the window */
    uint64_t moved_bytes;  /* since then, in CONN_BODY, CONN_WRITING, CONN_LINGERING */
    struct ip_address address; /* of the client */
    struct conn *newer;
    struct conn *older;
    struct conn_buffer *input;      /* NULL: none waiting */
    struct conn_buffer *head;       /* the rest of a response head; NULL: it is out */
    struct conn_parts *parts;       /* NULL: the body is one piece */
    struct exchange_record *record; /* of the response under way; NULL: nobody wants to know */
    struct site *site;              /* counted, as long as a body is under way */
    uint64_t body_offset;
    uint64_t body_bytes;    /* still to be sent, of this piece */
    struct disk_read *read; /* in CONN_READING: what it waits for; the readers' */
};
_Static_assert(sizeof(struct conn) <= 128, "an idle connection is two cache lines");

/* Connections in one state, oldest first. */
struct conn_list {
    struct conn *oldest;
    struct conn *newest;
    atomic_size_t count; /* other threads may read it */
};

/* All connections of a worker, and what is recycled of those that ended. */
struct conn_pool {
    int epoll_fd;                /* borrowed */
    const struct limits *limits; /* borrowed */
    struct admission *admission; /* borrowed; of all workers */
    int64_t now_ms;              /* monotonic; set by the loop at each turn */
    struct conn_list lists[CONN_STATES];
    struct conn *closed; /* until the end of the turn: an event may still point at them */
    struct conn *free_conns;
};

/* How many are open; from any thread, as of some moment. */
size_t conn_pool_count(const struct conn_pool *pool);

/* Takes over a socket of an admitted client. It is not watched yet (conn_watch()). */
struct conn *conn_open(struct conn_pool *pool, int fd, const struct ip_address *address,
                       bool wants_proxy);
void conn_close(struct conn_pool *pool, struct conn *conn);

/* The same of one whose socket goes to somebody else: returns that, watched by nobody here; its
 * place in the admission goes with it. */
int conn_give_away(struct conn_pool *pool, struct conn *conn);

/* Is a response under way? */
static inline bool conn_has_rest(const struct conn *conn)
{
    return conn->head != NULL || conn->body_bytes > 0 || conn->site != NULL;
}

/* What of it is not handed to the system yet, head and text between parts included. */
uint64_t conn_unsent_bytes(const struct conn *conn);

/* The one place where a state changes. The time of a head runs from its first byte, and that of a
 * rate from the window's beginning, so that neither can be stretched. */
void conn_set_state(struct conn_pool *pool, struct conn *conn, enum conn_state state);

/* Bytes went in or out in this state. */
static inline void conn_moved(struct conn *conn, uint64_t bytes)
{
    conn->moved_bytes += bytes;
}

/* Changes what epoll watches the connection for, if it is something else. False: the system
 * refused, and the connection is of no use any more. */
bool conn_watch(struct conn_pool *pool, struct conn *conn, uint32_t events);

/* Makes *buffer, which may be NULL, hold at least `capacity` bytes, what is in it moved to the
 * front. */
void conn_buffer_reserve(struct conn_buffer **buffer, size_t capacity);

/* Frees *buffer, which may be NULL and is NULL afterwards. */
void conn_buffer_drop(struct conn_buffer **buffer);

/* A connection whose time in its state is up, or NULL. The caller changes its state, closes it, or
 * grants it another window. */
struct conn *conn_expired(const struct conn_pool *pool);

/* Has the connection moved less, in its window, than the limits ask for? What the system has taken
 * but not delivered does not count (SIOCOUTQ). */
bool conn_is_too_slow(const struct conn_pool *pool, const struct conn *conn);

/* Has anything moved at all in its window: come in, or left what the system still has to deliver?
 */
bool conn_is_moving(const struct conn *conn);

/* Another window in the same state. */
void conn_restart_window(struct conn_pool *pool, struct conn *conn);

/* Milliseconds until the next connection's time is up; -1: there is none. */
int64_t conn_next_expiry_ms(const struct conn_pool *pool);

/* No descriptor, or no room, for another connection: closes the one that has been idle for longest,
 * else one that lingers, else one that has been at a request for too long, else one that takes its
 * answer more slowly than body_rate. False: there is none to give up. */
bool conn_shed(struct conn_pool *pool);

/* Draining, after a turn in which every request that was waiting has been read: connections that
 * have been without a request for a moment are closed. One that had its answer just now may be
 * sending the next, which then says that it is the last. */
void conn_close_drained(struct conn_pool *pool);

/* The end of a turn: what was closed in it is recycled. */
void conn_recycle(struct conn_pool *pool);

/* Closes all of them. */
void conn_close_all(struct conn_pool *pool);

/* Closes and frees everything. */
void conn_pool_fini(struct conn_pool *pool);

#endif
