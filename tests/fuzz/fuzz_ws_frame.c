/* Frames of WebSockets: beside a reading of the whole input at once, which keeps what it unmasks
 * and looks at texts from their beginning; whole, byte by byte, and in pieces. Input: the most
 * bytes of a message, the size of the pieces, a line each, then what a client sends. */
#include "fuzz.h"

#include "common/utf8.h"
#include "http/ws_frame.h"

enum { INPUT_BYTES_MAX = 1 << 17, EVENT_BYTES_MAX = 64 + WS_CONTROL_PAYLOAD_BYTES_MAX };

/* What was said, one event behind the other. */
struct trace {
    char *bytes;
    size_t count, capacity;
};

static struct trace trace_new(size_t input_bytes)
{
    enum { FRAME_BYTES_LEAST = 6 };
    size_t capacity = (input_bytes / FRAME_BYTES_LEAST + 2) * EVENT_BYTES_MAX;
    struct trace trace = {malloc(capacity), 0, capacity};
    FUZZ_CHECK(trace.bytes != NULL);
    return trace;
}

static void say(struct trace *trace, char kind, uint64_t number, struct slice payload)
{
    FUZZ_CHECK(trace->capacity - trace->count >= EVENT_BYTES_MAX);
    FUZZ_CHECK(payload.count <= WS_CONTROL_PAYLOAD_BYTES_MAX);
    int count = snprintf(trace->bytes + trace->count, 64, "%c %llu %zu ", kind,
                         (unsigned long long)number, payload.count);
    trace->count += (size_t)count;
    if (payload.count > 0) {
        memcpy(trace->bytes + trace->count, payload.bytes, payload.count);
        trace->count += payload.count;
    }
}

/* ---- the whole at once ---- */

struct slow {
    struct slice input;
    uint64_t message_bytes_max;
    unsigned message; /* 1 or 2: one is open */
    uint64_t message_bytes;
    char *text; /* unmasked, as far as it is there */
    size_t text_count;
    struct trace *trace;
};

/* Can some bytes behind `text` make a character of it? */
static bool begins_character(struct slice text)
{
    static const char telling[] = "\x80\x8f\x90\x9f\xa0\xbf";
    char whole[5] = "";
    if (text.count > 3) {
        return false;
    }
    memcpy(whole, text.bytes, text.count);
    for (size_t count = text.count + 1; count <= 4; count++) {
        for (size_t second = 0; second < sizeof telling - 1; second++) {
            for (size_t i = text.count; i < count; i++) {
                whole[i] = i == text.count ? telling[second] : '\x80';
            }
            if (utf8_sequence_bytes(whole, count) == count) {
                return true;
            }
        }
    }
    return false;
}

/* 'w': whole; 'm': more has to come; 'b': no UTF-8. */
static char kind_of_text(struct slice text)
{
    while (text.count > 0) {
        size_t count = text.bytes[0] == '\0' ? 1 : utf8_sequence_bytes(text.bytes, text.count);
        if (count == 0) {
            return begins_character(text) ? 'm' : 'b';
        }
        text = slice_after(text, count);
    }
    return 'w';
}

static bool is_code(uint64_t code)
{
    bool is_reserved = code == 1004 || code == 1005 || code == 1006;
    return (code >= 1000 && code < 1015 && !is_reserved) || (code >= 3000 && code < 5000);
}

static bool end_slowly(struct slow *slow, uint64_t code)
{
    say(slow->trace, 'f', code, (struct slice){NULL, 0});
    return false;
}

static bool read_control(struct slow *slow, unsigned opcode, struct slice payload)
{
    if (opcode != 8) {
        say(slow->trace, opcode == 9 ? 'p' : 'q', 0, payload);
        return true;
    }
    uint64_t code = 1005;
    if (payload.count >= 2) {
        code = (uint64_t)(uint8_t)payload.bytes[0] * 256 + (uint8_t)payload.bytes[1];
    }
    if (payload.count == 1 || (payload.count >= 2 && !is_code(code))) {
        return end_slowly(slow, 1002);
    }
    if (kind_of_text(slice_after(payload, 2)) != 'w') {
        return end_slowly(slow, 1007);
    }
    say(slow->trace, 'c', code, slice_after(payload, 2));
    return false;
}

