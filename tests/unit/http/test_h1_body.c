/* Where the body of a request ends: lengths and chunks, each whole, byte by byte, and split in two
 * at every place, with the same end; what is wrong in them; and how much of it is taken. */
#include "http/h1_body.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

enum { PLENTY = 1 << 20 };

static struct request request;

static void be_chunked(void)
{
    request.body = BODY_CHUNKED;
}

/* What came of a body. `status` is 0 unless it is bad; bad, it has no `used`. */
struct outcome {
    enum h1_result result;
    unsigned status;
    size_t used;
};

/* Feeds `first` bytes, and what is left in pieces of `piece` bytes, each in a block of exactly its
 * size, so that a read behind it is found. */
static struct outcome feed(uint64_t bytes_max, struct slice input, size_t first, size_t piece)
{
    struct outcome outcome = {.result = H1_MORE};
    struct h1_body body;
    h1_body_init(&body, &request, bytes_max);
    size_t count = first;
    do {
        struct slice left = slice_after(input, outcome.used);
        count = count < left.count ? count : left.count;
        char *copy = malloc(count);
        memcpy(copy, left.bytes, count);
        size_t used = 0;
        outcome.result = h1_body_skip(&body, (struct slice){copy, count}, &used, &outcome.status);
        free(copy);
        if (outcome.result == H1_BAD) {
            return (struct outcome){H1_BAD, outcome.status, 0};
        }
        if (used > count || (outcome.result == H1_MORE && used != count)) {
            cr_assert(false, "%zu of %zu bytes used: %d", used, count, (int)outcome.result);
        }
        outcome.used += used;
        count = piece;
    } while (outcome.result == H1_MORE && outcome.used < input.count);
    outcome.status = 0;
    return outcome;
}

static bool is_same(struct outcome a, struct outcome b)
{
    return a.result == b.result && a.status == b.status && a.used == b.used;
}

static void expect_outcome(uint64_t bytes_max, struct slice input, size_t first, size_t piece,
                           struct outcome wanted)
{
    struct outcome found = feed(bytes_max, input, first, piece);
    if (!is_same(found, wanted)) {
        cr_expect(false, "%zu and %zu of \"%.*s\": %d, %u, %zu bytes, not %d, %u, %zu", first,
                  piece, (int)(input.count < 200 ? input.count : 200), input.bytes,
                  (int)found.result, found.status, found.used, (int)wanted.result, wanted.status,
                  wanted.used);
    }
}

/* The pieces make no difference. */
static void expect_in_pieces(uint64_t bytes_max, struct slice input, struct outcome wanted)
{
    for (size_t first = 0; first <= input.count; first++) {
        expect_outcome(bytes_max, input, first, input.count, wanted);
    }
    for (size_t piece = 1; piece < 8; piece++) {
        expect_outcome(bytes_max, input, piece, piece, wanted);
    }
}

/* One behind the other; the caller frees it. */
static char *join(struct slice a, struct slice b)
{
    char *bytes = malloc(a.count + b.count + 1);
    memcpy(bytes, a.bytes, a.count);
    memcpy(bytes + a.count, b.bytes, b.count);
    return bytes;
}

/* ---- good chunked bodies (RFC 9112 section 7.1) ---- */

#define ROW(literal)                                                                               \
    {                                                                                              \
        (literal), sizeof(literal) - 1                                                             \
    }
#define END "0\r\n\r\n"

