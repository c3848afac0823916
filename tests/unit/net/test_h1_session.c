/* HTTP/1 on one end of a socket pair, with the clock in the test's hand: mutated requests in random
 * pieces, time limits, and what a connection keeps. The site is packed and loaded as always. */
#include "net/h1_session.h"

#include "common/mem.h"
#include "samples.h"
#include "scratch.h"
#include "server/loader.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { OUTPUT_BYTES_MAX = 1 << 20, BIG_BYTES = 1000000, MIDDLE_BYTES = 50000, START_MS = 1000000 };

/* A worker without its loop, and one connection of it. */
struct fixture {
    struct publication publication;
    struct undertaker undertaker;
    struct loader loader;
    struct limits limits;
    struct address_list proxies;
    struct turn *turn;
    struct conn *conn;
    int client; /* the other end */
    char *output;
    size_t output_bytes;
};

static void write_site(void)
{
    scratch_file("site/index.html", "<!doctype html><title>home</title>\n");
    scratch_file("site/404.html", "<!doctype html><title>not here</title>\n");
    scratch_file("site/sentinel.txt", "the sentinel\n");
    scratch_file("site/empty.txt", "");
    scratch_file("site/docs/index.html", "<title>docs</title>\n");
    char *big = mem_zeroed(BIG_BYTES, 1);
    for (size_t i = 0; i < BIG_BYTES; i++) {
        big[i] = (char)('a' + i * 7 % 26 + (i >> 9) % 3);
    }
    scratch_bytes("site/big.bin", big, BIG_BYTES);
    scratch_bytes("site/middle.bin", big, MIDDLE_BYTES);
    free(big);
    sample_pack("site.cairn");
}

static void enter_scratch(void)
{
    scratch_enter();
    unsetenv("SOURCE_DATE_EPOCH");
    write_site();
}

TestSuite(h1_session, .init = enter_scratch, .fini = scratch_leave);

static void fixture_init(struct fixture *fixture)
{
    *fixture = (struct fixture){.client = -1};
    limits_init(&fixture->limits);
    publication_init(&fixture->publication);
    cr_assert(undertaker_init(&fixture->undertaker, NULL) == 0);
    fixture->loader = (struct loader){.publication = &fixture->publication,
                                      .undertaker = &fixture->undertaker,
                                      .host_meters = {.worker_count = 1},
                                      .retention = {3, 0}};
    struct load_result result;
    struct error error = {""};
    const struct load_request request = {.path = "site.idx"};
    cr_assert(loader_load(&fixture->loader, &request, &result, &error) == 0, "%s", error.text);
    struct turn *turn = mem_aligned(64, sizeof *turn);
    turn->sites = loader_sites(&fixture->loader);
    turn->limits = &fixture->limits;
    turn->proxy_from = &fixture->proxies;
    turn->forwarded_from = &fixture->proxies;
    access_log_init(&turn->log, NULL, ACCESS_COMBINED);
    turn->common.date.seconds = -1;
    date_line_set(&turn->common.date, 1700000000);
    turn->conns.epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    turn->conns.limits = &fixture->limits;
    turn->conns.admission = admission_new(&fixture->limits, 1);
    turn->conns.now_ms = START_MS;
    fixture->turn = turn;
    fixture->output = mem_zeroed(OUTPUT_BYTES_MAX, 1);
}

static void disconnect(struct fixture *fixture)
{
    if (fixture->client >= 0) {
        close(fixture->client);
        fixture->client = -1;
        if (fixture->conn->state != CONN_CLOSED) {
            conn_close(&fixture->turn->conns, fixture->conn);
        }
        batch_clear(&fixture->turn->batch);
        exchange_closed(fixture->turn);
        conn_recycle(&fixture->turn->conns);
    }
}

static void fixture_fini(struct fixture *fixture)
{
    disconnect(fixture);
    conn_pool_fini(&fixture->turn->conns);
    meters_fini(&fixture->turn->meters);
    close(fixture->turn->conns.epoll_fd);
    admission_free(fixture->turn->conns.admission);
    free(fixture->turn);
    free(fixture->output);
    publication_fini(&fixture->publication);
    host_meters_fini(&fixture->loader.host_meters);
    undertaker_fini(&fixture->undertaker);
}

static void open_connection(struct fixture *fixture, bool wants_proxy)
{
    disconnect(fixture);
    int fds[2];
    static const struct ip_address none;
    cr_assert(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds) == 0);
    cr_assert(admission_enter(fixture->turn->conns.admission, &none) == ADMITTED);
    fixture->conn = conn_open(&fixture->turn->conns, fds[0], &none, wants_proxy);
    h1_session_begin(fixture->turn, fixture->conn);
    fixture->client = fds[1];
    fixture->output_bytes = 0;
}

/* Reads what has come so far. */
static void collect(struct fixture *fixture)
{
    ssize_t got;
    while ((got = recv(fixture->client, fixture->output + fixture->output_bytes,
                       OUTPUT_BYTES_MAX - fixture->output_bytes, 0)) > 0) {
        fixture->output_bytes += (size_t)got;
        cr_assert(fixture->output_bytes < OUTPUT_BYTES_MAX);
    }
}

/* What epoll would say, until the server waits for the client. */
static void settle(struct fixture *fixture)
{
    for (;;) {
        struct epoll_event event;
        collect(fixture);
        if (fixture->conn->state == CONN_CLOSED ||
            epoll_wait(fixture->turn->conns.epoll_fd, &event, 1, 0) != 1) {
            return;
        }
        h1_session_turn(fixture->turn, event.data.ptr, event.events);
    }
}

