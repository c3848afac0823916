#include "admin/connection.h"

#include "common/fault_guard.h"
#include "common/mem.h"
#include "http/h1_body.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

static void set_phase(struct admin_connection *connection, enum admin_phase phase, int64_t now_ms,
                      int64_t time_ms)
{
    connection->phase = phase;
    connection->since_ms = now_ms;
    connection->until_ms = now_ms + time_ms;
}

struct admin_connection *admin_connection_new(int fd, int64_t now_ms)
{
    struct admin_connection *connection = mem_zeroed(1, sizeof *connection);
    connection->fd = fd;
    set_phase(connection, ADMIN_READING, now_ms, ADMIN_READ_MS);
    return connection;
}

void admin_connection_free(struct admin_connection *connection)
{
    if (connection != NULL) {
        close(connection->fd);
        free(connection->output);
        free(connection);
    }
}

/* ---- writing ---- */

static const char *fields_of(unsigned status)
{
    return status == 401                    ? "WWW-Authenticate: Bearer\r\n"
           : status == 429 || status == 503 ? "Retry-After: 1\r\n"
                                            : "";
}

/* Behind the head, which turn->head has. */
static void begin_writing(struct admin_connection *connection, const struct admin_turn *turn,
                          size_t head_bytes, size_t body_bytes)
{
    connection->output_count = head_bytes + body_bytes;
    connection->output = mem_resize(NULL, connection->output_count, 1);
    connection->output_sent = 0;
    memcpy(connection->output, turn->head, head_bytes);
    set_phase(connection, ADMIN_WRITING, turn->now_ms, ADMIN_WRITE_MS);
}

/* The head as h1_write.h writes it: what is told of a body goes in as a run of field lines. */
static void write_answer(struct admin_connection *connection, struct admin_turn *turn,
                         const struct admin_answer *answer)
{
    char lines[512];
    bool has_allow = answer->allow != NULL;
    int count =
        snprintf(lines, sizeof lines,
                 "Content-Type: %s\r\nContent-Length: %zu\r\nCache-Control: no-store\r\n"
                 "%s%s%s%s",
                 answer->type == NULL ? "text/plain; charset=utf-8" : answer->type,
                 answer->body_bytes, has_allow ? "Allow: " : "", has_allow ? answer->allow : "",
                 has_allow ? "\r\n" : "", fields_of(answer->status));
    const struct response response = {
        .status = answer->status,
        .keep_alive = !connection->is_last,
        .tell_keep_alive = connection->tells_keeping,
        .fields = {{lines, (size_t)count}},
    };
    size_t head = h1_write_head(&response, &turn->common, turn->head, sizeof turn->head);
    size_t body = connection->is_head ? 0 : answer->body_bytes;
    begin_writing(connection, turn, head, body);
    if (body > 0) {
        memcpy(connection->output + head, answer->body, body);
    }
}

/* What reads the mapping of the page's files, in two steps: between them there is memory to take.
 */
struct page_reading {
    struct admin_turn *turn;
    bool is_last;
    char *out_body; /* NULL: the head first */
    const uint8_t *body;
    size_t head_bytes, body_bytes;
};

static void read_page(void *argument)
{
    struct page_reading *reading = argument;
    struct admin_turn *turn = reading->turn;
    struct response response;
    if (reading->out_body != NULL) {
        memcpy(reading->out_body, reading->body, reading->body_bytes);
        return;
    }
    admin_page_respond(turn->context.page, &turn->request, &turn->limits, &turn->scratch,
                       &response);
    response.keep_alive = !reading->is_last;
    bool has_body = response.has_body && response.site != NULL;
    reading->head_bytes = h1_write_head(&response, &turn->common, turn->head, sizeof turn->head);
    reading->body = response.body;
    reading->body_bytes = has_body ? (size_t)response.body_bytes : 0;
}

/* Somebody who cuts the files has no page; the rest goes on. */
static void write_page(struct admin_connection *connection, struct admin_turn *turn)
{
    struct page_reading reading = {.turn = turn, .is_last = connection->is_last};
    const void *address;
    struct admin_answer answer;
    turn->request.known &= ~(UINT32_C(1) << FIELD_RANGE); /* nobody needs parts of it */
    if (fault_guard_run(read_page, &reading, &address)) {
        begin_writing(connection, turn, reading.head_bytes, reading.body_bytes);
        reading.out_body = connection->output + reading.head_bytes;
        if (reading.body_bytes == 0 || fault_guard_run(read_page, &reading, &address)) {
            return;
        }
        free(connection->output);
    }
    turn->context.page->is_there = false;
    admin_answer_text(&answer, 503, "the files of this page were cut");
    write_answer(connection, turn, &answer);
    free(answer.body);
}

