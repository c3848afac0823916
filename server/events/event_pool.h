/* Listeners: what is left of each between two turns, in lists by what it waits for, and where the
 * saying of a message to all of them has come to. As with connections of workers (net/conn.h), but
 * that thousands of these are the rule and nearly all of them idle. The thread of events alone, but
 * for the counters. */
#ifndef CAIRN_EVENTS_EVENT_POOL_H
#define CAIRN_EVENTS_EVENT_POOL_H

#include "events/audience.h"
#include "events/delivery.h"
#include "http/ws_frame.h"
#include "net/event_door.h"

enum { EVENT_BLOCK_LISTENERS = 127 };

enum event_state {
    EVENT_OPEN,    /* has what there was to say; silent for event_ping_ms it is pinged */
    EVENT_PINGED,  /* owes a sign of life, for event_pong_ms */
    EVENT_WRITING, /* its socket is full; has event_stall_ms to take something */
    EVENT_CLOSING, /* has our Close, or will; owes its own */
    EVENT_ENDING,  /* said all it had to say, and so did we; owes the end of the connection */
    EVENT_STATES,
    EVENT_CLOSED, /* in no list; recycled at the end of the turn */
};

/* Input that is not a whole control frame yet. */
struct event_input {
    size_t count;
    char bytes[WS_UNREAD_BYTES_MAX];
};

/* What is for one listener alone and did not fit its socket. */
struct event_unsent {
    size_t start; /* bytes [start, end) */
    size_t end;
    size_t capacity;
    char bytes[];
};

struct event_conn {
    uint8_t state;      /* enum event_state */
    bool is_stream : 1; /* else a WebSocket */
    bool is_full : 1;   /* epoll watches for room, too */
    bool is_last : 1;   /* what is unsent is the last, and the end follows */
    uint16_t behind;    /* messages that it was told of and has not begun to take */
    int fd;
    uint32_t heard;      /* the number of the delivery that it has, or takes, or knew before */
    uint32_t sent_bytes; /* of the delivery that it takes */
    int64_t since_ms;    /* when it got into its state, or took or said something in it */
    union {
        struct ws_reader reader; /* of a WebSocket */
        struct {
            uint64_t sent_bytes;    /* in all */
            uint64_t awaited_bytes; /* of those, what has to arrive for a sign of life */
        } stream;
    };
    struct ip_address address; /* its place in the admission */
    struct event_conn *newer;  /* in the list of its state */
    struct event_conn *older;
    struct event_conn *audience_newer;
    struct event_conn *audience_older;
    struct audience *audience;
    struct delivery *delivery;   /* that it takes; NULL: none */
    struct event_unsent *unsent; /* NULL: nothing */
    struct event_input *input;   /* NULL: none */
};
_Static_assert(sizeof(struct event_conn) <= 128, "an idle listener is two cache lines");

/* Where listeners lie: side by side, so that each costs its own size and no more. */
struct event_block {
    struct event_block *next;
    _Alignas(64) struct event_conn conns[EVENT_BLOCK_LISTENERS];
};

/* Those in one state, oldest first. */
struct event_list {
    struct event_conn *oldest;
    struct event_conn *newest;
};

/* What other threads may read. */
struct event_counters {
    atomic_size_t websockets; /* open now */
    atomic_size_t streams;
    atomic_uint_fast64_t messages; /* that a listener has taken whole */
    atomic_uint_fast64_t limited[LIMITS_COUNT];
};

struct event_pool {
    int epoll_fd;
    const struct limits *limits; /* borrowed */
    struct event_door *door;     /* borrowed */
    int64_t now_ms;              /* monotonic; set by the loop at each turn */
    size_t count;
    struct event_list lists[EVENT_STATES];
    struct event_conn *closed; /* until the end of the turn: an event may still point at them */
    struct event_conn *free_conns;
    struct event_block *blocks; /* that all of them lie in */
    struct audiences audiences;
    uint32_t number;                /* of the last delivery */
    struct delivery *last;          /* of the chain; NULL: nothing was said yet */
    struct delivery *saying;        /* to all that it concerns; NULL: that is done */
    struct audience *next_audience; /* to be looked at for it */
    struct event_conn *next_conn;   /* of the audience before that one, to be told */
    struct event_counters counters;
};

/* A listener that came through the door: its socket is the pool's, and watched. NULL: the system
 * refused that, and it is closed. The visitor stays the caller's. */
struct event_conn *event_pool_open(struct event_pool *pool, const struct event_visitor *visitor);

/* Closes at once. What the socket has of ours is still delivered, or with `is_reset` dropped: who
 * takes nothing must not keep the system's memory. */
void event_pool_close(struct event_pool *pool, struct event_conn *conn, bool is_reset);

/* The one place where a state changes; its time begins anew even where it does not change. */
void event_pool_set_state(struct event_pool *pool, struct event_conn *conn, enum event_state state);

/* Watches for room in the socket besides what comes, or not any more. False: the system refused,
 * and the connection is of no use. */
bool event_pool_watch_room(struct event_pool *pool, struct event_conn *conn, bool is_full);

/* A listener whose time in its state is up, or NULL. */
struct event_conn *event_pool_expired(const struct event_pool *pool);

/* Milliseconds until the next one's is; -1: there is none. */
int64_t event_pool_next_expiry_ms(const struct event_pool *pool);

/* Takes a message over, to be said behind all others. */
void event_pool_say(struct event_pool *pool, struct event_message *message);

/* The next listener that is to be told pool->saying. *io_looks: how many hosts may still be looked
 * at for it. NULL: all are told, and pool->saying is NULL, or no more may be looked at. */
struct event_conn *event_pool_next_to_tell(struct event_pool *pool, int *io_looks);

/* Counts that a limit was come up against. */
void event_pool_limit_hit(struct event_pool *pool, enum limit_id limit);

/* The end of a turn: what was closed in it is recycled. */
void event_pool_recycle(struct event_pool *pool);

/* Closes and frees everything. */
void event_pool_fini(struct event_pool *pool);

#endif
