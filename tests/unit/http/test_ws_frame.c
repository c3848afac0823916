/* Frames of WebSockets: what clients send, with the events that come of it, however it is cut and
 * masked; what is wrong in them, and that it is told at the byte that makes it so; and frames that
 * are written. */
#include "http/ws_frame.h"

#include <criterion/criterion.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

enum { TEXT_BYTES = 2048, PLENTY = 1 << 24 };

static const uint8_t masks[][4] = {
    {0, 0, 0, 0},
    {0x37, 0xfa, 0x21, 0x3d}, /* of the example in RFC 6455 §5.7 */
    {0xff, 0xff, 0xff, 0xff},
    {0x80, 0x00, 0x01, 0x7f},
};

/* ---- reading ---- */

/* What came of an input, as text: "ping \"a\"; text of 5; close 1000 \"bye\"". */
struct outcome {
    char text[TEXT_BYTES];
    size_t length;
};

static void say(struct outcome *outcome, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static void say(struct outcome *outcome, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    int count =
        vsnprintf(outcome->text + outcome->length, TEXT_BYTES - outcome->length, format, arguments);
    va_end(arguments);
    outcome->length += (size_t)count;
    cr_assert_lt(outcome->length, TEXT_BYTES);
}

static void say_payload(struct outcome *outcome, struct slice payload)
{
    say(outcome, " \"");
    for (size_t i = 0; i < payload.count; i++) {
        unsigned char byte = (unsigned char)payload.bytes[i];
        say(outcome, byte >= ' ' && byte < 0x7f ? "%c" : "\\x%02x", byte);
    }
    say(outcome, "\"");
}

static void say_event(struct outcome *outcome, const struct ws_event *event)
{
    if (event->kind != WS_MORE && outcome->length > 0) {
        say(outcome, "; ");
    }
    switch (event->kind) {
    case WS_MORE:
        break;
    case WS_MESSAGE:
        say(outcome, "%s of %llu", event->message == WS_TEXT ? "text" : "binary",
            (unsigned long long)event->message_bytes);
        break;
    case WS_PINGED:
    case WS_PONGED:
        say(outcome, event->kind == WS_PINGED ? "ping" : "pong");
        say_payload(outcome, event->payload);
        break;
    case WS_CLOSED:
        say(outcome, "close %u", event->code);
        say_payload(outcome, event->payload);
        break;
    case WS_FAILED:
        cr_expect_neq(event->why, NULL);
        say(outcome, "fail %u: %s", event->code, event->why);
        break;
    }
}

/* A connection's reader, and the bytes that it has left to be given again. */
struct client {
    struct ws_reader reader;
    struct outcome outcome;
    char unread[WS_UNREAD_BYTES_MAX];
    size_t unread_count;
    uint64_t message_bytes_max;
};

/* Gives a piece, in a block of exactly its size, so that a read behind it is found. */
static void give(struct client *client, struct slice piece)
{
    size_t count = client->unread_count + piece.count;
    char *bytes = malloc(count + (count == 0));
    memcpy(bytes, client->unread, client->unread_count);
    if (piece.count > 0) {
        memcpy(bytes + client->unread_count, piece.bytes, piece.count);
    }
    size_t at = 0;
    struct ws_event event;
    do {
        ws_read(&client->reader, bytes + at, count - at, client->message_bytes_max, &event);
        cr_assert_leq(event.used, count - at);
        at += event.used;
        say_event(&client->outcome, &event);
    } while (event.kind != WS_MORE);
    client->unread_count = count - at;
    cr_assert_leq(client->unread_count, WS_UNREAD_BYTES_MAX);
    memcpy(client->unread, bytes + at, client->unread_count);
    free(bytes);
}

/* In pieces: one of `first` bytes, then such of `piece`. */
static struct outcome read_in_pieces(struct slice input, uint64_t message_bytes_max, size_t first,
                                     size_t piece)
{
    struct client client = {.message_bytes_max = message_bytes_max};
    size_t count = first;
    do {
        count = count < input.count ? count : input.count;
        give(&client, (struct slice){input.bytes, count});
        input = slice_after(input, count);
        count = piece;
    } while (input.count > 0);
    return client.outcome;
}

static void expect_outcome(struct slice input, uint64_t message_bytes_max, const char *wanted,
                           const char *what)
{
    enum { CUTS_MAX = 600 }; /* of a long input, its beginning is enough */
    for (size_t first = 0; first <= input.count && first <= CUTS_MAX; first++) {
        struct outcome found = read_in_pieces(input, message_bytes_max, first, SIZE_MAX);
        cr_expect_str_eq(found.text, wanted, "%s, cut after %zu: %s", what, first, found.text);
    }
    for (size_t piece = 1; piece <= 17; piece++) {
        struct outcome found = read_in_pieces(input, message_bytes_max, piece, piece);
        cr_expect_str_eq(found.text, wanted, "%s, in pieces of %zu: %s", what, piece, found.text);
    }
}

/* ---- inputs ---- */

struct input {
    char *bytes;
    size_t count, capacity;
};

static struct input input_new(void)
{
    enum { BYTES = 64 };
    return (struct input){malloc(BYTES), 0, BYTES};
}

static void add(struct input *input, struct slice bytes)
{
    while (bytes.count > input->capacity - input->count) {
        input->capacity *= 2;
        input->bytes = realloc(input->bytes, input->capacity);
    }
    memcpy(input->bytes + input->count, bytes.bytes, bytes.count);
    input->count += bytes.count;
}

static void add_number(struct input *input, uint64_t number, size_t bytes)
{
    for (size_t i = bytes; i > 0; i--) {
        add(input, (struct slice){(char[]){(char)(number >> 8 * (i - 1) & 0xff)}, 1});
    }
}

/* A header with the length in as many bytes as said: 0 (in the second byte), 2 or 8. */
static void add_header(struct input *input, unsigned first, uint64_t length, size_t length_bytes,
                       const uint8_t mask[4])
{
    add_number(input, first, 1);
    uint64_t second = length_bytes == 0 ? length : length_bytes == 2 ? 126 : 127;
    add_number(input, 0x80 | second, 1);
    add_number(input, length, length_bytes);
    add(input, (struct slice){(const char *)mask, 4});
}

static void add_frame(struct input *input, unsigned first, struct slice payload,
                      const uint8_t mask[4])
{
    size_t length_bytes = payload.count < 126 ? 0 : payload.count < 65536 ? 2 : 8;
    add_header(input, first, payload.count, length_bytes, mask);
    for (size_t i = 0; i < payload.count; i++) {
        add_number(input, (uint8_t)payload.bytes[i] ^ mask[i % 4], 1);
    }
}

static struct slice as_slice(const struct input *input)
{
    return (struct slice){input->bytes, input->count};
}

/* ---- tables of whole frames ---- */

enum { FRAMES_MAX = 8, LIMIT = 300 };

/* The first bytes: opcodes with their last bit for the last fragment of a message. */
enum {
    TEXT = 0x81,
    BINARY = 0x82,
    END = 0x80,
    TEXT_ON = 0x01,
    BINARY_ON = 0x02,
    ON = 0x00,
    CLOSE = 0x88,
    PING = 0x89,
    PONG = 0x8a,
};

struct row {
    const char *what;
    struct {
        unsigned first;
        struct slice payload; /* without bytes: no more frames */
    } frames[FRAMES_MAX];
    const char *events;
};

#define P(literal)                                                                                 \
    {                                                                                              \
        (literal), sizeof(literal) - 1                                                             \
    }
#define X10(text) text text text text text text text text text text
#define TEXT_125  X10("0123456789") "0123456789012345678901234"
#define TEXT_100  X10("0123456789")

static const struct row rows[] = {
    {"a text", {{TEXT, P("hello")}}, "text of 5"},
    {"an empty text", {{TEXT, P("")}}, "text of 0"},
    {"an empty binary", {{BINARY, P("")}}, "binary of 0"},
    {"a binary that is no text", {{BINARY, P("\xff\xfe\xc0\0\x80")}}, "binary of 5"},
    {"a text with U+0000", {{TEXT, P("a\0b")}}, "text of 3"},
    {"characters of all lengths",
     {{TEXT, P("$\xc2\xa2\xe2\x82\xac\xf0\x90\x8d\x88 \xf4\x8f\xbf\xbf\xef\xbf\xbf")}},
     "text of 18"},
    {"lengths in two bytes", {{TEXT, P(TEXT_100 "01234567890123456789012345")}}, "text of 126"},
    {"as long as a message may be", {{TEXT, P(TEXT_100 TEXT_100 TEXT_100)}}, "text of 300"},
    {"several in a row",
     {{TEXT, P("a")}, {BINARY, P("bc")}, {PONG, P("")}, {TEXT, P("def")}},
     "text of 1; binary of 2; pong \"\"; text of 3"},

    {"fragments", {{TEXT_ON, P("hel")}, {END, P("lo")}}, "text of 5"},
    {"a binary in fragments", {{BINARY_ON, P("\xff")}, {END, P("\xff")}}, "binary of 2"},
    {"empty fragments",
     {{TEXT_ON, P("")}, {ON, P("")}, {ON, P("a")}, {ON, P("")}, {END, P("")}},
     "text of 1"},
    {"all fragments empty", {{TEXT_ON, P("")}, {END, P("")}}, "text of 0"},
    {"a character in three fragments",
     {{TEXT_ON, P("\xe2")}, {ON, P("\x82")}, {END, P("\xac")}},
     "text of 3"},
    {"control frames between fragments",
     {{TEXT_ON, P("\xe2\x82")},
      {PING, P("one")},
      {ON, P("")},
      {PONG, P("\xff\xff")},
      {PING, P("")},
      {END, P("\xac")},
      {PING, P("two")}},
     "ping \"one\"; pong \"\\xff\\xff\"; ping \"\"; text of 3; ping \"two\""},
    {"a close between fragments",
     {{TEXT_ON, P("a")}, {CLOSE, P("")}, {END, P("b")}},
     "close 1005 \"\""},
    {"a message after one in fragments",
     {{TEXT_ON, P("a")}, {END, P("b")}, {TEXT_ON, P("c")}, {END, P("d")}},
     "text of 2; text of 2"},
    {"a text after a binary that is none",
     {{BINARY, P("\xc3")}, {TEXT, P("\xc3\xa4")}},
     "binary of 1; text of 2"},

    {"a ping", {{PING, P("are you there?")}}, "ping \"are you there?\""},
    {"a ping of any bytes", {{PING, P("\0\x80\xff")}}, "ping \"\\x00\\x80\\xff\""},
    {"a ping of 125", {{PING, P(TEXT_125)}}, "ping \"" TEXT_125 "\""},
    {"a pong of 125", {{PONG, P(TEXT_125)}}, "pong \"" TEXT_125 "\""},

    {"a close", {{CLOSE, P("")}}, "close 1005 \"\""},
    {"a close with a code", {{CLOSE, P("\x03\xe8")}}, "close 1000 \"\""},
    {"a close with a reason", {{CLOSE, P("\x03\xe9going")}}, "close 1001 \"going\""},
    {"a close of 125",
     {{CLOSE, P("\x0f\xa0" TEXT_100 "01234567890123456789012")}},
     "close 4000 \"" TEXT_100 "01234567890123456789012\""},
    {"whatever comes behind a close",
     {{CLOSE, P("\x03\xe8")},
      {PING, P("a")},
      {0xff, P("b")},
      {CLOSE, P("\x03")},
      {TEXT, P("\xff")}},
     "close 1000 \"\""},
    {"half a code", {{CLOSE, P("\x03")}, {PING, P("a")}}, "fail 1002: half a close code"},
    {"a code that cannot be sent",
     {{CLOSE, P("\x03\xed")}},
     "fail 1002: a close code that cannot be sent"},
    {"a reason that is not UTF-8",
     {{CLOSE, P("\x03\xe8\xc0\xaf")}},
     "fail 1007: a reason that is not UTF-8"},
    {"a reason that ends within a character",
     {{CLOSE, P("\x03\xe8good \xe2\x82")}},
     "fail 1007: a reason that is not UTF-8"},

    {"a text that ends within a character",
     {{TEXT, P("a\xe2\x82")}, {PING, P("")}},
     "fail 1007: a text ends within a character"},
    {"fragments that end within a character",
     {{TEXT_ON, P("\xe2")}, {END, P("\x82")}},
     "fail 1007: a text ends within a character"},
    {"an empty last fragment within a character",
     {{TEXT_ON, P("\xe2")}, {END, P("")}},
     "fail 1007: a text ends within a character"},
    {"a character does not go on in the next message",
     {{TEXT, P("\xc3")}, {TEXT, P("\xa4")}},
     "fail 1007: a text ends within a character"},
    {"a wrong byte in a later fragment",
     {{TEXT_ON, P("\xe2")}, {PING, P("p")}, {ON, P("\x82")}, {END, P("a")}},
     "ping \"p\"; fail 1007: a text that is not UTF-8"},
    {"surrogates", {{TEXT, P("\xed\xa0\x80")}}, "fail 1007: a text that is not UTF-8"},
    {"more bytes than needed", {{TEXT, P("\xe0\x80\xaf")}}, "fail 1007: a text that is not UTF-8"},
    {"above U+10FFFF", {{TEXT, P("\xf4\x90\x80\x80")}}, "fail 1007: a text that is not UTF-8"},

    {"a continuation of nothing", {{END, P("a")}}, "fail 1002: a continuation of nothing"},
    {"a continuation of nothing that goes on",
     {{ON, P("a")}},
     "fail 1002: a continuation of nothing"},
    {"a continuation of a message that has ended",
     {{TEXT_ON, P("a")}, {END, P("b")}, {END, P("c")}},
     "text of 2; fail 1002: a continuation of nothing"},
    {"a message within another",
     {{TEXT_ON, P("a")}, {TEXT, P("b")}},
     "fail 1002: a message begins within another"},
    {"the beginning of a message within another",
     {{BINARY_ON, P("a")}, {PING, P("b")}, {BINARY_ON, P("c")}},
     "ping \"b\"; fail 1002: a message begins within another"},

    {"a message that is too long",
     {{TEXT, P(TEXT_100 TEXT_100 TEXT_100 "x")}},
     "fail 1009: a message that is too long"},
    {"fragments that are too long together",
     {{BINARY_ON, P(TEXT_100)}, {ON, P(TEXT_100)}, {PING, P("p")}, {END, P(TEXT_100 "x")}},
     "ping \"p\"; fail 1009: a message that is too long"},
    {"fragments that are just not too long",
     {{BINARY_ON, P(TEXT_100)}, {ON, P(TEXT_100)}, {ON, P(TEXT_100)}, {END, P("")}},
     "binary of 300"},
    {"the limit is of one message",
     {{TEXT, P(TEXT_100 TEXT_100)}, {TEXT, P(TEXT_100 TEXT_100)}},
     "text of 200; text of 200"},
    {"what comes behind a failure",
     {{0xff, P("")}, {CLOSE, P("")}},
     "fail 1002: a reserved bit is set, and there is no extension"},
};

Test(ws_frame, messages_and_control_frames, .timeout = 60)
{
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        for (size_t m = 0; m < ARRAY_COUNT(masks); m++) {
            struct input input = input_new();
            for (size_t j = 0; j < FRAMES_MAX && rows[i].frames[j].payload.bytes != NULL; j++) {
                add_frame(&input, rows[i].frames[j].first, rows[i].frames[j].payload, masks[m]);
            }
            expect_outcome(as_slice(&input), LIMIT, rows[i].events, rows[i].what);
            free(input.bytes);
        }
    }
}