/* What is to be written, or waited for. */
static void begin_answer(struct admin_connection *connection, struct admin_turn *turn,
                         struct admin_answer *answer)
{
    struct admin_answer busy = {0};
    if (answer->is_page) {
        write_page(connection, turn);
    } else if (answer->command == NULL) {
        write_answer(connection, turn, answer);
    } else if (admin_commands_submit(turn->commands, answer->command, answer->is_change,
                                     connection)) {
        set_phase(connection, ADMIN_WAITING, turn->now_ms, LIMIT_MS_MAX);
    } else {
        admin_answer_error(&busy, 503, "other commands are being carried out; try again");
        write_answer(connection, turn, &busy);
    }
    free(busy.body);
    free(answer->command);
    free(answer->body);
}

/* A reader that is not done yet would lose the end of its answer to a reset. */
static void end_sending(struct admin_connection *connection, int64_t now_ms)
{
    bool is_shut = shutdown(connection->fd, SHUT_WR) == 0;
    set_phase(connection, is_shut ? ADMIN_LINGERING : ADMIN_ENDED, now_ms, ADMIN_LINGER_MS);
}

static void send_output(struct admin_connection *connection, const struct admin_turn *turn)
{
    size_t left = connection->output_count - connection->output_sent;
    ssize_t sent =
        send(connection->fd, connection->output + connection->output_sent, left, MSG_NOSIGNAL);
    if (sent < 0) {
        connection->phase = errno == EAGAIN || errno == EINTR ? ADMIN_WRITING : ADMIN_ENDED;
        return;
    }
    connection->output_sent += (size_t)sent;
    if (connection->output_sent < connection->output_count) {
        return;
    }
    free(connection->output);
    connection->output = NULL;
    if (connection->is_last) {
        end_sending(connection, turn->now_ms);
    } else {
        bool has_more = connection->input_count > 0;
        set_phase(connection, ADMIN_READING, turn->now_ms,
                  has_more ? ADMIN_READ_MS : ADMIN_IDLE_MS);
    }
}

/* ---- reading ---- */

/* An answer to what cannot be read as a request, or will not be read to its end. */
static void refuse(struct admin_connection *connection, struct admin_turn *turn, unsigned status,
                   const char *why)
{
    struct admin_answer answer;
    connection->is_last = true;
    connection->is_head = false;
    admin_answer_text(&answer, status, "%s", why);
    write_answer(connection, turn, &answer);
    free(answer.body);
}

static void ask_to_continue(struct admin_connection *connection)
{
    static const char line[] = "HTTP/1.1 100 Continue\r\n\r\n";
    if (!connection->has_continued) {
        /* the buffer of a socket that nothing was sent to since its last answer takes it */
        (void)!send(connection->fd, line, sizeof line - 1, MSG_NOSIGNAL);
        connection->has_continued = true;
    }
}

/* Has the body come that turn->request has? *out_bytes: where it ends in the input. */
static bool has_body(struct admin_connection *connection, struct admin_turn *turn,
                     size_t *out_bytes)
{
    const struct request *request = &turn->request;
    uint64_t body = request->body == BODY_LENGTH ? request->body_bytes : 0;
    if (request->body == BODY_CHUNKED) {
        refuse(connection, turn, 411, "a body comes with its Content-Length here");
        return false;
    }
    if (body > ADMIN_BODY_BYTES_MAX) {
        refuse(connection, turn, 413, "a body may have 16384 bytes here");
        return false;
    }
    *out_bytes = request->head_bytes + (size_t)body;
    if (*out_bytes > connection->input_count && request->expects_continue) {
        ask_to_continue(connection);
    }
    return *out_bytes <= connection->input_count;
}

/* Behind empty lines, which h1_parse() passes over (RFC 9112 §2.2). */
static struct slice method_of(struct slice input)
{
    while (slice_starts_with(input, SLICE("\r\n"))) {
        input = slice_after(input, 2);
    }
    return slice_take(&input, ' ');
}

