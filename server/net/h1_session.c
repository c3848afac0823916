#include "net/h1_session.h"

#include "http/h1_parse.h"
#include "http/respond.h"

#include <assert.h>
#include <errno.h>
#include <sys/epoll.h>
#include <sys/sendfile.h>
#include <sys/socket.h>

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
static enum write_result write_head(struct turn *turn, struct conn *conn)
{
    struct conn_buffer *head = conn->head;
    while (head != NULL && head->start < head->end) {
        ssize_t sent = send(conn->fd, head->bytes + head->start, head->end - head->start,
                            MSG_NOSIGNAL | (conn->body_bytes > 0 ? MSG_MORE : 0));
        if (sent < 0) {
            return write_problem();
        }
        head->start += (size_t)sent;
        turn_count(&turn->counters.bytes, (uint64_t)sent);
        conn_set_state(&turn->conns, conn, CONN_WRITING);
    }
    conn_give_buffer(&turn->conns, &conn->head);
    return WRITE_DONE;
}

static enum write_result write_body(struct turn *turn, struct conn *conn)
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
        turn_count(&turn->counters.bytes, (uint64_t)sent);
        conn_set_state(&turn->conns, conn, CONN_WRITING);
    }
    return WRITE_DONE;
}

/* What is left of the response under way. */
static enum write_result write_rest(struct turn *turn, struct conn *conn)
{
    enum write_result result = write_head(turn, conn);
    if (result == WRITE_DONE) {
        result = write_body(turn, conn);
    }
    if (result == WRITE_DONE) {
        site_unref(conn->site);
        conn->site = NULL;
        turn_count(&turn->counters.requests, 1);
    }
    return result;
}

/* The response that the socket took only `sent` bytes of becomes the connection's own: its site is
 * counted, and what is left of its head is copied. */
static void adopt_response(struct turn *turn, struct conn *conn,
                           const struct batch_response *response, size_t sent)
{
    if (sent < response->text_bytes) {
        conn->head = conn_take_buffer(&turn->conns);
        conn->head->end = response->text_bytes - sent;
        memcpy(conn->head->bytes, turn->batch.text + response->text_at + sent, conn->head->end);
    }
    size_t body_sent = sent > response->text_bytes ? sent - response->text_bytes : 0;
    conn->body_offset = response->body_offset + body_sent;
    conn->body_bytes = response->body_bytes + response->file_bytes - body_sent;
    conn->site = response->site == NULL ? NULL : site_ref(response->site);
    conn->close_after = !response->keep_alive;
}

/* Which responses are out after `sent` bytes, and how much of the input they answer. */
static enum write_result settle_batch(struct turn *turn, struct conn *conn, size_t sent,
                                      size_t *out_input_bytes)
{
    struct batch *batch = &turn->batch;
    for (size_t i = 0; i < batch->response_count; i++) {
        const struct batch_response *response = &batch->responses[i];
        size_t whole = response->text_bytes + response->body_bytes;
        if (sent < whole || response->file_bytes > 0) {
            if (sent == 0 && i > 0) {
                return WRITE_FULL; /* not started: it is made again when there is room */
            }
            *out_input_bytes = response->input_bytes;
            adopt_response(turn, conn, response, sent);
            return sent < whole ? WRITE_FULL : write_rest(turn, conn);
        }
        sent -= whole;
        *out_input_bytes = response->input_bytes;
        conn->close_after = !response->keep_alive;
        turn_count(&turn->counters.requests, 1);
    }
    return WRITE_DONE;
}

static enum write_result write_batch(struct turn *turn, struct conn *conn, size_t *out_input_bytes)
{
    struct batch *batch = &turn->batch;
    const struct batch_response *last = &batch->responses[batch->response_count - 1];
    struct msghdr message = {.msg_iov = batch->pieces, .msg_iovlen = batch_pieces(batch)};
    ssize_t sent = sendmsg(conn->fd, &message,
                           MSG_NOSIGNAL | MSG_DONTWAIT | (last->file_bytes > 0 ? MSG_MORE : 0));
    if (sent < 0 && write_problem() == WRITE_FAILED) {
        return WRITE_FAILED;
    }
    if (sent > 0) {
        turn_count(&turn->counters.bytes, (uint64_t)sent);
    }
    return settle_batch(turn, conn, sent > 0 ? (size_t)sent : 0, out_input_bytes);
}

/* ---- answering ---- */

/* Appends the answer to the next request of `input`. False: there is no whole request. */
static bool answer_one(struct turn *turn, struct slice input, size_t input_bytes)
{
    struct response response;
    unsigned status;
    enum h1_result result = h1_parse(input, &turn->request, &status);
    if (result == H1_MORE) {
        return false;
    }
    if (result == H1_OK) {
        respond(turn->sites, &turn->request, turn->scratch, &response);
        input_bytes += turn->request.head_bytes;
    } else {
        respond_bad(status, &response);
        input_bytes += input.count;
    }
    if (turn->is_last) {
        response.keep_alive = false;
    }
    bool added = batch_add(&turn->batch, &response, &turn->date, input_bytes);
    if (!added && turn->batch.response_count == 0) {
        /* a stored head larger than RESPONSE_HEAD_BYTES_MAX */
        respond_bad(500, &response);
        added = batch_add(&turn->batch, &response, &turn->date, input_bytes);
        assert(added);
    }
    return added;
}

