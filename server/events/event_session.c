#include "events/event_session.h"

#include "common/counter.h"
#include "common/mem.h"
#include "http/ws_handshake.h"

#include <assert.h>
#include <errno.h>
#include <linux/sockios.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

static bool is_ending(const struct event_conn *conn)
{
    return conn->state >= EVENT_CLOSING || conn->is_last;
}

/* ---- saying ---- */

/* What the socket is to have next. What is for this listener alone comes between messages, never
 * into one. */
static struct slice next_bytes(const struct event_conn *conn)
{
    const struct delivery *delivery = conn->delivery;
    const struct event_unsent *unsent = conn->unsent;
    if (unsent != NULL && conn->sent_bytes == 0) {
        return (struct slice){unsent->bytes + unsent->start, unsent->end - unsent->start};
    }
    if (delivery == NULL) {
        return SLICE("");
    }
    return slice_after(conn->is_stream ? delivery->stream : delivery->frame, conn->sent_bytes);
}

/* The next message that concerns the listener becomes the one that it takes. */
static void advance(struct event_conn *conn)
{
    struct delivery *done = conn->delivery;
    struct delivery *next = done->next;
    conn->sent_bytes = 0;
    conn->heard = done->number;
    while (next != NULL && !event_message_concerns(next->message, conn->audience->host)) {
        conn->heard = next->number;
        next = next->next;
    }
    conn->delivery = next == NULL || is_ending(conn) ? NULL : delivery_ref(next);
    if (conn->behind > 0) {
        conn->behind--;
    }
    delivery_unref(done);
}

/* The socket has taken this much of what was next. */
static void note_sent(struct event_pool *pool, struct event_conn *conn, size_t bytes)
{
    struct event_unsent *unsent = conn->unsent;
    if (unsent != NULL && conn->sent_bytes == 0) {
        unsent->start += bytes;
        if (unsent->start == unsent->end) {
            free(unsent);
            conn->unsent = NULL;
        }
        return;
    }
    conn->sent_bytes += (uint32_t)bytes;
    if (next_bytes(conn).count == 0) {
        counter_add(&pool->counters.messages, 1);
        advance(conn);
    }
}

/* All is said: the end of our side, or a pause. */
static void settle(struct event_pool *pool, struct event_conn *conn)
{
    if (conn->is_last && conn->state != EVENT_ENDING) {
        if (shutdown(conn->fd, SHUT_WR) != 0) {
            event_pool_close(pool, conn, false);
            return;
        }
        event_pool_set_state(pool, conn, EVENT_ENDING);
    } else if (conn->state == EVENT_WRITING) {
        event_pool_set_state(pool, conn, EVENT_OPEN);
    }
    if (!event_pool_watch_room(pool, conn, false)) {
        event_pool_close(pool, conn, false);
    }
}

/* One that releases outrun is better told at once what is served then. */
static void cut_off(struct event_pool *pool, struct event_conn *conn)
{
    event_pool_limit_hit(pool, LIMIT_ID_event_stall_ms);
    event_pool_close(pool, conn, true);
}

/* What is kept because of this listener: what it takes, and all that was said since. */
static uint64_t held_bytes(const struct event_pool *pool, const struct event_conn *conn)
{
    return conn->delivery == NULL ? 0 : pool->last->end_bytes - conn->delivery->end_bytes;
}

/* The socket is full. What it has begun to take is waited for, as long as it goes on taking. */
static void wait_for_room(struct event_pool *pool, struct event_conn *conn, bool has_moved)
{
    bool is_waiting = conn->state == EVENT_WRITING;
    if (held_bytes(pool, conn) > EVENT_BEHIND_BYTES_MAX) {
        cut_off(pool, conn);
        return;
    }
    if (!is_ending(conn) && (!is_waiting || has_moved)) {
        event_pool_set_state(pool, conn, EVENT_WRITING);
    }
    if (!event_pool_watch_room(pool, conn, true)) {
        event_pool_close(pool, conn, false);
    }
}

