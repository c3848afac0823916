/* Where the body of a request ends: lengths and chunks, each whole, byte by byte, and split in two
 * at every place, with the same end; what is wrong in them; and how much of it is taken. */
#include "http/h1_body.h"

#include <criterion/criterion.h>
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
        outcome.result =
            h1_body_skip(&body, (struct slice){copy, count}, &used, &outcome.status);
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

/* One behind the other; the caller frees the bytes. */
static struct slice join(struct slice a, struct slice b)
{
    char *bytes = malloc(a.count + b.count + 1);
    memcpy(bytes, a.bytes, a.count);
    memcpy(bytes + a.count, b.bytes, b.count);
    return (struct slice){bytes, a.count + b.count};
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
            struct slice input = join(goods[i], behinds[j]);
            expect_in_pieces(PLENTY, input, (struct outcome){H1_OK, 0, goods[i].count});
            free((void *)(uintptr_t)input.bytes);
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
    ROW("5;a=(b"
        + 0),
};
