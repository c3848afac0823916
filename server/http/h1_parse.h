/* The HTTP/1 request parser: bytes in, slices of them out. Strict where leniency would let two
 * parsers see two different messages (RFC 9112 §11.2). No state: it is called again with more
 * bytes. No allocation. */
#ifndef CAIRN_HTTP_H1_PARSE_H
#define CAIRN_HTTP_H1_PARSE_H

#include "http/message.h"

enum h1_result {
    H1_OK,   /* *out_request is complete; it uses the first out_request->head_bytes of the input */
    H1_MORE, /* a good beginning */
    H1_BAD,  /* *out_status is the answer, and the connection ends after it */
};

enum h1_result h1_parse(struct slice input, const struct limits *limits,
                        struct request *out_request, unsigned *out_status);

#endif
