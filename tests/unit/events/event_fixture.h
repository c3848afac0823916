/* Listeners on ends of socket pairs, with the clock in the test's hand, and what the loop of their
 * thread does between two steps of the test. What goes wrong aborts the test. */
#ifndef CAIRN_TESTS_EVENT_FIXTURE_H
#define CAIRN_TESTS_EVENT_FIXTURE_H

#include "events/event_session.h"

enum { START_MS = 1000000, OUTPUT_BYTES = 1 << 20 };

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

void fixture_init(struct fixture *fixture);

/* Whatever the test did, nothing is left over: no place, no message. */
void fixture_fini(struct fixture *fixture);

/* One more of this host; `input` has come with its request. Its socket takes few bytes at once. */
struct listener fixture_come_in(struct fixture *fixture, const char *host, bool is_stream,
                                struct slice input);
struct listener fixture_websocket(struct fixture *fixture, const char *host);
struct listener fixture_stream(struct fixture *fixture, const char *host);

/* All that has come, in the fixture's output, as far as there is room for it. Has the connection
 * ended? *out_ended. */
struct slice fixture_received(struct fixture *fixture, struct listener listener, bool *out_ended);

/* That this has come, and no more. */
void fixture_expect_received(struct fixture *fixture, struct listener listener, struct slice wanted,
                             bool is_end_wanted);

/* What has come does not matter; it has not ended. */
void fixture_pass_over(struct fixture *fixture, struct listener listener);

/* Who is told next what is being said; NULL: nobody. */
struct event_conn *fixture_next_to_tell(struct fixture *fixture);

/* What the loop does, until nothing is left to be done. */
void fixture_run(struct fixture *fixture);

/* The same when so much time has passed. */
void fixture_wait_ms(struct fixture *fixture, uint64_t ms);

/* A release of a host is to be said in this text: one of "a.example", ".b.example" and "". */
void fixture_release(struct fixture *fixture, const char *host, const char *text);

/* A listener's client says this, and the loop goes on. */
void fixture_say(struct fixture *fixture, struct listener listener, struct slice bytes);

/* All that comes while the loop goes on, in the fixture's output. */
struct slice fixture_taken(struct fixture *fixture, struct listener listener);

/* A WebSocket of "a.example" that has taken a part of this text, which is long, and no more. */
struct listener fixture_slow(struct fixture *fixture, const char *text);

/* Longer than what sockets take at once; the caller frees. */
char *fixture_long_text(void);

#endif