static const struct slice goods[] = {
    ROW("0\r\n\r\n"),
    ROW("5\r\nhello\r\n" END),
    ROW("5\r\nhello\r\n1\r\n \r\n6\r\nworld!\r\n" END),
    /* data is data, whatever it looks like */
    ROW("2\r\n\r\n\r\n" END),
    ROW("5\r\n" END "\r\n" END),
    ROW("4\r\n\r\r\n\n\r\n" END),
    ROW("3\r\n\0\x7f\xff\r\n" END),
    /* sizes: either case, and with zeros, up to 16 digits */
    ROW("a\r\n0123456789\r\n" END),
    ROW("A\r\n0123456789\r\n" END),
    ROW("1F\r\n0123456789012345678901234567890\r\n" END),
    ROW("1f\r\n0123456789012345678901234567890\r\n" END),
    ROW("00000005\r\nhello\r\n" END),
    ROW("0000000000000005\r\nhello\r\n" END),
    ROW("000\r\n\r\n"),
    ROW("0000000000000000\r\n\r\n"),
    ROW("0000000000000001\r\na\r\n0000000000000002\r\nbc\r\n0000000000000000\r\n\r\n"),
    /* extensions (section 7.1.1) */
    ROW("5;a\r\nhello\r\n" END),
    ROW("5;a=b\r\nhello\r\n" END),
    ROW("5;a=b;c;d=e\r\nhello\r\n" END),
    ROW("5 ;a\r\nhello\r\n" END),
    ROW("5\t ; \ta \t= \tb \t; \tc\r\nhello\r\n" END),
    ROW("5;a ;b\r\nhello\r\n" END),
    ROW("5;a=\"\"\r\nhello\r\n" END),
    ROW("5;a=\"b c;d=e\tf\"\r\nhello\r\n" END),
    ROW("5;a= \"\\\"\\\\\\b\\ \\\t\" ;c\r\nhello\r\n" END),
    ROW("5;a=\"\x80\xff\\\xff\"\r\nhello\r\n" END),
    ROW("5;!#$%&'*+-.^_`|~=!#$%&'*+-.^_`|~\r\nhello\r\n" END),
    ROW("5;0=0\r\nhello\r\n0;last=\"1\"\r\n\r\n"),
    /* trailers (section 7.1.2) */
    ROW("0\r\nA: b\r\n\r\n"),
    ROW("0\r\nA:\r\n\r\n"),
    ROW("0\r\nA: \r\nB:c\r\n\r\n"),
    ROW("5\r\nhello\r\n0\r\nA: b:c\t\"d \x80\xff\r\nContent-Length: 7\r\n\r\n"),
    ROW("0\r\n!#$%&'*+-.^_`|~019AZaz: x\r\n\r\n"),
};

static const struct slice behinds[] = {
    ROW(""), ROW("GET / HTTP/1.1\r\n\r\n"), ROW("\r\n"), ROW("\n"), ROW(END), ROW("\0"),
};

Test(h1_body, good_chunked_bodies, .init = be_chunked)
{
    for (size_t i = 0; i < ARRAY_COUNT(goods); i++) {
        for (size_t j = 0; j < ARRAY_COUNT(behinds); j++) {
            char *bytes = join(goods[i], behinds[j]);
            struct slice input = {bytes, goods[i].count + behinds[j].count};
            expect_in_pieces(PLENTY, input, (struct outcome){H1_OK, 0, goods[i].count});
            free(bytes);
        }
    }
}

/* Nothing shorter is a body. */
Test(h1_body, good_chunked_bodies_that_are_cut, .init = be_chunked)
{
    for (size_t i = 0; i < ARRAY_COUNT(goods); i++) {
        for (size_t count = 0; count < goods[i].count; count++) {
            struct slice input = {goods[i].bytes, count};
            struct outcome wanted = {H1_MORE, 0, count};
            expect_outcome(PLENTY, input, count, count, wanted);
            expect_outcome(PLENTY, input, 1, 1, wanted);
        }
    }
}

/* ---- bad chunked bodies: the last byte is the wrong one ---- */