/* ---- headers ---- */

static const struct {
    const char *what;
    struct slice input;
    const char *events;
} headers[] = {
    {"nothing", P(""), ""},
    {"the example of RFC 6455 §5.7", P("\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58"),
     "text of 5"},
    {"its ping", P("\x89\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58"), "ping \"Hello\""},
    {"no mask", P("\x81\x05Hello"), "fail 1002: a frame without a mask"},
    {"no mask, and nothing to mask", P("\x81\x00"), "fail 1002: a frame without a mask"},
    {"a ping without a mask", P("\x89\x00"), "fail 1002: a frame without a mask"},
    {"a close without a mask", P("\x88\x02\x03\xe8"), "fail 1002: a frame without a mask"},
    {"a long ping", P("\x89\xfe"), "fail 1002: a control frame of more than 125 bytes"},
    {"a very long close", P("\x88\xff"), "fail 1002: a control frame of more than 125 bytes"},
    {"a ping in fragments", P("\x09\x80"), "fail 1002: a control frame in fragments"},
    {"a close in fragments", P("\x08"), "fail 1002: a control frame in fragments"},
    {"125 in two bytes", P("\x82\xfe\0\x7d"), "fail 1002: a length in more bytes than it needs"},
    {"0 in two bytes", P("\x82\xfe\0\0"), "fail 1002: a length in more bytes than it needs"},
    {"65535 in eight bytes", P("\x82\xff\0\0\0\0\0\0\xff\xff"),
     "fail 1002: a length in more bytes than it needs"},
    {"0 in eight bytes", P("\x82\xff\0\0\0\0\0\0\0\0"),
     "fail 1002: a length in more bytes than it needs"},
    {"65536, without its payload", P("\x82\xff\0\0\0\0\0\x01\0\0mask"), ""},
    {"the longest length that there is", P("\x82\xff\x7f\xff\xff\xff\xff\xff\xff\xffmask"),
     "fail 1009: a message that is too long"},
    {"a negative length", P("\x82\xff\x80\0\0\0\0\0\0\0"),
     "fail 1002: a length with its highest bit set"},
    {"lengths whose sum runs over", P("\x02\x81maskx\x80\xff\x7f\xff\xff\xff\xff\xff\xff\xffmask"),
     "fail 1009: a message that is too long"},
};