static void deliver(struct fixture *fixture, const char *bytes, size_t count)
{
    while (count > 0) {
        ssize_t sent = send(fixture->client, bytes, count, MSG_NOSIGNAL);
        if (sent < 0 && errno != EAGAIN) {
            return; /* it has closed */
        }
        if (sent > 0) {
            bytes += sent;
            count -= (size_t)sent;
        }
        settle(fixture);
        if (fixture->conn->state == CONN_CLOSED) {
            return;
        }
    }
}

static void deliver_text(struct fixture *fixture, const char *text)
{
    deliver(fixture, text, strlen(text));
}

static bool has_output(const struct fixture *fixture, const char *start)
{
    size_t count = strlen(start);
    return fixture->output_bytes >= count && memcmp(fixture->output, start, count) == 0;
}

static bool output_ends_with(const struct fixture *fixture, const char *end)
{
    size_t count = strlen(end);
    return fixture->output_bytes >= count &&
           memcmp(fixture->output + fixture->output_bytes - count, end, count) == 0;
}

/* Lets time pass; what is due is done. */
static void pass(struct fixture *fixture, int64_t ms)
{
    fixture->turn->conns.now_ms += ms;
    struct conn *conn;
    while ((conn = conn_expired(&fixture->turn->conns)) != NULL) {
        h1_session_expired(fixture->turn, conn);
    }
    collect(fixture);
}

/* ---- mutants ---- */

#define HOST     "Host: a.example\r\n"
#define SENTINEL "GET /sentinel.txt HTTP/1.1\r\n" HOST "\r\n"

static const char *const seeds[] = {
    "GET / HTTP/1.1\r\n" HOST "\r\n",
    "HEAD /index.html HTTP/1.1\r\n" HOST "\r\n",
    "GET /docs?a=b HTTP/1.1\r\n" HOST "\r\n",
    "GET /missing HTTP/1.1\r\n" HOST "\r\n",
    "OPTIONS * HTTP/1.1\r\n" HOST "\r\n",
    "OPTIONS / HTTP/1.1\r\n" HOST "\r\n",
    "GET http://b.example/docs/ HTTP/1.1\r\n" HOST "\r\n",
    "CONNECT a.example:80 HTTP/1.1\r\n" HOST "\r\n",
    "BREW / HTTP/1.1\r\n" HOST "\r\n",
    "GET / HTTP/1.0\r\n\r\n",
    "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
    "GET / HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n",
    "GET /middle.bin HTTP/1.1\r\n" HOST "Range: bytes=0-9, 500-509,-5\r\n\r\n",
    "GET /middle.bin HTTP/1.1\r\n" HOST "Range: bytes=100-199\r\nIf-Range: \"x\"\r\n\r\n",
    "GET /index.html HTTP/1.1\r\n" HOST
    "Range: bytes=5-\r\nAccept-Encoding: gzip, br;q=0.5\r\n\r\n",
    "GET / HTTP/1.1\r\n" HOST "If-None-Match: *\r\nIf-Modified-Since: x\r\n\r\n",
    "GET / HTTP/1.1\r\n" HOST "If-Match: \"a\", W/\"b\"\r\n\r\n",
    "GET / HTTP/1.1\r\n" HOST "If-Unmodified-Since: Sun Nov  6 08:49:37 1994\r\n\r\n",
    "POST / HTTP/1.1\r\n" HOST "Content-Length: 11\r\n\r\nGET / HTTP/1",
    "POST / HTTP/1.1\r\n" HOST
    "Transfer-Encoding: chunked\r\n\r\n5;a=\"b\"\r\nhello\r\n0\r\nX: y\r\n\r\n",
    "GET / HTTP/1.1\r\n" HOST
    "Transfer-Encoding: chunked\r\n\r\n1a\r\nGET /x HTTP/1.1\r\nHost: b\r\n\r\n"
    "\r\n0\r\n\r\n",
    "PUT / HTTP/1.1\r\n" HOST "Expect: 100-continue\r\nContent-Length: 3\r\n\r\nabc",
    "GET / HTTP/1.1\r\n" HOST "Upgrade: h2c\r\nHTTP2-Settings: AA\r\nConnection: Upgrade\r\n\r\n",
    "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "\x16\x03\x01\x02\x00\x01\x00",
    "GET /%2e%2e/%2e%2e/etc/passwd HTTP/1.1\r\n" HOST "\r\n",
    "\r\n\r\nGET /empty.txt HTTP/1.1\r\n" HOST "\r\n",
};