/* `there`: as much of the payload as has come, masked. False: that was the end. */
static bool read_data(struct slow *slow, uint8_t first, uint64_t length, struct slice mask,
                      struct slice there)
{
    unsigned opcode = first & 15;
    slow->message = opcode == 0 ? slow->message : opcode;
    if (length > slow->message_bytes_max - slow->message_bytes) {
        return end_slowly(slow, 1009);
    }
    slow->message_bytes += length;
    for (size_t i = 0; i < there.count; i++) {
        slow->text[slow->text_count++] = (char)(there.bytes[i] ^ mask.bytes[i % 4]);
    }
    char kind = kind_of_text((struct slice){slow->text, slow->text_count});
    bool has_ended = there.count == length && first >= 0x80;
    if (slow->message == 1 && (kind == 'b' || (kind == 'm' && has_ended))) {
        return end_slowly(slow, 1007);
    }
    if (has_ended) {
        say(slow->trace, slow->message == 1 ? 't' : 'b', slow->message_bytes,
            (struct slice){NULL, 0});
        slow->message = 0;
        slow->message_bytes = 0;
        slow->text_count = 0;
    }
    return there.count == length;
}

/* Takes a frame off the input. False: nothing can be read behind it. */
static bool read_frame(struct slow *slow)
{
    const uint8_t *at = (const uint8_t *)slow->input.bytes;
    size_t left = slow->input.count;
    if (left == 0) {
        return false;
    }
    unsigned opcode = at[0] & 15;
    bool is_known = opcode <= 2 || (opcode >= 8 && opcode <= 10 && at[0] >= 0x80);
    bool is_next = opcode >= 8 || (opcode == 0) == (slow->message != 0);
    if ((at[0] & 0x70) != 0 || !is_known || !is_next) {
        return end_slowly(slow, 1002);
    }
    if (left == 1) {
        return false;
    }
    if (at[1] < 0x80 || (opcode >= 8 && at[1] > 0x80 + 125)) {
        return end_slowly(slow, 1002);
    }
    uint64_t length = at[1] - 0x80U;
    size_t header = length == 126 ? 4 : length == 127 ? 10 : 2;
    if (left < header) {
        return false;
    }
    for (size_t i = 2; i < header; i++) {
        length = (i == 2 ? 0 : length * 256) + at[i];
    }
    size_t shortest = length < 126 ? 2 : length < 65536 ? 4 : 10;
    if (header != shortest || length > INT64_MAX) {
        return end_slowly(slow, 1002);
    }
    if (left < header + 4) {
        return false;
    }
    struct slice mask = {slow->input.bytes + header, 4};
    struct slice there = slice_after(slow->input, header + 4);
    there.count = length < there.count ? (size_t)length : there.count;
    slow->input = slice_after(slow->input, header + 4 + there.count);
    if (opcode < 8) {
        return read_data(slow, at[0], length, mask, there);
    }
    if (there.count < length) {
        return false;
    }
    char payload[WS_CONTROL_PAYLOAD_BYTES_MAX];
    for (size_t i = 0; i < there.count; i++) {
        payload[i] = (char)(there.bytes[i] ^ mask.bytes[i % 4]);
    }
    return read_control(slow, opcode, (struct slice){payload, there.count});
}

static struct trace read_slowly(struct slice input, uint64_t message_bytes_max)
{
    struct trace trace = trace_new(input.count);
    char *text = malloc(input.count + 1);
    FUZZ_CHECK(text != NULL);
    struct slow slow = {
        .input = input, .message_bytes_max = message_bytes_max, .text = text, .trace = &trace};
    while (read_frame(&slow)) {
    }
    free(text);
    return trace;
}

/* ---- in pieces ---- */

static void say_event(struct trace *trace, const struct ws_event *event)
{
    static const struct slice none = {NULL, 0};
    switch (event->kind) {
    case WS_MORE:
        break;
    case WS_MESSAGE:
        say(trace, event->message == WS_TEXT ? 't' : 'b', event->message_bytes, none);
        break;
    case WS_PINGED:
        say(trace, 'p', 0, event->payload);
        break;
    case WS_PONGED:
        say(trace, 'q', 0, event->payload);
        break;
    case WS_CLOSED:
        say(trace, 'c', event->code, event->payload);
        break;
    case WS_FAILED:
        FUZZ_CHECK(event->why != NULL);
        say(trace, 'f', event->code, none);
        break;
    }
}

