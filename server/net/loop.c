#include "net/loop.h"

#include "common/mem.h"
#include "http/h1_parse.h"
#include "http/respond.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { EVENTS_PER_TURN = 256 };

struct listener_source {
    enum source_kind kind; /* SOURCE_LISTENER */
    int fd;
};

struct loop {
    int epoll_fd;
    int wake_fd;
    enum source_kind wake_source;
    struct listener_source *listeners;
    size_t listener_count;
    struct publication *publication;
    struct subscriber subscriber;
    const struct site_list *sites; /* in use this turn */
    int64_t now_ms;                /* monotonic */
    struct date_line date;
    struct conn_list lists[CONN_STATES];
    struct conn *closed;     /* to be freed at the end of the turn */
    struct conn *free_conns; /* recycled */
    struct conn_buffer *free_buffers;
    size_t conn_count;
    int64_t accept_after_ms; /* out of descriptors: listeners rest until then; 0: they do not */
    atomic_bool is_draining;
    atomic_bool is_stopped;
    struct loop_counters counters;
    struct request request;
    struct batch batch;
    char input[REQUEST_HEAD_BYTES_MAX];
};

static const int64_t timeout_ms[CONN_STATES] = {
    [CONN_IDLE] = IDLE_TIMEOUT_MS,
    [CONN_HEAD] = HEAD_TIMEOUT_MS,
    [CONN_WRITING] = WRITE_TIMEOUT_MS,
    [CONN_LINGERING] = LINGER_TIMEOUT_MS,
};

static void count(atomic_uint_fast64_t *counter, uint64_t by)
{
    uint64_t value = atomic_load_explicit(counter, memory_order_relaxed);
    atomic_store_explicit(counter, value + by, memory_order_relaxed);
}

/* ---- connections ---- */

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

/* The one place where a state changes; also tells that the connection made progress in its state.
 * The time of a head runs from its first byte, so that it cannot be stretched. */
static void set_state(struct loop *loop, struct conn *conn, enum conn_state state)
{
    assert(conn->state != CONN_CLOSED);
    if (state == CONN_HEAD && conn->state == CONN_HEAD) {
        return;
    }
    assert(conn->state != CONN_LINGERING || state == CONN_CLOSED || state == CONN_LINGERING);
    list_remove(&loop->lists[conn->state], conn);
    conn->state = state;
    if (state != CONN_CLOSED) {
        conn->since_ms = loop->now_ms;
        list_append(&loop->lists[state], conn);
    }
}

static struct conn_buffer *take_buffer(struct loop *loop)
{
    struct conn_buffer *buffer = loop->free_buffers;
    if (buffer != NULL) {
        loop->free_buffers = buffer->next_free;
    } else {
        buffer = mem_resize(NULL, 1, sizeof *buffer);
    }
    buffer->start = 0;
    buffer->end = 0;
    return buffer;
}

static void give_buffer(struct loop *loop, struct conn_buffer **buffer)
{
    if (*buffer != NULL) {
        (*buffer)->next_free = loop->free_buffers;
        loop->free_buffers = *buffer;
        *buffer = NULL;
    }
}

static void close_conn(struct loop *loop, struct conn *conn)
{
    set_state(loop, conn, CONN_CLOSED);
    close(conn->fd);
    conn->fd = -1;
    give_buffer(loop, &conn->input);
    give_buffer(loop, &conn->head);
    site_unref(conn->site);
    conn->site = NULL;
    conn->newer = loop->closed;
    loop->closed = conn;
    loop->conn_count--;
    atomic_store_explicit(&loop->counters.connections, loop->conn_count, memory_order_relaxed);
}

/* An event of this turn may still point at a closed connection, so they are kept until its end. */
static void recycle_closed(struct loop *loop)
{
    while (loop->closed != NULL) {
        struct conn *conn = loop->closed;
        loop->closed = conn->newer;
        conn->newer = loop->free_conns;
        loop->free_conns = conn;
    }
}

