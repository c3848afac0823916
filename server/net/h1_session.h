/* HTTP/1 on one connection: reads requests, answers them in batches, writes what the socket takes
 * and goes on when it takes more. Worker's thread. */
#ifndef CAIRN_NET_H1_SESSION_H
#define CAIRN_NET_H1_SESSION_H

#include "net/turn.h"

/* Begins with a new connection: answers what has come already, or watches for it. */
void h1_session_begin(struct turn *turn, struct conn *conn);

/* Acts upon what epoll said of the connection; does nothing if it was closed earlier in the turn.
 */
void h1_session_turn(struct turn *turn, struct conn *conn, uint32_t events);

/* What the connection waited for has been read from the disk. */
void h1_session_read(struct turn *turn, struct conn *conn);

/* The connection's time in its state is up: answers 408 where a request was begun (RFC 9110
 * §15.5.9), grants more time to what moves, closes the rest. */
void h1_session_expired(struct turn *turn, struct conn *conn);

#endif
