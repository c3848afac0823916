/* Listeners on ends of socket pairs, with the clock in the test's hand: who hears what, in which
 * order, who is asked for a sign of life, who is cut off, and what the others notice of that. */
#include "events/event_session.h"

#include "common/mem.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

enum { START_MS = 1000000, OUTPUT_BYTES = 1 << 20 };

static const char key[] = "dGhlIHNhbXBsZSBub25jZQ==";

struct fixture {
    struct limits limits;
    struct event_door door;
    struct event_pool pool;
    struct sha1 *sha1;
    struct event_hosts *hosts;
    char *output;
};

/* A listener and the other end. */
struct listener {
    struct event_conn *conn;
    int client;
};

static void fixture_init(struct fixture *fixture)
{
    *fixture = (struct fixture){.sha1 = sha1_new()};
    limits_init(&fixture->limits);
    event_door_init(&fixture->door, NULL, 1000, eventfd(0, EFD_CLOEXEC));
    fixture->door.admission = admission_new(&fixture->limits, 1);
    fixture->pool.limits = &fixture->limits;
    fixture->pool.door = &fixture->door;
    fixture->pool.epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    fixture->pool.now_ms = START_MS;
    const struct slice names[] = {SLICE("a.example"), SLICE(".b.example"), SLICE("")};
    fixture->hosts = event_hosts_new(names, ARRAY_COUNT(names));
    fixture->output = mem_zeroed(OUTPUT_BYTES, 1);
}

/* Whatever the test did, nothing is left over: no place, no message. */
static void fixture_fini(struct fixture *fixture)
{
    event_pool_fini(&fixture->pool);
    cr_expect(fixture->pool.count == 0);
    cr_expect(atomic_load(&fixture->door.inside) == 0);
    cr_expect(atomic_load(&fixture->pool.counters.websockets) == 0);
    cr_expect(atomic_load(&fixture->pool.counters.streams) == 0);
    admission_free(fixture->door.admission);
    close(fixture->door.wake_fd);
    event_door_fini(&fixture->door);
    close(fixture->pool.epoll_fd);
    event_hosts_unref(fixture->hosts);
    sha1_free(fixture->sha1);
    free(fixture->output);
}

static struct listener come_in(struct fixture *fixture, const char *host, bool is_stream,
                               struct slice input)
{
    int ends[2];
    cr_assert(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) == 0);
    const int little = 4096;
    cr_assert(setsockopt(ends[0], SOL_SOCKET, SO_SNDBUF, &little, sizeof little) == 0);
    static const struct ip_address nobody;
    cr_assert(admission_enter(fixture->door.admission, &nobody) == ADMITTED);
    cr_assert(event_door_reserve(&fixture->door) == DOOR_OPEN);
    struct event_visitor *visitor = event_visitor_new(
        slice_of_string(host), is_stream ? SLICE("HTTP/1.1 200 OK\r\n\r\n") : slice_of_string(key),
        input);
    visitor->fd = ends[0];
    visitor->is_stream = is_stream;
    struct listener listener = {event_pool_open(&fixture->pool, visitor), ends[1]};
    cr_assert(listener.conn != NULL);
    event_session_begin(&fixture->pool, listener.conn, fixture->sha1, visitor, SLICE("{\"h\":1}"),
                        "0123456789abcdef");
    free(visitor);
    return listener;
}

static struct listener websocket(struct fixture *fixture, const char *host)
{
    return come_in(fixture, host, false, SLICE(""));
}

static struct listener stream(struct fixture *fixture, const char *host)
{
    return come_in(fixture, host, true, SLICE(""));
}

/* All that has come, as far as there is room for it. Has the connection ended? *out_ended. */
static struct slice received(struct fixture *fixture, struct listener listener, bool *out_ended)
{
    size_t count = 0;
    ssize_t got;
    while ((got = recv(listener.client, fixture->output + count, OUTPUT_BYTES - count, 0)) > 0) {
        count += (size_t)got;
    }
    *out_ended = got == 0 || errno == ECONNRESET;
    return (struct slice){fixture->output, count};
}