static bool watch(struct loop *loop, struct conn *conn, uint32_t events)
{
    if (conn->events == events) {
        return true;
    }
    struct epoll_event event = {.events = events, .data.ptr = conn};
    int operation = conn->events == 0 ? EPOLL_CTL_ADD : EPOLL_CTL_MOD;
    if (epoll_ctl(loop->epoll_fd, operation, conn->fd, &event) != 0) {
        return false;
    }
    conn->events = events;
    return true;
}

static void open_conn(struct loop *loop, int fd)
{
    struct conn *conn = loop->free_conns;
    if (conn != NULL) {
        loop->free_conns = conn->newer;
    } else {
        conn = mem_resize(NULL, 1, sizeof *conn);
    }
    *conn = (struct conn){.kind = SOURCE_CONN, .state = CONN_IDLE, .fd = fd};
    conn->since_ms = loop->now_ms;
    list_append(&loop->lists[CONN_IDLE], conn);
    loop->conn_count++;
    count(&loop->counters.accepted, 1);
    atomic_store_explicit(&loop->counters.connections, loop->conn_count, memory_order_relaxed);
    if (!watch(loop, conn, EPOLLIN)) {
        close_conn(loop, conn);
    }
}

/* ---- writing ---- */

enum write_result {
    WRITE_DONE,
    WRITE_FULL,   /* the socket takes no more: go on when it does */
    WRITE_FAILED, /* the client is gone, or the archive is not what it was */
};

static enum write_result write_problem(void)
{
    return errno == EAGAIN || errno == EINTR ? WRITE_FULL : WRITE_FAILED;
}

/* The rest of a head, if it did not fit at once. */
static enum write_result write_head(struct loop *loop, struct conn *conn)
{
    struct conn_buffer *head = conn->head;
    while (head != NULL && head->start < head->end) {
        ssize_t sent = send(conn->fd, head->bytes + head->start, head->end - head->start,
                            MSG_NOSIGNAL | (conn->body_bytes > 0 ? MSG_MORE : 0));
        if (sent < 0) {
            return write_problem();
        }
        head->start += (size_t)sent;
        count(&loop->counters.bytes, (uint64_t)sent);
        set_state(loop, conn, CONN_WRITING);
    }
    give_buffer(loop, &conn->head);
    return WRITE_DONE;
}

static enum write_result write_body(struct loop *loop, struct conn *conn)
{
    uint64_t turn_bytes = 0;
    while (conn->body_bytes > 0) {
        if (turn_bytes >= TURN_BODY_BYTES_MAX) {
            return WRITE_FULL; /* the others first; epoll tells at once that there is room */
        }
        off_t offset = (off_t)conn->body_offset;
        size_t piece =
            conn->body_bytes < TURN_BODY_BYTES_MAX ? (size_t)conn->body_bytes : TURN_BODY_BYTES_MAX;
        ssize_t sent = sendfile(conn->fd, conn->site->archive->fd, &offset, piece);
        if (sent < 0) {
            return write_problem();
        }
        if (sent == 0) {
            return WRITE_FAILED; /* somebody cut the archive short: end, never pad */
        }
        conn->body_offset += (uint64_t)sent;
        conn->body_bytes -= (uint64_t)sent;
        turn_bytes += (uint64_t)sent;
        count(&loop->counters.bytes, (uint64_t)sent);
        set_state(loop, conn, CONN_WRITING);
    }
    return WRITE_DONE;
}

/* What is left of the response under way. */
static enum write_result write_rest(struct loop *loop, struct conn *conn)
{
    enum write_result result = write_head(loop, conn);
    if (result == WRITE_DONE) {
        result = write_body(loop, conn);
    }
    if (result == WRITE_DONE) {
        site_unref(conn->site);
        conn->site = NULL;
        count(&loop->counters.requests, 1);
    }
    return result;
}

/* The response that the socket took only `sent` bytes of becomes the connection's own: its site is
 * counted, and what is left of its head is copied. */
