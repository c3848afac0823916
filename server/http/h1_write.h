/* Writes response heads. Stored fields are copied as they are; nothing is formatted per request but
 * what no pack can know: the status line and Date, which are kept ready for a second. */
#ifndef CAIRN_HTTP_H1_WRITE_H
#define CAIRN_HTTP_H1_WRITE_H

#include "common/http_date.h"
#include "http/message.h"

/* The Date field line of the current second. One per worker. */
struct date_line {
    int64_t seconds;                     /* what `bytes` says; start with -1 */
    char bytes[6 + HTTP_DATE_BYTES + 2]; /* "Date: ...\r\n" */
};

/* What is the same in all responses of a worker for a second. */
struct head_common {
    struct date_line date;
    struct slice added; /* field lines that each response gets which has none of that name */
};

/* Renews the line if the second has changed. */
void date_line_set(struct date_line *date, int64_t seconds);

/* Writes status line, fields, and the empty line; then response->text, if the response has a body
 * and no stored one. Returns the length, 0 if it needs more than `capacity`. */
size_t h1_write_head(const struct response *response, const struct head_common *common,
                     char *buffer, size_t capacity);

#endif