/* splitmix64 (Steele, Lea, Flood: Fast splittable pseudorandom number generators, 2014). */
static uint64_t next_random(uint64_t *state)
{
    uint64_t value = *state += UINT64_C(0x9e3779b97f4a7c15);
    value = (value ^ value >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    value = (value ^ value >> 27) * UINT64_C(0x94d049bb133111eb);
    return value ^ value >> 31;
}

static size_t below(uint64_t *state, size_t limit)
{
    return (size_t)(next_random(state) % limit);
}

enum { STREAM_BYTES_MAX = 4096 };

struct stream {
    char bytes[STREAM_BYTES_MAX];
    size_t count;
};

static void insert(struct stream *stream, size_t at, const char *bytes, size_t count)
{
    if (stream->count + count > STREAM_BYTES_MAX - 256) {
        return;
    }
    memmove(stream->bytes + at + count, stream->bytes + at, stream->count - at);
    memcpy(stream->bytes + at, bytes, count);
    stream->count += count;
}

static void cut(struct stream *stream, size_t at, size_t count)
{
    count = count < stream->count - at ? count : stream->count - at;
    memmove(stream->bytes + at, stream->bytes + at + count, stream->count - at - count);
    stream->count -= count;
}

static void mutate(struct stream *stream, uint64_t *state)
{
    static const char odd[] = "\r\n \t\0:;,=\"%/?*-0159aFxZ\x7f\x80\xff";
    static const char *const words[] = {"\r\n",
                                        "\r\n\r\n",
                                        "Content-Length: 5\r\n",
                                        "Transfer-Encoding: chunked\r\n",
                                        "0\r\n\r\n",
                                        "Range: bytes=1-2,4-9,100000-\r\n",
                                        "Connection: close\r\n",
                                        "HTTP/1.1"};
    size_t at = stream->count == 0 ? 0 : below(state, stream->count);
    char byte = odd[below(state, sizeof odd - 1)];
    const char *word = words[below(state, ARRAY_COUNT(words))];
    switch (below(state, 6)) {
    case 0:
        stream->bytes[at] = byte;
        break;
    case 1:
        insert(stream, at, &byte, 1);
        break;
    case 2:
        cut(stream, at, 1 + below(state, 4));
        break;
    case 3:
        insert(stream, at, word, strlen(word));
        break;
    case 4: { /* a piece of the stream again */
        char piece[64];
        size_t count = 1 + below(state, sizeof piece);
        count = count < stream->count - at ? count : stream->count - at;
        memcpy(piece, stream->bytes + at, count);
        insert(stream, below(state, stream->count + 1), piece, count);
        break;
    }
    default:
        stream->bytes[at] = (char)below(state, 256);
        break;
    }
}

static void make_mutant(struct stream *stream, uint64_t *state)
{
    stream->count = 0;
    for (size_t i = 0, count = 1 + below(state, 3); i < count; i++) {
        const char *seed = seeds[below(state, ARRAY_COUNT(seeds))];
        insert(stream, stream->count, seed, strlen(seed));
    }
    for (size_t i = 0, count = below(state, 5); i < count && stream->count > 0; i++) {
        mutate(stream, state);
    }
}

static void send_in_pieces(struct fixture *fixture, const struct stream *stream, size_t piece_max,
                           uint64_t *state)
{
    for (size_t at = 0; at < stream->count && fixture->conn->state != CONN_CLOSED;) {
        size_t count = 1 + below(state, piece_max);
        count = count < stream->count - at ? count : stream->count - at;
        deliver(fixture, stream->bytes + at, count);
        at += count;
    }
}

/* The answers to the same bytes are the same, however they arrive; and a connection that is ready
 * for another request answers that one, with what it asks for and nothing before or behind. */
Test(h1_session, a_hundred_thousand_mutants, .timeout = 300)
{
    enum { MUTANTS = 100000 };
    struct fixture fixture;
    fixture_init(&fixture);
    uint64_t state = 20260101;
    size_t open = 0;
    char *whole = mem_zeroed(OUTPUT_BYTES_MAX, 1);
    for (size_t i = 0; i < MUTANTS; i++) {
        struct stream stream;
        make_mutant(&stream, &state);
        open_connection(&fixture, false);
        deliver(&fixture, stream.bytes, stream.count);
        size_t whole_bytes = fixture.output_bytes;
        memcpy(whole, fixture.output, whole_bytes);
        enum conn_state whole_state = fixture.conn->state;

        open_connection(&fixture, false);
        send_in_pieces(&fixture, &stream, 1 + below(&state, 40), &state);
        cr_assert(fixture.output_bytes == whole_bytes &&
                      memcmp(fixture.output, whole, whole_bytes) == 0,
                  "mutant %zu:\n%.*s\nin pieces:\n%.*s\nwhole:\n%.*s", i, (int)stream.count,
                  stream.bytes, (int)fixture.output_bytes, fixture.output, (int)whole_bytes, whole);
        /* ended is ended: the first way, more may have lain behind the last request already */
        cr_assert(fixture.conn->state == whole_state ||
                      (fixture.conn->state >= CONN_LINGERING && whole_state >= CONN_LINGERING),
                  "mutant %zu:\n%.*s", i, (int)stream.count, stream.bytes);
        if (whole_state != CONN_IDLE) {
            continue;
        }
        open++;
        fixture.output_bytes = 0;
        deliver_text(&fixture, SENTINEL);
        cr_assert(has_output(&fixture, "HTTP/1.1 200 OK\r\n") &&
                      output_ends_with(&fixture, "\r\n\r\nthe sentinel\n"),
                  "mutant %zu:\n%.*s\n%.*s", i, (int)stream.count, stream.bytes,
                  (int)fixture.output_bytes, fixture.output);
    }
    cr_expect(open > MUTANTS / 10 && open < MUTANTS, "%zu", open); /* both happen */
    free(whole);
    fixture_fini(&fixture);
}

/* ---- bodies ---- */

Test(h1_session, a_body_is_dropped_and_its_head_kept)
{
    struct fixture fixture;
    fixture_init(&fixture);
    open_connection(&fixture, false);
    deliver_text(&fixture, "POST / HTTP/1.1\r\n" HOST "Content-Length: 100000\r\n\r\n");
    cr_expect(fixture.conn->state == CONN_BODY && fixture.output_bytes == 0);
    char piece[1000];
    memset(piece, 'x', sizeof piece);
    for (int i = 0; i < 100; i++) {
        cr_expect(fixture.output_bytes == 0 && fixture.conn->input->capacity == INPUT_BYTES_LEAST);
        deliver(&fixture, piece, sizeof piece);
    }
    cr_expect(has_output(&fixture, "HTTP/1.1 405 ") && fixture.conn->state == CONN_IDLE);
    cr_expect(fixture.conn->input == NULL, "an idle connection keeps no buffer");
    fixture.output_bytes = 0;
    deliver_text(&fixture, SENTINEL);
    cr_expect(output_ends_with(&fixture, "the sentinel\n"));
    fixture_fini(&fixture);
}

Test(h1_session, a_body_too_long_is_refused_at_once)
{
    static const char *const heads[] = {
        "POST / HTTP/1.1\r\n" HOST "Content-Length: 1001\r\n\r\n",
        "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n3e9\r\nx",
    };
    struct fixture fixture;
    fixture_init(&fixture);
    fixture.limits.body_bytes = 1000;
    for (size_t i = 0; i < ARRAY_COUNT(heads); i++) {
        open_connection(&fixture, false);
        deliver_text(&fixture, heads[i]);
        cr_expect(has_output(&fixture, "HTTP/1.1 413 ") && fixture.conn->state == CONN_LINGERING,
                  "row %zu", i);
    }
    fixture_fini(&fixture);
}

/* ---- time ---- */

Test(h1_session, times_of_waiting)
{
    static const struct {
        const char *sent;
        size_t limit; /* in struct limits */
        const char *answer;
    } rows[] = {
        {"", offsetof(struct limits, first_byte_ms), ""},
        {SENTINEL, offsetof(struct limits, idle_ms), "HTTP/1.1 200 "},
        {"GET / HT", offsetof(struct limits, head_ms), "HTTP/1.1 408 "},
        {"GET / HTTP/1.1\r\nX: y\r\n", offsetof(struct limits, head_ms), "HTTP/1.1 408 "},
        {"POST / HTTP/1.1\r\n" HOST "Content-Length: 9\r\n\r\n", offsetof(struct limits, rate_ms),
         "HTTP/1.1 408 "},
    };
    struct fixture fixture;
    fixture_init(&fixture);
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        uint64_t limit_ms;
        memcpy(&limit_ms, (const char *)&fixture.limits + rows[i].limit, sizeof limit_ms);
        open_connection(&fixture, false);
        deliver_text(&fixture, rows[i].sent);
        bool is_answered = strstr(rows[i].answer, "200") != NULL;
        pass(&fixture, (int64_t)limit_ms - 1);
        cr_expect(fixture.conn->state < CONN_LINGERING, "row %zu", i);
        cr_expect((fixture.output_bytes > 0) == is_answered, "row %zu", i);
        pass(&fixture, 1);
        cr_expect(has_output(&fixture, rows[i].answer), "row %zu: %.*s", i,
                  (int)fixture.output_bytes, fixture.output);
        bool is_told = strstr(rows[i].answer, "408") != NULL;
        cr_expect(fixture.conn->state == (is_told ? CONN_LINGERING : CONN_CLOSED), "row %zu", i);
    }
    fixture_fini(&fixture);
}

