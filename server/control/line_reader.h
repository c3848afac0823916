/* Command lines out of a stream of bytes, fed in any pieces. No I/O; one reader per channel. A line
 * ends with LF or CRLF. docs/control.md. */
#ifndef CAIRN_SERVER_LINE_READER_H
#define CAIRN_SERVER_LINE_READER_H

#include "common/slice.h"
#include "http/limits.h"

enum line_event {
    LINE_MORE,       /* the input is used up */
    LINE_READY,      /* *out_line, valid until the next call; never empty */
    LINE_TOO_LONG,   /* longer than CONTROL_LINE_BYTES_MAX: told once, the rest is skipped */
    LINE_BINARY,     /* it has control characters */
    LINE_UNFINISHED, /* the stream ended before the line did: it is not carried out */
};

struct line_reader {
    size_t count;
    bool is_skipping;
    char bytes[CONTROL_LINE_BYTES_MAX];
};

/* Takes bytes off *input up to the next event. Call until LINE_MORE. */
enum line_event line_reader_take(struct line_reader *reader, struct slice *input,
                                 struct slice *out_line);

/* Has a line begun that has not ended yet? */
static inline bool line_reader_has_part(const struct line_reader *reader)
{
    return reader->count > 0 || reader->is_skipping;
}

/* The stream has ended: LINE_UNFINISHED or LINE_MORE (nothing was left). Starts anew. */
enum line_event line_reader_end(struct line_reader *reader);

#endif
