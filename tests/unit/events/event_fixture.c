#include "event_fixture.h"

#include "common/mem.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

static const char key[] = "dGhlIHNhbXBsZSBub25jZQ==";

void fixture_init(struct fixture *fixture)
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

void fixture_fini(struct fixture *fixture)
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

struct listener fixture_come_in(struct fixture *fixture, const char *host, bool is_stream,
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

struct listener fixture_websocket(struct fixture *fixture, const char *host)
{
    return fixture_come_in(fixture, host, false, SLICE(""));
}

struct listener fixture_stream(struct fixture *fixture, const char *host)
{
    return fixture_come_in(fixture, host, true, SLICE(""));
}

struct slice fixture_received(struct fixture *fixture, struct listener listener, bool *out_ended)
{
    size_t count = 0;
    ssize_t got;
    while ((got = recv(listener.client, fixture->output + count, OUTPUT_BYTES - count, 0)) > 0) {
        count += (size_t)got;
    }
    *out_ended = got == 0 || errno == ECONNRESET;
    return (struct slice){fixture->output, count};
}

void fixture_expect_received(struct fixture *fixture, struct listener listener, struct slice wanted,
                             bool is_end_wanted)
{
    bool has_ended;
    struct slice got = fixture_received(fixture, listener, &has_ended);
    cr_expect(slice_equal(got, wanted), "wanted \"%.*s\", got \"%.*s\"", (int)wanted.count,
              wanted.bytes, (int)got.count, got.bytes);
    cr_expect(has_ended == is_end_wanted, "ended: %d", has_ended);
}

void fixture_pass_over(struct fixture *fixture, struct listener listener)
{
    bool has_ended;
    (void)fixture_received(fixture, listener, &has_ended);
    cr_expect(!has_ended);
}

struct event_conn *fixture_next_to_tell(struct fixture *fixture)
{
    int looks = EVENT_TURN_LISTENERS;
    return event_pool_next_to_tell(&fixture->pool, &looks);
}

void fixture_run(struct fixture *fixture)
{
    struct event_pool *pool = &fixture->pool;
    struct event_conn *conn;
    struct epoll_event ready[16];
    while ((conn = fixture_next_to_tell(fixture)) != NULL) {
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

void fixture_wait_ms(struct fixture *fixture, uint64_t ms)
{
    fixture->pool.now_ms += (int64_t)ms;
    fixture_run(fixture);
}

void fixture_release(struct fixture *fixture, const char *host, const char *text)
{
    static const char state[EVENT_STATE_BYTES] = "00000000000000aa";
    event_pool_say(&fixture->pool,
                   event_message_release(fixture->hosts, slice_of_string(host), state,
                                         mem_string(text, strlen(text)), strlen(text)));
}

void fixture_say(struct fixture *fixture, struct listener listener, struct slice bytes)
{
    cr_assert(send(listener.client, bytes.bytes, bytes.count, 0) == (ssize_t)bytes.count);
    fixture_run(fixture);
}

struct slice fixture_taken(struct fixture *fixture, struct listener listener)
{
    size_t count = 0;
    ssize_t got;
    while ((got = recv(listener.client, fixture->output + count, OUTPUT_BYTES - count, 0)) > 0) {
        count += (size_t)got;
        fixture_run(fixture);
    }
    return (struct slice){fixture->output, count};
}

char *fixture_long_text(void)
{
    enum { TEXT_BYTES = 300000 };
    char *text = mem_zeroed(TEXT_BYTES + 1, 1);
    for (size_t i = 0; i < TEXT_BYTES; i++) {
        text[i] = (char)('a' + i * 7 % 26);
    }
    return text;
}

struct listener fixture_slow(struct fixture *fixture, const char *text)
{
    struct listener slow = fixture_websocket(fixture, "a.example");
    fixture_pass_over(fixture, slow);
    fixture_release(fixture, "a.example", text);
    fixture_run(fixture);
    return slow;
}
