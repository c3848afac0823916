/* What is said on a listener's connection, by a WebSocket's rules or as a stream of events, and
 * what is made of what the client says: a WebSocket's messages are checked and dropped, its pings
 * answered. Never blocks, and does a bounded amount of work each time. The thread of events. */
#ifndef CAIRN_EVENTS_EVENT_SESSION_H
#define CAIRN_EVENTS_EVENT_SESSION_H

#include "common/sha1.h"
#include "events/event_pool.h"

/* The first words to a listener that was just opened: the head of its answer (of a WebSocket, by
 * the visitor's key), and `hello`, one line of JSON with the host's state. Then acts upon what came
 * behind its request. */
void event_session_begin(struct event_pool *pool, struct event_conn *conn, struct sha1 *sha1,
                         const struct event_visitor *visitor, struct slice hello,
                         const char *state);

/* Acts upon what epoll said; does nothing if it was closed earlier in the turn. */
void event_session_turn(struct event_pool *pool, struct event_conn *conn, uint32_t events);

/* Says pool->saying, unless it has, or knows, that already. One that is too far behind is cut off.
 */
void event_session_tell(struct event_pool *pool, struct event_conn *conn);

/* Its time is up: asks for a sign of life, or ends what gives none. */
void event_session_expired(struct event_pool *pool, struct event_conn *conn);

/* The server ends: a WebSocket gets a Close with this code, a stream its end. */
void event_session_end(struct event_pool *pool, struct event_conn *conn, enum ws_code code);

#endif