static const struct slice bads[] = {
    /* sizes */
    ROW("\r"),
    ROW("\n"),
    ROW(" "),
    ROW(";"),
    ROW("g"),
    ROW("-"),
    ROW("+"),
    ROW("\""),
    ROW("0x"),
    ROW("5."),
    ROW("5,"),
    ROW("5_"),
    ROW("5h"),
    ROW("5\0"),
    ROW("5\n"),
    ROW("00000000000000000"),
    ROW("00000000000000050"),
    ROW("fffffffffffffffff"),
    ROW("10000000000000000"),
    ROW("1\r\na\r\n00000000000000000"),
    /* the end of the size line */
    ROW("5\rh"),
    ROW("5\r\r"),
    ROW("5 \r"), /* white space stands before ';' only */
    ROW("5\t\r"),
    ROW("5 5"),
    ROW("0 \r"),
    ROW("5 \n"),
    /* extensions */
    ROW("5;\r"),
    ROW("5;\n"),
    ROW("5;;"),
    ROW("5; \r"),
    ROW("5;="),
    ROW("5;\""),
    ROW("5;a\n"),
    ROW("5;a\rb"),
    ROW("5;a \r"),
    ROW("5;a b"),
    ROW("5;a,"),
    ROW("5;a\0"),
    ROW("5;a\x80"),
    ROW("5;a\""),
    ROW("5;a=\r"),
    ROW("5;a= \r"),
    ROW("5;a=;"),
    ROW("5;a=="),
    ROW("5;a=\n"),
    ROW("5;a=b\n"),
    ROW("5;a=b="),
    ROW("5;a=b\""),
    ROW("5;a=b c"),
    ROW("5;a=b \r"),
    ROW("5;a=b;\r"),
    ROW("5;a=("),
    ROW("5;a=b("),
    ROW("5;a=b\r;"),
    ROW("5;a=\"\r"), /* no quotes protect a line end */
    ROW("5;a=\"\n"),
    ROW("5;a=\"b\r"),
    ROW("5;a=\"b\n"),
    ROW("5;a=\"\0"),
    ROW("5;a=\"\x01"),
    ROW("5;a=\"\x7f"),
    ROW("5;a=\"\\\r"),
    ROW("5;a=\"\\\n"),
    ROW("5;a=\"\\\0"),
    ROW("5;a=\"\\\x7f"),
    ROW("5;a=\"b\"c"),
    ROW("5;a=\"b\"\""),
    ROW("5;a=\"b\"="),
    ROW("5;a=\"b\" \r"),
    ROW("5;a=\"b\" c"),
    ROW("5;a=\"b\"\n"),
    ROW("5;a=\"b\\\\\"c"),
    ROW("0;a\n"),
    /* the end of the data */
    ROW("5\r\nhello\n"),
    ROW("5\r\nhello0"),
    ROW("5\r\nhello "),
    ROW("5\r\nhello!"),
    ROW("5\r\nhell\r\n"),
    ROW("5\r\nhello\r\r"),
    ROW("5\r\nhello\r0"),
    ROW("5\r\nhello\r\n\r"),
    ROW("5\r\nhello\r\n "),
    ROW("5\r\nhello\r\n;"),
    /* the end without trailers, and trailers */
    ROW("0\r\n\n"),
    ROW("0\r\n\r\r"),
    ROW("0\r\n\rG"),
    ROW("0\r\nA\r"),
    ROW("0\r\nA\n"),
    ROW("0\r\nA "),
    ROW("0\r\nA\t"),
    ROW("0\r\n:"),
    ROW("0\r\n "),
    ROW("0\r\n\t"),
    ROW("0\r\n\0"),
    ROW("0\r\nA\x80"),
    ROW("0\r\nGET "),
    ROW("0\r\nA: b\n"),
    ROW("0\r\nA: b\r\r"),
    ROW("0\r\nA: b\rc"),
    ROW("0\r\nA: \0"),
    ROW("0\r\nA: b\x7f"),
    ROW("0\r\nA: b\x1f"),
    ROW("0\r\nA: b\r\n "), /* no line folding */
    ROW("0\r\nA: b\r\n\t"),
    ROW("0\r\nA: b\r\n\n"),
    ROW("0\r\nA: b\r\n\r\r"),
    ROW("0\r\nA: b\r\nC\r"),
    ROW("0\r\nA: b\r\n:"),
};