/* Returns how much the socket took: 0, if it is full; negative: it is of no use any more. */
static ssize_t send_bytes(struct event_conn *conn, struct slice bytes)
{
    ssize_t sent = send(conn->fd, bytes.bytes, bytes.count, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent < 0) {
        return errno == EAGAIN || errno == EINTR ? 0 : -1;
    }
    if (conn->is_stream) {
        conn->stream.sent_bytes += (uint64_t)sent;
    }
    return sent;
}

/* Says what there is to say, as far as the socket takes it. */
static void say(struct event_pool *pool, struct event_conn *conn)
{
    bool has_moved = false;
    for (;;) {
        struct slice next = next_bytes(conn);
        if (next.count == 0) {
            settle(pool, conn);
            return;
        }
        ssize_t sent = send_bytes(conn, next);
        if (sent < 0) {
            event_pool_close(pool, conn, false);
            return;
        }
        if (sent == 0) {
            wait_for_room(pool, conn, has_moved);
            return;
        }
        note_sent(pool, conn, (size_t)sent);
        has_moved = true;
    }
}

/* Has these bytes said when it is their turn: kept, and then said as far as there is room. */
static void keep_unsent(struct event_conn *conn, struct slice bytes)
{
    struct event_unsent *unsent = conn->unsent;
    size_t end = unsent == NULL ? 0 : unsent->end;
    if (unsent == NULL || unsent->capacity - end < bytes.count) {
        unsent = mem_resize(unsent, 1, sizeof *unsent + end + bytes.count);
        unsent->start = end == 0 ? 0 : unsent->start;
        unsent->capacity = end + bytes.count;
        conn->unsent = unsent;
    }
    memcpy(unsent->bytes + end, bytes.bytes, bytes.count);
    unsent->end = end + bytes.count;
}

/* Says a few bytes of its own to a listener; without a copy, where it has taken all before. */
static void say_own(struct event_pool *pool, struct event_conn *conn, struct slice bytes)
{
    if (next_bytes(conn).count == 0) {
        ssize_t sent = send_bytes(conn, bytes);
        bytes = slice_after(bytes, sent > 0 ? (size_t)sent : 0);
    }
    if (bytes.count > 0) {
        keep_unsent(conn, bytes);
    }
    say(pool, conn);
}

void event_session_tell(struct event_pool *pool, struct event_conn *conn)
{
    struct delivery *delivery = pool->saying;
    if ((int32_t)(delivery->number - conn->heard) <= 0 || is_ending(conn)) {
        return;
    }
    if (conn->delivery == NULL) {
        conn->delivery = delivery_ref(delivery);
        if (conn->unsent == NULL) {
            say(pool, conn);
        }
    } else if ((int32_t)(delivery->number - conn->delivery->number) > 0 &&
               ++conn->behind > EVENT_BEHIND_MAX) {
        cut_off(pool, conn);
    } /* else it comes to it by itself */
}

/* ---- the end ---- */

/* What has not been begun is not said any more. In the middle of a message there is no room for a
 * Close frame, but behind it. */
static void drop_messages(struct event_conn *conn)
{
    if (conn->sent_bytes == 0) {
        delivery_unref(conn->delivery);
        conn->delivery = NULL;
    }
}

static void say_close(struct event_pool *pool, struct event_conn *conn, unsigned code,
                      const char *reason)
{
    char frame[WS_CONTROL_FRAME_BYTES_MAX];
    size_t count = ws_write_close(code, slice_of_string(reason), frame);
    drop_messages(conn);
    event_pool_set_state(pool, conn, EVENT_CLOSING);
    say_own(pool, conn, (struct slice){frame, count});
}

void event_session_end(struct event_pool *pool, struct event_conn *conn, enum ws_code code)
{
    if (is_ending(conn)) {
        return;
    }
    if (conn->is_stream) {
        drop_messages(conn);
        conn->is_last = true;
        event_pool_set_state(pool, conn, EVENT_CLOSING);
        say(pool, conn);
    } else {
        say_close(pool, conn, code, "");
    }
}

