#include "net/conn.h"

#include "common/mem.h"

#include <assert.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

static const int64_t timeout_ms[CONN_STATES] = {
    [CONN_IDLE] = IDLE_TIMEOUT_MS,
    [CONN_HEAD] = HEAD_TIMEOUT_MS,
    [CONN_WRITING] = WRITE_TIMEOUT_MS,
    [CONN_LINGERING] = LINGER_TIMEOUT_MS,
};

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

void conn_set_state(struct conn_pool *pool, struct conn *conn, enum conn_state state)
{
    assert(conn->state != CONN_CLOSED);
    if (state == CONN_HEAD && conn->state == CONN_HEAD) {
        return;
    }
    assert(conn->state != CONN_LINGERING || state == CONN_CLOSED);
    list_remove(&pool->lists[conn->state], conn);
    conn->state = state;
    if (state != CONN_CLOSED) {
        conn->since_ms = pool->now_ms;
        list_append(&pool->lists[state], conn);
    }
}

struct conn_buffer *conn_take_buffer(struct conn_pool *pool)
{
    struct conn_buffer *buffer = pool->free_buffers;
    if (buffer != NULL) {
        pool->free_buffers = buffer->next_free;
    } else {
        buffer = mem_resize(NULL, 1, sizeof *buffer);
    }
    buffer->start = 0;
    buffer->end = 0;
    return buffer;
}

void conn_give_buffer(struct conn_pool *pool, struct conn_buffer **buffer)
{
    if (*buffer != NULL) {
        (*buffer)->next_free = pool->free_buffers;
        pool->free_buffers = *buffer;
        *buffer = NULL;
    }
}

/* Only this thread writes the count: no locked instruction. */
static void set_count(struct conn_pool *pool, size_t count)
{
    atomic_store_explicit(&pool->count, count, memory_order_relaxed);
}

static size_t count_of(const struct conn_pool *pool)
{
    return atomic_load_explicit(&pool->count, memory_order_relaxed);
}

void conn_open(struct conn_pool *pool, int fd)
{
    struct conn *conn = pool->free_conns;
    if (conn != NULL) {
        pool->free_conns = conn->newer;
    } else {
        conn = mem_resize(NULL, 1, sizeof *conn);
    }
    *conn = (struct conn){.kind = SOURCE_CONN, .state = CONN_IDLE, .fd = fd};
    conn->since_ms = pool->now_ms;
    list_append(&pool->lists[CONN_IDLE], conn);
    set_count(pool, count_of(pool) + 1);
    if (!conn_watch(pool, conn, EPOLLIN)) {
        conn_close(pool, conn);
    }
}

void conn_close(struct conn_pool *pool, struct conn *conn)
{
    conn_set_state(pool, conn, CONN_CLOSED);
    close(conn->fd);
    conn->fd = -1;
    conn_give_buffer(pool, &conn->input);
    conn_give_buffer(pool, &conn->head);
    site_unref(conn->site);
    conn->site = NULL;
    conn->newer = pool->closed;
    pool->closed = conn;
    set_count(pool, count_of(pool) - 1);
}

bool conn_watch(struct conn_pool *pool, struct conn *conn, uint32_t events)
{
    if (conn->events == events) {
        return true;
    }
    struct epoll_event event = {.events = events, .data.ptr = conn};
    int operation = conn->events == 0 ? EPOLL_CTL_ADD : EPOLL_CTL_MOD;
    if (epoll_ctl(pool->epoll_fd, operation, conn->fd, &event) != 0) {
        return false;
    }
    conn->events = events;
    return true;
}

void conn_close_expired(struct conn_pool *pool)
{
    for (int state = 0; state < CONN_STATES; state++) {
        struct conn *conn;
        while ((conn = pool->lists[state].oldest) != NULL &&
               pool->now_ms - conn->since_ms >= timeout_ms[state]) {
            conn_close(pool, conn);
        }
    }
}

int64_t conn_next_expiry_ms(const struct conn_pool *pool)
{
    int64_t least = -1;
    for (int state = 0; state < CONN_STATES; state++) {
        const struct conn *conn = pool->lists[state].oldest;
        if (conn != NULL) {
            int64_t left = conn->since_ms + timeout_ms[state] - pool->now_ms;
            left = left < 0 ? 0 : left + 1;
            least = least < 0 || left < least ? left : least;
        }
    }
    return least;
}

bool conn_shed_idle(struct conn_pool *pool)
{
    struct conn *conn = pool->lists[CONN_IDLE].oldest;
    if (conn != NULL) {
        conn_close(pool, conn);
    }
    return conn != NULL;
}

void conn_close_drained(struct conn_pool *pool)
{
    struct conn *next;
    for (struct conn *conn = pool->lists[CONN_IDLE].oldest; conn != NULL; conn = next) {
        next = conn->newer;
        if (conn->was_served || pool->now_ms - conn->since_ms >= DRAIN_UNSERVED_MS) {
            conn_close(pool, conn);
        }
    }
}

void conn_recycle(struct conn_pool *pool)
{
    while (pool->closed != NULL) {
        struct conn *conn = pool->closed;
        pool->closed = conn->newer;
        conn->newer = pool->free_conns;
        pool->free_conns = conn;
    }
}

void conn_pool_fini(struct conn_pool *pool)
{
    for (int state = 0; state < CONN_STATES; state++) {
        while (pool->lists[state].oldest != NULL) {
            conn_close(pool, pool->lists[state].oldest);
        }
    }
    conn_recycle(pool);
    while (pool->free_conns != NULL) {
        struct conn *next = pool->free_conns->newer;
        free(pool->free_conns);
        pool->free_conns = next;
    }
    while (pool->free_buffers != NULL) {
        struct conn_buffer *next = pool->free_buffers->next_free;
        free(pool->free_buffers);
        pool->free_buffers = next;
    }
}