Test(h1_body, bad_chunked_bodies, .init = be_chunked)
{
    static const struct outcome bad = {H1_BAD, 400, 0};
    for (size_t i = 0; i < ARRAY_COUNT(bads); i++) {
        size_t good_count = bads[i].count - 1;
        struct outcome more = {H1_MORE, 0, good_count};
        expect_outcome(PLENTY, (struct slice){bads[i].bytes, good_count}, good_count, 1, more);
        for (size_t j = 0; j < ARRAY_COUNT(behinds); j++) {
            char *bytes = join(bads[i], behinds[j]);
            expect_in_pieces(PLENTY, (struct slice){bytes, bads[i].count + behinds[j].count}, bad);
            free(bytes);
        }
    }
}

/* None of these may stand anywhere: where there is data, it is then one byte too long. */
Test(h1_body, a_control_byte_more, .init = be_chunked)
{
    static const char controls[] = {'\r', '\n', '\0', '\x0b', '\x7f'};
    static const struct outcome bad = {H1_BAD, 400, 0};
    for (size_t i = 0; i < ARRAY_COUNT(goods); i++) {
        for (size_t at = 0; at < (goods[i].count - 1) * ARRAY_COUNT(controls); at++) {
            size_t place = at / ARRAY_COUNT(controls);
            char bytes[256];
            size_t count = goods[i].count + 1;
            memcpy(bytes, goods[i].bytes, place);
            bytes[place] = controls[at % ARRAY_COUNT(controls)];
            memcpy(bytes + place + 1, goods[i].bytes + place, goods[i].count - place);
            memcpy(bytes + count, behinds[1].bytes, behinds[1].count);
            struct slice input = {bytes, count + behinds[1].count};
            expect_outcome(PLENTY, input, input.count, 1, bad);
            expect_outcome(PLENTY, input, 1, 1, bad);
        }
    }
}

/* Nor may a CR or LF be missing, and be it in the data. */
Test(h1_body, a_line_end_byte_less, .init = be_chunked)
{
    static const struct outcome bad = {H1_BAD, 400, 0};
    for (size_t i = 0; i < ARRAY_COUNT(goods); i++) {
        for (size_t at = 0; at < goods[i].count; at++) {
            if (goods[i].bytes[at] != '\r' && goods[i].bytes[at] != '\n') {
                continue;
            }
            char *bytes = join((struct slice){goods[i].bytes, at}, slice_after(goods[i], at + 1));
            char *whole = join((struct slice){bytes, goods[i].count - 1}, behinds[1]);
            struct slice input = {whole, goods[i].count - 1 + behinds[1].count};
            expect_outcome(PLENTY, input, input.count, 1, bad);
            expect_outcome(PLENTY, input, 1, 1, bad);
            free(whole);
            free(bytes);
        }
    }
}

/* ---- every byte in every place ---- */

enum { NOTHING = 0, HEX = 1, TOKEN = 2, TEXT = 4, ANYTHING = 8 };

/* Which bytes may follow. */
static const struct {
    const char *before;
    unsigned classes;
    const char *others;
} places[] = {
    {"", HEX, ""},
    {"5", HEX, "\r; \t"},
    {"000000000000005", HEX, "\r; \t"},
    {"0000000000000005", NOTHING, "\r; \t"}, /* no 17th digit */
    {"5 ", NOTHING, " \t;"},
    {"5\t", NOTHING, " \t;"},
    {"5;", TOKEN, " \t"},
    {"5;\t", TOKEN, " \t"},
    {"5;a", TOKEN, "=;\r \t"},
    {"5;a ", NOTHING, "=; \t"},
    {"5;a=", TOKEN, "\" \t"},
    {"5;a= ", TOKEN, "\" \t"},
    {"5;a=b", TOKEN, ";\r \t"},
    {"5;a=b ", NOTHING, "; \t"},
    {"5;a=b;", TOKEN, " \t"},
    {"5;a=\"", TEXT, ""},
    {"5;a=\"b", TEXT, ""},
    {"5;a=\"\\", TEXT, ""},
    {"5;a=\"\\\"", TEXT, ""},
    {"5;a=\"\"", NOTHING, ";\r \t"},
    {"5;a=\"\" ", NOTHING, "; \t"},
    {"5\r", NOTHING, "\n"},
    {"5;a\r", NOTHING, "\n"},
    {"5;a=\"\"\r", NOTHING, "\n"},
    {"2\r\n", ANYTHING, ""},
    {"2\r\nx", ANYTHING, ""},
    {"2\r\nxy", NOTHING, "\r"},
    {"2\r\nxy\r", NOTHING, "\n"},
    {"2\r\nxy\r\n", HEX, ""},
    {"0\r", NOTHING, "\n"},
    {"0\r\n", TOKEN, "\r"},
    {"0\r\n\r", NOTHING, "\n"},
    {"0\r\na", TOKEN, ":"},
    {"0\r\na:", TEXT, "\r"},
    {"0\r\na: b", TEXT, "\r"},
    {"0\r\na: b\r", NOTHING, "\n"},
    {"0\r\na: b\r\n", TOKEN, "\r"},
    {"0\r\na: b\r\n\r", NOTHING, "\n"},
};