/* ---- listening ---- */

/* The client's Close is answered with its code, and is the answer to ours, if it has that (RFC 6455
 * §5.5.1); then the server ends the connection (§7.1.1). */
static void on_close(struct event_pool *pool, struct event_conn *conn, unsigned code)
{
    bool is_answer = conn->state == EVENT_CLOSING;
    conn->is_last = true;
    if (is_answer) {
        say(pool, conn);
    } else {
        say_close(pool, conn, code, "");
    }
}

static void on_failure(struct event_pool *pool, struct event_conn *conn,
                       const struct ws_event *event)
{
    if (event->code == WS_CODE_TOO_BIG) {
        event_pool_limit_hit(pool, LIMIT_ID_event_message_bytes);
    }
    bool has_said_close = conn->state == EVENT_CLOSING;
    conn->is_last = true;
    if (has_said_close) {
        say(pool, conn);
    } else {
        say_close(pool, conn, event->code, event->why);
    }
}

static void say_pong(struct event_pool *pool, struct event_conn *conn, struct slice payload)
{
    char frame[WS_CONTROL_FRAME_BYTES_MAX];
    size_t unsent = conn->unsent == NULL ? 0 : conn->unsent->end;
    if (!is_ending(conn) && unsent <= EVENT_UNSENT_BYTES) {
        size_t count = ws_write_control(WS_PONG, payload, frame);
        say_own(pool, conn, (struct slice){frame, count});
    }
}

static void keep_input(struct event_conn *conn, struct slice rest)
{
    assert(rest.count <= WS_UNREAD_BYTES_MAX);
    if (rest.count == 0) {
        free(conn->input);
        conn->input = NULL;
        return;
    }
    if (conn->input == NULL) {
        conn->input = mem_zeroed(1, sizeof *conn->input);
    }
    memcpy(conn->input->bytes, rest.bytes, rest.count);
    conn->input->count = rest.count;
}

/* Of several pings the last is answered, which is enough (RFC 6455 §5.5.3): so that a client cannot
 * have us call the system for each few bytes of its own. */
static void take_input(struct event_pool *pool, struct event_conn *conn, char *input, size_t count)
{
    struct ws_event event = {.kind = WS_PINGED};
    struct slice ping = {NULL, 0};
    bool is_over = false;
    size_t at = 0;
    do {
        ws_read(&conn->reader, input + at, count - at, pool->limits->event_message_bytes, &event);
        at += event.used;
        if (event.kind == WS_PINGED) {
            ping = event.payload;
        }
        is_over = event.kind == WS_CLOSED || event.kind == WS_FAILED;
    } while (event.kind != WS_MORE && !is_over);
    keep_input(conn, is_over ? SLICE("") : (struct slice){input + at, count - at});
    if (ping.bytes != NULL && !is_over) {
        say_pong(pool, conn, ping);
    } else if (event.kind == WS_CLOSED) {
        on_close(pool, conn, event.code);
    } else if (event.kind == WS_FAILED) {
        on_failure(pool, conn, &event);
    }
}

/* Whatever it says, it is there. */
static void note_life(struct event_pool *pool, struct event_conn *conn)
{
    if (conn->state == EVENT_OPEN || conn->state == EVENT_PINGED) {
        event_pool_set_state(pool, conn, EVENT_OPEN);
    }
}

/* Once each turn: a client that never stops sending must not keep the others waiting. */
static void listen_to(struct event_pool *pool, struct event_conn *conn)
{
    char input[WS_UNREAD_BYTES_MAX + EVENT_READ_BYTES];
    size_t kept = conn->input == NULL ? 0 : conn->input->count;
    if (kept > 0) {
        memcpy(input, conn->input->bytes, kept);
    }
    ssize_t got = recv(conn->fd, input + kept, EVENT_READ_BYTES, MSG_DONTWAIT);
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) {
        return;
    }
    if (got <= 0) {
        event_pool_close(pool, conn, false);
        return;
    }
    bool is_heard = !conn->is_stream && conn->state != EVENT_ENDING; /* else dropped */
    if (is_heard) {
        note_life(pool, conn);
        take_input(pool, conn, input, kept + (size_t)got);
    }
}