/* A head has its time from its first byte, not from its last; and the next one has its own. */
Test(h1_session, the_time_of_a_head_is_not_stretched)
{
    struct fixture fixture;
    fixture_init(&fixture);
    open_connection(&fixture, false);
    static const char *const pieces[] = {"E", "T", " / HTTP/1.1\r\n" HOST "\r\nGET "};
    deliver_text(&fixture, "G");
    for (size_t i = 0; i < ARRAY_COUNT(pieces); i++) {
        pass(&fixture, (int64_t)fixture.limits.head_ms / 4);
        deliver_text(&fixture, pieces[i]);
    }
    cr_expect(has_output(&fixture, "HTTP/1.1 200 "));
    cr_expect(fixture.conn->state == CONN_HEAD);
    pass(&fixture, (int64_t)fixture.limits.head_ms - 1);
    cr_expect(fixture.conn->state == CONN_HEAD, "the second head has its own time");
    pass(&fixture, 1);
    cr_expect(fixture.conn->state == CONN_LINGERING);
    fixture_fini(&fixture);
}

Test(h1_session, a_slow_body_is_borne_as_long_as_it_keeps_its_rate)
{
    struct fixture fixture;
    fixture_init(&fixture);
    fixture.limits.body_rate = 100;
    fixture.limits.rate_ms = 10000; /* 1000 bytes in a window */
    open_connection(&fixture, false);
    deliver_text(&fixture, "POST / HTTP/1.1\r\n" HOST "Content-Length: 100000\r\n\r\n");
    char piece[1000] = "";
    for (int i = 0; i < 5; i++) {
        deliver(&fixture, piece, sizeof piece);
        pass(&fixture, 10000);
        cr_expect(fixture.conn->state == CONN_BODY, "window %d", i);
    }
    deliver(&fixture, piece, sizeof piece - 1);
    pass(&fixture, 10000);
    cr_expect(has_output(&fixture, "HTTP/1.1 408 "));
    fixture_fini(&fixture);
}

static size_t read_some(struct fixture *fixture, size_t count)
{
    char bytes[4096];
    size_t got = 0;
    while (got < count) {
        size_t wanted = count - got < sizeof bytes ? count - got : sizeof bytes;
        ssize_t piece = recv(fixture->client, bytes, wanted, 0);
        if (piece <= 0) {
            break;
        }
        got += (size_t)piece;
    }
    return got;
}