static bool is_in_classes(int byte, unsigned classes)
{
    static const char marks[] = "!#$%&'*+-.^_`|~";
    bool is_digit = byte >= '0' && byte <= '9';
    bool is_letter = (byte >= 'A' && byte <= 'Z') || (byte >= 'a' && byte <= 'z');
    bool is_hex = is_digit || (byte >= 'A' && byte <= 'F') || (byte >= 'a' && byte <= 'f');
    bool is_token = is_digit || is_letter || (byte != 0 && strchr(marks, byte) != NULL);
    bool is_text = byte == '\t' || (byte >= 0x20 && byte != 0x7f);
    return ((classes & HEX) != 0 && is_hex) || ((classes & TOKEN) != 0 && is_token) ||
           ((classes & TEXT) != 0 && is_text) || (classes & ANYTHING) != 0;
}

Test(h1_body, every_byte_in_every_place, .init = be_chunked)
{
    for (size_t i = 0; i < ARRAY_COUNT(places); i++) {
        for (int byte = 0; byte < 256; byte++) {
            char last = (char)byte;
            bool is_good = is_in_classes(byte, places[i].classes) ||
                           (byte != 0 && strchr(places[i].others, byte) != NULL);
            struct slice before = slice_of_string(places[i].before);
            char *bytes = join(before, (struct slice){&last, 1});
            size_t count = before.count + 1;
            struct outcome whole = feed(PLENTY, (struct slice){bytes, count}, count, 1);
            struct outcome split = feed(PLENTY, (struct slice){bytes, count}, before.count, 1);
            if ((whole.result != H1_BAD) != is_good || !is_same(whole, split)) {
                cr_expect(false, "%s with %d: %d, %d", places[i].before, byte, (int)whole.result,
                          (int)split.result);
            }
            free(bytes);
        }
    }
}

/* ---- bodies with a length ---- */

Test(h1_body, lengths)
{
    request.body = BODY_LENGTH;
    char input[24] = "0\r\n\r\n\r\nGET / HTTP/1.1\r\n";
    for (uint64_t length = 1; length <= 20; length++) {
        request.body_bytes = length;
        for (size_t count = 0; count <= 24; count++) {
            struct slice sent = {input, count};
            struct outcome wanted = {count < length ? H1_MORE : H1_OK, 0,
                                     count < length ? count : (size_t)length};
            expect_in_pieces(length, sent, wanted);
            expect_in_pieces(length + 1, sent, wanted);
            expect_in_pieces(INT64_MAX, sent, wanted);
            /* too much is known from the first byte on, and before it */
            expect_in_pieces(length - 1, sent, (struct outcome){H1_BAD, 413, 0});
        }
    }
}