static void adopt_response(struct loop *loop, struct conn *conn,
                           const struct batch_response *response, size_t sent)
{
    if (sent < response->text_bytes) {
        conn->head = take_buffer(loop);
        conn->head->end = response->text_bytes - sent;
        memcpy(conn->head->bytes, loop->batch.text + response->text_at + sent, conn->head->end);
    }
    size_t body_sent = sent > response->text_bytes ? sent - response->text_bytes : 0;
    conn->body_offset = response->body_offset + body_sent;
    conn->body_bytes = response->body_bytes + response->file_bytes - body_sent;
    conn->site = response->site == NULL ? NULL : site_ref(response->site);
    conn->close_after = !response->keep_alive;
}

/* Which responses are out after `sent` bytes, and how much of the input they answer. */
static enum write_result settle_batch(struct loop *loop, struct conn *conn, size_t sent,
                                      size_t *out_input_bytes)
{
    struct batch *batch = &loop->batch;
    for (size_t i = 0; i < batch->response_count; i++) {
        const struct batch_response *response = &batch->responses[i];
        size_t whole = response->text_bytes + response->body_bytes;
        if (sent < whole || response->file_bytes > 0) {
            if (sent == 0 && i > 0) {
                return WRITE_FULL; /* not started: it is made again when there is room */
            }
            *out_input_bytes = response->input_bytes;
            adopt_response(loop, conn, response, sent);
            return sent < whole ? WRITE_FULL : write_rest(loop, conn);
        }
        sent -= whole;
        *out_input_bytes = response->input_bytes;
        conn->close_after = !response->keep_alive;
        count(&loop->counters.requests, 1);
    }
    return WRITE_DONE;
}

static enum write_result write_batch(struct loop *loop, struct conn *conn, size_t *out_input_bytes)
{
    struct batch *batch = &loop->batch;
    const struct batch_response *last = &batch->responses[batch->response_count - 1];
    struct msghdr message = {.msg_iov = batch->pieces, .msg_iovlen = batch_pieces(batch)};
    ssize_t sent = sendmsg(conn->fd, &message,
                           MSG_NOSIGNAL | MSG_DONTWAIT | (last->file_bytes > 0 ? MSG_MORE : 0));
    if (sent < 0 && write_problem() == WRITE_FAILED) {
        return WRITE_FAILED;
    }
    if (sent > 0) {
        count(&loop->counters.bytes, (uint64_t)sent);
    }
    return settle_batch(loop, conn, sent > 0 ? (size_t)sent : 0, out_input_bytes);
}

/* ---- answering ---- */

/* Appends the answer to the next request of `input`. False: there is no whole request. */
static bool answer_one(struct loop *loop, struct slice input, size_t input_bytes)
{
    struct response response;
    unsigned status;
    enum h1_result result = h1_parse(input, &loop->request, &status);
    if (result == H1_MORE) {
        return false;
    }
    if (result == H1_OK) {
        respond(loop->sites, &loop->request, &response);
        input_bytes += loop->request.head_bytes;
    } else {
        respond_bad(status, &response);
        input_bytes += input.count;
    }
    if (atomic_load_explicit(&loop->is_draining, memory_order_relaxed)) {
        response.keep_alive = false;
    }
    bool added = batch_add(&loop->batch, &response, &loop->date, input_bytes);
    if (!added && loop->batch.response_count == 0) {
        /* a stored head larger than RESPONSE_HEAD_BYTES_MAX */
        respond_bad(500, &response);
        added = batch_add(&loop->batch, &response, &loop->date, input_bytes);
        assert(added);
    }
    return added;
}

/* Answers as many requests as fit a batch, and writes it. *out_input_bytes is how much of the input
 * is done with; *out_answered whether there was anything to answer. */
static enum write_result answer_batch(struct loop *loop, struct conn *conn, struct slice input,
                                      size_t *out_input_bytes, bool *out_answered)
{
    struct batch *batch = &loop->batch;
    batch_clear(batch);
    size_t at = 0;
    while (!batch->is_full && at < input.count && answer_one(loop, slice_after(input, at), at)) {
        at = batch->responses[batch->response_count - 1].input_bytes;
    }
    *out_input_bytes = 0;
    *out_answered = batch->response_count > 0;
    return *out_answered ? write_batch(loop, conn, out_input_bytes) : WRITE_DONE;
}

