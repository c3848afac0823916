/* Listeners that take what they are told slowly, or not at all: who is cut off, what is kept for
 * them, and what the others notice of that. */
#include "event_fixture.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define PING "\x89\x80" /* of a client: with a mask, here of zeros */

Test(event_slowness, who_takes_nothing_is_cut_off_and_the_others_do_not_notice)
{
    struct fixture fixture;
    fixture_init(&fixture);
    char *text = fixture_long_text();
    struct listener stuck = fixture_websocket(&fixture, "a.example");
    struct listener slow = fixture_websocket(&fixture, "a.example");
    fixture_pass_over(&fixture, stuck);
    fixture_pass_over(&fixture, slow);
    fixture_release(&fixture, "a.example", text);
    fixture_run(&fixture);
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
        fixture_wait_ms(&fixture, fixture.limits.event_stall_ms / 2);
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
Test(event_slowness, a_slow_one_gets_all_in_order)
{
    struct fixture fixture;
    fixture_init(&fixture);
    char *text = fixture_long_text();
    struct listener slow = fixture_slow(&fixture, text);
    fixture_release(&fixture, "", "not for it");
    fixture_release(&fixture, "a.example", "2");
    fixture_run(&fixture);
    fixture_say(&fixture, slow, SLICE(PING "\0\0\0\0"));
    struct slice all = fixture_taken(&fixture, slow);
    cr_assert(all.count == 10 + strlen(text) + 2 + 3, "%zu", all.count);
    cr_expect(memcmp(all.bytes + 10, text, strlen(text)) == 0);
    cr_expect(memcmp(all.bytes + 10 + strlen(text), "\x8a\x00\x81\x01\x32", 5) == 0);
    cr_expect(slow.conn->delivery == NULL && slow.conn->unsent == NULL);
    free(text);
    fixture_fini(&fixture);
    close(slow.client);
}

Test(event_slowness, whom_releases_outrun_is_cut_off)
{
    struct fixture fixture;
    fixture_init(&fixture);
    char *text = fixture_long_text();
    struct listener slow = fixture_websocket(&fixture, "a.example");
    struct listener quick = fixture_websocket(&fixture, "a.example");
    fixture_pass_over(&fixture, slow);
    fixture_pass_over(&fixture, quick);
    fixture_release(&fixture, "a.example", text);
    fixture_run(&fixture);
    for (int i = 0; i <= EVENT_BEHIND_MAX; i++) {
        cr_expect(fixture.pool.count == 2, "after %d", i);
        fixture_release(&fixture, "a.example", "1");
        (void)fixture_taken(&fixture, quick);
        fixture_run(&fixture);
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
Test(event_slowness, whom_releases_of_others_pass_stays)
{
    struct fixture fixture;
    fixture_init(&fixture);
    char *text = fixture_long_text();
    struct listener slow = fixture_slow(&fixture, text);
    for (int i = 0; i <= EVENT_BEHIND_MAX; i++) {
        fixture_release(&fixture, ".b.example", "1");
    }
    fixture_release(&fixture, "a.example", "2");
    fixture_run(&fixture);
    cr_assert(fixture.pool.count == 1);
    free(text);
    fixture_fini(&fixture);
    close(slow.client);
}

/* Whatever is told to whomever: one that takes a little of an old message now and then does not
 * keep all of that. */
Test(event_slowness, what_is_kept_for_a_slow_one_is_bounded)
{
    struct fixture fixture;
    fixture_init(&fixture);
    char *text = fixture_long_text();
    size_t told = 0;
    struct listener slow = fixture_slow(&fixture, text);
    while (told <= EVENT_BEHIND_BYTES_MAX) {
        cr_assert(fixture.pool.count == 1, "after %zu bytes", told);
        fixture_release(&fixture, ".b.example", text);
        told += 3 * strlen(text); /* as it is, as a frame, as an event of a stream */
    }
    fixture_pass_over(&fixture, slow); /* a part of the first message */
    fixture_run(&fixture);
    cr_expect(fixture.pool.count == 0);
    cr_expect(atomic_load(&fixture.pool.counters.limited[LIMIT_ID_event_stall_ms]) == 1);
    free(text);
    fixture_fini(&fixture);
    close(slow.client);
}

/* Of many hosts that a message does not concern, so many are looked at at once and no more. */
Test(event_slowness, a_turn_looks_at_so_many_hosts)
{
    static const char *const hosts[] = {"a.example", "1.example", "2.example", "3.example"};
    struct fixture fixture;
    fixture_init(&fixture);
    struct listener listeners[ARRAY_COUNT(hosts)];
    for (size_t i = 0; i < ARRAY_COUNT(hosts); i++) { /* the newest is looked at first */
        listeners[i] = fixture_websocket(&fixture, hosts[i]);
        fixture_pass_over(&fixture, listeners[i]);
    }
    fixture_release(&fixture, "a.example", "1");
    fixture_release(&fixture, ".b.example", "2"); /* nobody's */
    int looks = 3;
    cr_expect(event_pool_next_to_tell(&fixture.pool, &looks) == NULL && looks == 0);
    cr_expect(fixture.pool.saying != NULL);
    looks = 3;
    struct event_conn *told = event_pool_next_to_tell(&fixture.pool, &looks);
    cr_assert(told == listeners[0].conn);
    event_session_tell(&fixture.pool, told);
    cr_expect(event_pool_next_to_tell(&fixture.pool, &looks) == NULL && looks == 0);
    cr_expect(fixture.pool.saying != NULL);
    fixture_run(&fixture);
    cr_expect(fixture.pool.saying == NULL);
    fixture_expect_received(&fixture, listeners[0], SLICE("\x81\x01\x31"), false);
    fixture_fini(&fixture);
    for (size_t i = 0; i < ARRAY_COUNT(hosts); i++) {
        close(listeners[i].client);
    }
}

/* A client that pings and does not read is not collected answers for. */
Test(event_slowness, what_waits_for_one_listener_is_bounded)
{
    struct fixture fixture;
    fixture_init(&fixture);
    char *text = fixture_long_text();
    struct listener socket = fixture_slow(&fixture, text);
    for (int i = 0; i < 1000; i++) {
        fixture_say(&fixture, socket, SLICE("\x89\x84\0\0\0\0ping"));
    }
    cr_assert(socket.conn->unsent != NULL);
    cr_expect(socket.conn->unsent->end <= EVENT_UNSENT_BYTES + WS_CONTROL_FRAME_BYTES_MAX);
    free(text);
    fixture_fini(&fixture);
    close(socket.client);
}
