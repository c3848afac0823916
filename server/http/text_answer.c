#include "http/text_answer.h"

#include "http/ws_handshake.h"

struct status_text {
    unsigned status;
    struct slice text;   /* the body of an answer that has no page */
    struct slice fields; /* and its fields */
};

/* Errors are not to be kept: what is missing now may be there in the next release. */
#define TEXT_FIELDS(length)                                                                        \
    "Content-Type: text/plain; charset=utf-8\r\nX-Content-Type-Options: nosniff\r\n"               \
    "Content-Length: " length "\r\nCache-Control: no-store\r\n"

static const struct status_text internal_error = {
    500, {"500 Internal Server Error\n", 26}, SLICE(TEXT_FIELDS("26"))};

static const struct status_text status_texts[] = {
    {400, {"400 Bad Request\n", 16}, SLICE(TEXT_FIELDS("16"))},
    {403, {"403 Forbidden\n", 14}, SLICE(TEXT_FIELDS("14"))},
    {404, {"404 Not Found\n", 14}, SLICE(TEXT_FIELDS("14"))},
    {405, {"405 Method Not Allowed\n", 23}, SLICE(TEXT_FIELDS("23") ALLOW_FIELD)},
    {408, {"408 Request Timeout\n", 20}, SLICE(TEXT_FIELDS("20"))},
    {410, {"410 Gone\n", 9}, SLICE(TEXT_FIELDS("9"))},
    {412, {"412 Precondition Failed\n", 24}, SLICE(TEXT_FIELDS("24"))},
    {413, {"413 Content Too Large\n", 22}, SLICE(TEXT_FIELDS("22"))},
    {414, {"414 URI Too Long\n", 17}, SLICE(TEXT_FIELDS("17"))},
    {416, {"416 Range Not Satisfiable\n", 26}, SLICE(TEXT_FIELDS("26"))},
    {417, {"417 Expectation Failed\n", 23}, SLICE(TEXT_FIELDS("23"))},
    {421, {"421 Misdirected Request\n", 24}, SLICE(TEXT_FIELDS("24"))},
    {426, {"426 Upgrade Required\n", 21}, SLICE(TEXT_FIELDS("21") WS_REQUIRED_FIELDS)},
    {431, {"431 Request Header Fields Too Large\n", 36}, SLICE(TEXT_FIELDS("36"))},
    {501, {"501 Not Implemented\n", 20}, SLICE(TEXT_FIELDS("20"))},
    {503, {"503 Service Unavailable\n", 24}, SLICE(TEXT_FIELDS("24") "Retry-After: 1\r\n")},
    {505, {"505 HTTP Version Not Supported\n", 31}, SLICE(TEXT_FIELDS("31"))},
};

void text_answer(unsigned status, struct response *response)
{
    const struct status_text *found = &internal_error;
    for (size_t i = 0; i < ARRAY_COUNT(status_texts); i++) {
        if (status_texts[i].status == status) {
            found = &status_texts[i];
        }
    }
    response->status = found->status;
    memset(response->fields, 0, sizeof response->fields);
    response->fields[0] = found->fields;
    response->text = found->text;
    response->site = NULL;
}