/* Each piece with what was left before it, in a block of that size. */
static struct trace read_in_pieces(struct slice input, uint64_t message_bytes_max, size_t piece)
{
    struct trace trace = trace_new(input.count);
    struct ws_reader reader = {0};
    size_t begun = 0; /* of the input, used */
    for (size_t shown = 0; shown < input.count;) {
        shown = piece < input.count - shown ? shown + piece : input.count;
        char *copy = fuzz_copy((struct slice){input.bytes + begun, shown - begun});
        size_t at = 0;
        struct ws_event event;
        do {
            size_t left = shown - begun - at;
            ws_read(&reader, copy + at, left, message_bytes_max, &event);
            FUZZ_CHECK(event.used <= left && (event.kind == WS_MORE || event.used > 0));
            say_event(&trace, &event);
            at += event.used;
        } while (event.kind != WS_MORE);
        free(copy);
        begun += at;
        FUZZ_CHECK(shown - begun <= WS_UNREAD_BYTES_MAX);
    }
    return trace;
}

static void check_pieces(struct slice input, uint64_t message_bytes_max, size_t piece,
                         const struct trace *expected)
{
    struct trace found = read_in_pieces(input, message_bytes_max, piece);
    FUZZ_CHECK(found.count == expected->count &&
               memcmp(found.bytes, expected->bytes, found.count) == 0);
    free(found.bytes);
}

/* ---- what is written ---- */

/* A Close frame with any reason is one, and does not break a text that was right. */
static void check_close(struct slice reason)
{
    char *copy = fuzz_copy(reason);
    char frame[WS_CONTROL_FRAME_BYTES_MAX];
    size_t count = ws_write_close(1000, (struct slice){copy, reason.count}, frame);
    FUZZ_CHECK(count >= 4 && count <= sizeof frame && (uint8_t)frame[0] == 0x88 &&
               (uint8_t)frame[1] == count - 2);
    struct slice kept = {frame + 4, count - 4};
    FUZZ_CHECK(kept.count <= reason.count && memcmp(kept.bytes, reason.bytes, kept.count) == 0);
    FUZZ_CHECK(kind_of_text(reason) != 'w' ||
               (kind_of_text(kept) == 'w' &&
                (kept.count == reason.count || kept.count > WS_CLOSE_REASON_BYTES_MAX - 4)));
    FUZZ_CHECK(ws_write_close(WS_CODE_NONE, reason, frame) == 2 && memcmp(frame, "\x88", 2) == 0);
    free(copy);
}

/* A header says the length that it was made for, in no more bytes than that needs. */
static void check_header(uint64_t payload_bytes)
{
    char header[WS_HEADER_BYTES_MAX];
    size_t count = ws_write_header(WS_BINARY, payload_bytes, header);
    const uint8_t *at = (const uint8_t *)header;
    uint64_t said = count == 2 ? at[1] : 0;
    for (size_t i = 2; i < count; i++) {
        said = said * 256 + at[i];
    }
    FUZZ_CHECK(at[0] == 0x82 && said == payload_bytes);
    FUZZ_CHECK(count == (said < 126 ? 2 : said < 65536 ? 4 : 10));
    FUZZ_CHECK(count == 2 || at[1] == (count == 4 ? 126 : 127));
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count)
{
    if (count > INPUT_BYTES_MAX) {
        return 0;
    }
    struct slice input = fuzz_input(bytes, count);
    uint64_t message_bytes_max = fuzz_take_number(&input);
    size_t piece = (size_t)fuzz_take_number(&input);
    struct trace expected = read_slowly(input, message_bytes_max);
    check_pieces(input, message_bytes_max, SIZE_MAX, &expected);
    check_pieces(input, message_bytes_max, 1, &expected);
    check_pieces(input, message_bytes_max, piece == 0 ? 7 : piece, &expected);
    free(expected.bytes);
    check_header(message_bytes_max);
    if (input.count > 0) {
        check_close(input);
    }
    return 0;
}