static void expect_received(struct fixture *fixture, struct listener listener, struct slice wanted,
                            bool is_end_wanted)
{
    bool has_ended;
    struct slice got = received(fixture, listener, &has_ended);
    cr_expect(slice_equal(got, wanted), "wanted \"%.*s\", got \"%.*s\"", (int)wanted.count,
              wanted.bytes, (int)got.count, got.bytes);
    cr_expect(has_ended == is_end_wanted, "ended: %d", has_ended);
}

static void pass_over(struct fixture *fixture, struct listener listener)
{
    bool has_ended;
    (void)received(fixture, listener, &has_ended);
    cr_expect(!has_ended);
}

static struct event_conn *next_to_tell(struct fixture *fixture)
{
    int looks = EVENT_TURN_LISTENERS;
    return event_pool_next_to_tell(&fixture->pool, &looks);
}

/* What the loop does, until nothing is left to be done. */
static void run(struct fixture *fixture)
{
    struct event_pool *pool = &fixture->pool;
    struct event_conn *conn;
    struct epoll_event ready[16];
    while ((conn = next_to_tell(fixture)) != NULL) {
        event_session_tell(pool, conn);
    }
    int count = epoll_wait(pool->epoll_fd, ready, ARRAY_COUNT(ready), 0);
    for (int i = 0; i < count; i++) {
        event_session_turn(pool, ready[i].data.ptr, ready[i].events);
    }
    while ((conn = event_pool_expired(pool)) != NULL) {
        event_session_expired(pool, conn);
    }
    event_pool_recycle(pool);
}

static void wait_ms(struct fixture *fixture, uint64_t ms)
{
    fixture->pool.now_ms += (int64_t)ms;
    run(fixture);
}

static void release(struct fixture *fixture, const char *host, const char *text)
{
    static const char state[EVENT_STATE_BYTES] = "00000000000000aa";
    event_pool_say(&fixture->pool,
                   event_message_release(fixture->hosts, slice_of_string(host), state,
                                         mem_string(text, strlen(text)), strlen(text)));
}

static void say(struct fixture *fixture, struct listener listener, struct slice bytes)
{
    cr_assert(send(listener.client, bytes.bytes, bytes.count, 0) == (ssize_t)bytes.count);
    run(fixture);
}

#define ANSWER                                                                                     \
    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"            \
    "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"
#define PING "\x89\x80" /* of a client: with a mask, here of zeros */

Test(event_session, first_words)
{
    struct fixture fixture;
    fixture_init(&fixture);
    struct listener socket = websocket(&fixture, "a.example");
    struct listener events = stream(&fixture, "a.example");
    expect_received(&fixture, socket, SLICE(ANSWER "\x81\x07{\"h\":1}"), false);
    expect_received(&fixture, events,
                    SLICE("HTTP/1.1 200 OK\r\n\r\nevent: hello\nid: 0123456789abcdef\n"
                          "data: {\"h\":1}\n\n"),
                    false);
    cr_expect(atomic_load(&fixture.pool.counters.websockets) == 1);
    cr_expect(atomic_load(&fixture.pool.counters.streams) == 1);
    cr_expect(socket.conn->unsent == NULL && socket.conn->input == NULL);
    fixture_fini(&fixture);
    close(socket.client);
    close(events.client);
}

Test(event_session, what_came_with_the_request_is_heard)
{
    struct fixture fixture;
    fixture_init(&fixture);
    struct listener socket =
        come_in(&fixture, "a.example", false, SLICE("\x89\x81\0\0\0\0x\x89\x81\0\0"));
    expect_received(&fixture, socket, SLICE(ANSWER "\x81\x07{\"h\":1}\x8a\x01x"), false);
    say(&fixture, socket, SLICE("\0\0y"));
    expect_received(&fixture, socket, SLICE("\x8a\x01y"), false);
    fixture_fini(&fixture);
    close(socket.client);
}

