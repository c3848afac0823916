#include "http/event_answer.h"

#include "http/accept.h"
#include "http/text_answer.h"
#include "http/ws_handshake.h"

#include <stdio.h>

/* Nobody keeps it (a cache would wait for its end), and proxies hand on what has come: the last
 * field is nginx's, which others know as well. */
#define STREAM_FIELDS                                                                              \
    "Content-Type: text/event-stream\r\nX-Content-Type-Options: nosniff\r\n"                       \
    "Cache-Control: no-store\r\nX-Accel-Buffering: no\r\n"

/* The weight of a member of Accept (RFC 9110 §12.5.1), in thousandths; one that is not well formed
 * has none. */
static int weight_of(struct slice parameters)
{
    while (parameters.count > 0) {
        struct slice parameter = slice_trim(slice_take(&parameters, ';'));
        if (parameter.count > 2 && (parameter.bytes[0] | 0x20) == 'q' &&
            parameter.bytes[1] == '=') {
            int quality = accept_quality(slice_after(parameter, 2));
            return quality < 0 ? 0 : quality;
        }
    }
    return 1000;
}

static bool has_stream(struct slice accept)
{
    while (accept.count > 0) {
        struct slice member = slice_take(&accept, ',');
        struct slice type = slice_trim(slice_take(&member, ';'));
        if (slice_equal_ignoring_case(type, SLICE("text/event-stream")) && weight_of(member) > 0) {
            return true;
        }
    }
    return false;
}

/* By name: what takes anything does not ask for a body that never ends. */
static bool accepts_stream(const struct request *request)
{
    for (size_t i = 0; request_has(request, FIELD_ACCEPT) && i < request->field_count; i++) {
        if (request->fields[i].id == FIELD_ACCEPT && has_stream(request->fields[i].value)) {
            return true;
        }
    }
    return false;
}

/* The one origin, which has been let in: its page may read what it gets (WHATWG Fetch, CORS
 * check). */
static struct slice sharing_fields(const struct request *request, char *lines, size_t capacity)
{
    for (size_t i = 0; i < request->field_count; i++) {
        struct slice value = request->fields[i].value;
        if (slice_equal_ignoring_case(request->fields[i].name, SLICE("Origin"))) {
            int count =
                snprintf(lines, capacity, "Access-Control-Allow-Origin: %.*s\r\nVary: Origin\r\n",
                         (int)value.count, value.bytes);
            bool fits = count > 0 && (size_t)count < capacity;
            return (struct slice){lines, fits ? (size_t)count : 0};
        }
    }
    return SLICE("");
}

void event_answer(const struct event_endpoint *endpoint, const struct request *request, char *lines,
                  size_t capacity, struct response *response)
{
    bool is_get = request->method == METHOD_GET;
    if (!origin_is_allowed(request, &endpoint->origins)) {
        text_answer(403, response);
    } else if (is_get && ws_is_asked_for(request)) {
        struct slice key;
        unsigned status = ws_handshake(request, &key);
        if (status == 101) {
            response->status = status;
            response->websocket_key = key;
            response->sequel = SEQUEL_WEBSOCKET;
        } else {
            text_answer(status, response);
        }
    } else if (accepts_stream(request)) {
        response->status = 200;
        response->fields[0] = SLICE(STREAM_FIELDS);
        response->fields[1] = sharing_fields(request, lines, capacity);
        response->keep_alive = response->keep_alive && !is_get;
        response->sequel = is_get ? SEQUEL_EVENT_STREAM : SEQUEL_HTTP;
    } else {
        text_answer(426, response);
    }
}