/* Answers as many requests as fit a batch, and writes it. *out_input_bytes is how much of the input
 * is done with; *out_answered whether there was anything to answer. */
static enum write_result answer_batch(struct turn *turn, struct conn *conn, struct slice input,
                                      size_t *out_input_bytes, bool *out_answered)
{
    struct batch *batch = &turn->batch;
    batch_clear(batch);
    size_t at = 0;
    while (!batch->is_full && at < input.count && answer_one(turn, slice_after(input, at), at)) {
        at = batch->responses[batch->response_count - 1].input_bytes;
    }
    *out_input_bytes = 0;
    *out_answered = batch->response_count > 0;
    conn->was_served |= *out_answered;
    return *out_answered ? write_batch(turn, conn, out_input_bytes) : WRITE_DONE;
}

/* Keeps what is left of the input; it may lie in the connection's own buffer already. */
static void keep_input(struct turn *turn, struct conn *conn, struct slice rest)
{
    if (rest.count == 0) {
        conn_give_buffer(&turn->conns, &conn->input);
        return;
    }
    if (conn->input == NULL) {
        conn->input = conn_take_buffer(&turn->conns);
    }
    memmove(conn->input->bytes, rest.bytes, rest.count);
    conn->input->start = 0;
    conn->input->end = rest.count;
}

/* Half-closes, so that a client that is still sending reads the answer before a reset reaches it
 * (RFC 9112 §9.6). */
static void linger(struct turn *turn, struct conn *conn)
{
    conn_give_buffer(&turn->conns, &conn->input);
    if (shutdown(conn->fd, SHUT_WR) != 0 || !conn_watch(&turn->conns, conn, EPOLLIN)) {
        conn_close(&turn->conns, conn);
        return;
    }
    conn_set_state(&turn->conns, conn, CONN_LINGERING);
}

/* Line ends behind a request, which some clients send, begin no other (RFC 9112 §2.2): a connection
 * that has nothing else is idle. */
static struct slice without_empty_lines(struct slice input)
{
    while (slice_starts_with(input, SLICE("\r\n"))) {
        input = slice_after(input, 2);
    }
    return input;
}

/* Serves the input until it is used up, incomplete, or the socket is full. */
static void serve_input(struct turn *turn, struct conn *conn, struct slice input)
{
    enum write_result result = WRITE_DONE;
    bool answered = true;
    while (result == WRITE_DONE && answered && input.count > 0 && !conn->close_after) {
        size_t done;
        result = answer_batch(turn, conn, input, &done, &answered);
        input = slice_after(input, done);
    }
    if (result == WRITE_FAILED) {
        conn_close(&turn->conns, conn);
    } else if (result == WRITE_FULL) {
        keep_input(turn, conn, input);
        conn_set_state(&turn->conns, conn, CONN_WRITING);
        if (!conn_watch(&turn->conns, conn, EPOLLOUT)) {
            conn_close(&turn->conns, conn);
        }
    } else if (conn->close_after) {
        linger(turn, conn);
    } else {
        input = without_empty_lines(input);
        keep_input(turn, conn, input);
        conn_set_state(&turn->conns, conn, input.count > 0 ? CONN_HEAD : CONN_IDLE);
        if (!conn_watch(&turn->conns, conn, EPOLLIN)) {
            conn_close(&turn->conns, conn);
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

static void on_readable(struct turn *turn, struct conn *conn)
{
    struct conn_buffer *kept = conn->input;
    char *into = kept != NULL ? kept->bytes + kept->end : turn->input;
    size_t capacity = kept != NULL ? sizeof kept->bytes - kept->end : sizeof turn->input;
    ssize_t got = recv(conn->fd, into, capacity, MSG_DONTWAIT);
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) {
        return;
    }
    if (got <= 0) {
        conn_close(&turn->conns, conn);
        return;
    }
    if (conn->state == CONN_LINGERING) {
        return; /* discarded */
    }
    if (kept != NULL) {
        kept->end += (size_t)got;
        serve_input(turn, conn, kept_input(conn));
    } else {
        serve_input(turn, conn, (struct slice){turn->input, (size_t)got});
    }
}

static void on_writable(struct turn *turn, struct conn *conn)
{
    bool has_rest = conn->head != NULL || conn->body_bytes > 0 || conn->site != NULL;
    enum write_result result = has_rest ? write_rest(turn, conn) : WRITE_DONE;
    if (result == WRITE_FAILED) {
        conn_close(&turn->conns, conn);
    } else if (result == WRITE_DONE) {
        serve_input(turn, conn, kept_input(conn));
    }
}

void h1_session_turn(struct turn *turn, struct conn *conn, uint32_t events)
{
    if (conn->state == CONN_CLOSED) {
        return;
    }
    if ((events & EPOLLERR) != 0) {
        conn_close(&turn->conns, conn);
    } else if (conn->state == CONN_WRITING) {
        if ((events & (EPOLLOUT | EPOLLHUP)) != 0) {
            on_writable(turn, conn);
        }
    } else {
        on_readable(turn, conn);
    }
}
