/* The request parser: a table of good requests, each also byte by byte, and a table of bad ones. */
#include "http/h1_parse.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

#define HOST "Host: a.example\r\n"
#define END  "\r\n"

/* ---- good requests ---- */

enum {
    CLOSES = 1,
    HAS_BODY = 2,
    IS_CHUNKED = 4,
    ASTERISK = 8,
    CONTINUES = 16,
    ODD = 32,
    NOT_OURS = 64
};

static const struct good {
    const char *input;
    enum http_method method;
    const char *path;
    const char *query;
    const char *host;
    unsigned version_minor;
    unsigned facts;
} goods[] = {
    {"GET / HTTP/1.1\r\n" HOST END, METHOD_GET, "/", "", "a.example", 1, 0},
    {"HEAD /a/b.html HTTP/1.1\r\n" HOST END, METHOD_HEAD, "/a/b.html", "", "a.example", 1, 0},
    {"\r\nGET / HTTP/1.1\r\n" HOST END, METHOD_GET, "/", "", "a.example", 1, 0},
    /* targets */
    {"GET /a?b=c HTTP/1.1\r\n" HOST END, METHOD_GET, "/a", "?b=c", "a.example", 1, 0},
    {"GET /? HTTP/1.1\r\n" HOST END, METHOD_GET, "/", "?", "a.example", 1, 0},
    {"GET /a?b?c/../d HTTP/1.1\r\n" HOST END, METHOD_GET, "/a", "?b?c/../d", "a.example", 1, 0},
    {"GET //x/%2e%2e HTTP/1.1\r\n" HOST END, METHOD_GET, "//x/%2e%2e", "", "a.example", 1, 0},
    {"GET /\xc3\xa9 HTTP/1.1\r\n" HOST END, METHOD_GET, "/\xc3\xa9", "", "a.example", 1, 0},
    {"GET /\"<>\\^`{|} HTTP/1.1\r\n" HOST END, METHOD_GET, "/\"<>\\^`{|}", "", "a.example", 1, 0},
    /* absolute-form: its authority beats the field's (RFC 9112 section 3.2.2) */
    {"GET http://b.example/x?y HTTP/1.1\r\n" HOST END, METHOD_GET, "/x", "?y", "b.example", 1, 0},
    {"GET http://b.example:8080/ HTTP/1.1\r\n" HOST END, METHOD_GET, "/", "", "b.example:8080", 1,
     0},
    {"GET http://b.example HTTP/1.1\r\n" HOST END, METHOD_GET, "/", "", "b.example", 1, 0},
    {"GET http://b.example?y HTTP/1.1\r\n" HOST END, METHOD_GET, "/", "?y", "b.example", 1, 0},
    {"GET HTTPS://b.example/ HTTP/1.1\r\n" HOST END, METHOD_GET, "/", "", "b.example", 1, NOT_OURS},
    {"GET hTTp://b.example/ HTTP/1.1\r\n" HOST END, METHOD_GET, "/", "", "b.example", 1, 0},
    {"GET http://[::1]:80/ HTTP/1.1\r\n" HOST END, METHOD_GET, "/", "", "[::1]:80", 1, 0},
    /* methods */
    {"POST / HTTP/1.1\r\n" HOST END, METHOD_NOT_ALLOWED, "/", "", "a.example", 1, 0},
    {"PUT / HTTP/1.1\r\n" HOST END, METHOD_NOT_ALLOWED, "/", "", "a.example", 1, 0},
    {"DELETE / HTTP/1.1\r\n" HOST END, METHOD_NOT_ALLOWED, "/", "", "a.example", 1, 0},
    {"PATCH / HTTP/1.1\r\n" HOST END, METHOD_NOT_ALLOWED, "/", "", "a.example", 1, 0},
    {"TRACE / HTTP/1.1\r\n" HOST END, METHOD_NOT_ALLOWED, "/", "", "a.example", 1, 0},
    {"OPTIONS * HTTP/1.1\r\n" HOST END, METHOD_OPTIONS, "/", "", "a.example", 1, ASTERISK},
    {"OPTIONS http://b.example HTTP/1.1\r\n" HOST END, METHOD_OPTIONS, "/", "", "b.example", 1,
     ASTERISK},
    {"OPTIONS http://b.example/ HTTP/1.1\r\n" HOST END, METHOD_OPTIONS, "/", "", "b.example", 1, 0},
    {"OPTIONS /a HTTP/1.1\r\n" HOST END, METHOD_OPTIONS, "/a", "", "a.example", 1, 0},
    {"CONNECT [::1]:443 HTTP/1.1\r\n" HOST END, METHOD_NOT_ALLOWED, "/", "", "a.example", 1, 0},
    {"BREW * HTTP/1.1\r\n" HOST END, METHOD_UNKNOWN, "/", "", "a.example", 1, 0},
    {"BREW coffee:// HTTP/1.1\r\n" HOST END, METHOD_UNKNOWN, "/", "", "a.example", 1, 0},
    {"CONNECT b.example:443 HTTP/1.1\r\n" HOST END, METHOD_NOT_ALLOWED, "/", "", "a.example", 1, 0},
    {"BREW / HTTP/1.1\r\n" HOST END, METHOD_UNKNOWN, "/", "", "a.example", 1, 0},
    {"get / HTTP/1.1\r\n" HOST END, METHOD_UNKNOWN, "/", "", "a.example", 1, 0},
    {"GETX / HTTP/1.1\r\n" HOST END, METHOD_UNKNOWN, "/", "", "a.example", 1, 0},
    {"!#$%&'*+-.^_`|~9 / HTTP/1.1\r\n" HOST END, METHOD_UNKNOWN, "/", "", "a.example", 1, 0},
    /* versions */
    {"GET / HTTP/1.0\r\n\r\n", METHOD_GET, "/", "", "", 0, CLOSES},
    {"GET / HTTP/1.0\r\n" HOST END, METHOD_GET, "/", "", "a.example", 0, CLOSES},
    {"GET / HTTP/1.2\r\n" HOST END, METHOD_GET, "/", "", "a.example", 1, 0},
    {"GET / HTTP/1.9\r\n" HOST END, METHOD_GET, "/", "", "a.example", 1, 0},
    /* Host */
    {"GET / HTTP/1.1\r\nHost:\r\n\r\n", METHOD_GET, "/", "", "", 1, 0},
    {"GET / HTTP/1.1\r\nhOsT:a.example:8080\t \r\n\r\n", METHOD_GET, "/", "", "a.example:8080", 1,
     0},
    {"GET / HTTP/1.1\r\nHost: [2001:db8::1]:80\r\n\r\n", METHOD_GET, "/", "", "[2001:db8::1]:80", 1,
     0},
    {"GET / HTTP/1.1\r\nHost: a%2db_c.\r\n\r\n", METHOD_GET, "/", "", "a%2db_c.", 1, 0},
    {"GET / HTTP/1.1\r\nHost: a:65535\r\n\r\n", METHOD_GET, "/", "", "a:65535", 1, 0},
    {"GET / HTTP/1.1\r\nHost: a:\r\n\r\n", METHOD_GET, "/", "", "a:", 1, 0},
    /* expectations (RFC 9110 section 10.1.1); HTTP/1.0 has none */
    {"PUT / HTTP/1.1\r\n" HOST "Expect: 100-Continue\r\nContent-Length: 1\r\n\r\n",
     METHOD_NOT_ALLOWED, "/", "", "a.example", 1, CONTINUES | HAS_BODY},
    {"GET / HTTP/1.1\r\n" HOST "Expect: 200-ok\r\n\r\n", METHOD_GET, "/", "", "a.example", 1, ODD},
    {"GET / HTTP/1.1\r\n" HOST "Expect:\r\n\r\n", METHOD_GET, "/", "", "a.example", 1, ODD},
    {"GET / HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\n", METHOD_GET, "/", "", "",
     0, CLOSES | HAS_BODY},
    /* persistence (RFC 9112 section 9.3) */
    {"GET / HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n", METHOD_GET, "/", "", "a.example", 1,
     CLOSES},
    {"GET / HTTP/1.1\r\n" HOST "connection: Upgrade , CLOSE\r\n\r\n", METHOD_GET, "/", "",
     "a.example", 1, CLOSES},
    {"GET / HTTP/1.1\r\n" HOST "Connection: closed, un-close\r\n\r\n", METHOD_GET, "/", "",
     "a.example", 1, 0},
    {"GET / HTTP/1.1\r\n" HOST "Connection: keep-alive\r\nConnection: close\r\n\r\n", METHOD_GET,
     "/", "", "a.example", 1, CLOSES},
    {"GET / HTTP/1.1\r\n" HOST "Connection: ,,\r\n\r\n", METHOD_GET, "/", "", "a.example", 1, 0},
    {"GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n", METHOD_GET, "/", "", "", 0, 0},
    {"GET / HTTP/1.0\r\nConnection: keep-alive, close\r\n\r\n", METHOD_GET, "/", "", "", 0, CLOSES},
    /* bodies */
    {"GET / HTTP/1.1\r\n" HOST "Content-Length: 0\r\n\r\n", METHOD_GET, "/", "", "a.example", 1, 0},
    {"GET / HTTP/1.1\r\n" HOST "Content-Length: 000\r\n\r\n", METHOD_GET, "/", "", "a.example", 1,
     0},
    {"POST / HTTP/1.1\r\n" HOST "Content-Length: 5\r\n\r\n", METHOD_NOT_ALLOWED, "/", "",
     "a.example", 1, HAS_BODY},
    {"GET / HTTP/1.1\r\n" HOST "Content-Length: 9999999999999999999\r\n\r\n", METHOD_GET, "/", "",
     "a.example", 1, HAS_BODY},
    {"POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n", METHOD_NOT_ALLOWED, "/", "",
     "a.example", 1, IS_CHUNKED},
    {"POST / HTTP/1.1\r\n" HOST "transfer-encoding:\tChunked \r\n\r\n", METHOD_NOT_ALLOWED, "/", "",
     "a.example", 1, IS_CHUNKED},
    /* field values */
    {"GET / HTTP/1.1\r\n" HOST "X:\r\nY: \t \r\nZ: a\tb \x80\xff\r\n\r\n", METHOD_GET, "/", "",
     "a.example", 1, 0},
    {"GET / HTTP/1.1\r\n" HOST "Cookie: a=b; c=\"d, e\"; f:g\r\n\r\n", METHOD_GET, "/", "",
     "a.example", 1, 0},
};