/* What the system has taken is not delivered yet: only what the client reads counts. */
Test(h1_session, a_slow_reader_is_borne_as_long_as_it_keeps_its_rate)
{
    struct fixture fixture;
    fixture_init(&fixture);
    fixture.limits.body_rate = 10000;
    fixture.limits.rate_ms = 10000; /* 100,000 bytes in a window */
    open_connection(&fixture, false);
    static const char request[] = "GET /big.bin HTTP/1.1\r\n" HOST "\r\n";
    cr_assert(send(fixture.client, request, sizeof request - 1, 0) > 0);
    h1_session_turn(fixture.turn, fixture.conn, EPOLLIN);
    cr_assert(fixture.conn->state == CONN_WRITING, "the socket pair took all of it");
    fixture.turn->conns.now_ms += 10000;
    for (int window = 0; window < 3; window++) { /* the first only begins to measure */
        for (int i = 0; i < 16; i++) {
            read_some(&fixture, 10000);
            h1_session_turn(fixture.turn, fixture.conn, EPOLLOUT);
        }
        struct conn *expired = conn_expired(&fixture.turn->conns);
        cr_assert(expired == fixture.conn);
        h1_session_expired(fixture.turn, expired);
        cr_assert(fixture.conn->state == CONN_WRITING, "window %d", window);
        fixture.turn->conns.now_ms += 10000;
    }
    read_some(&fixture, 1000);
    h1_session_turn(fixture.turn, fixture.conn, EPOLLOUT);
    h1_session_expired(fixture.turn, fixture.conn);
    cr_expect(fixture.conn->state == CONN_CLOSED);
    fixture_fini(&fixture);
}

Test(h1_session, lingering_ends)
{
    struct fixture fixture;
    fixture_init(&fixture);
    int64_t linger_ms = (int64_t)fixture.limits.linger_ms;
    open_connection(&fixture, false);
    deliver_text(&fixture, "BAD\r\n\r\n");
    cr_expect(has_output(&fixture, "HTTP/1.1 400 ") && fixture.conn->state == CONN_LINGERING);
    for (int i = 0; i < LINGER_TURNS_MAX; i++) {
        deliver_text(&fixture, "and more");
        pass(&fixture, linger_ms);
        cr_expect(fixture.conn->state == CONN_LINGERING, "turn %d", i);
    }
    deliver_text(&fixture, "and more");
    pass(&fixture, linger_ms);
    cr_expect(fixture.conn->state == CONN_CLOSED, "it goes on sending for ever");
    open_connection(&fixture, false);
    deliver_text(&fixture, "BAD\r\n\r\n");
    pass(&fixture, linger_ms);
    cr_expect(fixture.conn->state == CONN_CLOSED);
    fixture_fini(&fixture);
}

/* ---- counts ---- */

Test(h1_session, requests_of_a_connection)
{
    struct fixture fixture;
    fixture_init(&fixture);
    fixture.limits.connection_requests = 3;
    for (int pipelined = 0; pipelined < 2; pipelined++) {
        open_connection(&fixture, false);
        if (pipelined == 1) {
            deliver_text(&fixture, SENTINEL SENTINEL SENTINEL SENTINEL);
        }
        for (int i = 0; i < 3 && pipelined == 0; i++) {
            cr_expect(fixture.conn->state != CONN_LINGERING);
            deliver_text(&fixture, SENTINEL);
        }
        size_t answers = 0;
        for (size_t i = 0; i + 12 < fixture.output_bytes; i++) {
            answers += memcmp(fixture.output + i, "the sentinel", 12) == 0;
        }
        cr_expect(answers == 3, "%zu", answers);
        cr_expect(fixture.conn->state == CONN_LINGERING);
        fixture.output[fixture.output_bytes] = '\0';
        const char *closing = strstr(fixture.output, "Connection: close\r\n");
        cr_expect(closing != NULL && strstr(closing, "HTTP/1.1") == NULL, "only the last says so");
    }
    fixture_fini(&fixture);
}

/* The end of a connection is waited for, unless the client wanted it and was answered in full. */
Test(h1_session, how_a_connection_ends)
{
    static const struct {
        const char *sent;
        const char *answer;
        uint8_t state;
    } rows[] = {
        {"GET / HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n", "HTTP/1.1 200 ", CONN_CLOSED},
        {"GET / HTTP/1.0\r\n\r\n", "HTTP/1.1 200 ", CONN_CLOSED},
        {SENTINEL "HEAD / HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n", "HTTP/1.1 200 ",
         CONN_CLOSED},
        {"POST / HTTP/1.1\r\n" HOST "Connection: close\r\nContent-Length: 2\r\n\r\nab",
         "HTTP/1.1 405 ", CONN_CLOSED},
        /* more came behind it: closing would reset the connection, maybe before it is read */
        {"GET / HTTP/1.1\r\n" HOST "Connection: close\r\n\r\nGET", "HTTP/1.1 200 ", CONN_LINGERING},
        {"GET / HTTP/1.1\r\n" HOST "Connection: close\r\nExpect: 100-continue\r\n"
         "Content-Length: 9\r\n\r\n",
         "HTTP/1.1 200 ", CONN_LINGERING},
        {"GET / HTTP/1.1\r\nConnection: close\r\n\r\n", "HTTP/1.1 400 ", CONN_LINGERING},
        {"nonsense\r\n\r\n", "HTTP/1.1 400 ", CONN_LINGERING},
    };
    struct fixture fixture;
    fixture_init(&fixture);
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        open_connection(&fixture, false);
        deliver_text(&fixture, rows[i].sent);
        cr_expect(has_output(&fixture, rows[i].answer), "row %zu: %.*s", i,
                  (int)fixture.output_bytes, fixture.output);
        cr_expect(fixture.conn->state == rows[i].state, "row %zu: %u", i, fixture.conn->state);
    }
    fixture_fini(&fixture);
}