/* Of the patterns that a host matches the longest counts. */
Test(event_session, each_hears_what_concerns_its_host)
{
    static const struct {
        const char *host;
        struct slice heard;
    } rows[] = {
        {"a.example",
         {"\x81\x01"
          "a\x81\x02{}",
          7}},
        {"x.b.example",
         {"\x81\x01"
          "b\x81\x02{}",
          7}},
        {"c.example",
         {"\x81\x01"
          "*\x81\x02{}",
          7}},
        {"",
         {"\x81\x01"
          "*\x81\x02{}",
          7}},
    };
    struct fixture fixture;
    fixture_init(&fixture);
    struct listener listeners[ARRAY_COUNT(rows)];
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        listeners[i] = websocket(&fixture, rows[i].host);
        pass_over(&fixture, listeners[i]);
    }
    release(&fixture, "a.example", "a");
    release(&fixture, ".b.example", "b");
    release(&fixture, "", "*");
    struct event_message *mended = event_message_mended();
    free(mended->text);
    mended->text = mem_string("{}", 2);
    mended->text_bytes = 2;
    event_pool_say(&fixture.pool, mended);
    run(&fixture);
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        expect_received(&fixture, listeners[i], rows[i].heard, false);
        close(listeners[i].client);
    }
    cr_expect(atomic_load(&fixture.pool.counters.messages) == 8);
    cr_expect(fixture.pool.saying == NULL);
    fixture_fini(&fixture);
}

Test(event_session, a_stream_hears_it_as_an_event)
{
    struct fixture fixture;
    fixture_init(&fixture);
    struct listener events = stream(&fixture, "a.example");
    pass_over(&fixture, events);
    release(&fixture, "a.example", "{}");
    event_pool_say(&fixture.pool, event_message_error(SLICE("no\nyes")));
    run(&fixture);
    expect_received(&fixture, events,
                    SLICE("event: release\nid: 00000000000000aa\ndata: {}\n\n"
                          "event: error\ndata: {\"type\":\"error\",\"text\":\"no\\nyes\"}\n\n"),
                    false);
    fixture_fini(&fixture);
    close(events.client);
}

/* What is served is in its first message. */
Test(event_session, a_newcomer_does_not_hear_what_is_being_said)
{
    struct fixture fixture;
    fixture_init(&fixture);
    struct listener before = websocket(&fixture, "a.example");
    struct listener also = websocket(&fixture, "c.example");
    pass_over(&fixture, before);
    pass_over(&fixture, also);
    release(&fixture, "a.example", "1");
    cr_assert(next_to_tell(&fixture) == before.conn);
    event_session_tell(&fixture.pool, before.conn);
    struct listener after = websocket(&fixture, "a.example");
    pass_over(&fixture, after);
    run(&fixture);
    expect_received(&fixture, before, SLICE("\x81\x01\x31"), false);
    expect_received(&fixture, after, SLICE(""), false);
    release(&fixture, "a.example", "2");
    run(&fixture);
    expect_received(&fixture, after, SLICE("\x81\x01\x32"), false);
    fixture_fini(&fixture);
    close(before.client);
    close(also.client);
    close(after.client);
}

/* Those who are told next may go, alone or with all of their host, in the middle of it. */
Test(event_session, who_goes_while_it_is_said_is_passed_over)
{
    struct fixture fixture;
    fixture_init(&fixture);
    struct listener listeners[6];
    for (size_t i = 0; i < ARRAY_COUNT(listeners); i++) {
        listeners[i] = websocket(&fixture, i < 3 ? "a.b.example" : "c.b.example");
        pass_over(&fixture, listeners[i]);
    }
    release(&fixture, ".b.example", "1");
    cr_assert(next_to_tell(&fixture) == listeners[5].conn);
    event_session_tell(&fixture.pool, listeners[5].conn);
    static const size_t gone[] = {5, 4, 2, 1, 0}; /* the one that was told, the next, a host */
    for (size_t i = 0; i < ARRAY_COUNT(gone); i++) {
        event_pool_close(&fixture.pool, listeners[gone[i]].conn, false);
    }
    run(&fixture);
    expect_received(&fixture, listeners[3], SLICE("\x81\x01\x31"), false);
    cr_expect(fixture.pool.audiences.count == 1);
    for (size_t i = 0; i < ARRAY_COUNT(listeners); i++) {
        close(listeners[i].client);
    }
    fixture_fini(&fixture);
}