/* Keeps what is left of the input; it may lie in the connection's own buffer already. */
static void keep_input(struct loop *loop, struct conn *conn, struct slice rest)
{
    if (rest.count == 0) {
        give_buffer(loop, &conn->input);
        return;
    }
    if (conn->input == NULL) {
        conn->input = take_buffer(loop);
    }
    memmove(conn->input->bytes, rest.bytes, rest.count);
    conn->input->start = 0;
    conn->input->end = rest.count;
}

/* Half-closes, so that a client that is still sending reads the answer before a reset reaches it
 * (RFC 9112 §9.6). */
static void linger(struct loop *loop, struct conn *conn)
{
    give_buffer(loop, &conn->input);
    if (shutdown(conn->fd, SHUT_WR) != 0 || !watch(loop, conn, EPOLLIN)) {
        close_conn(loop, conn);
        return;
    }
    set_state(loop, conn, CONN_LINGERING);
}

/* Serves the input until it is used up, incomplete, or the socket is full. */
static void serve_input(struct loop *loop, struct conn *conn, struct slice input)
{
    enum write_result result = WRITE_DONE;
    bool answered = true;
    while (result == WRITE_DONE && answered && input.count > 0 && !conn->close_after) {
        size_t done;
        result = answer_batch(loop, conn, input, &done, &answered);
        input = slice_after(input, done);
    }
    if (result == WRITE_FAILED) {
        close_conn(loop, conn);
    } else if (result == WRITE_FULL) {
        keep_input(loop, conn, input);
        set_state(loop, conn, CONN_WRITING);
        if (!watch(loop, conn, EPOLLOUT)) {
            close_conn(loop, conn);
        }
    } else if (conn->close_after) {
        linger(loop, conn);
    } else {
        keep_input(loop, conn, input);
        set_state(loop, conn, input.count > 0 ? CONN_HEAD : CONN_IDLE);
        if (!watch(loop, conn, EPOLLIN)) {
            close_conn(loop, conn);
        }
    }
}

static struct slice kept_input(const struct conn *conn)
{
    if (conn->input == NULL) {
        return (struct slice){"", 0};
    }
    return (struct slice){conn->input->bytes + conn->input->start,
                          conn->input->end - conn->input->start};
}

static void on_readable(struct loop *loop, struct conn *conn)
{
    struct conn_buffer *kept = conn->input;
    char *into = kept != NULL ? kept->bytes + kept->end : loop->input;
    size_t capacity = kept != NULL ? sizeof kept->bytes - kept->end : sizeof loop->input;
    ssize_t got = recv(conn->fd, into, capacity, MSG_DONTWAIT);
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) {
        return;
    }
    if (got <= 0) {
        close_conn(loop, conn);
        return;
    }
    if (conn->state == CONN_LINGERING) {
        return; /* discarded */
    }
    if (kept != NULL) {
        kept->end += (size_t)got;
        serve_input(loop, conn, kept_input(conn));
    } else {
        serve_input(loop, conn, (struct slice){loop->input, (size_t)got});
    }
}

static void on_writable(struct loop *loop, struct conn *conn)
{
    bool has_rest = conn->head != NULL || conn->body_bytes > 0 || conn->site != NULL;
    enum write_result result = has_rest ? write_rest(loop, conn) : WRITE_DONE;
    if (result == WRITE_FAILED) {
        close_conn(loop, conn);
    } else if (result == WRITE_DONE) {
        serve_input(loop, conn, kept_input(conn));
    }
}

static void on_conn(struct loop *loop, struct conn *conn, uint32_t events)
{
    if (conn->state == CONN_CLOSED) {
        return;
    }
    if ((events & EPOLLERR) != 0) {
        close_conn(loop, conn);
    } else if (conn->state == CONN_WRITING) {
        if ((events & (EPOLLOUT | EPOLLHUP)) != 0) {
            on_writable(loop, conn);
        }
    } else {
        on_readable(loop, conn);
    }
}

/* ---- accepting ---- */

