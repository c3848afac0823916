/* Rules that the server asks: which one decides, where it leads, and who is a browser. */
#include "http/route.h"

#include "common/path.h"
#include "common/pattern.h"
#include "http/h1_parse.h"
#include "http/rule_fields.h"
#include "samples.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

#define SPLAT   "\x01"
#define NAME    "\x02"
#define SUBTREE "\x03"
#define REF(n)  "\x02" n /* " " is the first capture, "!" the second */

struct rule_row {
    const char *host, *pattern, *query, *target;
    unsigned status, flags;
};

static struct index *index_of(const struct rule_row *rules, size_t count, enum rule_kind kind)
{
    static const struct index_properties properties = {.release = 1, .committed_bytes = 64};
    struct index_writer *writer = index_writer_new();
    uint32_t head = index_writer_head(writer, SLICE("Content-Length: 0\r\n"), SLICE(""));
    for (size_t i = 0; i < count; i++) {
        struct rule_input input = {
            .kind = kind,
            .flags = rules[i].flags,
            .status = rules[i].status,
            .pattern = slice_of_string(rules[i].pattern),
            .host = slice_of_string(rules[i].host),
            .query = slice_of_string(rules[i].query),
            .target = slice_of_string(rules[i].target),
            .head = kind == RULE_ROUTE ? head : 0,
        };
        index_writer_rule(writer, &input);
    }
    return sample_index(writer, &properties);
}

static struct limits limits;

static struct request request_of(const char *target, const char *fields)
{
    static char input[4096];
    struct request request;
    unsigned status;
    limits_init(&limits);
    snprintf(input, sizeof input, "GET %s HTTP/1.1\r\n%s\r\n", target, fields);
    cr_assert(h1_parse(slice_of_string(input), &limits, &request, &status) == H1_OK, "%s", input);
    return request;
}

static const struct rule_row rules[] = {
    {"", "/p/" SPLAT, "", "/q/" REF(" "), 301, RULE_KEEP_QUERY},
    {"old.example", "/" SPLAT, "", "https://new.example/" REF(" "), 301, RULE_FORCED},
    {"", "/store", "id=" NAME, "/item/" REF(" "), 302, 0},
    {"", "/store", "kind=a b&id=" NAME, "/never", 302, 0},
    {"", "/u" SUBTREE, "", "/" REF(" "), 302, 0},
    {"", "/rw/" NAME, "", "/docs/" REF(" ") ".html", 200, 0},
    {"", "/gone/" SPLAT, "", "", 410, 0},
    {"", "/gone2/" SPLAT, "", "/404.html", 404, 0},
    {"", "/app" SUBTREE, "", "/app/index.html", 200, RULE_NAVIGATION},
    {"", "/long/" SPLAT, "", "/" REF(" ") REF(" ") REF(" "), 301, 0},
};

#define HOST "Host: a.example\r\n"

static const struct {
    const char *target;
    const char *fields;
    bool is_present;
    const char *answer; /* "301 target", or NULL: no rule */
} rows[] = {
    {"/p/a/b", HOST, false, "301 /q/a/b"},
    {"/p/a/b", HOST, true, NULL}, /* there is an entry, and the rule does not win over it */
    {"/p/a%20b%0d%0aX:%20y", HOST, false, "301 /q/a%20b%0D%0AX:%20y"},
    {"/x", "Host: old.example\r\n", true, "301 https://new.example/x"},
    {"/x", "Host: OLD.example:8080\r\n", false, "301 https://new.example/x"},
    {"/x", "Host: notold.example\r\n", false, NULL},
    {"/store?id=7", HOST, false, "302 /item/7"},
    {"/store?x=1&id=a%20b+c", HOST, false, "302 /item/a%20b%20c"},
    {"/store?id=", HOST, false, NULL},
    {"/store?idx=7", HOST, false, NULL},
    {"/store", HOST, false, NULL},
    {"/store?id=%0d%0aSet-Cookie", HOST, false, NULL},
    {"/store?id=/evil.example", HOST, false, "302 /item//evil.example"},
    {"/u//evil.example", HOST, false, "302 /evil.example"},
    {"/u/%2fevil.example", HOST, false, NULL}, /* no such path is ever looked up */
    {"/u/%5cevil.example", HOST, false, "302 /%5Cevil.example"},
    {"/u", HOST, false, "302 /"},
    {"/rw/a", HOST, false, "200 /docs/a.html"},
    {"/rw/%2e%2e%2fetc", HOST, false, NULL},
    {"/rw/..", HOST, false, NULL},
    {"/gone/x", HOST, false, "410 "},
    {"/gone2/x", HOST, false, "404 /404.html"},
    {"/app/route", HOST, false, "200 /app/index.html"},
    {"/app", HOST, false, "200 /app/index.html"},
    {"/app/x.js", HOST, false, NULL},
    {"/nothing", HOST, false, NULL},
};

Test(route, which_rule_decides)
{
    struct index *index = index_of(rules, ARRAY_COUNT(rules), RULE_ROUTE);
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        struct request request = request_of(rows[i].target, rows[i].fields);
        char buffer[PATH_BYTES_MAX];
        static char scratch[ROUTE_TARGET_BYTES_MAX];
        struct slice path;
        struct route route;
        bool is_path = path_canonical(request.path, buffer, &path) == PATH_OK;
        bool is_found =
            is_path && route_find(index, &request, path, rows[i].is_present, scratch, &route);
        char text[256] = "";
        if (is_found) {
            snprintf(text, sizeof text, "%u %.*s", route.status, (int)route.target.count,
                     route.target.bytes);
        }
        cr_expect(is_found == (rows[i].answer != NULL), "row %zu (%s): %s", i, rows[i].target,
                  text);
        cr_expect(!is_found || strcmp(text, rows[i].answer) == 0, "row %zu: %s", i, text);
    }
    index_close(index);
}

