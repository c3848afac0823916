/* All HTTP policy: which answer a request gets. Pure: no I/O, no clock, no allocation; the response
 * is slices of the release that the list holds. */
#ifndef CAIRN_HTTP_RESPOND_H
#define CAIRN_HTTP_RESPOND_H

#include "common/path.h"
#include "http/event_answer.h"
#include "http/message.h"
#include "http/route.h"

/* What a response needs besides slices of the release. The caller's; in use until the response is
 * written. */
struct response_scratch {
    char lines[384];                     /* its own field lines */
    char target[ROUTE_TARGET_BYTES_MAX]; /* a rule's, expanded */
    char rules_path[PATH_BYTES_MAX];
    char cross_origin[2048]; /* what is repeated in the answer to OPTIONS */
    char type[1024];         /* the parts' */
    struct multipart multipart;
};

/* What an answer depends on besides the request. */
struct respond_context {
    const struct site_list *sites;
    const struct limits *limits;
    const struct event_endpoint *events; /* NULL: there is none */
    int64_t now_s;                       /* Unix time */
    struct response_scratch *scratch;
};

/* What of a response follows from the form of its request: whether the connection stays open, and
 * whether there is a body. */
void respond_init(const struct request *request, struct response *out_response);

/* Answers a parsed request. Everything in *out_response is valid as long as the list is in use, the
 * request stays, and the scratch is not used again. */
void respond(const struct respond_context *context, const struct request *request,
             struct response *out_response);

/* The answer to bytes that are no request: `status` from h1_parse(). The connection ends. */
void respond_bad(unsigned status, struct response *out_response);

#endif
