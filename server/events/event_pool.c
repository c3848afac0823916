#include "events/event_pool.h"

#include "common/counter.h"
#include "common/mem.h"

#include <assert.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

/* ---- lists ---- */

static int64_t timeout_ms(const struct limits *limits, enum event_state state)
{
    switch (state) {
    case EVENT_OPEN:
        return (int64_t)limits->event_ping_ms;
    case EVENT_PINGED:
        return (int64_t)limits->event_pong_ms;
    case EVENT_WRITING:
        return (int64_t)limits->event_stall_ms;
    default: /* EVENT_CLOSING, EVENT_ENDING */
        return EVENT_CLOSE_MS;
    }
}

static void list_remove(struct event_list *list, struct event_conn *conn)
{
    *(conn->older != NULL ? &conn->older->newer : &list->oldest) = conn->newer;
    *(conn->newer != NULL ? &conn->newer->older : &list->newest) = conn->older;
}

static void list_append(struct event_list *list, struct event_conn *conn)
{
    conn->older = list->newest;
    conn->newer = NULL;
    *(list->newest != NULL ? &list->newest->newer : &list->oldest) = conn;
    list->newest = conn;
}

void event_pool_set_state(struct event_pool *pool, struct event_conn *conn, enum event_state state)
{
    assert(conn->state != EVENT_CLOSED);
    assert(conn->state < EVENT_CLOSING || state >= conn->state);
    list_remove(&pool->lists[conn->state], conn);
    conn->state = (uint8_t)state;
    if (state != EVENT_CLOSED) {
        conn->since_ms = pool->now_ms;
        list_append(&pool->lists[state], conn);
    }
}

struct event_conn *event_pool_expired(const struct event_pool *pool)
{
    for (int state = 0; state < EVENT_STATES; state++) {
        struct event_conn *conn = pool->lists[state].oldest;
        if (conn != NULL &&
            pool->now_ms - conn->since_ms >= timeout_ms(pool->limits, (enum event_state)state)) {
            return conn;
        }
    }
    return NULL;
}

int64_t event_pool_next_expiry_ms(const struct event_pool *pool)
{
    int64_t least = -1;
    for (int state = 0; state < EVENT_STATES; state++) {
        const struct event_conn *conn = pool->lists[state].oldest;
        if (conn != NULL) {
            int64_t left =
                conn->since_ms + timeout_ms(pool->limits, (enum event_state)state) - pool->now_ms;
            left = left < 0 ? 0 : left;
            least = least < 0 || left < least ? left : least;
        }
    }
    return least;
}

/* ---- audiences ---- */

static void join(struct event_pool *pool, struct event_conn *conn, struct slice host)
{
    struct audience *audience = audiences_join(&pool->audiences, host);
    conn->audience = audience;
    conn->audience_older = audience->newest;
    if (audience->newest != NULL) {
        audience->newest->audience_newer = conn;
    }
    audience->newest = conn;
}

/* Who is to be told next may be the one that goes. */
static void leave(struct event_pool *pool, struct event_conn *conn)
{
    struct audience *audience = conn->audience;
    if (pool->next_conn == conn) {
        pool->next_conn = conn->audience_older;
    }
    *(conn->audience_newer != NULL ? &conn->audience_newer->audience_older : &audience->newest) =
        conn->audience_older;
    if (conn->audience_older != NULL) {
        conn->audience_older->audience_newer = conn->audience_newer;
    }
    conn->audience = NULL;
    if (audience->newest == NULL) {
        if (pool->next_audience == audience) {
            pool->next_audience = audience->older;
        }
        audiences_forget(&pool->audiences, audience);
    }
}

/* ---- life ---- */

/* Only this thread writes it: no locked instruction. */
static void add_to_gauge(struct event_pool *pool, const struct event_conn *conn, int by)
{
    struct event_counters *counters = &pool->counters;
    atomic_size_t *gauge = conn->is_stream ? &counters->streams : &counters->websockets;
    size_t count = atomic_load_explicit(gauge, memory_order_relaxed);
    atomic_store_explicit(gauge, count + (size_t)by, memory_order_relaxed);
    pool->count += (size_t)by;
}

void event_pool_limit_hit(struct event_pool *pool, enum limit_id limit)
{
    counter_add(&pool->counters.limited[limit], 1);
}

static struct event_conn *take_free(struct event_pool *pool)
{
    if (pool->free_conns == NULL) {
        struct event_block *block = mem_aligned(_Alignof(struct event_block), sizeof *block);
        block->next = pool->blocks;
        pool->blocks = block;
        for (size_t i = 0; i < EVENT_BLOCK_LISTENERS; i++) {
            block->conns[i].newer = pool->free_conns;
            pool->free_conns = &block->conns[i];
        }
    }
    struct event_conn *conn = pool->free_conns;
    pool->free_conns = conn->newer;
    return conn;
}

/* One that comes while something is being said knows that already: its first message says what is
 * served now. */
