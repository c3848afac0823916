#include "net/h1_session.h"

#include "common/fault_guard.h"
#include "http/h1_parse.h"
#include "http/respond.h"
#include "net/leaving.h"
#include "net/limit_hit.h"
#include "net/proxy_header.h"
#include "net/sending.h"

#include <assert.h>
#include <errno.h>
#include <sys/epoll.h>
#include <sys/socket.h>

/* ---- answering ---- */

enum answer_result {
    ANSWERED,
    ANSWER_NEEDS_INPUT, /* there is no whole request */
    ANSWER_NEEDS_BODY,  /* but the whole head of one: turn->request, turn->body */
    ANSWER_FULL,        /* the batch has no room */
    ANSWER_LEAVES,      /* the connection goes away with it: turn->leaving */
};

/* Where the body of turn->request ends: *io_bytes, the end of its head in the input, moves behind
 * it. H1_BAD: *out_status says why. */
static enum h1_result skip_body(struct turn *turn, struct slice behind_head, size_t *io_bytes,
                                unsigned *out_status)
{
    size_t used;
    h1_body_init(&turn->body, &turn->request, turn->limits->body_bytes);
    enum h1_result result = h1_body_skip(&turn->body, behind_head, &used, out_status);
    if (result == H1_OK) {
        *io_bytes += used;
    }
    return result;
}

/* Parses the next request of the input, its body included. *out_bytes is how long both are, and all
 * of the input if nothing behind can be understood. H1_MORE: *out_has_head tells what is missing.
 * `is_body_read`: what follows the head is not its body any more. */
static enum h1_result take_request(struct turn *turn, struct slice input, bool is_body_read,
                                   bool *out_has_head, size_t *out_bytes, unsigned *out_status)
{
    enum h1_result result = h1_parse(input, turn->limits, &turn->request, out_status);
    const struct request *request = &turn->request;
    turn->request_at = result == H1_OK ? input.bytes : NULL;
    *out_has_head = result == H1_OK;
    *out_bytes = result == H1_OK ? request->head_bytes : input.count;
    if (result != H1_OK || request->body == BODY_NONE || is_body_read) {
        return result;
    }
    if (request->expects_continue) {
        *out_bytes = input.count; /* the answer ends the connection (RFC 9110 §10.1.1) */
        return H1_OK;
    }
    result = skip_body(turn, slice_after(input, request->head_bytes), out_bytes, out_status);
    if (result == H1_BAD) {
        *out_bytes = input.count;
    }
    return result;
}

/* Appends a response to the request that ends at `input_bytes`. */
static bool add_response(struct turn *turn, struct response *response, size_t input_bytes)
{
    if (turn->is_last) {
        response->keep_alive = false;
    }
    bool added = batch_add(&turn->batch, response, &turn->common, input_bytes);
    if (!added && turn->batch.response_count == 0) {
        /* a stored head larger than RESPONSE_HEAD_BYTES_MAX */
        respond_bad(500, response);
        added = batch_add(&turn->batch, response, &turn->common, input_bytes);
        assert(added);
    }
    return added;
}

/* Is this the last request that the connection may make? */
static bool is_last_request(const struct turn *turn, const struct conn *conn)
{
    uint64_t most = turn->limits->connection_requests;
    return most > 0 && conn->requests + turn->batch.response_count + 1 >= most;
}

/* turn->request on its way into the batch. */
struct answering {
    struct turn *turn;
    bool is_last; /* the connection ends with it */
    size_t input_bytes;
    bool is_added;
    enum response_sequel sequel;
};

/* All that reads the mapping of an index. Whatever it had done when it is given up is done again.
 */
static void answer(void *argument)
{
    struct answering *answering = argument;
    struct turn *turn = answering->turn;
    struct response response;
    const struct respond_context context = {.sites = turn->sites,
                                            .limits = turn->limits,
                                            .events = turn->events == NULL ? NULL
                                                                           : turn->events->endpoint,
                                            .now_s = turn->common.date.seconds,
                                            .scratch = &turn->scratch};
    if (turn->live == NULL) {
        respond(&context, &turn->request, &response);
    } else {
        live_reload_respond(turn->live, turn->live_scratch, &context, &turn->request, &response);
    }
    answering->sequel = response.sequel;
    if (response.sequel != SEQUEL_HTTP) {
        turn->leaving.response = response;
        turn->leaving.input_bytes = answering->input_bytes;
        return;
    }
    response.keep_alive = response.keep_alive && !answering->is_last;
    answering->is_added = add_response(turn, &response, answering->input_bytes);
}

