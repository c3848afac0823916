/* Response heads, to the byte. */
#include "http/h1_write.h"

#include <criterion/criterion.h>
#include <stdio.h>

#define DATE "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n"

static struct date_line date_line(void)
{
    struct date_line date = {.seconds = -1};
    date_line_set(&date, 784111777);
    return date;
}

Test(h1_write, date_line_follows_the_second)
{
    struct date_line date = date_line();
    cr_expect(memcmp(date.bytes, DATE, sizeof date.bytes) == 0);
    date_line_set(&date, 784111778);
    cr_expect(date.bytes[6 + 24] == '8' && date.seconds == 784111778);
    date.bytes[0] = 'd'; /* the same second writes nothing */
    date_line_set(&date, 784111778);
    cr_expect(date.bytes[0] == 'd');
    date_line_set(&date, 784111777);
    cr_expect(memcmp(date.bytes, DATE, sizeof date.bytes) == 0);
}

static const struct {
    struct response response;
    const char *head;
} rows[] = {
    {{.status = 200,
      .keep_alive = true,
      .has_body = true,
      .fields = {SLICE("A: 1\r\n"), SLICE(""), SLICE("B: 2\r\nC: 3\r\n"), SLICE("D: 4\r\n")}},
     "HTTP/1.1 200 OK\r\n" DATE "A: 1\r\nB: 2\r\nC: 3\r\nD: 4\r\n\r\n"},
    {{.status = 200, .has_body = true}, "HTTP/1.1 200 OK\r\n" DATE "Connection: close\r\n\r\n"},
    {{.status = 200, .keep_alive = true, .tell_keep_alive = true},
     "HTTP/1.1 200 OK\r\n" DATE "Connection: keep-alive\r\n\r\n"},
    {{.status = 200, .tell_keep_alive = true},
     "HTTP/1.1 200 OK\r\n" DATE "Connection: close\r\n\r\n"},
    {{.status = 304, .keep_alive = true, .fields = {SLICE("ETag: \"x\"\r\n")}},
     "HTTP/1.1 304 Not Modified\r\n" DATE "ETag: \"x\"\r\n\r\n"},
    {{.status = 301,
      .keep_alive = true,
      .location = SLICE("/docs/"),
      .query = SLICE("?a=b"),
      .fields = {SLICE("Content-Length: 0\r\n")}},
     "HTTP/1.1 301 Moved Permanently\r\n" DATE "Location: /docs/?a=b\r\nContent-Length: 0\r\n\r\n"},
    {{.status = 301,
      .keep_alive = true,
      .location = SLICE("/docs/#x"),
      .location_prefix = SLICE("/at"),
      .query = SLICE("?a=b")},
     "HTTP/1.1 301 Moved Permanently\r\n" DATE "Location: /at/docs/?a=b#x\r\n\r\n"},
    {{.status = 308, .keep_alive = true, .location = SLICE("/")},
     "HTTP/1.1 308 Permanent Redirect\r\n" DATE "Location: /\r\n\r\n"},
    /* a query without a redirect goes nowhere */
    {{.status = 200, .keep_alive = true, .query = SLICE("?a")}, "HTTP/1.1 200 OK\r\n" DATE "\r\n"},
    {{.status = 404, .keep_alive = true, .has_body = true, .text = SLICE("gone\n")},
     "HTTP/1.1 404 Not Found\r\n" DATE "\r\ngone\n"},
    /* HEAD */
    {{.status = 404, .keep_alive = true, .text = SLICE("gone\n")},
     "HTTP/1.1 404 Not Found\r\n" DATE "\r\n"},
};

Test(h1_write, heads)
{
    struct head_common common = {.date = date_line()};
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        char buffer[512];
        struct slice head = {buffer,
                             h1_write_head(&rows[i].response, &common, buffer, sizeof buffer)};
        cr_expect(slice_equal(head, slice_of_string(rows[i].head)), "row %zu:\n%.*s", i,
                  (int)head.count, head.bytes);
    }
}

/* Not a byte more than the capacity is written, and a cut head is none. */
Test(h1_write, too_small_a_buffer)
{
    struct head_common common = {.date = date_line()};
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        size_t whole = strlen(rows[i].head);
        for (size_t capacity = 0; capacity <= whole; capacity++) {
            char buffer[512];
            memset(buffer, '~', sizeof buffer);
            size_t count = h1_write_head(&rows[i].response, &common, buffer, capacity);
            cr_expect(count == (capacity == whole ? whole : 0), "row %zu, %zu bytes: %zu", i,
                      capacity, count);
            cr_expect(buffer[capacity] == '~', "row %zu, %zu bytes", i, capacity);
        }
    }
}

