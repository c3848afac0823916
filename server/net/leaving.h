/* Connections that leave a worker through the door to the thread of events: the answer to their
 * request makes something else of them. Worker's thread. */
#ifndef CAIRN_NET_LEAVING_H
#define CAIRN_NET_LEAVING_H

#include "net/turn.h"

/* Gets a place behind the door for the connection whose answer is turn->leaving.response, and makes
 * ready what goes with it; for as long as turn->batch, which is empty, is not used. False: there is
 * none, and that response is the answer now. */
bool leaving_reserve(struct turn *turn);

/* Gives the connection away with that place. `input` begins with its request. */
void leaving_go(struct turn *turn, struct conn *conn, struct slice input);

#endif