/* A site whose index somebody cut short is found out here: it is put out of use, and the answer
 * made anew, without it. */
static void answer_guarded(struct answering *answering)
{
    const void *address;
    while (!fault_guard_run(answer, answering, &address)) {
        struct site *site = site_list_at_address(answering->turn->sites, address);
        assert(site != NULL && !site_is_damaged(site));
        site_set_damaged(site, "cut short, or not readable any more");
    }
}

/* The request makes something else of the connection, when those before it are answered. */
static enum answer_result answer_leaving(struct turn *turn, size_t input_bytes)
{
    if (turn->batch.response_count > 0) {
        return ANSWER_FULL;
    }
    if (leaving_reserve(turn)) {
        return ANSWER_LEAVES;
    }
    bool is_added = add_response(turn, &turn->leaving.response, input_bytes);
    assert(is_added);
    return ANSWERED;
}

/* Appends the answer to the next request of the input, which begins at `at`. */
static enum answer_result answer_one(struct turn *turn, struct conn *conn, struct slice input,
                                     size_t at)
{
    struct response response;
    unsigned status;
    size_t bytes;
    bool has_head;
    bool is_body_read = at == 0 && conn->is_body_read;
    enum h1_result result =
        take_request(turn, slice_after(input, at), is_body_read, &has_head, &bytes, &status);
    if (result == H1_MORE) {
        return has_head ? ANSWER_NEEDS_BODY : ANSWER_NEEDS_INPUT;
    }
    struct answering answering = {turn, is_last_request(turn, conn), at + bytes, false,
                                  SEQUEL_HTTP};
    turn->is_end_agreed =
        result == H1_OK && !turn->request.keep_alive && !turn->request.expects_continue;
    if (result == H1_OK) {
        answer_guarded(&answering);
        if (answering.sequel != SEQUEL_HTTP) {
            return answer_leaving(turn, at + bytes);
        }
        return answering.is_added ? ANSWERED : ANSWER_FULL;
    }
    respond_bad(status, &response);
    turn->refused_status = status;
    return add_response(turn, &response, at + bytes) ? ANSWERED : ANSWER_FULL;
}

/* Does the connection end with this batch, and is there nothing that its client might still be
 * sending, so that closing cannot reset what was not read yet? It asked for the end itself, and its
 * request came whole. Larger answers are seen through to their arrival: a closed socket is under
 * nobody's limits. */
static bool is_plain_end(const struct turn *turn, size_t input_left)
{
    const struct batch *batch = &turn->batch;
    const struct batch_response *last = &batch->responses[batch->response_count - 1];
    return turn->is_end_agreed && !last->keep_alive && last->parts == NULL && input_left == 0 &&
           batch->text_bytes + batch->body_bytes + last->file_bytes <= PLAIN_END_BYTES_MAX;
}

/* Answers as many requests as fit a batch, and writes it. *out_input_bytes is how much of the input
 * is done with; *out_answer says what the next request needs, if nothing was answered. */
static enum write_result answer_batch(struct turn *turn, struct conn *conn, struct slice input,
                                      size_t *out_input_bytes, enum answer_result *out_answer)
{
    struct batch *batch = &turn->batch;
    batch_clear(batch);
    turn->ends_plainly = false;
    turn->request_at = NULL;
    turn->refused_status = 0;
    size_t at = 0;
    *out_input_bytes = 0;
    *out_answer = ANSWERED;
    while (!batch->is_full && at < input.count && *out_answer == ANSWERED) {
        *out_answer = answer_one(turn, conn, input, at);
        if (*out_answer == ANSWERED) {
            at = batch->responses[batch->response_count - 1].input_bytes;
        }
    }
    if (batch->response_count == 0) {
        return WRITE_DONE;
    }
    *out_answer = ANSWERED;
    turn->ends_plainly = is_plain_end(turn, input.count - at);
    enum write_result result = sending_batch(turn, conn, out_input_bytes);
    if (turn->clock.is_on) {
        exchange_batch_written(turn, conn, input, *out_input_bytes, result == WRITE_FAILED);
    }
    if (*out_input_bytes == at && turn->refused_status != 0) { /* else it is made again */
        limit_hit_refused(turn, turn->refused_status);
    }
    if (*out_input_bytes > 0) {
        conn->is_body_read = false;
    }
    return result;
}