Test(ws_frame, headers)
{
    for (size_t i = 0; i < ARRAY_COUNT(headers); i++) {
        expect_outcome(headers[i].input, PLENTY, headers[i].events, headers[i].what);
    }
}

/* What the sum of two lengths must not do, with a limit that lets each of them in. */
Test(ws_frame, lengths_do_not_run_over)
{
    static const struct slice input =
        P("\x02\x81maskx\x80\xff\x7f\xff\xff\xff\xff\xff\xff\xffmask");
    expect_outcome(input, INT64_MAX, "fail 1009: a message that is too long", "at the limit");
    expect_outcome(input, UINT64_MAX, "", "below it");
}

/* Each first byte, outside a message and in one (RFC 6455 §5.2, §5.4, §5.5). */
Test(ws_frame, first_bytes)
{
    for (unsigned first = 0; first < 256; first++) {
        for (int is_open = 0; is_open < 2; is_open++) {
            unsigned opcode = first & 15;
            bool is_last = first >= 0x80;
            bool is_good = opcode == 0                  ? is_open
                           : opcode == 1 || opcode == 2 ? !is_open
                                                        : opcode >= 8 && opcode <= 10 && is_last;
            is_good = is_good && (first & 0x70) == 0;
            struct input input = input_new();
            if (is_open) {
                add_frame(&input, TEXT_ON, SLICE("a"), masks[1]);
            }
            add_number(&input, first, 1);
            struct outcome found = read_in_pieces(as_slice(&input), PLENTY, SIZE_MAX, SIZE_MAX);
            cr_expect_eq(found.length == 0, is_good, "%02x: %s", first, found.text);
            cr_expect(is_good || strncmp(found.text, "fail 1002: ", 11) == 0, "%02x: %s", first,
                      found.text);
            free(input.bytes);
        }
    }
}