Test(event_session, pings_are_answered_the_last_of_several)
{
    struct fixture fixture;
    fixture_init(&fixture);
    struct listener socket = websocket(&fixture, "a.example");
    pass_over(&fixture, socket);
    say(&fixture, socket, SLICE("\x89\x81\0\0\0\0a\x89\x81\0\0\0\0b\x81\x81\0\0\0\0t"));
    expect_received(&fixture, socket,
                    SLICE("\x8a\x01"
                          "b"),
                    false);
    fixture_fini(&fixture);
    close(socket.client);
}

Test(event_session, who_is_silent_is_asked_and_then_given_up)
{
    struct fixture fixture;
    fixture_init(&fixture);
    struct listener lives = websocket(&fixture, "a.example");
    struct listener silent = websocket(&fixture, "a.example");
    pass_over(&fixture, lives);
    pass_over(&fixture, silent);
    wait_ms(&fixture, fixture.limits.event_ping_ms - 1);
    expect_received(&fixture, lives, SLICE(""), false);
    wait_ms(&fixture, 1);
    expect_received(&fixture, lives, SLICE("\x89\x00"), false);
    expect_received(&fixture, silent, SLICE("\x89\x00"), false);
    say(&fixture, lives, SLICE("\x8a\x80\0\0\0\0")); /* a pong */
    wait_ms(&fixture, fixture.limits.event_pong_ms);
    expect_received(&fixture, lives, SLICE(""), false);
    expect_received(&fixture, silent, SLICE(""), true);
    cr_expect(atomic_load(&fixture.pool.counters.limited[LIMIT_ID_event_pong_ms]) == 1);
    cr_expect(fixture.pool.count == 1);
    fixture_fini(&fixture);
    close(lives.client);
    close(silent.client);
}

/* Its client says nothing: the comments that reach it are the sign. */
Test(event_session, a_stream_lives_as_long_as_it_takes_what_is_sent)
{
    struct fixture fixture;
    fixture_init(&fixture);
    struct listener lives = stream(&fixture, "a.example");
    struct listener hangs = stream(&fixture, "a.example");
    pass_over(&fixture, lives);
    pass_over(&fixture, hangs);
    for (int i = 0; i < 2; i++) {
        wait_ms(&fixture, fixture.limits.event_ping_ms);
        expect_received(&fixture, lives, SLICE(":\n\n"), false);
    }
    cr_expect(fixture.pool.count == 2); /* one more time is granted */
    wait_ms(&fixture, fixture.limits.event_pong_ms);
    cr_expect(fixture.pool.count == 1);
    cr_expect(atomic_load(&fixture.pool.counters.limited[LIMIT_ID_event_pong_ms]) == 1);
    fixture_fini(&fixture);
    close(lives.client);
    close(hangs.client);
}

/* All that comes while the loop goes on, as far as there is room for it. */
static struct slice taken(struct fixture *fixture, struct listener listener)
{
    size_t count = 0;
    ssize_t got;
    while ((got = recv(listener.client, fixture->output + count, OUTPUT_BYTES - count, 0)) > 0) {
        count += (size_t)got;
        run(fixture);
    }
    return (struct slice){fixture->output, count};
}

static char *long_text(void)
{
    enum { TEXT_BYTES = 300000 };
    char *text = mem_zeroed(TEXT_BYTES + 1, 1);
    for (size_t i = 0; i < TEXT_BYTES; i++) {
        text[i] = (char)('a' + i * 7 % 26);
    }
    return text;
}