/* Who goes when there is no descriptor left: the idle, the lingering, then those that have been at
 * their request for too long. */
Test(h1_session, shedding)
{
    static const struct {
        const char *sent;
        int64_t waited_ms;
        bool is_shed;
    } rows[] = {
        {SENTINEL, 0, true},
        {"BAD\r\n\r\n", 0, true},
        {"", 0, false},
        {"", SHED_HEAD_MS, true},
        {"GET", 0, false},
        {"GET", SHED_HEAD_MS, true},
        {"POST / HTTP/1.1\r\n" HOST "Content-Length: 9\r\n\r\n", 0, false},
        {"POST / HTTP/1.1\r\n" HOST "Content-Length: 9\r\n\r\n", SHED_HEAD_MS, true},
    };
    struct fixture fixture;
    fixture_init(&fixture);
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        open_connection(&fixture, false);
        deliver_text(&fixture, rows[i].sent);
        fixture.turn->conns.now_ms += rows[i].waited_ms;
        cr_expect(conn_shed(&fixture.turn->conns) == rows[i].is_shed, "row %zu", i);
        cr_expect((fixture.conn->state == CONN_CLOSED) == rows[i].is_shed, "row %zu", i);
    }
    fixture_fini(&fixture);
}

/* Then those that take less of their answer than body_rate; never one that takes more. */
Test(h1_session, shedding_of_slow_readers)
{
    struct fixture fixture;
    fixture_init(&fixture);
    fixture.limits.body_rate = 1000;
    open_connection(&fixture, false);
    static const char request[] = "GET /big.bin HTTP/1.1\r\n" HOST "\r\n";
    cr_assert(send(fixture.client, request, sizeof request - 1, 0) > 0);
    h1_session_turn(fixture.turn, fixture.conn, EPOLLIN);
    cr_assert(fixture.conn->state == CONN_WRITING, "the socket pair took all of it");
    cr_expect(!conn_shed(&fixture.turn->conns), "it has only begun");
    for (int window = 0; window < 4; window++) { /* the first only begins to measure */
        fixture.turn->conns.now_ms += SHED_WRITING_MS;
        cr_expect(!conn_shed(&fixture.turn->conns), "window %d", window);
        cr_expect(!conn_shed(&fixture.turn->conns), "window %d, again", window);
        for (int i = 0; i < 10; i++) {
            read_some(&fixture, 10000);
            h1_session_turn(fixture.turn, fixture.conn, EPOLLOUT);
        }
    }
    fixture.turn->conns.now_ms += SHED_WRITING_MS;
    cr_expect(!conn_shed(&fixture.turn->conns), "what it read before");
    fixture.turn->conns.now_ms += SHED_WRITING_MS;
    cr_expect(conn_shed(&fixture.turn->conns));
    cr_expect(fixture.conn->state == CONN_CLOSED);
    fixture_fini(&fixture);
}

/* Takes what has come, as a client does that reads as fast as it is sent. */
static uint64_t drain(struct fixture *fixture)
{
    static char bytes[1 << 20];
    uint64_t sum = 0;
    ssize_t got;
    while ((got = recv(fixture->client, bytes, sizeof bytes, 0)) > 0) {
        sum += (uint64_t)got;
    }
    return sum;
}

/* However fast it reads, and however much it has asked for. */
Test(h1_session, nobody_has_the_worker_for_itself)
{
    enum { REQUESTS = 3 * (TURN_BODY_BYTES_MAX / BIG_BYTES), ROOM_BYTES = 4 * TURN_BODY_BYTES_MAX };
    static const char request[] = "GET /big.bin HTTP/1.1\r\n" HOST "\r\n";
    struct fixture fixture;
    int room = ROOM_BYTES;
    fixture_init(&fixture);
    open_connection(&fixture, false);
    if (setsockopt(fixture.conn->fd, SOL_SOCKET, SO_SNDBUFFORCE, &room, sizeof room) != 0) {
        cr_skip_test("skipped 'only root gets a socket with so much room'");
    }
    for (int i = 0; i < REQUESTS; i++) {
        cr_assert(send(fixture.client, request, sizeof request - 1, 0) > 0);
    }
    uint64_t before = 0;
    uint64_t taken = 0;
    int turns = 0;
    do {
        h1_session_turn(fixture.turn, fixture.conn, turns == 0 ? EPOLLIN : EPOLLOUT);
        uint64_t sent = atomic_load(&fixture.turn->counters.bytes);
        cr_expect(sent - before < TURN_BODY_BYTES_MAX + BIG_BYTES + 1024);
        before = sent;
        taken += drain(&fixture);
        turns++;
    } while (fixture.conn->state == CONN_WRITING && turns < 100);
    cr_expect(fixture.conn->state == CONN_IDLE);
    cr_expect(turns >= 3, "%d turns", turns);
    cr_expect(taken > (uint64_t)REQUESTS * BIG_BYTES);
    fixture_fini(&fixture);
}

/* ---- PROXY ---- */

