#include "net/conn.h"

#include "common/mem.h"

#include <assert.h>
#include <linux/sockios.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <unistd.h>

const char *conn_state_name(enum conn_state state)
{
    static const char *const names[CONN_STATES] = {
        [CONN_NEW] = "new",
        [CONN_IDLE] = "idle",
        [CONN_HEAD] = "reading_head",
        [CONN_BODY] = "reading_body",
        [CONN_WRITING] = "writing",
        [CONN_READING] = "waiting_for_disk",
        [CONN_LINGERING] = "lingering",
    };
    assert(state < CONN_STATES);
    return names[state];
}

#define FOREVER_MS (INT64_MAX / 4)

static int64_t timeout_ms(const struct limits *limits, enum conn_state state)
{
    switch (state) {
    case CONN_NEW:
        return (int64_t)limits->first_byte_ms;
    case CONN_IDLE:
        return (int64_t)limits->idle_ms;
    case CONN_HEAD:
        return (int64_t)limits->head_ms;
    case CONN_LINGERING:
        return (int64_t)limits->linger_ms;
    case CONN_READING:
        return FOREVER_MS; /* it is not the client who is slow */
    default:               /* CONN_BODY, CONN_WRITING */
        return (int64_t)limits->rate_ms;
    }
}

static void list_remove(struct conn_list *list, struct conn *conn)
{
    *(conn->older != NULL ? &conn->older->newer : &list->oldest) = conn->newer;
    *(conn->newer != NULL ? &conn->newer->older : &list->newest) = conn->older;
}

static void list_append(struct conn_list *list, struct conn *conn)
{
    conn->older = list->newest;
    conn->newer = NULL;
    *(list->newest != NULL ? &list->newest->newer : &list->oldest) = conn;
    list->newest = conn;
}

/* Only this thread writes the count: no locked instruction. */
static void add_to_count(struct conn_list *list, int by)
{
    size_t count = atomic_load_explicit(&list->count, memory_order_relaxed);
    atomic_store_explicit(&list->count, count + (size_t)by, memory_order_relaxed);
}

size_t conn_pool_count(const struct conn_pool *pool)
{
    size_t count = 0;
    for (int state = 0; state < CONN_STATES; state++) {
        count += atomic_load_explicit(&pool->lists[state].count, memory_order_relaxed);
    }
    return count;
}

/* What was written but has not arrived yet. */
static uint32_t queued_bytes(int fd)
{
    int count = 0;
    return ioctl(fd, SIOCOUTQ, &count) == 0 && count > 0 ? (uint32_t)count : 0;
}

void conn_restart_window(struct conn_pool *pool, struct conn *conn)
{
    list_remove(&pool->lists[conn->state], conn);
    list_append(&pool->lists[conn->state], conn);
    conn->since_ms = pool->now_ms;
    conn->moved_bytes = 0;
    conn->queued_bytes = queued_bytes(conn->fd);
}

void conn_set_state(struct conn_pool *pool, struct conn *conn, enum conn_state state)
{
    assert(conn->state != CONN_CLOSED);
    if (state == conn->state && state != CONN_IDLE) {
        return;
    }
    assert(conn->state != CONN_LINGERING || state == CONN_CLOSED);
    list_remove(&pool->lists[conn->state], conn);
    if (state != conn->state) {
        add_to_count(&pool->lists[conn->state], -1);
        if (state != CONN_CLOSED) {
            add_to_count(&pool->lists[state], 1);
        }
    }
    conn->state = (uint8_t)state;
    if (state != CONN_CLOSED) {
        conn->since_ms = pool->now_ms;
        conn->moved_bytes = 0;
        /* Asked for at the end of the first window, which hardly any connection comes to; until
         * then the bytes that were queued before count as moved. */
        conn->queued_bytes = state == CONN_WRITING || state == CONN_LINGERING ? UINT32_MAX : 0;
        list_append(&pool->lists[state], conn);
    }
}

/* Has it moved less than body_rate asks for in so long a time? */
static bool is_slower(const struct conn_pool *pool, const struct conn *conn, uint64_t ms)
{
    uint64_t moved = conn->moved_bytes + conn->queued_bytes;
    uint32_t queued = conn->state == CONN_BODY ? 0 : queued_bytes(conn->fd);
    uint64_t least = pool->limits->body_rate * ms / 1000;
    return moved < queued + (least > 0 ? least : 1);
}

