/* All HTTP policy: which answer a request gets. Pure: no I/O, no clock, no allocation; the response
 * is slices of the release that the list holds. */
#ifndef CAIRN_HTTP_RESPOND_H
#define CAIRN_HTTP_RESPOND_H

#include "http/message.h"

/* Answers a parsed request. Everything in *out_response is valid as long as the list is in use, the
 * request stays, and `scratch` (RESPONSE_SCRATCH_BYTES) is not used again. */
void respond(const struct site_list *sites, const struct request *request, char *scratch,
             struct response *out_response);

/* The answer to bytes that are no request: `status` from h1_parse(). The connection ends. */
void respond_bad(unsigned status, struct response *out_response);

#endif