Test(h1_session, proxy_header_comes_first)
{
    static const struct {
        const char *sent;
        const char *answer; /* NULL: closed without one */
    } rows[] = {
        {"PROXY TCP4 192.0.2.1 192.0.2.2 50000 80\r\n" SENTINEL, "HTTP/1.1 200 "},
        {"PROXY UNKNOWN\r\n" SENTINEL, "HTTP/1.1 200 "},
        {SENTINEL, NULL},
        {"PROXY TCP5 192.0.2.1 192.0.2.2 50000 80\r\n" SENTINEL, NULL},
    };
    struct fixture fixture;
    fixture_init(&fixture);
    uint64_t state = 1;
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        for (size_t piece = 1; piece < 100; piece += 7) {
            struct stream stream = {.count = 0};
            insert(&stream, 0, rows[i].sent, strlen(rows[i].sent));
            open_connection(&fixture, true);
            send_in_pieces(&fixture, &stream, piece, &state);
            if (rows[i].answer == NULL) {
                cr_expect(fixture.conn->state == CONN_CLOSED && fixture.output_bytes == 0, "%zu",
                          i);
                continue;
            }
            cr_expect(has_output(&fixture, rows[i].answer), "row %zu", i);
            cr_expect(fixture.conn->state == CONN_IDLE, "row %zu", i);
        }
    }
    char text[IP_ADDRESS_TEXT_BYTES];
    open_connection(&fixture, true);
    deliver_text(&fixture, rows[0].sent);
    ip_address_format(&fixture.conn->address, text);
    cr_expect(strcmp(text, "192.0.2.1") == 0, "%s", text);
    open_connection(&fixture, true);
    deliver_text(&fixture, "PROXY TCP4");
    pass(&fixture, (int64_t)fixture.limits.head_ms);
    cr_expect(fixture.conn->state == CONN_CLOSED && fixture.output_bytes == 0);
    fixture_fini(&fixture);
}

/* ---- limits that were come up against ---- */

/* Sends a row's head, and checks that of all limits it is one, and which, that it was stopped by.
 */
static void expect_limit(struct fixture *fixture, const char *sent, int64_t wait_ms, size_t limit)
{
    memset(fixture->turn->counters.limited, 0, sizeof fixture->turn->counters.limited);
    open_connection(fixture, false);
    deliver_text(fixture, sent);
    pass(fixture, wait_ms);
    for (size_t i = 0; i < LIMITS_COUNT; i++) {
        uint64_t count = atomic_load(&fixture->turn->counters.limited[i]);
        cr_expect(count == (i == limit), "\"%.40s\": %s counted %zu", sent,
                  limits_name((enum limit_id)i), (size_t)count);
    }
}

#define FIELDS_8 "A: 1\r\nB: 2\r\nC: 3\r\nD: 4\r\nE: 5\r\nF: 6\r\nG: 7\r\n" HOST
#define LONG_64  "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define LONG_256 LONG_64 LONG_64 LONG_64 LONG_64

Test(h1_session, limits_are_counted_by_what_they_are)
{
    enum { NONE = LIMITS_COUNT };
    static const struct {
        const char *sent;
        int64_t wait_ms;
        size_t limit;
    } rows[] = {
        {SENTINEL, 0, NONE},
        {"GET / HTTP/9.9\r\n\r\n", 0, NONE}, /* bad, but by no limit */
        {"GET /" LONG_64 " HTTP/1.1\r\n" HOST "\r\n", 0, LIMIT_ID_target_bytes},
        {"GET /" LONG_64, 0, LIMIT_ID_target_bytes}, /* its end is not waited for */
        {"GET / HTTP/1.1\r\n" FIELDS_8 "\r\n", 0, NONE},
        {"GET / HTTP/1.1\r\n" FIELDS_8 "I: 9\r\n\r\n", 0, LIMIT_ID_fields},
        {SENTINEL "GET / HTTP/1.1\r\n" FIELDS_8 "I: 9\r\n\r\n", 0, LIMIT_ID_fields},
        {"GET / HTTP/1.1\r\nX: " LONG_256, 0, LIMIT_ID_head_bytes},
        {"GET / HTTP/1.1\r\n" HOST "X: " LONG_256 "\r\n\r\n", 0, LIMIT_ID_head_bytes},
        {"GET / HTTP/1.1\r\n" FIELDS_8 "X: " LONG_256, 0, LIMIT_ID_fields}, /* a ninth: both */
        {SENTINEL LONG_256, 0, LIMIT_ID_head_bytes}, /* of the second, as far as it came */
        {"POST / HTTP/1.1\r\n" HOST "Content-Length: 9\r\n\r\n12345", 0, LIMIT_ID_body_bytes},
        {"POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n", 0, NONE},
        {SENTINEL SENTINEL SENTINEL SENTINEL, 0, LIMIT_ID_connection_requests},
        {"", 20000, LIMIT_ID_first_byte_ms},
        {"GET", 20000, LIMIT_ID_head_ms},
        {"POST / HTTP/1.1\r\n" HOST "Content-Length: 2\r\n\r\n1", 30000, LIMIT_ID_body_rate},
        {SENTINEL, 75000, LIMIT_ID_idle_ms},
        {"GET / HTTP/1.1\r\n" HOST "Connection: close\r\n\r\nGET", 5000, LIMIT_ID_linger_ms},
    };
    struct fixture fixture;
    fixture_init(&fixture);
    fixture.limits.target_bytes = 64;
    fixture.limits.head_bytes = 256;
    fixture.limits.fields = 8;
    fixture.limits.body_bytes = 4;
    fixture.limits.connection_requests = 3;
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        expect_limit(&fixture, rows[i].sent, rows[i].wait_ms, rows[i].limit);
    }
    fixture_fini(&fixture);
}