/* The codes that IANA's registry and RFC 6455 §7.4.2 leave to be sent. */
static bool is_good_code(unsigned code)
{
    static const unsigned good[] = {1000, 1001, 1002, 1003, 1007, 1008,
                                    1009, 1010, 1011, 1012, 1013, 1014};
    for (size_t i = 0; i < ARRAY_COUNT(good); i++) {
        if (code == good[i]) {
            return true;
        }
    }
    return code / 1000 == 3 || code / 1000 == 4;
}

Test(ws_frame, close_codes)
{
    for (unsigned code = 0; code < 65536; code++) {
        struct input input = input_new();
        char body[2] = {(char)(code >> 8), (char)(code & 0xff)};
        add_frame(&input, CLOSE, (struct slice){body, 2}, masks[1]);
        char wanted[64] = "fail 1002: a close code that cannot be sent";
        if (is_good_code(code)) {
            snprintf(wanted, sizeof wanted, "close %u \"\"", code);
        }
        struct outcome found = read_in_pieces(as_slice(&input), PLENTY, SIZE_MAX, SIZE_MAX);
        cr_assert_str_eq(found.text, wanted, "%u: %s", code, found.text);
        cr_assert_eq(ws_code_is_sendable(code), is_good_code(code), "%u", code);
        free(input.bytes);
    }
    cr_expect_not(ws_code_is_sendable(65536 + 1000));
}