/* Keeps what is left of the input; it may lie in the connection's own buffer already. */
static void keep_input(const struct turn *turn, struct conn *conn, struct slice rest)
{
    struct conn_buffer *kept = conn->input;
    if (rest.count == 0) {
        conn_buffer_drop(&conn->input);
        return;
    }
    if (kept != NULL && rest.bytes >= kept->bytes && rest.bytes < kept->bytes + kept->capacity) {
        kept->start = (size_t)(rest.bytes - kept->bytes);
        kept->end = kept->start + rest.count;
    } else {
        conn_buffer_reserve(&conn->input, rest.count);
        memcpy(conn->input->bytes, rest.bytes, rest.count);
        conn->input->end = rest.count;
    }
    conn->input->read_ns = turn->clock.read_ns;
}

/* Half-closes, so that a client that is still sending reads the answer before a reset reaches it
 * (RFC 9112 §9.6). */
static void linger(struct turn *turn, struct conn *conn)
{
    conn_buffer_drop(&conn->input);
    if (shutdown(conn->fd, SHUT_WR) != 0 || !conn_watch(&turn->conns, conn, EPOLLIN)) {
        conn_close(&turn->conns, conn);
        return;
    }
    conn_set_state(&turn->conns, conn, CONN_LINGERING);
}

