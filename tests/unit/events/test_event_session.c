/* Who hears what, in which order, who is asked for a sign of life, and how both sides end. */
#include "event_fixture.h"

#include "common/mem.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define ANSWER                                                                                     \
    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"            \
    "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"

Test(event_session, first_words)
{
    struct fixture fixture;
    fixture_init(&fixture);
    struct listener socket = fixture_websocket(&fixture, "a.example");
    struct listener events = fixture_stream(&fixture, "a.example");
    fixture_expect_received(&fixture, socket, SLICE(ANSWER "\x81\x07{\"h\":1}"), false);
    fixture_expect_received(&fixture, events,
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
        fixture_come_in(&fixture, "a.example", false, SLICE("\x89\x81\0\0\0\0x\x89\x81\0\0"));
    fixture_expect_received(&fixture, socket, SLICE(ANSWER "\x81\x07{\"h\":1}\x8a\x01x"), false);
    fixture_say(&fixture, socket, SLICE("\0\0y"));
    fixture_expect_received(&fixture, socket, SLICE("\x8a\x01y"), false);
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
        listeners[i] = fixture_websocket(&fixture, rows[i].host);
        fixture_pass_over(&fixture, listeners[i]);
    }
    fixture_release(&fixture, "a.example", "a");
    fixture_release(&fixture, ".b.example", "b");
    fixture_release(&fixture, "", "*");
    struct event_message *mended = event_message_mended();
    free(mended->text);
    mended->text = mem_string("{}", 2);
    mended->text_bytes = 2;
    event_pool_say(&fixture.pool, mended);
    fixture_run(&fixture);
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        fixture_expect_received(&fixture, listeners[i], rows[i].heard, false);
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
    struct listener events = fixture_stream(&fixture, "a.example");
    fixture_pass_over(&fixture, events);
    fixture_release(&fixture, "a.example", "{}");
    event_pool_say(&fixture.pool, event_message_error(SLICE("no\nyes")));
    fixture_run(&fixture);
    fixture_expect_received(
        &fixture, events,
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
    struct listener before = fixture_websocket(&fixture, "a.example");
    struct listener also = fixture_websocket(&fixture, "c.example");
    fixture_pass_over(&fixture, before);
    fixture_pass_over(&fixture, also);
    fixture_release(&fixture, "a.example", "1");
    cr_assert(fixture_next_to_tell(&fixture) == before.conn);
    event_session_tell(&fixture.pool, before.conn);
    struct listener after = fixture_websocket(&fixture, "a.example");
    fixture_pass_over(&fixture, after);
    fixture_run(&fixture);
    fixture_expect_received(&fixture, before, SLICE("\x81\x01\x31"), false);
    fixture_expect_received(&fixture, after, SLICE(""), false);
    fixture_release(&fixture, "a.example", "2");
    fixture_run(&fixture);
    fixture_expect_received(&fixture, after, SLICE("\x81\x01\x32"), false);
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
        listeners[i] = fixture_websocket(&fixture, i < 3 ? "a.b.example" : "c.b.example");
        fixture_pass_over(&fixture, listeners[i]);
    }
    fixture_release(&fixture, ".b.example", "1");
    cr_assert(fixture_next_to_tell(&fixture) == listeners[5].conn);
    event_session_tell(&fixture.pool, listeners[5].conn);
    static const size_t gone[] = {5, 4, 2, 1, 0}; /* the one that was told, the next, a host */
    for (size_t i = 0; i < ARRAY_COUNT(gone); i++) {
        event_pool_close(&fixture.pool, listeners[gone[i]].conn, false);
    }
    fixture_run(&fixture);
    fixture_expect_received(&fixture, listeners[3], SLICE("\x81\x01\x31"), false);
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
    struct listener socket = fixture_websocket(&fixture, "a.example");
    fixture_pass_over(&fixture, socket);
    fixture_say(&fixture, socket, SLICE("\x89\x81\0\0\0\0a\x89\x81\0\0\0\0b\x81\x81\0\0\0\0t"));
    fixture_expect_received(&fixture, socket,
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
    struct listener lives = fixture_websocket(&fixture, "a.example");
    struct listener silent = fixture_websocket(&fixture, "a.example");
    fixture_pass_over(&fixture, lives);
    fixture_pass_over(&fixture, silent);
    fixture_wait_ms(&fixture, fixture.limits.event_ping_ms - 1);
    fixture_expect_received(&fixture, lives, SLICE(""), false);
    fixture_wait_ms(&fixture, 1);
    fixture_expect_received(&fixture, lives, SLICE("\x89\x00"), false);
    fixture_expect_received(&fixture, silent, SLICE("\x89\x00"), false);
    fixture_say(&fixture, lives, SLICE("\x8a\x80\0\0\0\0")); /* a pong */
    fixture_wait_ms(&fixture, fixture.limits.event_pong_ms);
    fixture_expect_received(&fixture, lives, SLICE(""), false);
    fixture_expect_received(&fixture, silent, SLICE(""), true);
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
    struct listener lives = fixture_stream(&fixture, "a.example");
    struct listener hangs = fixture_stream(&fixture, "a.example");
    fixture_pass_over(&fixture, lives);
    fixture_pass_over(&fixture, hangs);
    for (int i = 0; i < 2; i++) {
        fixture_wait_ms(&fixture, fixture.limits.event_ping_ms);
        fixture_expect_received(&fixture, lives, SLICE(":\n\n"), false);
    }
    cr_expect(fixture.pool.count == 2); /* one more time is granted */
    fixture_wait_ms(&fixture, fixture.limits.event_pong_ms);
    cr_expect(fixture.pool.count == 1);
    cr_expect(atomic_load(&fixture.pool.counters.limited[LIMIT_ID_event_pong_ms]) == 1);
    fixture_fini(&fixture);
    close(lives.client);
    close(hangs.client);
}

Test(event_session, the_client_closes)
{
    struct fixture fixture;
    fixture_init(&fixture);
    struct listener socket = fixture_websocket(&fixture, "a.example");
    fixture_pass_over(&fixture, socket);
    fixture_say(&fixture, socket, SLICE("\x88\x82\0\0\0\0\x03\xe8"));
    fixture_expect_received(&fixture, socket, SLICE("\x88\x02\x03\xe8"), true);
    cr_expect(fixture.pool.count == 1); /* its end is waited for */
    fixture_release(&fixture, "a.example", "1");
    fixture_run(&fixture);
    fixture_wait_ms(&fixture, EVENT_CLOSE_MS);
    cr_expect(fixture.pool.count == 0);
    fixture_fini(&fixture);
    close(socket.client);
}

Test(event_session, who_breaks_the_protocol_is_told_why)
{
    struct fixture fixture;
    fixture_init(&fixture);
    struct listener socket = fixture_websocket(&fixture, "a.example");
    fixture_pass_over(&fixture, socket);
    fixture_say(&fixture, socket, SLICE("\x81\x01x")); /* no mask */
    bool has_ended;
    struct slice got = fixture_received(&fixture, socket, &has_ended);
    cr_expect(slice_starts_with(got, SLICE("\x88")) && got.count > 4 && has_ended);
    cr_expect(slice_starts_with(slice_after(got, 2), SLICE("\x03\xea")));
    fixture_say(&fixture, socket, SLICE("more"));
    close(socket.client);
    fixture_run(&fixture);
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
    struct listener polite = fixture_websocket(&fixture, "a.example");
    struct listener rude = fixture_websocket(&fixture, "a.example");
    struct listener events = fixture_stream(&fixture, "a.example");
    fixture_pass_over(&fixture, polite);
    fixture_pass_over(&fixture, rude);
    fixture_pass_over(&fixture, events);
    end_all(&fixture);
    fixture_expect_received(&fixture, polite, SLICE("\x88\x02\x03\xf4"), false);
    fixture_expect_received(&fixture, rude, SLICE("\x88\x02\x03\xf4"), false);
    fixture_expect_received(&fixture, events, SLICE(""), true);
    fixture_say(&fixture, polite, SLICE("\x88\x82\0\0\0\0\x03\xf4"));
    fixture_expect_received(&fixture, polite, SLICE(""), true);
    close(polite.client);
    close(events.client);
    fixture_run(&fixture);
    cr_expect(fixture.pool.count == 1);
    fixture_wait_ms(&fixture, EVENT_CLOSE_MS);
    fixture_expect_received(&fixture, rude, SLICE(""), true);
    cr_expect(fixture.pool.count == 0);
    fixture_fini(&fixture);
    close(rude.client);
}

/* The Close comes behind the message that is under way, and those behind that are not said. */
Test(event_session, the_server_ends_in_the_middle_of_a_message)
{
    struct fixture fixture;
    fixture_init(&fixture);
    char *text = fixture_long_text();
    struct listener slow = fixture_websocket(&fixture, "a.example");
    fixture_pass_over(&fixture, slow);
    fixture_release(&fixture, "a.example", text);
    fixture_release(&fixture, "a.example", "2");
    fixture_run(&fixture);
    event_session_end(&fixture.pool, slow.conn, WS_CODE_GOING_AWAY);
    struct slice all = fixture_taken(&fixture, slow);
    cr_assert(all.count == 10 + strlen(text) + 4, "%zu", all.count);
    cr_expect(memcmp(all.bytes + 10 + strlen(text), "\x88\x02\x03\xe9", 4) == 0);
    free(text);
    fixture_fini(&fixture);
    close(slow.client);
}