/* Out of descriptors: the connection that has been idle for longest makes room. */
static bool shed_idle(struct loop *loop)
{
    struct conn *conn = loop->lists[CONN_IDLE].oldest;
    if (conn == NULL) {
        return false;
    }
    close_conn(loop, conn);
    return true;
}

static void watch_listeners(struct loop *loop, uint32_t events)
{
    for (size_t i = 0; i < loop->listener_count; i++) {
        struct epoll_event event = {.events = events, .data.ptr = &loop->listeners[i]};
        if (loop->listeners[i].fd >= 0) {
            (void)epoll_ctl(loop->epoll_fd, EPOLL_CTL_MOD, loop->listeners[i].fd, &event);
        }
    }
}

/* Nothing to shed: a listener that is ready but cannot be served would make the loop spin. */
static void rest_listeners(struct loop *loop)
{
    watch_listeners(loop, 0);
    loop->accept_after_ms = loop->now_ms + ACCEPT_REST_MS;
}

static void wake_listeners(struct loop *loop)
{
    if (loop->accept_after_ms != 0 && loop->now_ms >= loop->accept_after_ms) {
        loop->accept_after_ms = 0;
        watch_listeners(loop, EPOLLIN);
    }
}

static void on_listener(struct loop *loop, const struct listener_source *listener)
{
    for (int i = 0; i < TURN_ACCEPTS_MAX; i++) {
        int fd = accept4(listener->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0) {
            open_conn(loop, fd);
            continue;
        }
        bool is_out_of_descriptors = errno == EMFILE || errno == ENFILE;
        if (is_out_of_descriptors && shed_idle(loop)) {
            continue;
        }
        if (is_out_of_descriptors) {
            rest_listeners(loop);
        }
        if (errno == EAGAIN || is_out_of_descriptors) {
            return;
        }
        /* the rest concerns the one connection that is gone (accept(2), "Error handling") */
    }
}

static void close_listeners(struct loop *loop)
{
    for (size_t i = 0; i < loop->listener_count; i++) {
        if (loop->listeners[i].fd >= 0) {
            close(loop->listeners[i].fd);
            loop->listeners[i].fd = -1;
        }
    }
}

/* ---- turning ---- */

static void read_clocks(struct loop *loop)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
    loop->now_ms = (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
    clock_gettime(CLOCK_REALTIME_COARSE, &now);
    date_line_set(&loop->date, now.tv_sec);
}

static void close_expired(struct loop *loop)
{
    for (int state = 0; state < CONN_STATES; state++) {
        struct conn *conn;
        while ((conn = loop->lists[state].oldest) != NULL &&
               loop->now_ms - conn->since_ms >= timeout_ms[state]) {
            close_conn(loop, conn);
        }
    }
}

/* How long the loop may sleep: until the first connection's time is up. */
static int sleep_ms(const struct loop *loop)
{
    int64_t least = loop->accept_after_ms == 0 ? -1 : ACCEPT_REST_MS;
    for (int state = 0; state < CONN_STATES; state++) {
        const struct conn *conn = loop->lists[state].oldest;
        if (conn != NULL) {
            int64_t left = conn->since_ms + timeout_ms[state] - loop->now_ms;
            left = left < 0 ? 0 : left + 1;
            least = least < 0 || left < least ? left : least;
        }
    }
    return (int)least;
}

/* Connections without a request under way have nothing to lose. */
static void drain(struct loop *loop)
{
    close_listeners(loop);
    while (loop->lists[CONN_IDLE].oldest != NULL) {
        close_conn(loop, loop->lists[CONN_IDLE].oldest);
    }
}

static void dispatch(struct loop *loop, const struct epoll_event *event)
{
    const enum source_kind *kind = event->data.ptr;
    uint64_t ignored;
    switch (*kind) {
    case SOURCE_CONN:
        on_conn(loop, event->data.ptr, event->events);
        break;
    case SOURCE_LISTENER:
        on_listener(loop, event->data.ptr);
        break;
    case SOURCE_WAKE:
        (void)!read(loop->wake_fd, &ignored, sizeof ignored);
        break;
    }
}

