/* --header and --secure-headers: what becomes a field line, and what is refused. */
#include "server/added_fields.h"

#include "common/slice.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

/* A copy of exactly its size, so that a read behind it is found. */
static int add(char **lines, const char *text, struct error *error)
{
    size_t count = strlen(text) + 1;
    char *copy = malloc(count);
    memcpy(copy, text, count);
    int status = added_fields_add(lines, copy, error);
    free(copy);
    return status;
}

/* ---- one field ---- */

static const struct {
    const char *text, *line;
} goods[] = {
    {"X-A: b", "X-A: b\r\n"},
    {"X-A:b", "X-A: b\r\n"},
    {"X-A: \t b \t", "X-A: b\r\n"},
    {"x-a: b", "x-a: b\r\n"},
    {"X-A: b c\td", "X-A: b c\td\r\n"},
    {"X-A: b: c:d", "X-A: b: c:d\r\n"},
    {"X-A: :", "X-A: :\r\n"},
    {"X-A: \"b\\\", \\c\"; d=e", "X-A: \"b\\\", \\c\"; d=e\r\n"},
    {"X-A: %s %d %n", "X-A: %s %d %n\r\n"},
    {"X-%s: b", "X-%s: b\r\n"},
    {"X-A: b\xc3\xbc\xff", "X-A: b\xc3\xbc\xff\r\n"},
    {"!#$%&'*+-.^_`|~09AZaz: b", "!#$%&'*+-.^_`|~09AZaz: b\r\n"},
    {"a:b", "a: b\r\n"},
    {"Strict-Transport-Security: max-age=63072000", NULL},
    {"Content-Security-Policy: default-src 'self'; img-src *", NULL},
    {"Access-Control-Allow-Origin: *", NULL},
    {"Cache-Control: no-cache", NULL},
    {"Server: cairn", NULL},
    {"Link: </a.css>; rel=preload, </b.js>; rel=preload", NULL},
    /* names that only begin or end as those of the server */
    {"Dates: 1", NULL},
    {"X-Date: 1", NULL},
    {"Content-Types: x", NULL},
    {"Content-Language: de", NULL},
    {"Content: x", NULL},
    {"ETags: x", NULL},
    {"Allowed: x", NULL},
    {"T: x", NULL},
};

Test(added_fields, good)
{
    for (size_t i = 0; i < ARRAY_COUNT(goods); i++) {
        char *lines = NULL;
        struct error error = {""};
        char as_it_is[128];
        snprintf(as_it_is, sizeof as_it_is, "%s\r\n", goods[i].text);
        const char *wanted = goods[i].line == NULL ? as_it_is : goods[i].line;
        int status = add(&lines, goods[i].text, &error);
        cr_expect(status == 0, "%s: %d, %s", goods[i].text, status, error.text);
        cr_expect(lines != NULL && strcmp(lines, wanted) == 0, "%s: %s", goods[i].text,
                  lines == NULL ? "none" : lines);
        free(lines);
    }
}

static const char *const bads[] = {
    /* no field line (RFC 9112 section 5) */
    "",
    "X-A",
    "X-A b",
    ":",
    ": b",
    ":b",
    " X-A: b",
    "\tX-A: b",
    "X-A : b",
    "X-A\t: b",
    "X A: b",
    "X-A(: b",
    "X/A: b",
    "\"X\": b",
    "X=A: b",
    "X-\xc3\xa4: b",
    "X-\x7f: b",
    "GET / HTTP/1.1",
    /* nothing may end the line, or the head */
    "X-A: b\r\n",
    "X-A: b\n",
    "X-A: b\r",
    "X-A: b\r\nX-B: c",
    "X-A: b\nX-B: c",
    "X-A: b\rX-B: c",
    "X-A: b\r\n\r\n<html>",
    "X-A: b\r\n c",
    "X-A: \r\n",
    "X-A:\nb",
    "\r\nX-A: b",
    "X-A\r\n: b",
    "X-A: b\x01",
    "X-A: \x1f"
    "b",
    "X-A: b\x7f"
    "c",
    "X-A: b\x0b",
    "X-A: b\x1b[0m",
    /* framing, dates, and what is of one representation */
    "Content-Length: 5",
    "content-length: 5",
    "CONTENT-LENGTH:5",
    "Transfer-Encoding: chunked",
    "tRANSFER-eNCODING: chunked",
    "Connection: close",
    "Keep-Alive: timeout=5",
    "Upgrade: h2c",
    "Trailer: X-A",
    "TE: trailers",
    "Content-Encoding: gzip",
    "Content-Range: bytes 0-1/2",
    "Content-Type: text/html",
    "Accept-Ranges: none",
    "Date: Sun, 06 Nov 1994 08:49:37 GMT",
    "Last-Modified: Sun, 06 Nov 1994 08:49:37 GMT",
    "ETag: \"a\"",
    "etag: \"a\"",
    "Location: /",
    "Allow: GET",
};

