/* `_headers` in both dialects: a table of files, paths, and the fields that come out. */
#include "packer/site/headers_file.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

#define NETLIFY    DIALECT_NETLIFY
#define CLOUDFLARE DIALECT_CLOUDFLARE

/* "Name: value; Name: value": what a path gets on top of the server's "Cache-Control: no-cache". */
static const char *applied(const char *text, enum dialect dialect, const char *host,
                           const char *path)
{
    static char out[2048];
    struct headers_file file;
    struct field_list fields = {0};
    field_list_set(&fields, "Cache-Control", "no-cache");
    headers_file_parse(slice_of_string(text), dialect, &file);
    headers_file_apply(&file, slice_of_string(host), slice_of_string(path), &fields);
    out[0] = '\0';
    for (size_t i = 0; i < fields.count; i++) {
        snprintf(out + strlen(out), sizeof out - strlen(out), "%s%s: %s", i > 0 ? "; " : "",
                 fields.rows[i].name, fields.rows[i].value);
    }
    field_list_fini(&fields);
    headers_file_fini(&file);
    return out;
}

#define OWN "Cache-Control: no-cache"

static const struct {
    enum dialect dialect;
    const char *text;
    const char *path;
    const char *fields;
} rows[] = {
    /* lines: indentation, comments, blank lines, CRLF, a byte order mark */
    {NETLIFY, "/a\nX: 1\n", "/a", OWN "; X: 1"},
    {CLOUDFLARE, "/a\n\tX: 1\n", "/a", OWN "; X: 1"},
    {NETLIFY, "\xef\xbb\xbf# c\r\n\r\n/a\r\n  X:  1 2  \r\n", "/a", OWN "; X: 1 2"},
    {CLOUDFLARE, "  /a\n# c\n  X:1\n", "/a", OWN "; X: 1"},
    {NETLIFY, "/a\n X: a:b # c\n", "/a", OWN "; X: a:b # c"},
    /* case and the slash at the end */
    {NETLIFY, "/a\n X: 1\n", "/A/", OWN "; X: 1"},
    {CLOUDFLARE, "/a\n X: 1\n", "/A", OWN},
    {CLOUDFLARE, "/a\n X: 1\n", "/a/", OWN},
    {CLOUDFLARE, "/a/\n X: 1\n", "/a", OWN},
    /* wildcards */
    {NETLIFY, "/*\n X: 1\n", "/", OWN "; X: 1"},
    {NETLIFY, "/*\n X: 1\n", "/a/b", OWN "; X: 1"},
    {NETLIFY, "/a/*\n X: 1\n", "/a", OWN "; X: 1"},
    {CLOUDFLARE, "/a/*\n X: 1\n", "/a", OWN},
    {CLOUDFLARE, "/a/*\n X: 1\n", "/a/", OWN "; X: 1"},
    {NETLIFY, "/a/*/c/*\n X: 1\n", "/a/b/c/d", OWN "; X: 1"},
    {CLOUDFLARE, "/a/*/c/*\n X: 1\n", "/a/b/c/d", OWN}, /* one '*' only */
    {NETLIFY, "/*.js\n X: 1\n", "/x/y.js", OWN "; X: 1"},
    {CLOUDFLARE, "/*.js\n X: 1\n", "/x/y.js", OWN "; X: 1"},
    {NETLIFY, "/:a/x\n X: 1\n", "/q/x", OWN "; X: 1"},
    {NETLIFY, "/v:a\n X: 1\n", "/v1", OWN}, /* a name is a whole segment */
    {CLOUDFLARE, "/v:a\n X: 1\n", "/v1", OWN "; X: 1"},
    {CLOUDFLARE, "/:a/x\n X: 1\n", "/q/r/x", OWN},
    {NETLIFY, "/caf%C3%A9\n X: 1\n", "/caf\xc3\xa9", OWN "; X: 1"},
    {CLOUDFLARE, "/caf\xc3\xa9\n X: 1\n", "/caf\xc3\xa9", OWN "; X: 1"},
    /* captures in values */
    {CLOUDFLARE, "/m/:a\n X: is :a\n", "/m/q r", OWN "; X: is q%20r"},
    {CLOUDFLARE, "/m/*\n X: :splat\n", "/m/a/b", OWN "; X: a/b"},
    {NETLIFY, "/m/:a\n X: is :a\n", "/m/q", OWN "; X: is :a"},
    /* the same field in one block, in several, and the server's own */
    {NETLIFY, "/a\n X: 1\n X: 2\n", "/a", OWN "; X: 1, 2"},
    {CLOUDFLARE, "/a\n X: 1\n x: 2\n", "/a", OWN "; X: 1, 2"},
    {NETLIFY, "/*\n X: 1\n/a\n x: 2\n", "/a", OWN "; X: 2"},
    {CLOUDFLARE, "/*\n X: 1\n/a\n X: 2\n", "/a", OWN "; X: 1, 2"},
    {NETLIFY, "/a\n cache-control: max-age=1\n", "/a", "Cache-Control: max-age=1"},
    {CLOUDFLARE, "/a\n Cache-Control: a\n/*\n Cache-Control: b\n", "/a", "Cache-Control: a, b"},
    {NETLIFY, "/a\n Cache-Control: a\n/*\n Cache-Control: b\n", "/a", "Cache-Control: b"},
    /* taking away */
    {CLOUDFLARE, "/a\n ! Cache-Control\n", "/a", ""},
    {NETLIFY, "/a\n ! Cache-Control\n", "/a", ""},
    {CLOUDFLARE, "/*\n X: 1\n/a\n ! X\n X: 2\n", "/a", OWN "; X: 2"},
    {CLOUDFLARE, "/*\n X: 1\n/a\n ! X\n", "/a", OWN},
    /* rules for a host */
    {CLOUDFLARE, "https://a.example/x\n X: 1\n", "/x", OWN "; X: 1"},
    {CLOUDFLARE, "https://:sub.example/*\n X: 1\n", "/x", OWN "; X: 1"},
    {CLOUDFLARE, "https://b.example/x\n X: 1\n", "/x", OWN},
    {NETLIFY, "https://a.example/x\n X: 1\n", "/x", OWN},
    /* what cannot be set changes nothing */
    {NETLIFY, "/a\n Content-Length: 5\n ETag: x\n Location: y\n X: 1\n", "/a", OWN "; X: 1"},
    {CLOUDFLARE, "/a\n Transfer-Encoding: chunked\n Date: x\n X: 1\n", "/a", OWN "; X: 1"},
    {NETLIFY, "/a\n Set-Cookie: a=b\n", "/a", OWN "; Set-Cookie: a=b"},
};

