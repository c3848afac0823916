#include "server/control/line_reader.h"

static bool is_binary(struct slice line)
{
    for (size_t i = 0; i < line.count; i++) {
        unsigned char byte = (unsigned char)line.bytes[i];
        if ((byte < 0x20 && byte != '\t') || byte == 0x7f) {
            return true;
        }
    }
    return false;
}

static bool is_blank(struct slice line)
{
    for (size_t i = 0; i < line.count; i++) {
        if (line.bytes[i] != ' ' && line.bytes[i] != '\t') {
            return false;
        }
    }
    return true;
}

/* The line in the buffer is whole. */
static enum line_event end_line(struct line_reader *reader, struct slice *out_line)
{
    struct slice line = {reader->bytes, reader->count};
    bool was_skipping = reader->is_skipping;
    reader->count = 0;
    reader->is_skipping = false;
    if (line.count > 0 && line.bytes[line.count - 1] == '\r') {
        line.count--;
    }
    if (was_skipping || is_blank(line)) {
        return LINE_MORE;
    }
    *out_line = line;
    return is_binary(line) ? LINE_BINARY : LINE_READY;
}

enum line_event line_reader_take(struct line_reader *reader, struct slice *input,
                                 struct slice *out_line)
{
    while (input->count > 0) {
        const char *end = memchr(input->bytes, '\n', input->count);
        size_t count = end == NULL ? input->count : (size_t)(end - input->bytes);
        if (!reader->is_skipping && count > sizeof reader->bytes - reader->count) {
            reader->is_skipping = true; /* the line's end is looked for by the next call */
            reader->count = 0;
            return LINE_TOO_LONG;
        }
        if (!reader->is_skipping) {
            memcpy(reader->bytes + reader->count, input->bytes, count);
            reader->count += count;
        }
        *input = slice_after(*input, count + (end != NULL));
        if (end != NULL) {
            enum line_event event = end_line(reader, out_line);
            if (event != LINE_MORE) {
                return event;
            }
        }
    }
    return LINE_MORE;
}

enum line_event line_reader_end(struct line_reader *reader)
{
    bool is_unfinished =
        !reader->is_skipping && !is_blank((struct slice){reader->bytes, reader->count});
    reader->count = 0;
    reader->is_skipping = false;
    return is_unfinished ? LINE_UNFINISHED : LINE_MORE;
}