/* ---- where a text goes wrong ---- */

static const struct {
    struct slice text;
    size_t good; /* bytes that may stand at the beginning of a text */
} bads[] = {
    {P("\x80"), 0},
    {P("good\xff"), 4},
    {P("good\xc0\x80"), 4},
    {P("good\xc1\xbf"), 4},
    {P("good\xc3("), 5},
    {P("good\xe0\x9f\xbf"), 5},
    {P("good\xe2\x82("), 6},
    {P("good\xed\xa0\x80"), 5},
    {P("good\xed\xbf\xbf"), 5},
    {P("good\xf0\x8f\xbf\xbf"), 5},
    {P("good\xf0\x90\x80("), 7},
    {P("good\xf4\x90\x80\x80"), 5},
    {P("good\xf5\x80\x80\x80"), 4},
    {P("eight bytes and eight more, then it \xfe comes"), 36},
};

Test(ws_frame, a_text_fails_at_the_byte_that_makes_it_wrong)
{
    for (size_t i = 0; i < ARRAY_COUNT(bads); i++) {
        struct client client = {.message_bytes_max = PLENTY};
        struct input input = input_new();
        add_frame(&input, TEXT_ON, SLICE("\xe2\x82"), masks[3]);
        add_frame(&input, ON, SLICE("\xac"), masks[2]);
        size_t before = input.count + 6;
        add_frame(&input, END, bads[i].text, masks[1]);
        size_t at = 0;
        while (at < input.count && client.outcome.length == 0) {
            give(&client, (struct slice){input.bytes + at++, 1});
        }
        cr_expect_str_eq(client.outcome.text, "fail 1007: a text that is not UTF-8", "%zu: %s", i,
                         client.outcome.text);
        cr_expect_eq(at, before + bads[i].good + 1, "%zu: after %zu of %zu", i, at - before,
                     bads[i].good);
        free(input.bytes);
    }
}