Test(event_session, who_takes_nothing_is_cut_off_and_the_others_do_not_notice)
{
    struct fixture fixture;
    fixture_init(&fixture);
    char *text = long_text();
    struct listener stuck = websocket(&fixture, "a.example");
    struct listener slow = websocket(&fixture, "a.example");
    pass_over(&fixture, stuck);
    pass_over(&fixture, slow);
    release(&fixture, "a.example", text);
    run(&fixture);
    cr_expect(stuck.conn->state == EVENT_WRITING && stuck.conn->unsent == NULL);
    size_t got = 0;
    while (got < 10 + strlen(text)) { /* slower than the limit, but something each time */
        char piece[8192];
        ssize_t count = recv(slow.client, piece, sizeof piece, 0);
        cr_assert(count > 0, "after %zu bytes", got);
        for (size_t i = 0; i < (size_t)count; i++) {
            cr_assert(got + i < 10 || piece[i] == text[got + i - 10]);
        }
        got += (size_t)count;
        wait_ms(&fixture, fixture.limits.event_stall_ms / 2);
    }
    cr_expect(got == 10 + strlen(text));
    cr_expect(fixture.pool.count == 1);
    cr_expect(slow.conn->state == EVENT_OPEN && slow.conn->delivery == NULL);
    cr_expect(atomic_load(&fixture.pool.counters.limited[LIMIT_ID_event_stall_ms]) == 1);
    free(text);
    fixture_fini(&fixture);
    close(stuck.client);
    close(slow.client);
}

/* What is said meanwhile waits behind the message under way, and a pong between two. */
Test(event_session, a_slow_one_gets_all_in_order)
{
    struct fixture fixture;
    fixture_init(&fixture);
    char *text = long_text();
    struct listener slow = websocket(&fixture, "a.example");
    pass_over(&fixture, slow);
    release(&fixture, "a.example", text);
    run(&fixture);
    release(&fixture, "", "not for it");
    release(&fixture, "a.example", "2");
    run(&fixture);
    say(&fixture, slow, SLICE(PING "\0\0\0\0"));
    struct slice all = taken(&fixture, slow);
    cr_assert(all.count == 10 + strlen(text) + 2 + 3, "%zu", all.count);
    cr_expect(memcmp(all.bytes + 10, text, strlen(text)) == 0);
    cr_expect(memcmp(all.bytes + 10 + strlen(text), "\x8a\x00\x81\x01\x32", 5) == 0);
    cr_expect(slow.conn->delivery == NULL && slow.conn->unsent == NULL);
    free(text);
    fixture_fini(&fixture);
    close(slow.client);
}

Test(event_session, whom_releases_outrun_is_cut_off)
{
    struct fixture fixture;
    fixture_init(&fixture);
    char *text = long_text();
    struct listener slow = websocket(&fixture, "a.example");
    struct listener quick = websocket(&fixture, "a.example");
    pass_over(&fixture, slow);
    pass_over(&fixture, quick);
    release(&fixture, "a.example", text);
    run(&fixture);
    for (int i = 0; i <= EVENT_BEHIND_MAX; i++) {
        cr_expect(fixture.pool.count == 2, "after %d", i);
        release(&fixture, "a.example", "1");
        (void)taken(&fixture, quick);
        run(&fixture);
    }
    cr_expect(fixture.pool.count == 1);
    cr_expect(atomic_load(&fixture.pool.counters.limited[LIMIT_ID_event_stall_ms]) == 1);
    cr_expect(atomic_load(&fixture.pool.counters.messages) == 2 + EVENT_BEHIND_MAX);
    free(text);
    fixture_fini(&fixture);
    close(slow.client);
    close(quick.client);
}