/* Answers the next request of the input. False: it is not whole yet. */
static bool take_request(struct admin_connection *connection, struct admin_turn *turn)
{
    struct slice input = {connection->input, connection->input_count};
    unsigned status;
    size_t bytes;
    enum h1_result result = h1_parse(input, &turn->limits, &turn->request, &status);
    if (result == H1_BAD) {
        refuse(connection, turn, status, "this is no request that can be read");
        return true;
    }
    if (result == H1_MORE || !has_body(connection, turn, &bytes)) {
        return connection->phase != ADMIN_READING;
    }
    const struct request *request = &turn->request;
    const struct admin_request asked = {
        .request = request,
        .method = method_of(input),
        .body = {input.bytes + request->head_bytes, bytes - request->head_bytes},
    };
    struct admin_answer answer;
    connection->is_last = turn->is_last || !request->keep_alive;
    connection->is_head = request->method == METHOD_HEAD;
    connection->tells_keeping = request->version_minor == 0;
    admin_answer(&turn->context, &asked, &answer);
    begin_answer(connection, turn, &answer);
    connection->has_continued = false;
    connection->input_count -= bytes;
    memmove(connection->input, connection->input + bytes, connection->input_count);
    return true;
}

static void answer_input(struct admin_connection *connection, struct admin_turn *turn)
{
    while (connection->phase == ADMIN_READING && connection->input_count > 0 &&
           take_request(connection, turn)) {
        if (connection->phase == ADMIN_WRITING) {
            send_output(connection, turn);
        }
    }
}

/* The time for a request begins with its first byte, and more bytes do not lengthen it. */
static void receive(struct admin_connection *connection, struct admin_turn *turn)
{
    size_t room = sizeof connection->input - connection->input_count;
    ssize_t count = recv(connection->fd, connection->input + connection->input_count, room, 0);
    if (count > 0) {
        if (connection->input_count == 0) {
            set_phase(connection, ADMIN_READING, turn->now_ms, ADMIN_READ_MS);
        }
        connection->input_count += (size_t)count;
        answer_input(connection, turn);
    } else if (count == 0 || (errno != EAGAIN && errno != EINTR)) {
        connection->phase = ADMIN_ENDED;
    }
}

static void discard(struct admin_connection *connection)
{
    ssize_t count = recv(connection->fd, connection->input, sizeof connection->input, 0);
    if (count == 0 || (count < 0 && errno != EAGAIN && errno != EINTR)) {
        connection->phase = ADMIN_ENDED;
    }
}

/* ---- turning ---- */

short admin_connection_events(const struct admin_connection *connection)
{
    return connection->phase == ADMIN_WRITING   ? POLLOUT
           : connection->phase == ADMIN_WAITING ? 0 /* its end is told all the same */
                                                : POLLIN;
}

/* Who has begun a request and does not end it is told so. */
static void expire(struct admin_connection *connection, struct admin_turn *turn)
{
    if (connection->phase == ADMIN_READING && connection->input_count > 0) {
        refuse(connection, turn, 408, "the request did not come to its end in time");
        send_output(connection, turn);
    } else {
        connection->phase = ADMIN_ENDED;
    }
}

void admin_connection_run(struct admin_connection *connection, struct admin_turn *turn,
                          short events)
{
    if (events != 0) {
        switch (connection->phase) {
        case ADMIN_READING:
            receive(connection, turn);
            break;
        case ADMIN_WAITING:
            connection->phase = ADMIN_ENDED;
            break;
        case ADMIN_WRITING:
            send_output(connection, turn);
            answer_input(connection, turn);
            break;
        case ADMIN_LINGERING:
            discard(connection);
            break;
        case ADMIN_ENDED:
            break;
        }
    }
    if (connection->phase != ADMIN_ENDED && turn->now_ms >= connection->until_ms) {
        expire(connection, turn);
    }
    bool is_idle = connection->phase == ADMIN_READING && connection->input_count == 0;
    if (turn->is_last && is_idle) {
        connection->phase = ADMIN_ENDED;
    }
}

void admin_connection_reply(struct admin_connection *connection, struct admin_turn *turn,
                            struct slice reply)
{
    struct admin_answer answer;
    admin_answer_reply(reply, &answer);
    begin_answer(connection, turn, &answer);
    send_output(connection, turn);
    answer_input(connection, turn);
}

int64_t admin_connection_rank(const struct admin_connection *connection)
{
    return connection->phase == ADMIN_WAITING ? INT64_MAX : connection->since_ms;
}
