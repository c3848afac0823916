/* Lines of the access log: tables of what clients send, and the text that comes of it. Each line is
 * one line, printable ASCII, and its fields end where they should. */
#include "net/access_line.h"

#include "common/mem.h"
#include "http/h1_parse.h"
#include "http/limits.h"

#include <criterion/criterion.h>
#include <stdlib.h>

static struct request request;

/* 2026-11-06 08:49:37.012345 UTC */
static const int64_t begun_ns = INT64_C(1793954977012345678);

/* An answered request, parsed as a connection's is. */
static struct exchange exchange_of(const char *head, size_t count)
{
    static struct limits limits;
    unsigned status;
    limits_init(&limits);
    struct exchange exchange = {
        .client.bytes = {[10] = 0xff, [11] = 0xff, [12] = 192, [13] = 0, [14] = 2, [15] = 1},
        .line = {head, strcspn(head, "\r\n")},
        .begun_ns = begun_ns,
        .duration_ns = 1002003456,
        .status = 200,
        .is_whole = true,
        .codec = CODEC_COUNT,
        .body_bytes = 10,
        .announced_bytes = 20,
    };
    if (h1_parse((struct slice){head, count}, &limits, &request, &status) == H1_OK) {
        exchange.request = &request;
    }
    return exchange;
}

/* The text of a line without its '\n'; the caller frees it. */
static char *text_of(enum access_format format, const struct exchange *exchange)
{
    struct access_line line;
    access_line_init(&line);
    struct slice made = access_line_make(&line, format, exchange);
    cr_assert(made.count > 0 && made.bytes[made.count - 1] == '\n');
    for (size_t i = 0; i < made.count - 1; i++) {
        cr_assert(made.bytes[i] >= 0x20 && made.bytes[i] < 0x7f, "byte %zu", i);
    }
    char *text = mem_string(made.bytes, made.count - 1);
    access_line_fini(&line);
    return text;
}

static void check(enum access_format format, const struct exchange *exchange, const char *expected)
{
    char *text = text_of(format, exchange);
    cr_assert_str_eq(text, expected);
    free(text);
}

#define HEAD(text) (text), sizeof(text) - 1

Test(access_line, combined)
{
    struct exchange plain = exchange_of(HEAD("GET /a?b HTTP/1.1\r\nHost: x\r\n\r\n"));
    check(ACCESS_COMBINED, &plain,
          "192.0.2.1 - - [06/Nov/2026:08:49:37 +0000] \"GET /a?b HTTP/1.1\" 200 10 \"-\" \"-\"");
    struct exchange hostile = exchange_of(HEAD("GET /\"\\ HTTP/1.1\r\nHost: x\r\nUser-Agent: \" "
                                               "200 1 \"\\\t\xff\r\nReferer: \xc3\xa9\r\n\r\n"));
    hostile.request = NULL;
    check(ACCESS_COMBINED, &hostile,
          "192.0.2.1 - - [06/Nov/2026:08:49:37 +0000] \"GET /\\x22\\x5c HTTP/1.1\" 200 10 \"-\" "
          "\"-\"");
    hostile = exchange_of(HEAD("GET / HTTP/1.1\r\nHost: x\r\nUser-Agent: \" 200 1 "
                               "\"\\\t\xff\r\nReferer: \xc3\xa9\r\n\r\n"));
    check(ACCESS_COMBINED, &hostile,
          "192.0.2.1 - - [06/Nov/2026:08:49:37 +0000] \"GET / HTTP/1.1\" 200 10 \"\\xc3\\xa9\" "
          "\"\\x22 200 1 \\x22\\x5c\\x09\\xff\"");
    struct exchange nothing = {.status = 408, .codec = CODEC_COUNT};
    check(ACCESS_COMBINED, &nothing,
          "unix - - [01/Jan/1970:00:00:00 +0000] \"-\" 408 0 \"-\" \"-\"");
}