/* What others are told does not make a listener one that is behind. */
Test(event_session, whom_releases_of_others_pass_stays)
{
    struct fixture fixture;
    fixture_init(&fixture);
    char *text = long_text();
    struct listener slow = websocket(&fixture, "a.example");
    pass_over(&fixture, slow);
    release(&fixture, "a.example", text);
    run(&fixture);
    for (int i = 0; i <= EVENT_BEHIND_MAX; i++) {
        release(&fixture, ".b.example", "1");
    }
    release(&fixture, "a.example", "2");
    run(&fixture);
    cr_assert(fixture.pool.count == 1);
    free(text);
    fixture_fini(&fixture);
    close(slow.client);
}

/* Whatever is told to whomever: one that takes a little of an old message now and then does not
 * keep all of that. */
Test(event_session, what_is_kept_for_a_slow_one_is_bounded)
{
    struct fixture fixture;
    fixture_init(&fixture);
    char *text = long_text();
    size_t told = 0;
    struct listener slow = websocket(&fixture, "a.example");
    pass_over(&fixture, slow);
    release(&fixture, "a.example", text);
    run(&fixture);
    while (told <= EVENT_BEHIND_BYTES_MAX) {
        cr_assert(fixture.pool.count == 1, "after %zu bytes", told);
        release(&fixture, ".b.example", text);
        told += 3 * strlen(text); /* as it is, as a frame, as an event of a stream */
    }
    pass_over(&fixture, slow); /* a part of the first message */
    run(&fixture);
    cr_expect(fixture.pool.count == 0);
    cr_expect(atomic_load(&fixture.pool.counters.limited[LIMIT_ID_event_stall_ms]) == 1);
    free(text);
    fixture_fini(&fixture);
    close(slow.client);
}

/* Of many hosts that a message does not concern, so many are looked at at once and no more. */
Test(event_session, a_turn_looks_at_so_many_hosts)
{
    static const char *const hosts[] = {"a.example", "1.example", "2.example", "3.example"};
    struct fixture fixture;
    fixture_init(&fixture);
    struct listener listeners[ARRAY_COUNT(hosts)];
    for (size_t i = 0; i < ARRAY_COUNT(hosts); i++) { /* the newest is looked at first */
        listeners[i] = websocket(&fixture, hosts[i]);
        pass_over(&fixture, listeners[i]);
    }
    release(&fixture, "a.example", "1");
    release(&fixture, ".b.example", "2"); /* nobody's */
    int looks = 3;
    cr_expect(event_pool_next_to_tell(&fixture.pool, &looks) == NULL && looks == 0);
    cr_expect(fixture.pool.saying != NULL);
    looks = 3;
    struct event_conn *told = event_pool_next_to_tell(&fixture.pool, &looks);
    cr_assert(told == listeners[0].conn);
    event_session_tell(&fixture.pool, told);
    cr_expect(event_pool_next_to_tell(&fixture.pool, &looks) == NULL && looks == 0);
    cr_expect(fixture.pool.saying != NULL);
    run(&fixture);
    cr_expect(fixture.pool.saying == NULL);
    expect_received(&fixture, listeners[0], SLICE("\x81\x01\x31"), false);
    fixture_fini(&fixture);
    for (size_t i = 0; i < ARRAY_COUNT(hosts); i++) {
        close(listeners[i].client);
    }
}

/* A client that pings and does not read is not collected answers for. */
Test(event_session, what_waits_for_one_listener_is_bounded)
{
    struct fixture fixture;
    fixture_init(&fixture);
    char *text = long_text();
    struct listener socket = websocket(&fixture, "a.example");
    pass_over(&fixture, socket);
    release(&fixture, "a.example", text);
    run(&fixture);
    for (int i = 0; i < 1000; i++) {
        say(&fixture, socket, SLICE("\x89\x84\0\0\0\0ping"));
    }
    cr_assert(socket.conn->unsent != NULL);
    cr_expect(socket.conn->unsent->end <= EVENT_UNSENT_BYTES + WS_CONTROL_FRAME_BYTES_MAX);
    free(text);
    fixture_fini(&fixture);
    close(socket.client);
}

