/* A body that is made of several pieces of a stored one, and the text around them:
 * multipart/byteranges (RFC 9110 §14.6), or a stored body that takes in an element
 * (http/live_reload.h). Pure functions. */
#ifndef CAIRN_HTTP_MULTIPART_H
#define CAIRN_HTTP_MULTIPART_H

#include "http/range.h"

enum { BOUNDARY_BYTES = 30, CONTENT_RANGE_BYTES_MAX = 96 };

/* The parts of one body. The ranges are of a representation of `length` bytes. */
struct multipart {
    struct slice inserted; /* the text between the ranges, and all that there is; borrowed for as
                              long as there are workers. Empty: they are parts of a multipart */
    uint64_t length;
    struct slice type; /* "Content-Type: ...\r\n" of the representation; may be empty */
    char boundary[BOUNDARY_BYTES];
    struct byte_ranges ranges; /* last, so that a copy can end with those that there are */
};

/* A boundary (RFC 2046 §5.1.1) from the representation's entity tag in quotes, 22 characters of its
 * hash: content that holds its own hash cannot be made. */
void multipart_set_boundary(struct multipart *multipart, struct slice etag);

/* Writes what stands before part `i`, or, for i = count, behind the last, and a NUL. Returns the
 * length without it, which is what it would be if that does not fit `capacity`. */
size_t multipart_text(const struct multipart *multipart, size_t i, char *out, size_t capacity);

/* The length of the whole body. */
uint64_t multipart_bytes(const struct multipart *multipart);

/* "Content-Range: bytes 0-9/100\r\n" (§14.4). Returns the length. */
size_t content_range_format(const struct byte_range *range, uint64_t length,
                            char out[CONTENT_RANGE_BYTES_MAX]);

/* The Content-Range line of a 416: of `length` bytes, none. Returns the length. */
size_t content_range_unsatisfied(uint64_t length, char out[CONTENT_RANGE_BYTES_MAX]);

#endif