/* Content-Length has up to 19 digits; more than memory, and more than a signed number holds. */
Test(h1_body, long_lengths)
{
    static const struct {
        uint64_t length, bytes_max;
        unsigned status;
    } rows[] = {
        {(1 << 20), 1 << 20, 0},
        {(1 << 20) + 1, 1 << 20, 413},
        {INT64_C(1) << 32, UINT32_MAX, 413},
        {INT64_C(1) << 32, INT64_C(1) << 32, 0},
        {1, 0, 413},
        {INT64_MAX, INT64_MAX, 0},
        {INT64_MAX, INT64_MAX - 1, 413},
        {UINT64_C(9999999999999999999), INT64_MAX, 413},
        {UINT64_MAX, INT64_MAX, 413},
        {UINT64_MAX, UINT64_MAX - 1, 413},
    };
    request.body = BODY_LENGTH;
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        request.body_bytes = rows[i].length;
        struct outcome wanted = {H1_BAD, 413, 0};
        if (rows[i].status == 0) {
            wanted = (struct outcome){H1_MORE, 0, 5};
        }
        expect_in_pieces(rows[i].bytes_max, SLICE("hello"), wanted);
    }
}

/* The length is what the request says; what it said before is forgotten. */
Test(h1_body, init_forgets)
{
    struct h1_body body;
    size_t used;
    unsigned status;
    request.body = BODY_CHUNKED;
    h1_body_init(&body, &request, 10);
    cr_expect(h1_body_skip(&body, SLICE("9;a=\""), &used, &status) == H1_MORE);
    request.body = BODY_LENGTH;
    request.body_bytes = 3;
    h1_body_init(&body, &request, 3);
    cr_expect(h1_body_skip(&body, SLICE("abcd"), &used, &status) == H1_OK && used == 3);
    request.body = BODY_CHUNKED;
    request.body_bytes = 0;
    h1_body_init(&body, &request, 3);
    cr_expect(h1_body_skip(&body, SLICE(END "x"), &used, &status) == H1_OK && used == 5);
}

/* ---- limits of chunked bodies ---- */

#define TEN "a\r\n0123456789\r\n"

static const struct {
    struct slice input; /* goes on until too much is certain */
    uint64_t bytes_max;
    unsigned status; /* 0: good */
} limit_rows[] = {
    {ROW(END), 0, 0},
    {ROW("1\r\na\r\n" END), 1, 0},
    {ROW("1\r\na\r\n" END), 0, 413},
    {ROW(TEN END), 10, 0},
    {ROW(TEN END), 9, 413},
    {ROW(TEN END), 1, 413},
    /* the sum */
    {ROW(TEN TEN TEN END), 30, 0},
    {ROW(TEN TEN TEN END), 29, 413},
    {ROW(TEN TEN TEN END), 21, 413},
    {ROW(TEN TEN TEN END), 20, 413},
    {ROW(TEN TEN TEN END), 19, 413},
    {ROW(TEN TEN TEN END), 15, 413},
    {ROW(TEN TEN TEN END), 10, 413},
    /* the size alone */
    {ROW("b\r\n0"), 10, 413},
    {ROW("100001\r\n0"), 1 << 20, 413},
    {ROW("7fffffffffffffff\r\n0"), INT64_MAX - 1, 413},
    {ROW("8000000000000000\r\n0"), INT64_MAX, 413},
    {ROW("ffffffffffffffff\r\n0"), INT64_MAX, 413},
    {ROW("FFFFFFFFFFFFFFFF;a=b\r\n0"), 1 << 20, 413},
    /* a sum that wraps around is no small one */
    {ROW("1\r\na\r\nffffffffffffffff\r\n0"), INT64_MAX, 413},
    {ROW(TEN "fffffffffffffff6\r\n0"), INT64_MAX, 413},
    {ROW(TEN "fffffffffffffff7\r\n0"), 10, 413},
    /* wrong framing is wrong framing, as long as there is not too much before it */
    {ROW(TEN "x"), 10, 400},
    {ROW("a\r\n0123456789x"), 10, 400},
    {ROW("fffffffffffffffff"), 10, 400},
};