bool conn_is_too_slow(const struct conn_pool *pool, const struct conn *conn)
{
    return is_slower(pool, conn, pool->limits->rate_ms);
}

bool conn_is_moving(const struct conn *conn)
{
    uint32_t queued = queued_bytes(conn->fd);
    return conn->moved_bytes > 0 || (queued > 0 && queued < conn->queued_bytes);
}

void conn_buffer_reserve(struct conn_buffer **buffer, size_t capacity)
{
    struct conn_buffer *old = *buffer;
    if (old != NULL && old->start > 0) {
        memmove(old->bytes, old->bytes + old->start, old->end - old->start);
        old->end -= old->start;
        old->start = 0;
    }
    if (old != NULL && old->capacity >= capacity) {
        return;
    }
    size_t whole = INPUT_BYTES_LEAST;
    while (whole < capacity) {
        whole *= 2;
    }
    struct conn_buffer *new = mem_resize(old, sizeof *new + whole, 1);
    new->capacity = whole;
    if (old == NULL) {
        new->start = 0;
        new->end = 0;
    }
    *buffer = new;
}

void conn_buffer_drop(struct conn_buffer **buffer)
{
    free(*buffer);
    *buffer = NULL;
}

struct conn *conn_open(struct conn_pool *pool, int fd, const struct ip_address *address,
                       bool wants_proxy)
{
    struct conn *conn = pool->free_conns;
    if (conn != NULL) {
        pool->free_conns = conn->newer;
    } else {
        conn = mem_resize(NULL, 1, sizeof *conn);
    }
    *conn = (struct conn){.kind = SOURCE_CONN,
                          .state = CONN_NEW,
                          .fd = fd,
                          .wants_proxy = wants_proxy,
                          .since_ms = pool->now_ms,
                          .address = *address};
    list_append(&pool->lists[CONN_NEW], conn);
    add_to_count(&pool->lists[CONN_NEW], 1);
    return conn;
}

uint64_t conn_unsent_bytes(const struct conn *conn)
{
    uint64_t bytes = conn->body_bytes;
    if (conn->head != NULL) {
        bytes += conn->head->end - conn->head->start;
    }
    const struct conn_parts *parts = conn->parts;
    const struct byte_ranges *ranges = parts == NULL ? NULL : &parts->multipart.ranges;
    for (size_t i = ranges == NULL ? 0 : parts->next; ranges != NULL && i <= ranges->count; i++) {
        bytes += multipart_text(&parts->multipart, i, NULL, 0);
        bytes += i < ranges->count ? ranges->at[i].bytes : 0;
    }
    return bytes;
}

/* All of it but the socket and the place in the admission. */
static void end(struct conn_pool *pool, struct conn *conn)
{
    conn_set_state(pool, conn, CONN_CLOSED);
    conn->fd = -1;
    if (conn->record != NULL) {
        conn->record->unsent_bytes = conn_unsent_bytes(conn);
    }
    conn_buffer_drop(&conn->input);
    conn_buffer_drop(&conn->head);
    free(conn->parts);
    conn->parts = NULL;
    site_unref(conn->site);
    conn->site = NULL;
    if (conn->read != NULL) {
        disk_read_abandon(conn->read);
        conn->read = NULL;
    }
    conn->newer = pool->closed;
    pool->closed = conn;
}

void conn_close(struct conn_pool *pool, struct conn *conn)
{
    close(conn->fd);
    admission_leave(pool->admission, &conn->address);
    end(pool, conn);
}

int conn_give_away(struct conn_pool *pool, struct conn *conn)
{
    int fd = conn->fd;
    if (conn->is_watched) {
        (void)epoll_ctl(pool->epoll_fd, EPOLL_CTL_DEL, fd, NULL); /* of what is watched: no error */
    }
    end(pool, conn);
    return fd;
}