void loop_run(struct loop *loop)
{
    struct epoll_event events[EVENTS_PER_TURN];
    read_clocks(loop);
    while (!atomic_load_explicit(&loop->is_stopped, memory_order_acquire)) {
        loop->sites = publication_refresh(loop->publication, &loop->subscriber, loop->sites);
        if (atomic_load_explicit(&loop->is_draining, memory_order_acquire)) {
            drain(loop);
            if (loop->conn_count == 0) {
                break;
            }
        }
        int ready = epoll_wait(loop->epoll_fd, events, EVENTS_PER_TURN, sleep_ms(loop));
        read_clocks(loop);
        /* A new list may have come while the loop slept: what is read now is answered from it. */
        loop->sites = publication_refresh(loop->publication, &loop->subscriber, loop->sites);
        for (int i = 0; i < ready; i++) {
            dispatch(loop, &events[i]);
        }
        close_expired(loop);
        recycle_closed(loop);
        wake_listeners(loop);
    }
    publication_leave(loop->publication, &loop->subscriber);
}

/* ---- life ---- */

static void wake(struct loop *loop)
{
    uint64_t one = 1;
    (void)!write(loop->wake_fd, &one, sizeof one);
}

void loop_drain(struct loop *loop)
{
    atomic_store_explicit(&loop->is_draining, true, memory_order_release);
    wake(loop);
}

void loop_stop(struct loop *loop)
{
    atomic_store_explicit(&loop->is_stopped, true, memory_order_release);
    wake(loop);
}

const struct loop_counters *loop_counters(const struct loop *loop)
{
    return &loop->counters;
}

static int add_source(struct loop *loop, int fd, void *source)
{
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = source};
    return epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, fd, &event);
}

static int set_up(struct loop *loop)
{
    loop->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    loop->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    loop->wake_source = SOURCE_WAKE;
    if (loop->epoll_fd < 0 || loop->wake_fd < 0 ||
        add_source(loop, loop->wake_fd, &loop->wake_source) != 0) {
        return -errno;
    }
    for (size_t i = 0; i < loop->listener_count; i++) {
        if (add_source(loop, loop->listeners[i].fd, &loop->listeners[i]) != 0) {
            return -errno;
        }
    }
    return 0;
}

int loop_new(const int *listener_fds, size_t listener_count, struct publication *publication,
             struct loop **out_loop, struct error *error)
{
    /* the subscriber wants its own cache line */
    struct loop *loop = mem_aligned(_Alignof(struct loop), sizeof *loop);
    loop->epoll_fd = -1;
    loop->wake_fd = -1;
    loop->date.seconds = -1;
    loop->publication = publication;
    loop->listener_count = listener_count;
    loop->listeners = mem_zeroed(listener_count, sizeof *loop->listeners);
    for (size_t i = 0; i < listener_count; i++) {
        loop->listeners[i] = (struct listener_source){SOURCE_LISTENER, listener_fds[i]};
    }
    int status = set_up(loop);
    if (status != 0) {
        loop_free(loop);
        return error_set(error, status, "event loop: %s", error_name(status));
    }
    publication_subscribe(publication, &loop->subscriber, loop->wake_fd);
    *out_loop = loop;
    return 0;
}

void loop_free(struct loop *loop)
{
    if (loop == NULL) {
        return;
    }
    for (int state = 0; state < CONN_STATES; state++) {
        while (loop->lists[state].oldest != NULL) {
            close_conn(loop, loop->lists[state].oldest);
        }
    }
    recycle_closed(loop);
    close_listeners(loop);
    while (loop->free_conns != NULL) {
        struct conn *next = loop->free_conns->newer;
        free(loop->free_conns);
        loop->free_conns = next;
    }
    while (loop->free_buffers != NULL) {
        struct conn_buffer *next = loop->free_buffers->next_free;
        free(loop->free_buffers);
        loop->free_buffers = next;
    }
    if (loop->epoll_fd >= 0) {
        close(loop->epoll_fd);
    }
    if (loop->wake_fd >= 0) {
        close(loop->wake_fd);
    }
    free(loop->listeners);
    free(loop);
}