static struct limits limits;

/* The defaults, said again. */
enum { TARGET_BYTES = 8192, HEAD_BYTES = 16384, FIELDS = 100 };

/* The defaults, for every test of this file. */
static void set_limits(void)
{
    limits_init(&limits);
}

static bool is_text(struct slice slice, const char *text)
{
    return slice_equal(slice, slice_of_string(text));
}

static void check_good(const struct good *good, const struct request *request)
{
    cr_expect(request->method == good->method, "%s: method %d", good->input, (int)request->method);
    cr_expect(is_text(request->path, good->path), "%s: path %.*s", good->input,
              (int)request->path.count, request->path.bytes);
    cr_expect(is_text(request->query, good->query), "%s: query %.*s", good->input,
              (int)request->query.count, request->query.bytes);
    cr_expect(is_text(request->host, good->host), "%s: host %.*s", good->input,
              (int)request->host.count, request->host.bytes);
    cr_expect(request->version_minor == good->version_minor, "%s", good->input);
    cr_expect(request->keep_alive == ((good->facts & CLOSES) == 0), "%s", good->input);
    enum body_framing body = (good->facts & HAS_BODY) != 0     ? BODY_LENGTH
                             : (good->facts & IS_CHUNKED) != 0 ? BODY_CHUNKED
                                                               : BODY_NONE;
    cr_expect(request->body == body, "%s: %d", good->input, (int)request->body);
    cr_expect((request->body_bytes > 0) == (body == BODY_LENGTH), "%s", good->input);
    cr_expect(request->is_asterisk == ((good->facts & ASTERISK) != 0), "%s", good->input);
    cr_expect(request->expects_continue == ((good->facts & CONTINUES) != 0), "%s", good->input);
    enum request_refusal refusal = (good->facts & ODD) != 0        ? REFUSE_EXPECTATION
                                   : (good->facts & NOT_OURS) != 0 ? REFUSE_ORIGIN
                                                                   : REFUSE_NOTHING;
    cr_expect(request->refusal == refusal, "%s: %d", good->input, (int)request->refusal);
    cr_expect(request->head_bytes == strlen(good->input), "%s: %zu bytes", good->input,
              request->head_bytes);
}