/* Goes into a state and watches for what it needs. */
static void go_on(struct turn *turn, struct conn *conn, enum conn_state state, uint32_t events)
{
    conn_set_state(&turn->conns, conn, state);
    if (!conn_watch(&turn->conns, conn, events)) {
        conn_close(&turn->conns, conn);
    }
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

static void note_last_request(struct turn *turn, const struct conn *conn)
{
    if (turn->limits->connection_requests > 0 &&
        conn->requests >= turn->limits->connection_requests) {
        limit_hit(turn, LIMIT_ID_connection_requests);
    }
}

/* What was written, or could not be, decides what the connection does next. */
static void settle(struct turn *turn, struct conn *conn, enum write_result result,
                   enum answer_result answer, struct slice input)
{
    if (result == WRITE_FAILED) {
        conn_close(&turn->conns, conn);
    } else if (result == WRITE_FULL) {
        keep_input(turn, conn, input);
        go_on(turn, conn, CONN_WRITING, EPOLLOUT);
    } else if (result == WRITE_COLD) {
        keep_input(turn, conn, input);
        go_on(turn, conn, CONN_READING, 0);
    } else if (conn->close_after) {
        note_last_request(turn, conn);
        if (turn->ends_plainly) {
            conn_close(&turn->conns, conn);
        } else {
            linger(turn, conn);
        }
    } else if (answer == ANSWER_LEAVES) {
        leaving_go(turn, conn, input);
    } else if (answer == ANSWER_NEEDS_BODY) {
        keep_input(turn, conn, (struct slice){input.bytes, turn->request.head_bytes});
        conn->input->body = turn->body;
        go_on(turn, conn, CONN_BODY, EPOLLIN);
    } else {
        input = without_empty_lines(input);
        keep_input(turn, conn, input);
        go_on(turn, conn, input.count > 0 ? CONN_HEAD : CONN_IDLE, EPOLLIN);
    }
}

/* Serves the input until it is used up, incomplete, or the socket is full. */
static void serve_input(struct turn *turn, struct conn *conn, struct slice input)
{
    enum write_result result = WRITE_DONE;
    enum answer_result answer = ANSWERED;
    bool has_answered = false;
    while (result == WRITE_DONE && answer == ANSWERED && input.count > 0 && !conn->close_after) {
        size_t done;
        result = answer_batch(turn, conn, input, &done, &answer);
        input = slice_after(input, done);
        has_answered |= done > 0;
    }
    if (has_answered && conn->state == CONN_HEAD) {
        conn_set_state(&turn->conns, conn, CONN_IDLE); /* the next head has its own time */
    }
    settle(turn, conn, result, answer, input);
}

static struct slice kept_input(const struct conn *conn)
{
    if (conn->input == NULL) {
        return (struct slice){"", 0};
    }
    return (struct slice){conn->input->bytes + conn->input->start,
                          conn->input->end - conn->input->start};
}

/* The answer to what is no request, or does not come to its end. */
static void answer_bad(struct turn *turn, struct conn *conn, unsigned status)
{
    struct response response;
    size_t done;
    respond_bad(status, &response);
    batch_clear(&turn->batch);
    turn->ends_plainly = false;
    (void)add_response(turn, &response, 0);
    enum write_result result = sending_batch(turn, conn, &done);
    if (turn->clock.is_on) {
        turn->request_at = NULL; /* another connection's may have been there */
        turn->clock.head_ns = conn->state == CONN_BODY ? conn->input->read_ns : 0;
        exchange_batch_written(turn, conn, kept_input(conn), done, result == WRITE_FAILED);
    }
    settle(turn, conn, result, ANSWERED, (struct slice){"", 0});
}

/* ---- reading ---- */

/* A client that a load balancer speaks for: counted as itself from here on. */
static bool set_client(struct turn *turn, struct conn *conn, const struct ip_address *client)
{
    if (!admission_move(turn->conns.admission, &conn->address, client)) {
        limit_hit_admission(turn, ADMISSION_ADDRESS_FULL);
        return false;
    }
    conn->address = *client;
    return true;
}

/* The PROXY header that this peer has to begin with. True: what is behind it is HTTP. */
static bool take_proxy_header(struct turn *turn, struct conn *conn, struct slice *io_input)
{
    size_t bytes;
    struct ip_address client = conn->address;
    enum proxy_header_result result = proxy_header_parse(*io_input, &bytes, &client);
    if (result == PROXY_HEADER_MORE) {
        keep_input(turn, conn, *io_input);
        go_on(turn, conn, CONN_HEAD, EPOLLIN);
        return false;
    }
    if (result == PROXY_HEADER_BAD || !set_client(turn, conn, &client)) {
        conn_close(&turn->conns, conn);
        return false;
    }
    conn->wants_proxy = false;
    *io_input = slice_after(*io_input, bytes);
    if (io_input->count == 0) {
        conn_buffer_drop(&conn->input);
        go_on(turn, conn, CONN_NEW, EPOLLIN);
    }
    return io_input->count > 0;
}

/* Nothing can have changed by bytes without a line end, but that there are too many: so that a
 * client that sends byte by byte does not have its head parsed each time. */
static bool may_be_whole(const struct conn_buffer *kept, size_t before)
{
    enum { STRIDE_BYTES = 1024 };
    return memchr(kept->bytes + before, '\n', kept->end - before) != NULL ||
           (kept->end - kept->start) / STRIDE_BYTES != (before - kept->start) / STRIDE_BYTES;
}

static ssize_t receive(struct turn *turn, struct conn *conn, char *into, size_t capacity)
{
    ssize_t got = recv(conn->fd, into, capacity, MSG_DONTWAIT);
    if (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR)) {
        conn_close(&turn->conns, conn);
        return 0;
    }
    if (turn->clock.is_on) {
        exchange_note_read(turn);
    }
    return got < 0 ? 0 : got;
}

static void read_head(struct turn *turn, struct conn *conn)
{
    if (conn->input == NULL) {
        ssize_t got = receive(turn, conn, turn->input, sizeof turn->input);
        struct slice input = {turn->input, (size_t)got};
        if (got > 0 && (!conn->wants_proxy || take_proxy_header(turn, conn, &input))) {
            serve_input(turn, conn, input);
        }
        return;
    }
    struct conn_buffer *kept = conn->input;
    if (kept->end == kept->capacity) {
        conn_buffer_reserve(&conn->input, 2 * (kept->end - kept->start));
        kept = conn->input;
    }
    size_t before = kept->end;
    ssize_t got = receive(turn, conn, kept->bytes + before, kept->capacity - before);
    if (got == 0) {
        return;
    }
    kept->end += (size_t)got;
    struct slice input = kept_input(conn);
    if (conn->wants_proxy ? take_proxy_header(turn, conn, &input) : may_be_whole(kept, before)) {
        serve_input(turn, conn, input);
    }
}

/* More of the body of the request whose head is kept. Behind its end, the head and what follows the
 * body are the input. */
