/* The lines of the access log: the Combined Log Format that Apache's httpd made common, and JSON
 * (RFC 8259), an object for each line. docs/logging.md has the fields. Nothing that a client sends
 * can end a field or a line: what is written is ASCII without control characters. */
#ifndef CAIRN_NET_ACCESS_LINE_H
#define CAIRN_NET_ACCESS_LINE_H

#include "net/exchange.h"

enum access_format { ACCESS_COMBINED, ACCESS_JSON };

/* The buffer of one worker, which grows to what its longest line needs: a few times the longest
 * request head. */
struct access_line {
    char *bytes;
    size_t count;
    size_t capacity;
    int64_t second; /* Unix time that `time` tells; start with -1 */
    char time[32];
};

void access_line_init(struct access_line *line);
void access_line_fini(struct access_line *line);

/* Makes the line of an exchange, '\n' included. Valid until the next one. */
struct slice access_line_make(struct access_line *line, enum access_format format,
                              const struct exchange *exchange);

#endif