Test(h1_parse, good_requests, .init = set_limits)
{
    for (size_t i = 0; i < ARRAY_COUNT(goods); i++) {
        struct request request;
        unsigned status = 0;
        enum h1_result result =
            h1_parse(slice_of_string(goods[i].input), &limits, &request, &status);
        cr_expect(result == H1_OK, "%s: %d, %u", goods[i].input, (int)result, status);
        if (result == H1_OK) {
            check_good(&goods[i], &request);
        }
    }
}

/* In a block of exactly that size, so that a read behind the input is found. */
static enum h1_result parse_prefix(const char *input, size_t count, char **out_copy,
                                   struct request *request)
{
    unsigned status = 0;
    *out_copy = malloc(count > 0 ? count : 1);
    cr_assert(*out_copy != NULL);
    memcpy(*out_copy, input, count);
    return h1_parse((struct slice){*out_copy, count}, &limits, request, &status);
}

Test(h1_parse, good_requests_in_every_prefix, .init = set_limits)
{
    for (size_t i = 0; i < ARRAY_COUNT(goods); i++) {
        size_t whole = strlen(goods[i].input);
        struct request request; /* one for all: nothing of an earlier call may stay */
        for (size_t count = 0; count <= whole; count++) {
            char *copy;
            enum h1_result result = parse_prefix(goods[i].input, count, &copy, &request);
            cr_expect(result == (count == whole ? H1_OK : H1_MORE), "%.*s: %d", (int)count,
                      goods[i].input, (int)result);
            if (count == whole && result == H1_OK) {
                check_good(&goods[i], &request);
            }
            free(copy);
        }
    }
}