static void read_body(struct turn *turn, struct conn *conn)
{
    ssize_t got = receive(turn, conn, turn->input, sizeof turn->input);
    if (got == 0) {
        return;
    }
    size_t used;
    unsigned status;
    conn_moved(conn, (uint64_t)got);
    struct slice input = {turn->input, (size_t)got};
    switch (h1_body_skip(&conn->input->body, input, &used, &status)) {
    case H1_MORE:
        break;
    case H1_BAD:
        limit_hit_refused(turn, status);
        answer_bad(turn, conn, status);
        break;
    case H1_OK: {
        struct slice rest = slice_after(input, used);
        size_t head = conn->input->end - conn->input->start;
        conn_buffer_reserve(&conn->input, head + rest.count);
        memcpy(conn->input->bytes + head, rest.bytes, rest.count);
        conn->input->end = head + rest.count;
        conn->is_body_read = true;
        turn->clock.head_ns = conn->input->read_ns;
        serve_input(turn, conn, kept_input(conn));
        break;
    }
    }
}

static void on_readable(struct turn *turn, struct conn *conn)
{
    switch (conn->state) {
    case CONN_BODY:
        read_body(turn, conn);
        break;
    case CONN_LINGERING: /* dropped */
        conn_moved(conn, (uint64_t)receive(turn, conn, turn->input, sizeof turn->input));
        break;
    default:
        read_head(turn, conn);
        break;
    }
}

/* What is kept was read then. */
static void continue_clock(struct turn *turn, const struct conn *conn)
{
    if (conn->input != NULL) {
        turn->clock.read_ns = conn->input->read_ns;
        turn->clock.head_ns = conn->input->read_ns;
    }
}

/* The socket takes more, or what was to be written next has been read. */
static void go_on_writing(struct turn *turn, struct conn *conn)
{
    bool has_rest = conn_has_rest(conn);
    turn->ends_plainly = false;
    continue_clock(turn, conn);
    enum write_result result = has_rest ? sending_rest(turn, conn) : WRITE_DONE;
    if (result == WRITE_DONE) {
        exchange_rest_written(turn, conn);
        serve_input(turn, conn, kept_input(conn));
    } else {
        settle(turn, conn, result, ANSWERED, kept_input(conn));
    }
}

void h1_session_read(struct turn *turn, struct conn *conn)
{
    turn->conn_bytes = 0;
    conn->read = NULL;
    go_on_writing(turn, conn);
}

void h1_session_begin(struct turn *turn, struct conn *conn)
{
    turn->conn_bytes = 0;
    read_head(turn, conn); /* a request mostly comes with the packet that makes the connection */
    if (conn->state == CONN_NEW && !conn_watch(&turn->conns, conn, EPOLLIN)) {
        conn_close(&turn->conns, conn);
    }
}

void h1_session_turn(struct turn *turn, struct conn *conn, uint32_t events)
{
    turn->conn_bytes = 0;
    if (conn->state == CONN_CLOSED) {
        return;
    }
    if ((events & EPOLLERR) != 0) {
        conn_close(&turn->conns, conn);
    } else if (conn->state == CONN_WRITING) {
        if ((events & (EPOLLOUT | EPOLLHUP)) != 0) {
            go_on_writing(turn, conn);
        }
    } else if (conn->state == CONN_READING) {
        if ((events & EPOLLHUP) != 0) {
            conn_close(&turn->conns, conn);
        }
    } else {
        on_readable(turn, conn);
    }
}

/* Has the connection done enough in its window to get another one? */
static bool deserves_more(const struct turn *turn, struct conn *conn)
{
    switch (conn->state) {
    case CONN_BODY:
    case CONN_WRITING:
        return !conn_is_too_slow(&turn->conns, conn);
    case CONN_LINGERING:
        return conn->linger_turns++ < LINGER_TURNS_MAX && conn_is_moving(conn);
    default: /* between two requests, or before the first: nobody waits for an answer */
        return false;
    }
}

void h1_session_expired(struct turn *turn, struct conn *conn)
{
    struct conn_pool *pool = &turn->conns;
    if (deserves_more(turn, conn)) {
        conn_restart_window(pool, conn);
        return;
    }
    limit_hit_expired(turn, conn->state);
    bool is_request = conn->state == CONN_BODY || (conn->state == CONN_HEAD && !conn->wants_proxy);
    if (is_request) {
        answer_bad(turn, conn, 408);
    } else {
        conn_close(pool, conn);
    }
}