struct event_conn *event_pool_open(struct event_pool *pool, const struct event_visitor *visitor)
{
    struct event_conn *conn = take_free(pool);
    *conn = (struct event_conn){
        .state = EVENT_OPEN,
        .is_stream = visitor->is_stream,
        .fd = visitor->fd,
        .heard = pool->number,
        .since_ms = pool->now_ms,
        .address = visitor->address,
    };
    list_append(&pool->lists[EVENT_OPEN], conn);
    join(pool, conn, visitor->host);
    add_to_gauge(pool, conn, 1);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = conn};
    if (epoll_ctl(pool->epoll_fd, EPOLL_CTL_ADD, conn->fd, &event) != 0) {
        event_pool_close(pool, conn, false);
        return NULL;
    }
    return conn;
}

void event_pool_close(struct event_pool *pool, struct event_conn *conn, bool is_reset)
{
    const struct linger at_once = {.l_onoff = 1, .l_linger = 0};
    event_pool_set_state(pool, conn, EVENT_CLOSED);
    if (is_reset) { /* a Unix socket has no such thing, and is closed like the others */
        (void)setsockopt(conn->fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    }
    close(conn->fd);
    conn->fd = -1;
    admission_leave(pool->door->admission, &conn->address);
    event_door_leave(pool->door);
    leave(pool, conn);
    add_to_gauge(pool, conn, -1);
    delivery_unref(conn->delivery);
    conn->delivery = NULL;
    free(conn->unsent);
    conn->unsent = NULL;
    free(conn->input);
    conn->input = NULL;
    conn->newer = pool->closed;
    pool->closed = conn;
}

bool event_pool_watch_room(struct event_pool *pool, struct event_conn *conn, bool is_full)
{
    if (conn->is_full == is_full) {
        return true;
    }
    struct epoll_event event = {.events = EPOLLIN | (is_full ? (uint32_t)EPOLLOUT : 0),
                                .data.ptr = conn};
    conn->is_full = is_full;
    return epoll_ctl(pool->epoll_fd, EPOLL_CTL_MOD, conn->fd, &event) == 0;
}

void event_pool_recycle(struct event_pool *pool)
{
    while (pool->closed != NULL) {
        struct event_conn *conn = pool->closed;
        pool->closed = conn->newer;
        conn->newer = pool->free_conns;
        pool->free_conns = conn;
    }
}

void event_pool_fini(struct event_pool *pool)
{
    for (int state = 0; state < EVENT_STATES; state++) {
        while (pool->lists[state].oldest != NULL) {
            event_pool_close(pool, pool->lists[state].oldest, false);
        }
    }
    event_pool_recycle(pool);
    pool->free_conns = NULL;
    while (pool->blocks != NULL) {
        struct event_block *block = pool->blocks;
        pool->blocks = block->next;
        free(block);
    }
    audiences_fini(&pool->audiences);
    delivery_unref(pool->saying);
    delivery_unref(pool->last);
    pool->saying = NULL;
    pool->last = NULL;
}

/* ---- saying ---- */

static void begin(struct event_pool *pool, struct delivery *delivery)
{
    struct delivery *before = pool->saying;
    pool->saying = delivery_ref(delivery); /* first: the one before it may be all that holds it */
    delivery_unref(before);
    pool->next_audience = pool->audiences.newest;
    pool->next_conn = NULL;
}

void event_pool_say(struct event_pool *pool, struct event_message *message)
{
    struct delivery *delivery = delivery_new(message, ++pool->number);
    if (pool->last != NULL) {
        delivery->end_bytes += pool->last->end_bytes;
        delivery_append(pool->last, delivery);
        delivery_unref(pool->last);
    }
    pool->last = delivery;
    if (pool->saying == NULL) {
        begin(pool, delivery);
    }
}

/* The newest listener of the next audience that is concerned; NULL: there is none any more, or no
 * more may be looked at. */
static struct event_conn *next_concerned(struct event_pool *pool, int *io_looks)
{
    for (; pool->next_audience != NULL && *io_looks > 0; --*io_looks) {
        struct audience *audience = pool->next_audience;
        pool->next_audience = audience->older;
        if (event_message_concerns(pool->saying->message, audience->host)) {
            return audience->newest;
        }
    }
    return NULL;
}

struct event_conn *event_pool_next_to_tell(struct event_pool *pool, int *io_looks)
{
    while (pool->saying != NULL) {
        struct event_conn *conn =
            pool->next_conn != NULL ? pool->next_conn : next_concerned(pool, io_looks);
        if (conn != NULL) {
            pool->next_conn = conn->audience_older;
            return conn;
        }
        if (pool->next_audience != NULL) {
            return NULL;
        }
        if (pool->saying->next != NULL) {
            begin(pool, pool->saying->next);
        } else {
            delivery_unref(pool->saying);
            pool->saying = NULL;
        }
    }
    return NULL;
}