Test(h1_parse, fields_are_slices_of_the_input, .init = set_limits)
{
    struct slice input = SLICE("GET / HTTP/1.1\r\n" HOST
                               "If-None-Match: \"a\", W/\"b\" \r\nif-none-match:*\r\nX-Y:  z \r\n"
                               "Connection: x\r\nContent-Length: 0\r\n\r\n");
    static const struct {
        const char *name, *value;
        enum http_field_id id;
    } wanted[] = {
        {"Host", "a.example", FIELD_HOST},
        {"If-None-Match", "\"a\", W/\"b\"", FIELD_IF_NONE_MATCH},
        {"if-none-match", "*", FIELD_IF_NONE_MATCH},
        {"X-Y", "z", FIELD_OTHER},
        {"Connection", "x", FIELD_CONNECTION},
        {"Content-Length", "0", FIELD_CONTENT_LENGTH},
    };
    struct request request;
    unsigned status;
    cr_assert(h1_parse(input, &limits, &request, &status) == H1_OK);
    cr_assert(request.field_count == ARRAY_COUNT(wanted), "%zu", request.field_count);
    for (size_t i = 0; i < ARRAY_COUNT(wanted); i++) {
        const struct http_field *field = &request.fields[i];
        cr_expect(is_text(field->name, wanted[i].name) && is_text(field->value, wanted[i].value),
                  "field %zu", i);
        cr_expect(field->id == wanted[i].id, "field %zu: %d", i, (int)field->id);
        cr_expect(field->name.bytes > input.bytes && field->name.bytes < input.bytes + input.count);
    }
}

Test(h1_parse, pipelined_requests_are_taken_one_by_one, .init = set_limits)
{
    struct slice input = SLICE("GET /1 HTTP/1.1\r\n" HOST END "\r\nHEAD /2?q HTTP/1.1\r\n" HOST END
                               "GET /3 HTTP/1.0\r\n\r\nGET /4 HT");
    static const char *const paths[] = {"/1", "/2", "/3"};
    struct request request;
    unsigned status;
    for (size_t i = 0; i < ARRAY_COUNT(paths); i++) {
        cr_assert(h1_parse(input, &limits, &request, &status) == H1_OK);
        cr_expect(is_text(request.path, paths[i]), "%s", paths[i]);
        input = slice_after(input, request.head_bytes);
    }
    cr_expect(is_text(input, "GET /4 HT"));
    cr_expect(h1_parse(input, &limits, &request, &status) == H1_MORE);
}

/* ---- bad requests ---- */

#define BAD(literal, status)                                                                       \
    {                                                                                              \
        {(literal), sizeof(literal) - 1}, (status)                                                 \
    }
#define LINE(target) "GET " target " HTTP/1.1\r\n" HOST END
#define FIELD(line)  "GET / HTTP/1.1\r\n" HOST line "\r\n\r\n"

