/* Control lines: the same lines come out of a stream however it is cut, and every line has a reply
 * of whole lines of text, the last of which says ok or error. Input: the stream; 0x1e and a byte
 * stand for so many of that byte that lines get too long. No index is found at the paths that it
 * can name. */
#include "fuzz.h"

#include "common/mem.h"
#include "server/control/command.h"
#include "server/control/line_reader.h"

/* ---- the stream ---- */

enum { REPEATED = 0x1e, REPEATS = 6000, REPEATED_MAX = 8 };

static char *expanded(struct slice input, size_t *out_count)
{
    char *stream = malloc(input.count + REPEATED_MAX * REPEATS);
    size_t count = 0;
    for (size_t i = 0, repeated = 0; i < input.count; i++) {
        size_t times = 1;
        if (input.bytes[i] == REPEATED && i + 1 < input.count && repeated < REPEATED_MAX) {
            times = REPEATS;
            repeated++;
            i++;
        }
        memset(stream + count, input.bytes[i], times);
        count += times;
    }
    *out_count = count;
    return stream;
}

/* ---- events ---- */

struct event {
    enum line_event what;
    char *line; /* of LINE_READY */
    size_t bytes;
};

struct events {
    struct event *at;
    size_t count, capacity;
};

static void add_event(struct events *events, enum line_event what, struct slice line)
{
    if (events->count == events->capacity) {
        events->capacity = mem_capacity(events->capacity, events->count + 1);
        events->at = mem_resize(events->at, events->capacity, sizeof *events->at);
    }
    bool has_line = what == LINE_READY;
    events->at[events->count++] =
        (struct event){what, has_line ? fuzz_copy(line) : NULL, has_line ? line.count : 0};
}

static void free_events(struct events *events)
{
    for (size_t i = 0; i < events->count; i++) {
        free(events->at[i].line);
    }
    free(events->at);
}

static bool same_events(const struct events *a, const struct events *b)
{
    bool is_same = a->count == b->count;
    for (size_t i = 0; is_same && i < a->count; i++) {
        is_same = a->at[i].what == b->at[i].what &&
                  slice_equal((struct slice){a->at[i].line, a->at[i].bytes},
                              (struct slice){b->at[i].line, b->at[i].bytes});
    }
    return is_same;
}

/* In pieces of that many bytes. */
static struct events read_events(struct slice stream, size_t piece_bytes)
{
    static struct line_reader reader;
    struct events events = {0};
    while (stream.count > 0) {
        struct slice piece = {stream.bytes,
                              stream.count < piece_bytes ? stream.count : piece_bytes};
        stream = slice_after(stream, piece.count);
        char *copy = fuzz_copy(piece);
        piece.bytes = copy;
        enum line_event what;
        struct slice line;
        while ((what = line_reader_take(&reader, &piece, &line)) != LINE_MORE) {
            add_event(&events, what, line);
        }
        FUZZ_CHECK(piece.count == 0);
        free(copy);
    }
    enum line_event end = line_reader_end(&reader);
    if (end != LINE_MORE) {
        add_event(&events, end, (struct slice){"", 0});
    }
    return events;
}

/* By docs/control.md: lines end with LF or CRLF, blank ones are nothing. */
static struct events slow_events(struct slice stream)
{
    struct events events = {0};
    while (stream.count > 0) {
        size_t before = stream.count;
        struct slice line = slice_take(&stream, '\n');
        bool has_end = line.count < before;
        bool is_too_long = line.count > CONTROL_LINE_BYTES_MAX;
        bool has_control = false;
        if (has_end && line.count > 0 && line.bytes[line.count - 1] == '\r') {
            line.count--;
        }
        for (size_t i = 0; i < line.count; i++) {
            has_control |= memchr("\t", line.bytes[i], 1) == NULL &&
                           ((unsigned char)line.bytes[i] < 0x20 || line.bytes[i] == 0x7f);
        }
        if (is_too_long) {
            add_event(&events, LINE_TOO_LONG, line);
        } else if (slice_trim(line).count > 0) {
            add_event(&events,
                      !has_end      ? LINE_UNFINISHED
                      : has_control ? LINE_BINARY
                                    : LINE_READY,
                      line);
        }
    }
    return events;
}

/* ---- replies ---- */

static void check_reply(const struct reply *reply)
{
    FUZZ_CHECK(reply->count > 0 && reply->text[reply->count - 1] == '\n');
    struct slice rest = {reply->text, reply->count - 1};
    struct slice last = rest;
    while (rest.count > 0) {
        last = slice_take(&rest, '\n');
        for (size_t i = 0; i < last.count; i++) {
            bool is_control = (unsigned char)last.bytes[i] < 0x20 || last.bytes[i] == 0x7f;
            FUZZ_CHECK(!is_control || last.bytes[i] == '\t');
        }
        bool is_end = slice_starts_with(last, SLICE("ok ")) ||
                      slice_starts_with(last, SLICE("error ")) || last.bytes[0] == '{';
        FUZZ_CHECK(rest.count == 0 ? is_end : !slice_starts_with(last, SLICE("ok ")));
    }
}

static void run_events(const struct events *events)
{
    struct publication publication;
    struct undertaker undertaker;
    publication_init(&publication);
    FUZZ_CHECK(undertaker_init(&undertaker, NULL) == 0);
    struct loader loader = {
        .publication = &publication, .undertaker = &undertaker, .retention = {4, 0}};
    struct command_context context = {.loader = &loader};
    for (size_t i = 0; i < events->count; i++) {
        struct reply reply = {0};
        if (events->at[i].what == LINE_READY) {
            command_run(&context, (struct slice){events->at[i].line, events->at[i].bytes}, &reply);
        } else {
            command_reject(events->at[i].what, &reply);
        }
        check_reply(&reply);
        free(reply.text);
    }
    publication_fini(&publication);
    undertaker_fini(&undertaker);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count)
{
    size_t stream_bytes;
    char *stream = expanded(fuzz_input(bytes, count), &stream_bytes);
    struct slice whole = {stream, stream_bytes};
    struct events events = read_events(whole, SIZE_MAX);
    struct events expected = slow_events(whole);
    FUZZ_CHECK(same_events(&events, &expected));
    static const size_t pieces[] = {1, 7, 4096};
    for (size_t i = stream_bytes > 4096; i < ARRAY_COUNT(pieces); i++) {
        struct events cut = read_events(whole, pieces[i]);
        FUZZ_CHECK(same_events(&events, &cut));
        free_events(&cut);
    }
    run_events(&events);
    free_events(&events);
    free_events(&expected);
    free(stream);
    return 0;
}