Test(h1_body, limits_of_chunks, .init = be_chunked)
{
    for (size_t i = 0; i < ARRAY_COUNT(limit_rows); i++) {
        struct slice input = limit_rows[i].input;
        struct outcome wanted = {H1_BAD, limit_rows[i].status, 0};
        if (limit_rows[i].status == 0) {
            wanted = (struct outcome){H1_OK, 0, input.count};
        }
        expect_in_pieces(limit_rows[i].bytes_max, input, wanted);
    }
}

/* However the bytes come: no more of them are dropped than may be, and it does not depend on the
 * pieces when it is known that there are too many. */
Test(h1_body, no_more_is_dropped, .init = be_chunked)
{
    struct slice input = SLICE(TEN TEN TEN);
    for (uint64_t bytes_max = 0; bytes_max < 30; bytes_max++) {
        for (size_t count = 0; count <= input.count; count++) {
            struct h1_body body;
            size_t used;
            unsigned status;
            h1_body_init(&body, &request, bytes_max);
            struct slice sent = {input.bytes, count};
            (void)h1_body_skip(&body, sent, &used, &status);
            if (body.data > bytes_max) {
                cr_expect(false, "%zu bytes, at most %ju of data: %ju dropped", count,
                          (uintmax_t)bytes_max, (uintmax_t)body.data);
            }
            struct outcome slow = feed(bytes_max, sent, 1, 1);
            expect_outcome(bytes_max, sent, count, 1, slow);
        }
    }
}

/* What has no end by itself: `before`, and then `again` for ever. */
static const struct {
    const char *before, *again;
} endless[] = {
    {"5;", "a"},
    {"5;a=", "b"},
    {"5", " "},
    {"5;", "\t"},
    {"5;a", " "},
    {"5;a=\"", "b"},
    {"5;a=\"", "\\\""},
    {"5", ";a=\"b\""},
    {"0;", "a"},
    {"0\r\n", "a"},
    {"0\r\na:", " "},
    {"0\r\na:", "b"},
    {"0\r\n", "a: b\r\n"},
    {"0\r\n", "a:\r\n"},
    {"", "1\r\na\r\n"},
    {"", "0000000000000001;a=b\r\na\r\n"},
};

enum { ENDLESS_BYTES = 1 << 18, ENOUGH = 1 << 16 };

Test(h1_body, endless_bodies, .init = be_chunked)
{
    static char bytes[ENDLESS_BYTES];
    static const struct outcome bad = {H1_BAD, 413, 0};
    static const uint64_t limits[] = {0, 100, 10000};
    for (size_t i = 0; i < ARRAY_COUNT(endless); i++) {
        struct slice again = slice_of_string(endless[i].again);
        size_t count = strlen(endless[i].before);
        memcpy(bytes, endless[i].before, count);
        for (; count + again.count <= sizeof bytes; count += again.count) {
            memcpy(bytes + count, again.bytes, again.count);
        }
        for (size_t j = 0; j < ARRAY_COUNT(limits); j++) {
            expect_outcome(limits[j], (struct slice){bytes, count}, count, 1, bad);
            expect_outcome(limits[j], (struct slice){bytes, count}, 1000, 1000, bad);
            expect_outcome(limits[j], (struct slice){bytes, ENOUGH}, 1, 1, bad);
        }
    }
}

/* What is long but has an end is taken, for a field or a name is of any length (section 7.1.1). */
Test(h1_body, long_extensions_and_trailers, .init = be_chunked)
{
    enum { LONG = 8000 };
    static const struct {
        const char *before, *behind;
    } rows[] = {
        {"0;", "\r\n\r\n"},           {"0;a=\"", "\"\r\n\r\n"}, {"0;a=", ";b\r\n\r\n"},
        {"0\r\n", ":\r\n\r\n"},       {"0\r\na:", "\r\n\r\n"},  {"0\r\na:", "\r\nb: c\r\n\r\n"},
        {"1;", "\r\na\r\n0\r\n\r\n"},
    };
    static char many[LONG];
    memset(many, 'x', sizeof many);
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        char *start = join(slice_of_string(rows[i].before), (struct slice){many, LONG});
        size_t start_count = strlen(rows[i].before) + LONG;
        struct slice behind = slice_of_string(rows[i].behind);
        char *bytes = join((struct slice){start, start_count}, behind);
        struct slice input = {bytes, start_count + behind.count};
        struct outcome wanted = {H1_OK, 0, input.count};
        expect_outcome(1, input, input.count, 1, wanted);
        expect_outcome(1, input, 1, 1, wanted);
        expect_outcome(1, input, 1000, 1000, wanted);
        free(bytes);
        free(start);
    }
}