/* Long texts take the way by words; a mask has to be right wherever a piece begins. */
Test(ws_frame, long_texts_in_pieces)
{
    enum { BYTES = 70000 };
    char *text = malloc(BYTES);
    for (size_t i = 0; i < BYTES; i++) {
        text[i] = (char)(i % 7 == 5 ? 0xc3 : i % 7 == 6 ? 0xa4 : 'a' + (int)(i % 7));
    }
    struct input input = input_new();
    add_frame(&input, TEXT_ON, (struct slice){text, BYTES - 1}, masks[1]);
    add_frame(&input, PING, SLICE("still there?"), masks[3]);
    add_frame(&input, END, (struct slice){text + BYTES - 1, 1}, masks[3]);
    static const size_t pieces[] = {1, 2, 3, 5, 7, 8, 9, 63, 1000, 4097, 65536, SIZE_MAX};
    for (size_t i = 0; i < ARRAY_COUNT(pieces); i++) {
        struct outcome found = read_in_pieces(as_slice(&input), BYTES, pieces[i], pieces[i]);
        cr_expect_str_eq(found.text, "ping \"still there?\"; text of 70000", "%zu: %s", pieces[i],
                         found.text);
    }
    text[BYTES - 3] = (char)0xff;
    input.count = 0;
    add_frame(&input, TEXT, (struct slice){text, BYTES}, masks[1]);
    for (size_t i = 0; i < ARRAY_COUNT(pieces); i++) {
        struct outcome found = read_in_pieces(as_slice(&input), BYTES, pieces[i], pieces[i]);
        cr_expect_str_eq(found.text, "fail 1007: a text that is not UTF-8", "%zu: %s", pieces[i],
                         found.text);
    }
    free(input.bytes);
    free(text);
}