Test(headers_file, what_a_path_gets)
{
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        const char *fields = applied(rows[i].text, rows[i].dialect, "a.example", rows[i].path);
        cr_expect(strcmp(fields, rows[i].fields) == 0, "row %zu: %s", i, fields);
    }
}

Test(headers_file, vary_is_added_to)
{
    for (int dialect = NETLIFY; dialect <= CLOUDFLARE; dialect++) {
        struct headers_file file;
        struct field_list fields = {0};
        field_list_set(&fields, "Vary", "Accept-Encoding");
        headers_file_parse(SLICE("/a\n Vary: Origin\n"), (enum dialect)dialect, &file);
        cr_expect(headers_file_apply(&file, SLICE(""), SLICE("/a"), &fields));
        cr_expect(strcmp(field_list_get(&fields, "vary"), "Accept-Encoding, Origin") == 0);
        cr_expect(!headers_file_apply(&file, SLICE(""), SLICE("/b"), &fields));
        field_list_fini(&fields);
        headers_file_fini(&file);
    }
}

static const struct {
    enum dialect dialect;
    const char *text;
    uint32_t line;
    bool is_error;
    const char *says;
} problems[] = {
    {NETLIFY, "X: 1\n/a\n Y: 2\n", 1, false, "a header before the first path"},
    {CLOUDFLARE, "X: 1\n", 1, false, "a header before the first path"},
    {NETLIFY, "/a\n X: 1\n\n nonsense\n", 4, false, "neither a path nor a header"},
    {CLOUDFLARE, "/a\n X: 1\n nonsense\n", 3, false, "neither a path nor a header"},
    {NETLIFY, "/a\n X:\n Y: 1\n", 2, false, "no value"},
    {NETLIFY, "/a\n : x\n Y: 1\n", 2, false, "not a field name"},
    {CLOUDFLARE, "/a\n a b: x\n Y: 1\n", 2, false, "not a field name"},
    {NETLIFY, "/a\n X: a\x01\n Y: 1\n", 2, false, "control character"},
    {NETLIFY, "/a\n Date: x\n Y: 1\n", 2, false, "for the server to set"},
    {CLOUDFLARE, "/a\n", 1, false, "no headers follow"},
    {NETLIFY, "/a\n/b\n X: 1\n", 1, false, "no headers follow"},
    {CLOUDFLARE, "/*/*\n X: 1\n", 1, false, "more than one '*'"},
    {CLOUDFLARE, "/a/:splat\n X: 1\n", 1, false, ":splat"},
    {CLOUDFLARE, "ftp://a/b\n X: 1\n", 1, false, "https://"},
    {CLOUDFLARE, "https://a:8080/b\n X: 1\n", 1, false, "a port"},
    {NETLIFY, "/%zz\n X: 1\n", 1, false, "hexadecimal"},
    {NETLIFY, "/a\n Basic-Auth: u:p\n", 2, true, "would be open to all"},
    {CLOUDFLARE, "/a\n basic-auth: u:p\n", 2, true, "would be open to all"},
    {CLOUDFLARE, "/a\n ! Content-Length\n X: 1\n", 2, false, "taken away"},
};