Test(event_session, the_client_closes)
{
    struct fixture fixture;
    fixture_init(&fixture);
    struct listener socket = websocket(&fixture, "a.example");
    pass_over(&fixture, socket);
    say(&fixture, socket, SLICE("\x88\x82\0\0\0\0\x03\xe8"));
    expect_received(&fixture, socket, SLICE("\x88\x02\x03\xe8"), true);
    cr_expect(fixture.pool.count == 1); /* its end is waited for */
    release(&fixture, "a.example", "1");
    run(&fixture);
    wait_ms(&fixture, EVENT_CLOSE_MS);
    cr_expect(fixture.pool.count == 0);
    fixture_fini(&fixture);
    close(socket.client);
}

Test(event_session, who_breaks_the_protocol_is_told_why)
{
    struct fixture fixture;
    fixture_init(&fixture);
    struct listener socket = websocket(&fixture, "a.example");
    pass_over(&fixture, socket);
    say(&fixture, socket, SLICE("\x81\x01x")); /* no mask */
    bool has_ended;
    struct slice got = received(&fixture, socket, &has_ended);
    cr_expect(slice_starts_with(got, SLICE("\x88")) && got.count > 4 && has_ended);
    cr_expect(slice_starts_with(slice_after(got, 2), SLICE("\x03\xea")));
    say(&fixture, socket, SLICE("more"));
    close(socket.client);
    run(&fixture);
    cr_expect(fixture.pool.count == 0);
    fixture_fini(&fixture);
}

static void end_all(struct fixture *fixture)
{
    struct event_conn *conn = fixture->pool.lists[EVENT_OPEN].oldest;
    while (conn != NULL) {
        struct event_conn *next = conn->newer;
        event_session_end(&fixture->pool, conn, WS_CODE_SERVICE_RESTART);
        conn = next;
    }
}

Test(event_session, the_server_ends)
{
    struct fixture fixture;
    fixture_init(&fixture);
    struct listener polite = websocket(&fixture, "a.example");
    struct listener rude = websocket(&fixture, "a.example");
    struct listener events = stream(&fixture, "a.example");
    pass_over(&fixture, polite);
    pass_over(&fixture, rude);
    pass_over(&fixture, events);
    end_all(&fixture);
    expect_received(&fixture, polite, SLICE("\x88\x02\x03\xf4"), false);
    expect_received(&fixture, rude, SLICE("\x88\x02\x03\xf4"), false);
    expect_received(&fixture, events, SLICE(""), true);
    say(&fixture, polite, SLICE("\x88\x82\0\0\0\0\x03\xf4"));
    expect_received(&fixture, polite, SLICE(""), true);
    close(polite.client);
    close(events.client);
    run(&fixture);
    cr_expect(fixture.pool.count == 1);
    wait_ms(&fixture, EVENT_CLOSE_MS);
    expect_received(&fixture, rude, SLICE(""), true);
    cr_expect(fixture.pool.count == 0);
    fixture_fini(&fixture);
    close(rude.client);
}

/* The Close comes behind the message that is under way, and those behind that are not said. */
Test(event_session, the_server_ends_in_the_middle_of_a_message)
{
    struct fixture fixture;
    fixture_init(&fixture);
    char *text = long_text();
    struct listener slow = websocket(&fixture, "a.example");
    pass_over(&fixture, slow);
    release(&fixture, "a.example", text);
    release(&fixture, "a.example", "2");
    run(&fixture);
    event_session_end(&fixture.pool, slow.conn, WS_CODE_GOING_AWAY);
    struct slice all = taken(&fixture, slow);
    cr_assert(all.count == 10 + strlen(text) + 4, "%zu", all.count);
    cr_expect(memcmp(all.bytes + 10 + strlen(text), "\x88\x02\x03\xe9", 4) == 0);
    free(text);
    fixture_fini(&fixture);
    close(slow.client);
}