/* Refused with a sentence of one line, and what was there stays. */
Test(added_fields, bad)
{
    for (size_t i = 0; i < ARRAY_COUNT(bads); i++) {
        char *lines = NULL;
        struct error error = {""};
        int status = add(&lines, bads[i], &error);
        cr_expect(status == ERR_USAGE && lines == NULL, "row %zu: %s: %d", i, bads[i], status);
        cr_expect(strncmp(error.text, "--header: ", 10) == 0, "row %zu: %s", i, error.text);
        cr_expect(strpbrk(error.text, "\r\n") == NULL, "row %zu: %s", i, error.text);
        cr_assert(add(&lines, "X-Before: a", NULL) == 0);
        cr_expect(add(&lines, bads[i], NULL) == ERR_USAGE, "row %zu: %s", i, bads[i]);
        cr_expect(strcmp(lines, "X-Before: a\r\n") == 0, "row %zu: %s", i, lines);
        free(lines);
    }
}

/* Every byte in a name and in a value. */
Test(added_fields, every_byte)
{
    static const char marks[] = "!#$%&'*+-.^_`|~";
    for (int byte = 1; byte < 256; byte++) {
        bool is_token = (byte >= '0' && byte <= '9') || (byte >= 'A' && byte <= 'Z') ||
                        (byte >= 'a' && byte <= 'z') || strchr(marks, byte) != NULL;
        bool is_text = byte == '\t' || (byte >= 0x20 && byte != 0x7f);
        char name[] = "X?Y: z";
        char value[] = "X: y?z";
        name[1] = (char)byte;
        value[4] = (char)byte;
        char *lines = NULL;
        int status = add(&lines, name, NULL);
        /* with a colon it is another name */
        cr_expect((status == 0) == (is_token || byte == ':'), "name with %d: %d", byte, status);
        status = add(&lines, value, NULL);
        cr_expect((status == 0) == is_text, "value with %d: %d", byte, status);
        free(lines);
    }
}

/* A long one is a long line. */
Test(added_fields, long_value)
{
    enum { BYTES = 20000 };
    char *text = malloc(BYTES + 1);
    memset(text, 'x', BYTES);
    memcpy(text, "X-A: ", 5);
    text[BYTES] = '\0';
    char *lines = NULL;
    cr_assert(add(&lines, text, NULL) == 0);
    cr_expect(strlen(lines) == BYTES + 2 && memcmp(lines, text, BYTES) == 0);
    cr_expect(strcmp(lines + BYTES, "\r\n") == 0);
    free(lines);
    free(text);
}

/* ---- several ---- */

/* The value of the first line with this name, which is the one that counts; empty: none has it. */
static struct slice first_value(const char *lines, struct slice name)
{
    struct slice rest = slice_of_string(lines);
    while (rest.count > 0) {
        struct slice line = slice_take(&rest, '\n');
        if (slice_equal_ignoring_case(slice_take(&line, ':'), name)) {
            line.count -= line.count > 0; /* CR */
            return slice_trim(line);
        }
    }
    return SLICE("");
}

