/* The body of a request: where it ends (RFC 9112 §6.3, §7.1). Files take no bodies, so the bytes
 * are dropped; what matters is that the next request begins where the client thinks it does. Bytes
 * may come in any pieces; the state is this struct and nothing else. No allocation. */
#ifndef CAIRN_HTTP_H1_BODY_H
#define CAIRN_HTTP_H1_BODY_H

#include "http/h1_parse.h"

struct h1_body {
    uint64_t left;    /* of the body, or of the chunk */
    uint64_t data;    /* bytes dropped so far */
    uint64_t framing; /* and bytes around them */
    uint64_t bytes_max;
    uint8_t step;   /* of the chunked coding */
    uint8_t digits; /* of the chunk's size */
    bool is_chunked;
};

/* For a request with a body (request->body is not BODY_NONE). `bytes_max`: what may be dropped. */
void h1_body_init(struct h1_body *body, const struct request *request, uint64_t bytes_max);

/* Goes through the input. H1_OK: the body ends after the first *out_used bytes. H1_MORE: all of the
 * input belongs to it. H1_BAD: *out_status (400 for wrong framing, 413 for too much), and nothing
 * behind can be understood. */
enum h1_result h1_body_skip(struct h1_body *body, struct slice input, size_t *out_used,
                            unsigned *out_status);

#endif