/* ---- writing ---- */

/* What is written, masked as a client would, comes out again. */
static void expect_written(const char *bytes, size_t count, const char *wanted)
{
    struct input input = input_new();
    struct slice written = {bytes, count};
    cr_assert_geq(count, 2);
    cr_assert_eq((uint8_t)bytes[1] & 0x80, 0, "a server masks nothing");
    add_frame(&input, (uint8_t)bytes[0], slice_after(written, 2), masks[1]);
    cr_assert_eq((uint8_t)bytes[1], count - 2);
    struct outcome found = read_in_pieces(as_slice(&input), PLENTY, SIZE_MAX, SIZE_MAX);
    cr_expect_str_eq(found.text, wanted, "%s", found.text);
    free(input.bytes);
}

static const struct {
    uint64_t payload_bytes;
    struct slice header;
} written_headers[] = {
    {0, P("\x81\x00")},
    {1, P("\x81\x01")},
    {125, P("\x81\x7d")},
    {126, P("\x81\x7e\x00\x7e")},
    {65535, P("\x81\x7e\xff\xff")},
    {65536, P("\x81\x7f\0\0\0\0\0\x01\0\0")},
    {0x0123456789abcdef, P("\x81\x7f\x01\x23\x45\x67\x89\xab\xcd\xef")},
};

Test(ws_frame, headers_have_the_shortest_length)
{
    for (size_t i = 0; i < ARRAY_COUNT(written_headers); i++) {
        char header[WS_HEADER_BYTES_MAX];
        size_t count = ws_write_header(WS_TEXT, written_headers[i].payload_bytes, header);
        cr_expect(slice_equal((struct slice){header, count}, written_headers[i].header), "%zu", i);
    }
}

Test(ws_frame, control_frames_that_are_written)
{
    char frame[WS_CONTROL_FRAME_BYTES_MAX];
    expect_written(frame, ws_write_control(WS_PING, SLICE("a"), frame), "ping \"a\"");
    expect_written(frame, ws_write_control(WS_PONG, (struct slice){NULL, 0}, frame), "pong \"\"");
    expect_written(frame, ws_write_control(WS_PONG, SLICE(TEXT_125), frame),
                   "pong \"" TEXT_125 "\"");
    expect_written(frame, ws_write_close(1001, SLICE("gone"), frame), "close 1001 \"gone\"");
    expect_written(frame, ws_write_close(4999, (struct slice){NULL, 0}, frame), "close 4999 \"\"");
    expect_written(frame, ws_write_close(WS_CODE_NONE, SLICE("unsaid"), frame), "close 1005 \"\"");
}

/* Reasons of 120 bytes and what stands behind them, which fits as far as its characters do. */
Test(ws_frame, long_reasons_are_cut_between_characters)
{
    static const char start[] = TEXT_100 "01234567890123456789";
    static const struct {
        const char *end, *kept;
    } ends[] = {
        {"abc", "abc"},
        {"abcd", "abc"},
        {"a\xc3\xa4", "a\\xc3\\xa4"},
        {"ab\xc3\xa4", "ab"},
        {"abc\xc3\xa4", "abc"},
        {"\xe2\x82\xac!", "\\xe2\\x82\\xac"},
        {"a\xe2\x82\xac", "a"},
        {"ab\xe2\x82\xac", "ab"},
        {"\xf0\x90\x8d\x88", ""},
        {"ab\xf0\x90\x8d\x88", "ab"},
    };
    for (size_t i = 0; i < ARRAY_COUNT(ends); i++) {
        char reason[256], wanted[512];
        char frame[WS_CONTROL_FRAME_BYTES_MAX];
        snprintf(reason, sizeof reason, "%s%s", start, ends[i].end);
        snprintf(wanted, sizeof wanted, "close 1011 \"%s%s\"", start, ends[i].kept);
        expect_written(frame, ws_write_close(1011, slice_of_string(reason), frame), wanted);
    }
}