Test(headers_file, problems_have_their_line)
{
    for (size_t i = 0; i < ARRAY_COUNT(problems); i++) {
        struct headers_file file;
        headers_file_parse(slice_of_string(problems[i].text), problems[i].dialect, &file);
        cr_assert(file.problems.count >= 1, "row %zu", i);
        const struct rule_problem *problem = &file.problems.rows[0];
        cr_expect(problem->line == problems[i].line, "row %zu: line %u", i, problem->line);
        cr_expect(problem->is_error == problems[i].is_error, "row %zu", i);
        cr_expect(strstr(problem->text, problems[i].says) != NULL, "row %zu: %s", i, problem->text);
        headers_file_fini(&file);
    }
}

/* No limit of a service is ours: a rule behind the hundredth, and a long line, count. */
Test(headers_file, many_rules_and_long_lines)
{
    size_t capacity = 400000;
    char *text = malloc(capacity);
    size_t count = 0;
    for (int i = 0; i < 5000; i++) {
        count += (size_t)snprintf(text + count, capacity - count, "/p%d\n X: %d\n", i, i);
    }
    count += (size_t)snprintf(text + count, capacity - count, "/long\n X: %04000d\n", 7);
    struct headers_file file;
    headers_file_parse((struct slice){text, count}, CLOUDFLARE, &file);
    cr_expect(file.rule_count == 5001 && file.problems.count == 0);
    struct field_list fields = {0};
    cr_expect(headers_file_apply(&file, SLICE(""), SLICE("/p4999"), &fields));
    cr_expect(strcmp(field_list_get(&fields, "X"), "4999") == 0);
    cr_expect(headers_file_apply(&file, SLICE(""), SLICE("/long"), &fields));
    cr_expect(strlen(field_list_get(&fields, "X")) == 4000);
    field_list_fini(&fields);
    headers_file_fini(&file);
    free(text);
}

/* As often as it likes: the line was dropped where the path was long. */
Test(headers_file, a_value_repeats_what_is_captured)
{
    enum { PATH_BYTES = 1501, TIMES = 10 };
    char path[PATH_BYTES + 1];
    memset(path, '"', PATH_BYTES); /* encoded: three bytes */
    path[0] = '/';
    char text[256] = "/*\n X: ";
    for (int i = 0; i < TIMES; i++) {
        strcat(text, ":splat");
    }
    struct headers_file file;
    headers_file_parse(slice_of_string(text), CLOUDFLARE, &file);
    struct field_list fields = {0};
    cr_expect(headers_file_apply(&file, SLICE(""), (struct slice){path, PATH_BYTES}, &fields));
    cr_assert(field_list_get(&fields, "X") != NULL);
    cr_expect(strlen(field_list_get(&fields, "X")) == (size_t)TIMES * 3 * (PATH_BYTES - 1));
    field_list_fini(&fields);
    headers_file_fini(&file);
}