static const struct {
    unsigned status;
    const char *line;
} lines[] = {
    {200, "HTTP/1.1 200 OK\r\n"},
    {301, "HTTP/1.1 301 Moved Permanently\r\n"},
    {302, "HTTP/1.1 302 Found\r\n"},
    {303, "HTTP/1.1 303 See Other\r\n"},
    {204, "HTTP/1.1 204 No Content\r\n"},
    {206, "HTTP/1.1 206 Partial Content\r\n"},
    {408, "HTTP/1.1 408 Request Timeout\r\n"},
    {412, "HTTP/1.1 412 Precondition Failed\r\n"},
    {413, "HTTP/1.1 413 Content Too Large\r\n"},
    {416, "HTTP/1.1 416 Range Not Satisfiable\r\n"},
    {417, "HTTP/1.1 417 Expectation Failed\r\n"},
    {421, "HTTP/1.1 421 Misdirected Request\r\n"},
    {304, "HTTP/1.1 304 Not Modified\r\n"},
    {307, "HTTP/1.1 307 Temporary Redirect\r\n"},
    {308, "HTTP/1.1 308 Permanent Redirect\r\n"},
    {400, "HTTP/1.1 400 Bad Request\r\n"},
    {404, "HTTP/1.1 404 Not Found\r\n"},
    {405, "HTTP/1.1 405 Method Not Allowed\r\n"},
    {410, "HTTP/1.1 410 Gone\r\n"},
    {414, "HTTP/1.1 414 URI Too Long\r\n"},
    {431, "HTTP/1.1 431 Request Header Fields Too Large\r\n"},
    {500, "HTTP/1.1 500 Internal Server Error\r\n"},
    {501, "HTTP/1.1 501 Not Implemented\r\n"},
    {503, "HTTP/1.1 503 Service Unavailable\r\n"},
    {505, "HTTP/1.1 505 HTTP Version Not Supported\r\n"},
    {299, "HTTP/1.1 500 Internal Server Error\r\n"}, /* one that the server does not send */
};

Test(h1_write, status_lines)
{
    struct head_common common = {.date = date_line()};
    for (size_t i = 0; i < ARRAY_COUNT(lines); i++) {
        struct response response = {.status = lines[i].status};
        char buffer[256];
        struct slice head = {buffer, h1_write_head(&response, &common, buffer, sizeof buffer)};
        cr_expect(slice_starts_with(head, slice_of_string(lines[i].line)), "%u", lines[i].status);
    }
}

/* What an operator adds does not come twice, nor in place of what the site says. */
Test(h1_write, added_fields)
{
    static const struct {
        const char *fields;
        const char *added;
        const char *written;
    } cases[] = {
        {"A: 1\r\n", "B: 2\r\n", "A: 1\r\nB: 2\r\n"},
        {"A: 1\r\n", "a: 2\r\nB: 2\r\n", "A: 1\r\nB: 2\r\n"},
        {"AB: 1\r\n", "A: 2\r\nB: 3\r\n", "AB: 1\r\nA: 2\r\nB: 3\r\n"},
        {"A: 1\r\nC: 1\r\n", "C: 2\r\n", "A: 1\r\nC: 1\r\n"},
        {"", "Date: never\r\nX: y\r\n", "X: y\r\n"},
        {"A: X: z\r\n", "X: y\r\n", "A: X: z\r\nX: y\r\n"},
    };
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        struct head_common common = {.date = date_line(), .added = slice_of_string(cases[i].added)};
        struct response response = {
            .status = 200, .keep_alive = true, .fields = {slice_of_string(cases[i].fields)}};
        char buffer[256];
        char wanted[256];
        snprintf(wanted, sizeof wanted, "HTTP/1.1 200 OK\r\n" DATE "%s\r\n", cases[i].written);
        struct slice head = {buffer, h1_write_head(&response, &common, buffer, sizeof buffer)};
        cr_expect(slice_equal(head, slice_of_string(wanted)), "row %zu:\n%.*s", i, (int)head.count,
                  head.bytes);
    }
}