Test(added_fields, in_order)
{
    char *lines = NULL;
    cr_assert(add(&lines, "X-C: 1", NULL) == 0);
    cr_assert(add(&lines, "X-A:2", NULL) == 0);
    cr_assert(add(&lines, "X-B: 3", NULL) == 0);
    cr_expect(strcmp(lines, "X-C: 1\r\nX-A: 2\r\nX-B: 3\r\n") == 0, "%s", lines);
    free(lines);
}

Test(added_fields, first_of_a_name_counts)
{
    char *lines = NULL;
    cr_assert(add(&lines, "X-A: 1", NULL) == 0);
    cr_assert(add(&lines, "x-a: 2", NULL) == 0);
    cr_expect(slice_equal(first_value(lines, SLICE("X-A")), SLICE("1")), "%s", lines);
    free(lines);
}

Test(added_fields, many)
{
    char *lines = NULL;
    size_t bytes = 0;
    for (size_t i = 0; i < 500; i++) {
        char text[64];
        bytes += (size_t)snprintf(text, sizeof text, "X-%zu: %zu", i, i * i) + 2;
        cr_assert(add(&lines, text, NULL) == 0, "%s", text);
    }
    cr_expect(strlen(lines) == bytes, "%zu, %zu", strlen(lines), bytes);
    cr_expect(slice_equal(first_value(lines, SLICE("X-0")), SLICE("0")));
    cr_expect(slice_equal(first_value(lines, SLICE("X-499")), SLICE("249001")));
    free(lines);
}

/* ---- the preset ---- */

/* Each line is one that an operator could have added, and no name comes twice. */
Test(added_fields, secure_lines_are_field_lines)
{
    char *lines = NULL;
    added_fields_secure(&lines);
    cr_assert(lines != NULL);
    char *again = NULL;
    size_t count = 0;
    for (const char *at = lines; *at != '\0'; count++) {
        const char *end = strstr(at, "\r\n");
        cr_assert(end != NULL, "%s", at);
        char text[256];
        snprintf(text, sizeof text, "%.*s", (int)(end - at), at);
        struct error error = {""};
        cr_expect(add(&again, text, &error) == 0, "%s: %s", text, error.text);
        struct slice value = slice_of_string(text);
        struct slice name = slice_take(&value, ':');
        cr_expect(slice_equal(first_value(lines, name), slice_trim(value)), "%s comes twice", text);
        at = end + 2;
    }
    cr_expect(count >= 4 && strcmp(lines, again) == 0, "%zu: %s", count, lines);
    free(again);
    free(lines);
}

Test(added_fields, secure_values)
{
    static const char *const names[] = {
        "X-Content-Type-Options",
        "X-Frame-Options",
        "Content-Security-Policy",
        "Referrer-Policy",
    };
    char *lines = NULL;
    added_fields_secure(&lines);
    for (size_t i = 0; i < ARRAY_COUNT(names); i++) {
        cr_expect(first_value(lines, slice_of_string(names[i])).count > 0, "%s", names[i]);
    }
    struct slice sniffing = first_value(lines, SLICE("X-Content-Type-Options"));
    cr_expect(slice_equal(sniffing, SLICE("nosniff")));
    /* whoever serves without TLS, or below another's domain, must not be bound to it */
    cr_expect(first_value(lines, SLICE("Strict-Transport-Security")).count == 0);
    free(lines);
}

/* It comes behind what the operator has said, which counts. */
Test(added_fields, secure_comes_last)
{
    char *lines = NULL;
    cr_assert(add(&lines, "x-frame-options: DENY", NULL) == 0);
    cr_assert(add(&lines, "X-A: b", NULL) == 0);
    added_fields_secure(&lines);
    static const char before[] = "x-frame-options: DENY\r\nX-A: b\r\n";
    cr_expect(strncmp(lines, before, sizeof before - 1) == 0, "%s", lines);
    cr_expect(slice_equal(first_value(lines, SLICE("X-Frame-Options")), SLICE("DENY")));
    cr_expect(slice_equal(first_value(lines, SLICE("X-Content-Type-Options")), SLICE("nosniff")));
    free(lines);
}