/* A target that does not fit is no target: the path is missing, and nothing is cut. */
Test(route, target_that_is_too_long)
{
    struct index *index = index_of(rules, ARRAY_COUNT(rules), RULE_ROUTE);
    char target[4000] = "/long/";
    memset(target + 6, '~', 3000);
    struct request request = request_of(target, HOST);
    static char scratch[ROUTE_TARGET_BYTES_MAX];
    struct route route;
    cr_expect(!route_find(index, &request, request.path, false, scratch, &route));
    index_close(index);
}

Test(route, navigations)
{
    static const struct {
        const char *path;
        const char *fields;
        bool wanted;
    } navigations[] = {
        {"/route", HOST, true},
        {"/route", HOST "Accept: */*\r\n", true},
        {"/route", HOST "Accept: text/html,application/xhtml+xml,*/*;q=0.8\r\n", true},
        {"/route", HOST "Accept: TEXT/HTML\r\n", true},
        {"/route", HOST "Accept: application/json\r\n", false},
        {"/route", HOST "Accept: image/avif,image/webp,*/*;q=0.8\r\n", false},
        {"/route", HOST "Sec-Fetch-Mode: navigate\r\nAccept: */*\r\n", true},
        {"/route", HOST "Sec-Fetch-Mode: cors\r\nAccept: */*\r\n", false},
        {"/route", HOST "Sec-Fetch-Mode: no-cors\r\n", false},
        {"/app-ABC12345.js", HOST "Accept: text/html\r\n", false},
        {"/app.js", HOST "Sec-Fetch-Mode: navigate\r\n", false},
        {"/a/b.PNG", HOST, false},
        {"/x.map", HOST, false},
        {"/docs/v1.2", HOST, true},
        {"/users/john.doe", HOST, true},
        {"/page.html", HOST, true},
        {"/a.js/route", HOST, true},
        {"/", HOST, true},
    };
    for (size_t i = 0; i < ARRAY_COUNT(navigations); i++) {
        struct request request = request_of(navigations[i].path, navigations[i].fields);
        cr_expect(is_navigation(&request, request.path) == navigations[i].wanted, "%s %s",
                  navigations[i].path, navigations[i].fields);
    }
}

/* ---- field lines ---- */

static const struct {
    unsigned flags; /* of all rules */
    const char *path;
    const char *lines;
} merges[] = {
    {RULE_OVERRIDES, "/x", "A: 1\r\nB: 1\r\n"},
    {RULE_OVERRIDES, "/d/x", "A: 1\r\nb: 2\r\nC: x\r\n"},
    {RULE_OVERRIDES, "/d/e/x", "b: 2\r\nC: e/x\r\nA: 3\r\n"},
    {0, "/x", "A: 1\r\nB: 1\r\n"},
    {0, "/d/x", "A: 1\r\nB: 1, 2\r\nC: x\r\n"},
    {0, "/d/e/x", "B: 1, 2\r\nC: e/x\r\nA: 3\r\n"}, /* "A" alone takes it away */
    {0, "/d/a\r\nX: y", "A: 1\r\nB: 1, 2\r\nC: a%0D%0AX:%20y\r\n"},
};

Test(rule_fields, merged_by_rule)
{
    for (size_t i = 0; i < ARRAY_COUNT(merges); i++) {
        const struct rule_row lines[] = {
            {"", "/" SPLAT, "", "A: 1\r\nB: 1\r\n", 0, merges[i].flags},
            {"", "/d/" SPLAT, "", "b: 2\r\nC: " REF(" ") "\r\n", 0, merges[i].flags},
            {"", "/d/e/" SPLAT, "", "A\r\nA: 3\r\n", 0, merges[i].flags},
        };
        struct index *index = index_of(lines, ARRAY_COUNT(lines), RULE_FIELDS);
        char text[256] = "";
        struct slice path = slice_of_string(merges[i].path);
        size_t count = rule_fields_write(index, path, false, text, sizeof text - 1);
        cr_expect(count == strlen(merges[i].lines) && strcmp(text, merges[i].lines) == 0,
                  "row %zu: %s", i, text);
        for (size_t capacity = 0; capacity < count; capacity++) {
            cr_expect(rule_fields_write(index, path, false, text, capacity) > capacity);
        }
        index_close(index);
    }
}

/* One Vary, with what the body was chosen by. */
Test(rule_fields, vary)
{
    static const struct rule_row lines[] = {{"", "/" SPLAT, "", "vary: Origin\r\n", 0, 0},
                                            {"", "/x" SPLAT, "", "A: 1\r\n", 0, 0}};
    struct index *both = index_of(lines, 2, RULE_FIELDS);
    struct index *other = index_of(lines + 1, 1, RULE_FIELDS);
    char text[128] = "";
    rule_fields_write(both, SLICE("/x"), true, text, sizeof text - 1);
    cr_expect(strcmp(text, "vary: Accept-Encoding, Origin\r\nA: 1\r\n") == 0, "%s", text);
    memset(text, 0, sizeof text);
    rule_fields_write(other, SLICE("/x"), true, text, sizeof text - 1);
    cr_expect(strcmp(text, "A: 1\r\nVary: Accept-Encoding\r\n") == 0, "%s", text);
    index_close(both);
    index_close(other);
}
