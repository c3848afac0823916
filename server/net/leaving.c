#include "net/leaving.h"

#include "http/text_answer.h"
#include "net/limit_hit.h"

#include <stdlib.h>
#include <unistd.h>

/* A client that finds no place makes room for others, too. */
static bool refuse(struct turn *turn, unsigned status)
{
    struct response *response = &turn->leaving.response;
    response->sequel = SEQUEL_HTTP;
    response->keep_alive = false;
    text_answer(status, response);
    return false;
}

/* The process ends, and another one may be there already: a stream that is over at once, for which
 * an EventSource comes back; a 503 would be its end (HTML Living Standard §9.2.3). */
static bool send_back(struct turn *turn)
{
    struct response *response = &turn->leaving.response;
    response->sequel = SEQUEL_HTTP;
    response->text = SLICE("retry: 1000\n\n");
    return false;
}

/* A stream's head is made here, as all heads are; a WebSocket's is made of its key. False: it is
 * longer than a head may be. */
static bool write_opening(struct turn *turn)
{
    const struct response *response = &turn->leaving.response;
    turn->leaving.opening = response->websocket_key;
    if (response->sequel == SEQUEL_EVENT_STREAM) {
        char *text = turn->batch.text;
        size_t count = h1_write_head(response, &turn->common, text, RESPONSE_HEAD_BYTES_MAX);
        turn->leaving.opening = (struct slice){text, count};
    }
    return turn->leaving.opening.count > 0;
}

bool leaving_reserve(struct turn *turn)
{
    if (!write_opening(turn)) {
        return refuse(turn, 500);
    }
    enum event_door_answer answer = event_door_reserve(turn->events);
    if (answer == DOOR_FULL) {
        limit_hit(turn, LIMIT_ID_event_listeners);
    }
    if (answer == DOOR_CLOSED && turn->leaving.response.sequel == SEQUEL_EVENT_STREAM) {
        return send_back(turn);
    }
    return answer == DOOR_OPEN || refuse(turn, 503);
}

void leaving_go(struct turn *turn, struct conn *conn, struct slice input)
{
    char name[HOST_NAME_BYTES_MAX];
    struct event_visitor *visitor =
        event_visitor_new(host_name(turn->request.host, name), turn->leaving.opening,
                          slice_after(input, turn->leaving.input_bytes));
    visitor->address = conn->address;
    visitor->is_stream = turn->leaving.response.sequel == SEQUEL_EVENT_STREAM;
    if (turn->clock.is_on) {
        exchange_given_away(turn, conn, input, turn->leaving.response.status);
    }
    counter_add(&turn->counters.requests, 1);
    visitor->fd = conn_give_away(&turn->conns, conn);
    if (!event_door_enter(turn->events, visitor)) {
        close(visitor->fd);
        admission_leave(turn->conns.admission, &visitor->address);
        event_door_leave(turn->events);
        free(visitor);
    }
}