Test(access_line, json)
{
    struct exchange exchange = exchange_of(HEAD(
        "HEAD http://a.example:80/p?q HTTP/1.0\r\nHost: b\r\nUser-Agent: u\r\nReferer: r\r\n\r\n"));
    exchange.codec = CODEC_ZSTD;
    exchange.site_id = 3;
    exchange.release = UINT64_MAX;
    exchange.host = SLICE(".a.example");
    exchange.prefix = SLICE("/docs");
    exchange.trace_id[0] = 0x0a;
    exchange.span_id[7] = 0xff;
    exchange.is_whole = false;
    check(
        ACCESS_JSON, &exchange,
        "{\"time\":\"2026-11-06T08:49:37.012345Z\",\"client\":\"192.0.2.1\",\"host\":\"a.example:"
        "80\","
        "\"method\":\"HEAD\",\"path\":\"/p\",\"query\":\"?q\",\"protocol\":\"HTTP/"
        "1.0\",\"status\":200,"
        "\"bytes\":10,\"length\":20,\"complete\":false,\"duration_s\":1.002003,\"encoding\":"
        "\"zstd\","
        "\"site\":3,\"release\":18446744073709551615,\"site_host\":\"*.a.example\",\"site_at\":\"/"
        "docs\","
        "\"referer\":\"r\",\"user_agent\":\"u\",\"trace_id\":\"0a000000000000000000000000000000\","
        "\"span_id\":\"00000000000000ff\"}");
    struct exchange nothing = {.status = 408, .codec = CODEC_COUNT, .line = SLICE("GET / HT")};
    check(ACCESS_JSON, &nothing,
          "{\"time\":\"1970-01-01T00:00:00.000000Z\",\"client\":\"unix\",\"request\":\"GET / HT\","
          "\"status\":408,\"bytes\":0,\"length\":0,\"complete\":false,\"duration_s\":0.000000}");
}

/* Bytes as they came, and the string that they are. */
Test(access_line, json_strings)
{
    static const struct {
        struct slice bytes;
        const char *string;
    } rows[] = {
        {{"plain ~", 7}, "plain ~"},
        {{"\"\\/", 3}, "\\\"\\\\\\\\/"},
        {{"\0\n\r\t\x1f\x7f", 6}, "\\u0000\\u000a\\u000d\\u0009\\u001f\\u007f"},
        {{"\xc2\x80\xc3\xa9\xe2\x80\xa8", 7}, "\\u0080\\u00e9\\u2028"},
        {{"\xef\xbf\xbd\xf0\x9f\x90\xa2\xf4\x8f\xbf\xbf", 11},
         "\\ufffd\\ud83d\\udc22\\udbff\\udfff"},
        /* no UTF-8: alone, cut, overlong, a surrogate, beyond the last */
        {{"\x80\xff", 2}, "\\\\x80\\\\xff"},
        {{"a\xc3", 2}, "a\\\\xc3"},
        {{"\xe2\x82", 2}, "\\\\xe2\\\\x82"},
        {{"\xc0\x80", 2}, "\\\\xc0\\\\x80"},
        {{"\xed\xa0\x80", 3}, "\\\\xed\\\\xa0\\\\x80"},
        {{"\xf4\x90\x80\x80", 4}, "\\\\xf4\\\\x90\\\\x80\\\\x80"},
        {{"\\x80", 4}, "\\\\\\\\x80"}, /* the text, not the byte */
    };
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        char *bytes = mem_string(rows[i].bytes.bytes, rows[i].bytes.count);
        char *copy = mem_resize(NULL, rows[i].bytes.count, 1); /* a read behind it is found */
        memcpy(copy, bytes, rows[i].bytes.count);
        const struct exchange exchange = {
            .status = 400, .codec = CODEC_COUNT, .line = {copy, rows[i].bytes.count}};
        char *expected = mem_format("\"request\":\"%s\",\"status\"", rows[i].string);
        char *text = text_of(ACCESS_JSON, &exchange);
        cr_assert(strstr(text, expected) != NULL, "row %zu: %s", i, text);
        free(text);
        free(expected);
        free(copy);
        free(bytes);
    }
}

/* Nothing is cut, and the buffer of a worker serves long and short lines in turn. */
Test(access_line, as_long_as_a_request_can_be)
{
    enum { LONG_BYTES = 70000 };
    struct access_line line;
    access_line_init(&line);
    char *bytes = mem_resize(NULL, LONG_BYTES, 1);
    memset(bytes, '\xff', LONG_BYTES);
    for (int i = 0; i < 4; i++) {
        enum access_format format = i % 2 == 0 ? ACCESS_COMBINED : ACCESS_JSON;
        struct exchange exchange = {
            .status = 414, .codec = CODEC_COUNT, .line = {bytes, LONG_BYTES}};
        size_t count = access_line_make(&line, format, &exchange).count;
        cr_assert(count > (format == ACCESS_JSON ? 5 : 4) * LONG_BYTES);
        exchange.line.count = 0;
        cr_assert(access_line_make(&line, format, &exchange).count < 300);
        line.second = -1; /* a log has one format */
    }
    free(bytes);
    access_line_fini(&line);
}