static const struct {
    struct slice input;
    unsigned status;
} bads[] = {
    /* other protocols and noise are refused at once */
    BAD("\x16\x03\x01", 400),
    BAD("\0", 400),
    BAD(" ", 400),
    BAD("\n", 400),
    BAD("\r\n\r\nGET / HTTP/1.1\r\n\r\n", 400),
    BAD("\r\n ", 400),
    BAD("\rGET / HTTP/1.1\r\n" HOST END, 400),
    BAD("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505),
    /* request lines (RFC 9112 section 3) */
    BAD("GET\r\n", 400),
    BAD("GET /\r\n", 400),
    BAD("GET / \r\n", 400),
    BAD("GET  / HTTP/1.1\r\n" HOST END, 400),
    BAD("GET /  HTTP/1.1\r\n" HOST END, 400),
    BAD("GET / HTTP/1.1 \r\n" HOST END, 400),
    BAD("GET / HTTP/1.1\n" HOST END, 400),
    BAD("GET\t/\tHTTP/1.1\r\n" HOST END, 400),
    BAD("GET / HTTP/1.1\rX\r\n" HOST END, 400),
    BAD("G(T / HTTP/1.1\r\n" HOST END, 400),
    BAD("G\xc9T / HTTP/1.1\r\n" HOST END, 400),
    BAD("GET: / HTTP/1.1\r\n" HOST END, 400),
    BAD("GET / HTTP\r\n" HOST END, 400),
    BAD("GET / http/1.1\r\n" HOST END, 400),
    BAD("GET / HTTP/11\r\n" HOST END, 400),
    BAD("GET / HTTP/1.10\r\n" HOST END, 400),
    BAD("GET / HTTP/1,1\r\n" HOST END, 400),
    BAD("GET / HTTP/x.1\r\n" HOST END, 400),
    BAD("GET / HTTP/1.x\r\n" HOST END, 400),
    BAD("GET / HTTPS/1.1\r\n" HOST END, 400),
    BAD("GET / HTTP/0.9\r\n" HOST END, 505),
    BAD("GET / HTTP/2.0\r\n" HOST END, 505),
    BAD("GET / HTTP/3.1\r\n" HOST END, 505),
    /* targets */
    BAD(LINE("a"), 400),
    BAD(LINE("*"), 400),
    BAD(LINE("a.example:80"), 400),
    BAD(LINE("?q"), 400),
    BAD(LINE("/a#b"), 400),
    BAD(LINE("/a?b#c"), 400),
    BAD(LINE("/a\0b"), 400),
    BAD(LINE("/a\tb"), 400),
    BAD(LINE("/a\x01"), 400),
    BAD(LINE("/abcdefghijk\x7f"), 400),
    BAD(LINE("/abcdefgh\x80\x80\x80\x80\x80\x80\x80\x1f"), 400),
    BAD(LINE("ftp://a.example/"), 400),
    BAD(LINE("http:/a.example/"), 400),
    BAD(LINE("http://"), 400),
    BAD(LINE("http:///x"), 400),
    BAD(LINE("http://?q"), 400),
    BAD(LINE("http://user@a.example/"), 400),
    BAD(LINE("http://a.example/#f"), 400),
    BAD(LINE("http://a.example#f"), 400),
    BAD(LINE("http://a\\b/"), 400),
    BAD("OPTIONS a/b HTTP/1.1\r\n" HOST END, 400),
    BAD("OPTIONS a.example:80 HTTP/1.1\r\n" HOST END, 400),
    BAD("OPTIONS ** HTTP/1.1\r\n" HOST END, 400),
    BAD("HEAD * HTTP/1.1\r\n" HOST END, 400),
    BAD("POST * HTTP/1.1\r\n" HOST END, 400),
    BAD("CONNECT / HTTP/1.1\r\n" HOST END, 400),
    BAD("CONNECT a.example HTTP/1.1\r\n" HOST END, 400),
    BAD("CONNECT :80 HTTP/1.1\r\n" HOST END, 400),
    BAD("CONNECT a.example: HTTP/1.1\r\n" HOST END, 400),
    BAD("CONNECT http://a.example:80/ HTTP/1.1\r\n" HOST END, 400),
    BAD("CONNECT u@a.example:80 HTTP/1.1\r\n" HOST END, 400),
    BAD(LINE("http://:80/"), 400),
    BAD(LINE("http://a.example:x/"), 400),
    BAD(LINE("http://a.example:65536/"), 400),
    /* Host (RFC 9112 section 3.2) */
    BAD("GET / HTTP/1.1\r\n\r\n", 400),
    BAD("GET / HTTP/1.2\r\n\r\n", 400),
    BAD("GET http://a.example/ HTTP/1.1\r\n\r\n", 400),
    BAD(FIELD("Host: a.example"), 400),
    BAD(FIELD("hOST:"), 400),
    BAD("GET / HTTP/1.0\r\nHost: a\r\nHost: a\r\n\r\n", 400),
    BAD("GET / HTTP/1.1\r\nHost: a b\r\n\r\n", 400),
    BAD("GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", 400),
    BAD("GET / HTTP/1.1\r\nHost: u@a\r\n\r\n", 400),
    BAD("GET / HTTP/1.1\r\nHost: a?\r\n\r\n", 400),
    BAD("GET / HTTP/1.1\r\nHost: \xc3\xa9\r\n\r\n", 400),
    BAD("GET / HTTP/1.1\r\nHost: a:b\r\n\r\n", 400),
    BAD("GET / HTTP/1.1\r\nHost: a:1:2\r\n\r\n", 400),
    BAD("GET / HTTP/1.1\r\nHost: a:65536\r\n\r\n", 400),
    BAD("GET / HTTP/1.1\r\nHost: a:000001\r\n\r\n", 400),
    BAD("GET / HTTP/1.1\r\nHost: a%\r\n\r\n", 400),
    BAD("GET / HTTP/1.1\r\nHost: a%2\r\n\r\n", 400),
    BAD("GET / HTTP/1.1\r\nHost: a%2x\r\n\r\n", 400),
    BAD("GET / HTTP/1.1\r\nHost: [::1\r\n\r\n", 400),
    BAD("GET / HTTP/1.1\r\nHost: []\r\n\r\n", 400),
    BAD("GET / HTTP/1.1\r\nHost: [::1]a\r\n\r\n", 400),
    BAD("GET / HTTP/1.1\r\nHost: ::1\r\n\r\n", 400),
    BAD("GET / HTTP/1.1\r\nHost: [x]\r\n\r\n", 400),
    /* field lines (RFC 9112 section 5) */
    BAD(FIELD("X"), 400),
    BAD(FIELD(":x"), 400),
    BAD(FIELD("X : y"), 400),
    BAD(FIELD("X\t: y"), 400),
    BAD(FIELD(" X: y"), 400),
    BAD(FIELD("X: a\r\n b"), 400),
    BAD(FIELD("X: a\r\n\tb: c"), 400),
    BAD("GET / HTTP/1.1\r\n " HOST END, 400),
    BAD(FIELD("X(: y"), 400),
    BAD(FIELD("X\0: y"), 400),
    BAD(FIELD("X\x80: y"), 400),
    BAD(FIELD("X: a\0b"), 400),
    BAD(FIELD("X: a\x01"), 400),
    BAD(FIELD("X: a\x7f"), 400),
    BAD(FIELD("X: a\rb"), 400),
    BAD(FIELD("X: a\r"), 400),
    BAD(FIELD("X: aaaaaaaaaaaaaaaa\tbbbbbbbb\x1f"), 400),
    BAD("GET / HTTP/1.1\r\n" HOST "X: a\nY: b\r\n\r\n", 400),
    BAD("GET / HTTP/1.1\r\n" HOST "\n", 400),
    BAD("GET / HTTP/1.1\r\n" HOST "\r\r\n", 400),
    /* framing (RFC 9112 section 6) */
    BAD(FIELD("Content-Length: 5\r\nContent-Length: 5"), 400),
    BAD(FIELD("Content-Length: 5, 5"), 400),
    BAD(FIELD("Content-Length:"), 400),
    BAD(FIELD("Content-Length: +5"), 400),
    BAD(FIELD("Content-Length: -1"), 400),
    BAD(FIELD("Content-Length: 0x10"), 400),
    BAD(FIELD("Content-Length: 1 0"), 400),
    BAD(FIELD("Content-Length: 5."), 400),
    BAD(FIELD("Content-Length: 10000000000000000000"), 400),
    BAD(FIELD("Content-Length: 99999999999999999999999999"), 400),
    BAD(FIELD("Content-Length: 5\r\nTransfer-Encoding: chunked"), 400),
    BAD(FIELD("Transfer-Encoding: chunked\r\nContent-Length: 0"), 400),
    BAD(FIELD("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked"), 400),
    BAD(FIELD("Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked"), 501),
    BAD(FIELD("Transfer-Encoding: chunked\r\nTransfer-Encoding: gzip"), 400),
    BAD(FIELD("Transfer-Encoding: chunked, gzip"), 400),
    BAD(FIELD("Transfer-Encoding: gzip"), 400),
    BAD(FIELD("Transfer-Encoding: xchunked"), 400),
    BAD(FIELD("Transfer-Encoding: chunked;q=1"), 400),
    BAD(FIELD("Transfer-Encoding: \"chunked\""), 400),
    BAD(FIELD("Transfer-Encoding: , chunked"), 400),
    BAD(FIELD("Transfer-Encoding: chunked,"), 400),
    BAD(FIELD("Transfer-Encoding: gzip\r\nContent-Length: 5"), 400),
    BAD("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
    BAD(FIELD("Transfer-Encoding: gzip, chunked"), 501),
    BAD(FIELD("Transfer-Encoding: chunked, chunked"), 400),
    BAD(FIELD("Transfer-Encoding: identity"), 400),
    BAD(FIELD("Transfer-Encoding:"), 400),
    BAD(FIELD("Transfer-Encoding: \x0b"
              "chunked"),
        400),
    BAD(FIELD("Transfer-Encoding : chunked"), 400),
};

Test(h1_parse, bad_requests, .init = set_limits)
{
    for (size_t i = 0; i < ARRAY_COUNT(bads); i++) {
        struct request request;
        unsigned status = 0;
        enum h1_result result = h1_parse(bads[i].input, &limits, &request, &status);
        cr_expect(result == H1_BAD && status == bads[i].status, "row %zu (%s): %d, %u", i,
                  bads[i].input.bytes, (int)result, status);
    }
}

/* No prefix of a bad request may be taken for a request, and once bad it stays bad. */
Test(h1_parse, bad_requests_in_every_prefix, .init = set_limits)
{
    for (size_t i = 0; i < ARRAY_COUNT(bads); i++) {
        bool was_bad = false;
        for (size_t count = 0; count <= bads[i].input.count; count++) {
            char *copy;
            struct request request;
            enum h1_result result = parse_prefix(bads[i].input.bytes, count, &copy, &request);
            cr_expect(result != H1_OK, "row %zu, %zu bytes", i, count);
            cr_expect(!was_bad || result == H1_BAD, "row %zu, %zu bytes", i, count);
            was_bad |= result == H1_BAD;
            free(copy);
        }
    }
}

/* ---- every byte in a place ---- */

static bool is_accepted(const char *before, int byte, const char *after)
{
    char input[256];
    int count = snprintf(input, sizeof input, "%s%c%s", before, byte, after);
    cr_assert(count > 0 && (size_t)count < sizeof input);
    struct request request;
    unsigned status;
    return h1_parse((struct slice){input, (size_t)count}, &limits, &request, &status) == H1_OK;
}

Test(h1_parse, every_byte_in_names_values_and_targets, .init = set_limits)
{
    static const char token[] = "!#$%&'*+-.^_`|~";
    for (int byte = 0; byte < 256; byte++) {
        bool is_alphanumeric = (byte >= '0' && byte <= '9') || (byte >= 'A' && byte <= 'Z') ||
                               (byte >= 'a' && byte <= 'z');
        bool is_token = is_alphanumeric || (byte != 0 && strchr(token, byte) != NULL);
        bool is_value = byte == '\t' || (byte >= 0x20 && byte != 0x7f);
        bool is_target = byte > 0x20 && byte != 0x7f && byte != '#';
        cr_expect(is_accepted("GET / HTTP/1.1\r\n" HOST "X", byte, "Y: z\r\n\r\n") ==
                      (is_token || byte == ':'),
                  "name with %d", byte);
        cr_expect(is_accepted("GET / HTTP/1.1\r\n" HOST "X: aaaaaaaaaaa", byte, "b\r\n\r\n") ==
                      is_value,
                  "value with %d", byte);
        cr_expect(is_accepted("GET /aaaaaaaaaaa", byte, "b HTTP/1.1\r\n" HOST END) == is_target,
                  "target with %d", byte);
    }
}

/* ---- limits ---- */

/* "GET /aaa... HTTP/1.1", with a target of that many bytes; the caller frees. */
static char *long_request(size_t target_bytes, const char *rest)
{
    char *target = malloc(target_bytes + 1);
    char *input = NULL;
    cr_assert(target != NULL);
    memset(target, 'a', target_bytes);
    target[0] = '/';
    target[target_bytes] = '\0';
    cr_assert(asprintf(&input, "GET %s%s", target, rest) > 0);
    free(target);
    return input;
}

Test(h1_parse, target_limit, .init = set_limits)
{
    static const struct {
        size_t target_bytes;
        const char *rest;
        enum h1_result result;
        unsigned status;
    } rows[] = {
        {TARGET_BYTES, " HTTP/1.1\r\n" HOST END, H1_OK, 0},
        {TARGET_BYTES + 1, " HTTP/1.1\r\n" HOST END, H1_BAD, 414},
        {TARGET_BYTES, "", H1_MORE, 0},
        {TARGET_BYTES, " HTTP/1.1", H1_MORE, 0},
        {TARGET_BYTES + 100, "", H1_BAD, 414},
        {HEAD_BYTES, "", H1_BAD, 414},
        {2 * HEAD_BYTES, " HTTP/1.1\r\n" HOST END, H1_BAD, 414},
    };
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        char *input = long_request(rows[i].target_bytes, rows[i].rest);
        struct request request;
        unsigned status = 0;
        enum h1_result result = h1_parse(slice_of_string(input), &limits, &request, &status);
        cr_expect(result == rows[i].result, "row %zu: %d", i, (int)result);
        cr_expect(result != H1_BAD || status == rows[i].status, "row %zu: %u", i, status);
        free(input);
    }
}

/* Empty lines before the request and a long method are no part of the target: what is taken at once
 * is taken in pieces, too. */
Test(h1_parse, what_is_before_the_target_does_not_count_as_target, .init = set_limits)
{
    char input[HEAD_BYTES];
    for (int i = 0; i < 2; i++) {
        size_t before = TARGET_BYTES + 200;
        memset(input, 'M', before);
        for (size_t at = 0; i == 0 && at < before; at += 2) {
            memcpy(input + at, "\r\n", 2);
        }
        static const char rest[] = " / HTTP/1.1\r\n" HOST END;
        const char *request_rest = i == 0 ? "GET / HTTP/1.1\r\n" HOST END : rest;
        size_t count = before + strlen(request_rest);
        cr_assert(count < sizeof input && before % 2 == 0);
        memcpy(input + before, request_rest, strlen(request_rest));
        for (size_t shown = 0; shown <= count; shown++) {
            struct request request;
            unsigned status = 0;
            enum h1_result result =
                h1_parse((struct slice){input, shown}, &limits, &request, &status);
            cr_expect(result == (shown == count ? H1_OK : H1_MORE), "%d: %zu bytes: %u", i, shown,
                      status);
        }
    }
}

/* A request of exactly `count` bytes, filled up by one field; without its end if `is_cut`. */
static enum h1_result parse_long_head(size_t count, bool is_cut, unsigned *out_status)
{
    static const char start[] = "GET / HTTP/1.1\r\n" HOST "X: ";
    char *input = malloc(count);
    cr_assert(input != NULL);
    memset(input, 'x', count);
    memcpy(input, start, sizeof start - 1);
    if (!is_cut) {
        memcpy(input + count - 4, "\r\n\r\n", 4);
    }
    struct request request;
    enum h1_result result = h1_parse((struct slice){input, count}, &limits, &request, out_status);
    free(input);
    return result;
}

Test(h1_parse, head_limit, .init = set_limits)
{
    unsigned status = 0;
    cr_expect(parse_long_head(HEAD_BYTES, false, &status) == H1_OK);
    cr_expect(parse_long_head(HEAD_BYTES + 1, false, &status) == H1_BAD);
    cr_expect(status == 431, "%u", status);
    cr_expect(parse_long_head(HEAD_BYTES - 1, true, &status) == H1_MORE);
    /* a buffer that is full of an unfinished head has no room for its end */
    cr_expect(parse_long_head(HEAD_BYTES, true, &status) == H1_BAD);
    cr_expect(status == 431, "%u", status);
}

Test(h1_parse, field_count_limit, .init = set_limits)
{
    for (size_t extra = FIELDS - 2; extra <= FIELDS + 1; extra++) {
        char input[FIELDS * 8 + 64] = "GET / HTTP/1.1\r\n" HOST;
        size_t count = strlen(input);
        for (size_t i = 0; i < extra; i++) {
            memcpy(input + count, "X: y\r\n", 6);
            count += 6;
        }
        memcpy(input + count, "\r\n", 2);
        struct request request;
        unsigned status = 0;
        enum h1_result result =
            h1_parse((struct slice){input, count + 2}, &limits, &request, &status);
        bool fits = extra + 1 <= FIELDS;
        cr_expect(result == (fits ? H1_OK : H1_BAD), "%zu fields: %d", extra + 1, (int)result);
        cr_expect(fits || status == 431, "%zu fields: %u", extra + 1, status);
    }
}
