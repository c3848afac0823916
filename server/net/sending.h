/* Writes responses: a batch at once, and the rest of a response as the socket takes it. Worker's
 * thread. */
#ifndef CAIRN_NET_SENDING_H
#define CAIRN_NET_SENDING_H

#include "net/turn.h"

enum write_result {
    WRITE_DONE,
    WRITE_FULL,   /* the socket takes no more: go on when it does */
    WRITE_COLD,   /* what comes next is on a disk: go on when it was read (conn->read) */
    WRITE_FAILED, /* the client is gone, or the archive is not what it was */
};

/* Writes the batch. *out_input_bytes is how much of the input is answered: responses that were not
 * begun are not, and are made again. The one that the socket took a part of, or that goes by
 * sendfile, becomes the connection's own. */
enum write_result sending_batch(struct turn *turn, struct conn *conn, size_t *out_input_bytes);

/* Goes on with the connection's own response. */
enum write_result sending_rest(struct turn *turn, struct conn *conn);

#endif
