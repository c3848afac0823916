/* Which content coding a client gets: Accept-Encoding (RFC 9110 §12.5.3). Pure, no allocation. */
#ifndef CAIRN_HTTP_ACCEPT_H
#define CAIRN_HTTP_ACCEPT_H

#include "common/format.h"
#include "common/slice.h"

/* A qvalue (§12.4.2) in thousandths: "0" or "1", a point, up to three digits; at most 1. Negative:
 * it is none. */
int16_t accept_quality(struct slice text);

/* What the field lines of one request say so far. Qualities in thousandths; negative: not listed.
 */
struct accept_encoding {
    int16_t quality[CODEC_COUNT];
    int16_t any; /* of "*" */
};

void accept_encoding_init(struct accept_encoding *accepted);

/* Takes one field line's value; several lines are one list. Names compare without case, "x-gzip" is
 * gzip (§8.4.1.3), a coding that is named twice has the higher quality. A member that is not well
 * formed is passed over, as are codings that are not known here. */
void accept_encoding_add(struct accept_encoding *accepted, struct slice value);

/* The form to send, of those that have a size (UINT64_MAX: not there; identity always is): the
 * highest quality, then the smallest size, then br, zstd, gzip. If the client refuses all there
 * are, identity, which §12.5.3 allows. */
enum codec accept_encoding_select(const struct accept_encoding *accepted,
                                  const uint64_t sizes[CODEC_COUNT]);

#endif