/* ---- answers that are counted ---- */

/* Of the status classes from 2xx on, "2100": two of 2xx, one of 3xx. */
static const char *classes(const struct answer_counts *counts)
{
    static char text[STATUS_CLASSES];
    for (size_t range = 1; range < STATUS_CLASSES; range++) {
        uint64_t sum = 0;
        for (size_t coding = 0; coding < CODINGS; coding++) {
            sum += atomic_load(&counts->answers[range][coding]);
        }
        text[range - 1] = (char)('0' + sum);
    }
    return text;
}

static uint64_t duration_count(const struct meters *meters)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < METHOD_NAMES * METERED_STATUSES; i++) {
        const struct duration_counts *counts =
            meters->durations[i / METERED_STATUSES][i % METERED_STATUSES];
        for (size_t j = 0; counts != NULL && j <= DURATION_BOUNDS; j++) {
            sum += atomic_load(&counts->buckets[j]);
        }
    }
    return sum;
}

Test(h1_session, answers_are_metered)
{
    static const struct {
        const char *sent;
        const char *hosted, *hostless;
        uint64_t body_bytes;
    } rows[] = {
        {SENTINEL, "1000", "0000", 13},
        {"HEAD /sentinel.txt HTTP/1.1\r\n" HOST "\r\n", "1000", "0000", 0},
        {SENTINEL SENTINEL "GET /docs HTTP/1.1\r\n" HOST "\r\n", "2100", "0000", 26},
        {"GET /sentinel.txt HTTP/1.1\r\n" HOST "If-None-Match: *\r\n\r\n", "0100", "0000", 0},
        {"GET /missing HTTP/1.1\r\n" HOST "\r\n", "0010", "0000", 39},
        {"GET /middle.bin HTTP/1.1\r\n" HOST "\r\n", "1000", "0000", MIDDLE_BYTES},
        {SENTINEL "nonsense\r\n\r\n", "1000", "0010", 13},
        {"BREW / HTTP/1.1\r\n" HOST "\r\n", "0000", "0001", 0},
    };
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        struct fixture fixture;
        fixture_init(&fixture);
        const struct meters *meters = &fixture.turn->meters;
        const struct answer_counts *hosted = fixture.turn->sites->only->meter->workers;
        fixture.turn->meters.is_on = true;
        fixture.turn->clock.is_on = true;
        open_connection(&fixture, false);
        deliver_text(&fixture, rows[i].sent);
        disconnect(&fixture);
        cr_expect(strncmp(classes(hosted), rows[i].hosted, 4) == 0, "row %zu: %.4s", i,
                  classes(hosted));
        cr_expect(strncmp(classes(&meters->hostless), rows[i].hostless, 4) == 0, "row %zu: %.4s", i,
                  classes(&meters->hostless));
        cr_expect(atomic_load(&hosted->body_bytes) == rows[i].body_bytes, "row %zu: %zu", i,
                  (size_t)atomic_load(&hosted->body_bytes));
        cr_expect(atomic_load(&hosted->aborted) == 0, "row %zu", i);
        uint64_t answers = 0;
        for (size_t j = 0; j < 4; j++) {
            answers += (uint64_t)(rows[i].hosted[j] - '0' + rows[i].hostless[j] - '0');
        }
        cr_expect(duration_count(meters) == answers, "row %zu", i);
        fixture_fini(&fixture);
    }
}

/* The list that it was answered from is gone when it ends; the host is not. */
Test(h1_session, an_answer_that_outlives_its_list_is_metered)
{
    struct fixture fixture;
    fixture_init(&fixture);
    struct turn *turn = fixture.turn;
    turn->meters.is_on = true;
    turn->clock.is_on = true;
    open_connection(&fixture, false);
    static const char request[] = "GET /big.bin HTTP/1.1\r\n" HOST "\r\n";
    cr_assert(send(fixture.client, request, sizeof request - 1, 0) > 0);
    h1_session_turn(turn, fixture.conn, EPOLLIN);
    cr_assert(fixture.conn->state == CONN_WRITING);
    scratch_file("site/new.txt", "new\n");
    sample_pack("site.cairn");
    struct load_result result;
    const struct load_request load = {.path = "site.idx"};
    for (size_t i = 0; i < 4; i++) { /* so often that the first list's site is not in it any more */
        scratch_file("site/new.txt", i % 2 == 0 ? "newer\n" : "newest\n");
        sample_pack("site.cairn");
        cr_assert(loader_load(&fixture.loader, &load, &result, NULL) == 0);
        turn->sites = loader_sites(&fixture.loader);
    }
    const struct answer_counts *hosted = turn->sites->only->meter->workers;
    cr_expect(strncmp(classes(hosted), "0000", 4) == 0);
    uint64_t sent = atomic_load(&turn->counters.bytes);
    disconnect(&fixture);
    cr_expect(strncmp(classes(hosted), "1000", 4) == 0, "%.4s", classes(hosted));
    cr_expect(atomic_load(&hosted->aborted) == 1);
    uint64_t body_bytes = atomic_load(&hosted->body_bytes);
    cr_expect(body_bytes > 0 && body_bytes < sent, "%zu of %zu", (size_t)body_bytes, (size_t)sent);
    fixture_fini(&fixture);
}