void event_session_begin(struct event_pool *pool, struct event_conn *conn, struct sha1 *sha1,
                         const struct event_visitor *visitor, struct slice hello, const char *state)
{
    if (visitor->is_stream) {
        size_t count;
        char *event = delivery_stream_event("hello", state, hello, &count);
        keep_unsent(conn, visitor->opening);
        say_own(pool, conn, (struct slice){event, count});
        free(event);
        return;
    }
    char answer[WS_ANSWER_BYTES];
    char header[WS_HEADER_BYTES_MAX];
    ws_handshake_answer(sha1, visitor->opening, answer);
    keep_unsent(conn, (struct slice){answer, sizeof answer});
    keep_unsent(conn, (struct slice){header, ws_write_header(WS_TEXT, hello.count, header)});
    say_own(pool, conn, hello);
    if (conn->state != EVENT_CLOSED && visitor->input.count > 0) {
        char *input = mem_string(visitor->input.bytes, visitor->input.count);
        take_input(pool, conn, input, visitor->input.count);
        free(input);
    }
}

void event_session_turn(struct event_pool *pool, struct event_conn *conn, uint32_t events)
{
    if (conn->state == EVENT_CLOSED) {
        return;
    }
    if ((events & EPOLLERR) != 0) {
        event_pool_close(pool, conn, false);
        return;
    }
    if ((events & EPOLLOUT) != 0) {
        say(pool, conn);
    }
    if ((events & (EPOLLIN | EPOLLHUP)) != 0 && conn->state != EVENT_CLOSED) {
        listen_to(pool, conn);
    }
}

/* ---- time ---- */

/* A stream's client says nothing: that it is there is seen by what reaches it. (Of a Unix socket
 * the system tells more than its bytes; there all has to have been read.) */
static bool has_arrived(const struct event_conn *conn)
{
    int queued = 0;
    uint64_t behind = conn->stream.sent_bytes - conn->stream.awaited_bytes;
    return ioctl(conn->fd, SIOCOUTQ, &queued) == 0 && (queued <= 0 || (uint64_t)queued <= behind);
}

/* A comment, which also keeps proxies from taking silence for the end. It has to have arrived when
 * the next one is due, and event_pong_ms later at the latest. */
static void beat(struct event_pool *pool, struct event_conn *conn)
{
    event_pool_set_state(pool, conn, EVENT_OPEN);
    say_own(pool, conn, SLICE(":\n\n"));
    conn->stream.awaited_bytes = conn->stream.sent_bytes;
}

static void ping(struct event_pool *pool, struct event_conn *conn)
{
    char frame[WS_CONTROL_FRAME_BYTES_MAX];
    size_t count = ws_write_control(WS_PING, SLICE(""), frame);
    event_pool_set_state(pool, conn, EVENT_PINGED);
    say_own(pool, conn, (struct slice){frame, count});
}

/* Nothing was heard of it, or has reached it, for event_ping_ms, or even longer. */
static void doubt(struct event_pool *pool, struct event_conn *conn)
{
    if (conn->is_stream && has_arrived(conn)) {
        beat(pool, conn);
    } else if (conn->state == EVENT_PINGED) {
        event_pool_limit_hit(pool, LIMIT_ID_event_pong_ms);
        event_pool_close(pool, conn, true);
    } else if (conn->is_stream) {
        event_pool_set_state(pool, conn, EVENT_PINGED);
    } else {
        ping(pool, conn);
    }
}

void event_session_expired(struct event_pool *pool, struct event_conn *conn)
{
    switch (conn->state) {
    case EVENT_OPEN:
    case EVENT_PINGED:
        doubt(pool, conn);
        break;
    case EVENT_WRITING:
        cut_off(pool, conn);
        break;
    default: /* it has had its time to end */
        event_pool_close(pool, conn, conn->state == EVENT_CLOSING);
        break;
    }
}