bool conn_watch(struct conn_pool *pool, struct conn *conn, uint32_t events)
{
    if (conn->is_watched && conn->events == events) {
        return true;
    }
    assert((events & ~(uint32_t)(EPOLLIN | EPOLLOUT)) == 0);
    struct epoll_event event = {.events = events, .data.ptr = conn};
    int operation = conn->is_watched ? EPOLL_CTL_MOD : EPOLL_CTL_ADD;
    if (epoll_ctl(pool->epoll_fd, operation, conn->fd, &event) != 0) {
        return false;
    }
    conn->events = (uint8_t)events & (EPOLLIN | EPOLLOUT);
    conn->is_watched = true;
    return true;
}

struct conn *conn_expired(const struct conn_pool *pool)
{
    for (int state = 0; state < CONN_STATES; state++) {
        struct conn *conn = pool->lists[state].oldest;
        if (conn != NULL &&
            pool->now_ms - conn->since_ms >= timeout_ms(pool->limits, (enum conn_state)state)) {
            return conn;
        }
    }
    return NULL;
}

int64_t conn_next_expiry_ms(const struct conn_pool *pool)
{
    int64_t least = -1;
    for (int state = 0; state < CONN_STATES; state++) {
        const struct conn *conn = pool->lists[state].oldest;
        if (conn != NULL && state != CONN_READING) {
            int64_t left =
                conn->since_ms + timeout_ms(pool->limits, (enum conn_state)state) - pool->now_ms;
            left = left < 0 ? 0 : left + 1;
            least = least < 0 || left < least ? left : least;
        }
    }
    return least;
}

/* The first that its client takes too slowly, of those that have been at their answer for a while.
 * The others are looked at again later: a window of their own begins, which also tells what was
 * queued when it began. NULL: there is none. */
static struct conn *slow_reader(struct conn_pool *pool)
{
    for (int i = 0; i < SHED_LOOKS_MAX; i++) {
        struct conn *conn = pool->lists[CONN_WRITING].oldest;
        int64_t ms = conn == NULL ? 0 : pool->now_ms - conn->since_ms;
        if (ms < SHED_WRITING_MS) {
            return NULL;
        }
        if (is_slower(pool, conn, (uint64_t)ms)) {
            return conn;
        }
        conn_restart_window(pool, conn);
    }
    return NULL;
}

bool conn_shed(struct conn_pool *pool)
{
    static const struct {
        enum conn_state state;
        int64_t least_ms;
    } order[] = {
        {CONN_IDLE, 0},
        {CONN_LINGERING, 0},
        {CONN_NEW, SHED_HEAD_MS},
        {CONN_HEAD, SHED_HEAD_MS},
        {CONN_BODY, SHED_HEAD_MS},
    };
    for (size_t i = 0; i < ARRAY_COUNT(order); i++) {
        struct conn *conn = pool->lists[order[i].state].oldest;
        if (conn != NULL && pool->now_ms - conn->since_ms >= order[i].least_ms) {
            conn_close(pool, conn);
            return true;
        }
    }
    struct conn *slow = slow_reader(pool);
    if (slow != NULL) {
        conn_close(pool, slow);
    }
    return slow != NULL;
}

void conn_close_drained(struct conn_pool *pool)
{
    static const enum conn_state states[] = {CONN_IDLE, CONN_NEW};
    for (size_t i = 0; i < ARRAY_COUNT(states); i++) {
        struct conn *conn;
        while ((conn = pool->lists[states[i]].oldest) != NULL &&
               pool->now_ms - conn->since_ms >= DRAIN_IDLE_MS) {
            conn_close(pool, conn);
        }
    }
}

void conn_recycle(struct conn_pool *pool)
{
    while (pool->closed != NULL) {
        struct conn *conn = pool->closed;
        pool->closed = conn->newer;
        free(conn->record); /* nobody wanted it */
        conn->record = NULL;
        conn->newer = pool->free_conns;
        pool->free_conns = conn;
    }
}

void conn_close_all(struct conn_pool *pool)
{
    for (int state = 0; state < CONN_STATES; state++) {
        while (pool->lists[state].oldest != NULL) {
            conn_close(pool, pool->lists[state].oldest);
        }
    }
}

void conn_pool_fini(struct conn_pool *pool)
{
    conn_close_all(pool);
    conn_recycle(pool);
    while (pool->free_conns != NULL) {
        struct conn *next = pool->free_conns->newer;
        free(pool->free_conns);
        pool->free_conns = next;
    }
}
