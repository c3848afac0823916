/* The answer at the path where browsers hear of releases: a WebSocket (RFC 6455), or the same as
 * text/event-stream (HTML Living Standard §9.2), and who gets neither. Pure. docs/events.md. */
#ifndef CAIRN_HTTP_EVENT_ANSWER_H
#define CAIRN_HTTP_EVENT_ANSWER_H

#include "http/message.h"
#include "http/origin.h"

/* Where it is, and for whom. */
struct event_endpoint {
    struct slice path; /* canonical */
    struct origin_list origins;
};

/* Answers a GET or HEAD of that path. Whose origin is not let in: 403. A GET that asks for a
 * WebSocket gets it, or what ws_handshake() refuses it with; one that accepts text/event-stream
 * gets that, and its connection ends with it, for it has no length (RFC 9112 §6.3). All others are
 * told what there is: 426. `lines` is the caller's, as long as the response is in use. */
void event_answer(const struct event_endpoint *endpoint, const struct request *request, char *lines,
                  size_t capacity, struct response *response);

#endif
