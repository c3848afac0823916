/* Dates as HTTP sends them (IMF-fixdate, RFC 9110 §5.6.7): "Sun, 06 Nov 1994 08:49:37 GMT".
 * The packer writes them into response heads, the server into every response. Pure functions. */
#ifndef CAIRN_COMMON_HTTP_DATE_H
#define CAIRN_COMMON_HTTP_DATE_H

#include "common/slice.h"

enum { HTTP_DATE_BYTES = 29 };

/* The years that an IMF-fixdate can tell: 0000 to 9999. Years before 1970 are not needed here. */
#define HTTP_DATE_SECONDS_MAX INT64_C(253402300799)

/* Writes HTTP_DATE_BYTES bytes, without NUL. `seconds` since 1970 is clamped to 0 .. the maximum.
 */
void http_date_format(int64_t seconds, char *buffer);

/* Reads any of the three forms that a recipient has to understand (RFC 9110 §5.6.7): IMF-fixdate,
 * that of RFC 850, whose year has two digits and is taken as at most 50 years after `now_s`, and
 * that of C's asctime(). False if it is anything else, a day that does not exist, or the wrong day
 * of the week. Seconds since 1970, negative before. */
bool http_date_parse(struct slice text, int64_t now_s, int64_t *out_seconds);

#endif
