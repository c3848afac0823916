/* Requests at the path of events as the parser reads them, and what each gets: a WebSocket, a
 * stream, or a word about what there is. */
#include "http/event_answer.h"

#include "http/h1_parse.h"
#include "http/respond.h"

#include <criterion/criterion.h>
#include <stdio.h>

#define GET    "GET /events HTTP/1.1\r\nHost: example.com\r\n"
#define HEAD   "HEAD /events HTTP/1.1\r\nHost: example.com\r\n"
#define SOCKET "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
#define KEY    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
#define STREAM "Accept: text/event-stream\r\n"
#define OWN    "Origin: https://example.com\r\n"
#define LISTED "Origin: https://app.example\r\n"
#define OTHER  "Origin: https://other.example\r\n"

static struct request request;

/* `head` without its empty line. */
static struct response answer(const char *head, char *lines, size_t capacity)
{
    static char text[4096];
    struct limits limits;
    struct response response;
    struct error error;
    struct event_endpoint endpoint = {.path = SLICE("/events")};
    limits_init(&limits);
    cr_assert(origin_list_add(&endpoint.origins, "https://app.example", &error) == 0);
    int bytes = snprintf(text, sizeof text, "%s\r\n", head);
    unsigned status = 0;
    cr_assert(h1_parse((struct slice){text, (size_t)bytes}, &limits, &request, &status) == H1_OK);
    respond_init(&request, &response);
    event_answer(&endpoint, &request, lines, capacity, &response);
    origin_list_fini(&endpoint.origins);
    return response;
}

static const struct {
    const char *head;
    unsigned status;
    enum response_sequel sequel;
    bool keep_alive;
} rows[] = {
    {GET SOCKET KEY, 101, SEQUEL_WEBSOCKET, true},
    {GET SOCKET KEY OWN, 101, SEQUEL_WEBSOCKET, true},
    {GET SOCKET KEY LISTED, 101, SEQUEL_WEBSOCKET, true},
    {GET SOCKET KEY OTHER, 403, SEQUEL_HTTP, true},
    {GET SOCKET KEY "Origin: null\r\n", 403, SEQUEL_HTTP, true},
    {GET SOCKET, 400, SEQUEL_HTTP, true},
    {GET "Upgrade: websocket\r\nConnection: Upgrade\r\n" KEY, 426, SEQUEL_HTTP, true},
    /* what is asked for by an upgrade goes before what is accepted */
    {GET SOCKET KEY STREAM, 101, SEQUEL_WEBSOCKET, true},
    {GET STREAM, 200, SEQUEL_EVENT_STREAM, false},
    {GET STREAM OWN, 200, SEQUEL_EVENT_STREAM, false},
    {GET STREAM OTHER, 403, SEQUEL_HTTP, true},
    {GET "Accept: text/html, Text/Event-Stream;q=0.5\r\n", 200, SEQUEL_EVENT_STREAM, false},
    {GET "Accept: text/html\r\nAccept: text/event-stream\r\n", 200, SEQUEL_EVENT_STREAM, false},
    {GET "Accept: text/event-stream;charset=utf-8;q=1\r\n", 200, SEQUEL_EVENT_STREAM, false},
    {"GET /events HTTP/1.0\r\nHost: example.com\r\n" STREAM, 200, SEQUEL_EVENT_STREAM, false},
    /* not accepted: by weight, and by what is not well formed */
    {GET "Accept: text/event-stream;q=0\r\n", 426, SEQUEL_HTTP, true},
    {GET "Accept: text/event-stream;q=0.000\r\n", 426, SEQUEL_HTTP, true},
    {GET "Accept: text/event-stream;q=x\r\n", 426, SEQUEL_HTTP, true},
    {GET "Accept: text/event-streams\r\n", 426, SEQUEL_HTTP, true},
    /* what takes anything does not ask for a body that never ends */
    {GET, 426, SEQUEL_HTTP, true},
    {GET "Accept: */*\r\n", 426, SEQUEL_HTTP, true},
    {GET "Accept: text/*\r\n", 426, SEQUEL_HTTP, true},
    /* only the head of it, and the connection goes on */
    {HEAD STREAM, 200, SEQUEL_HTTP, true},
    {HEAD, 426, SEQUEL_HTTP, true},
    {HEAD STREAM OTHER, 403, SEQUEL_HTTP, true},
};

Test(event_answer, each_request)
{
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        char lines[512];
        struct response response = answer(rows[i].head, lines, sizeof lines);
        cr_expect(response.status == rows[i].status, "%s: %u", rows[i].head, response.status);
        cr_expect(response.sequel == rows[i].sequel, "%s", rows[i].head);
        cr_expect(response.keep_alive == rows[i].keep_alive, "%s", rows[i].head);
        cr_expect((response.websocket_key.count > 0) == (rows[i].status == 101), "%s",
                  rows[i].head);
    }
}

/* Its page may read what it gets, and a cache keeps that for no other. */
Test(event_answer, an_origin_is_told_that_it_may_read)
{
    char lines[512];
    struct response response = answer(GET STREAM LISTED, lines, sizeof lines);
    cr_expect(
        slice_equal(response.fields[1], SLICE("Access-Control-Allow-Origin: https://app.example\r\n"
                                              "Vary: Origin\r\n")));
    response = answer(GET STREAM, lines, sizeof lines);
    cr_expect(response.fields[1].count == 0);
    response = answer(GET STREAM LISTED, lines, 40);
    cr_expect(response.fields[1].count == 0, "a line that does not fit is none");
}