/* Data in the smallest chunks: the framing is several times as long. */
Test(h1_body, small_chunks, .init = be_chunked)
{
    enum { CHUNKS = 3000 };
    static const char chunk[] = "1\r\na\r\n";
    static char bytes[CHUNKS * (sizeof chunk - 1) + sizeof END - 1];
    size_t count = 0;
    for (size_t i = 0; i < CHUNKS; i++, count += sizeof chunk - 1) {
        memcpy(bytes + count, chunk, sizeof chunk - 1);
    }
    memcpy(bytes + count, END, sizeof END - 1);
    struct slice input = {bytes, sizeof bytes};
    struct outcome wanted = {H1_OK, 0, input.count};
    expect_outcome(CHUNKS, input, input.count, 1, wanted);
    expect_outcome(CHUNKS, input, 1, 1, wanted);
    expect_outcome(CHUNKS, input, 1001, 1001, wanted);
    expect_outcome(CHUNKS - 1, input, 1001, 1001, (struct outcome){H1_BAD, 413, 0});
}

/* ---- bodies by chance ---- */

/* The same in every run. */
static unsigned chance(unsigned below)
{
    static uint64_t state = 1;
    state = state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (unsigned)(state >> 33) % below;
}

enum { RANDOM_BYTES_MAX = 1024 };

/* A good body; returns its length. */
static size_t make_body(char out[RANDOM_BYTES_MAX])
{
    static const char *const extensions[] = {"", "", ";a", " ; b = c", ";d=\"\\\"e\""};
    static const char *const trailers[] = {"", "", "A: b\r\n", "A: b\r\nC:\r\n"};
    size_t at = 0;
    for (unsigned chunks = chance(4); chunks > 0; chunks--) {
        unsigned size = 1 + chance(40);
        const char *extension = extensions[chance(ARRAY_COUNT(extensions))];
        int width = (int)chance(6);
        at +=
            (size_t)snprintf(out + at, RANDOM_BYTES_MAX - at, "%0*x%s\r\n", width, size, extension);
        for (unsigned i = 0; i < size; i++) {
            out[at++] = "\r\n0;a\xff"[chance(6)];
        }
        memcpy(out + at, "\r\n", 2);
        at += 2;
    }
    return at + (size_t)snprintf(out + at, RANDOM_BYTES_MAX - at, "0%s\r\n%s\r\n",
                                 extensions[chance(ARRAY_COUNT(extensions))],
                                 trailers[chance(ARRAY_COUNT(trailers))]);
}

/* Good bodies end where they end; with some bytes changed, they are still read the same way in all
 * pieces. */
Test(h1_body, random_bodies, .init = be_chunked)
{
    for (size_t i = 0; i < 3000; i++) {
        char bytes[RANDOM_BYTES_MAX];
        size_t count = make_body(bytes);
        struct slice input = {bytes, count + 1 + chance(20)};
        memset(bytes + count, "\r\n0G"[chance(4)], input.count - count);
        struct outcome wanted = {H1_OK, 0, count};
        expect_outcome(PLENTY, input, input.count, 1, wanted);
        expect_outcome(PLENTY, input, chance(50), 1 + chance(50), wanted);
        bytes[chance((unsigned)count)] = "\r\n;0\" a=\0\xff"[chance(10)];
        uint64_t bytes_max = chance(200);
        wanted = feed(bytes_max, input, 1, 1);
        expect_outcome(bytes_max, input, input.count, 1, wanted);
        expect_outcome(bytes_max, input, chance(50), 1 + chance(50), wanted);
    }
}
