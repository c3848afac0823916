/* The responses that one worker is about to write to one connection: heads in a text buffer, bodies
 * as slices of mappings, gathered so that pipelined requests are answered with as few writes as
 * possible. A worker has one batch and uses it anew for every connection. What a full socket leaves
 * unwritten is told per response: those not started are thrown away and made again when there
 * is room (respond() is pure), so a slow client costs no buffer. */
#ifndef CAIRN_NET_BATCH_H
#define CAIRN_NET_BATCH_H

#include "http/h1_write.h"
#include "net/conn.h"

#include <sys/uio.h>

/* Where a response of the batch lies, and what follows it. */
struct batch_response {
    size_t input_bytes; /* of the connection's input, this request and those before it */
    size_t text_at;
    size_t text_bytes;
    const uint8_t *body; /* in the mapping; NULL: none, or it goes by sendfile */
    size_t body_bytes;
    struct site *site; /* of the body; borrowed for the turn */
    uint64_t body_offset;
    uint64_t file_bytes;      /* to be sent by sendfile behind it: only the last response has any */
    struct conn_parts *parts; /* the same, of several parts; the batch's, NULL: none */
    uint64_t announced_bytes; /* of the body */
    const struct site_stack *stack; /* of the response, as are these */
    const struct site *origin;
    enum codec codec; /* CODEC_COUNT: there is no representation */
    unsigned status;
    bool keep_alive;
};

struct batch {
    bool is_paced; /* the sockets are: set once */
    size_t response_count;
    size_t text_bytes;
    size_t body_bytes;
    bool is_full; /* or its last response ends the connection, or goes by sendfile */
    struct batch_response responses[BATCH_RESPONSES_MAX];
    struct iovec pieces[2 * BATCH_RESPONSES_MAX];
    char text[2 * RESPONSE_HEAD_BYTES_MAX];
};

/* Does a body of this length go by sendfile, or is it copied? */
bool batch_sends_file(uint64_t body_bytes, bool is_paced);

/* Empties it; parts that nobody took are freed. */
void batch_clear(struct batch *batch);

/* Appends a response to the request that ends at `input_bytes` of the input. False if there is no
 * room: write what is there first. An empty batch has room for any response that fits
 * RESPONSE_HEAD_BYTES_MAX; false then means that this one does not. */
bool batch_add(struct batch *batch, const struct response *response,
               const struct head_common *common, size_t input_bytes);

/* Takes back all but the first `count` responses. */
void batch_trim(struct batch *batch, size_t count);

/* The pieces to write, in order; returns how many. */
size_t batch_pieces(struct batch *batch);

#endif
