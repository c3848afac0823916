/* Patterns and templates of rules: what matches, what is captured, and that no path takes long. */
#include "common/pattern.h"

#include "common/path.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

#define SPLAT   "\x01"
#define NAME    "\x02"
#define SUBTREE "\x03"
#define SLASH   PATTERN_OPTIONAL_SLASH
#define CASE    PATTERN_IGNORE_CASE

static const struct {
    const char *pattern;
    unsigned flags;
    const char *path;
    const char *captures; /* joined by '|'; NULL: no match */
} rows[] = {
    {"/a", 0, "/a", ""},
    {"/a", 0, "/A", NULL},
    {"/a", CASE, "/A", ""},
    {"/[", CASE, "/{", NULL}, /* only letters differ by that bit */
    {"/a", 0, "/a/", NULL},
    {"/a", SLASH, "/a/", ""},
    {"/a/", SLASH, "/a", ""},
    {"/a", 0, "/ab", NULL},
    {"/ab", 0, "/a", NULL},
    {"/", SLASH, "/", ""},
    {"/" SPLAT, 0, "/", ""},
    {"/" SPLAT, 0, "/a/b", "a/b"},
    {"/a/" SPLAT, 0, "/a", NULL},
    {"/a/" SPLAT, 0, "/a/", ""},
    {"/a/" SPLAT, SLASH, "/a/b/", "b/"},
    {"/" SPLAT ".js", 0, "/x/y.js", "x/y"},
    {"/" SPLAT ".js", 0, "/x.js/y.js", "x.js/y"},
    {"/" SPLAT ".js", 0, "/x.jsx", NULL},
    {"/a" SUBTREE, 0, "/a", ""},
    {"/a" SUBTREE, 0, "/a/", ""},
    {"/a" SUBTREE, 0, "/a/b/c", "b/c"},
    {"/a" SUBTREE, 0, "/ab", NULL},
    {"/a" SUBTREE, SLASH, "/a/", ""},
    {"/a" SUBTREE "/z", 0, "/a/z", ""},
    {"/a" SUBTREE "/z", 0, "/a/b/z", "b"},
    {"/blog/" NAME, 0, "/blog/x", "x"},
    {"/blog/" NAME, 0, "/blog/", NULL},
    {"/blog/" NAME, 0, "/blog/x/y", NULL},
    {"/blog/" NAME, SLASH, "/blog/x/", "x"},
    {"/" NAME "/" NAME, 0, "/2024/hello", "2024|hello"},
    {"/" NAME "-" NAME, 0, "/a-b-c", "a-b|c"}, /* the first takes what it can */
    {"/" NAME "/" SPLAT, 0, "/u/a/b", "u|a/b"},
    {"/" SPLAT "/" NAME, 0, "/a/b/c", "a/b|c"},
    {"/caf\xc3\xa9/" SPLAT, 0, "/caf\xc3\xa9/x y", "x y"},
};

Test(pattern, matches_and_captures)
{
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        struct pattern_captures captures = {.count = 99};
        struct slice path = slice_of_string(rows[i].path);
        bool matches =
            pattern_matches(slice_of_string(rows[i].pattern), rows[i].flags, path, &captures);
        cr_expect(matches == (rows[i].captures != NULL), "row %zu: %s", i, rows[i].path);
        cr_expect(matches ==
                  pattern_matches(slice_of_string(rows[i].pattern), rows[i].flags, path, NULL));
        if (!matches) {
            cr_expect(captures.count == 99, "row %zu: untouched without a match", i);
            continue;
        }
        char text[256] = "";
        for (unsigned j = 0; j < captures.count; j++) {
            snprintf(text + strlen(text), sizeof text - strlen(text), "%s%.*s", j > 0 ? "|" : "",
                     (int)captures.at[j].count, captures.at[j].bytes);
        }
        cr_expect(strcmp(text, rows[i].captures == NULL ? "" : rows[i].captures) == 0,
                  "row %zu: %s", i, text);
    }
}

/* Without a memory of what failed these would take longer than anybody waits. */
Test(pattern, work_is_bounded)
{
    static char path[PATH_BYTES_MAX];
    memset(path, 'a', sizeof path);
    path[0] = '/';
    char pattern[64] = "/";
    for (int i = 0; i < PATTERN_CAPTURES_MAX; i++) {
        strcat(pattern, i % 2 == 0 ? SPLAT "a" : NAME "a");
    }
    strcat(pattern, "b");
    struct slice whole = {path, sizeof path};
    cr_expect(!pattern_matches(slice_of_string(pattern), 0, whole, NULL));
    pattern[strlen(pattern) - 1] = '\0';
    cr_expect(pattern_matches(slice_of_string(pattern), 0, whole, NULL));
    char many[64] = "/";
    for (int i = 0; i <= PATTERN_CAPTURES_MAX; i++) {
        strcat(many, SPLAT);
    }
    cr_expect(!pattern_matches(slice_of_string(many), 0, whole, NULL), "too many operators");
}

Test(pattern, exact)
{
    cr_expect(pattern_is_exact(SLICE("/a/b")) && pattern_is_exact(SLICE("")));
    cr_expect(!pattern_is_exact(SLICE("/" SPLAT)) && !pattern_is_exact(SLICE(SUBTREE)));
    cr_expect(!pattern_is_exact(SLICE("/" NAME "/x")));
}

Test(pattern, expand)
{
    static const struct {
        const char *template;
        bool encode;
        const char *text; /* NULL: it does not fit */
    } templates[] = {
        {"/new", true, "/new"},
        {"/new/" NAME " ", true, "/new/a%20b/c"},
        {"/new/" NAME " ", false, "/new/a b/c"},
        {NAME "!" NAME "!", true, "%0D%0Ax%0D%0Ax"}, /* no line can end inside a field */
        {"/?a=" NAME "\"", true, "/?a="},
        {"/?a=" NAME "#", true, "/?a=x%26y%3D%2B"},
        {"/" NAME "#", true, "/x&y=+"},
        {"/" NAME "\"", true, "/"},   /* an empty capture */
        {"/x" NAME, true, "/x" NAME}, /* no reference at the end */
        {"1234567890123456789012345678901234567890", true, NULL},
        {"/23456789012345678901234567890/" NAME " ", false, NULL},
    };
    struct pattern_captures captures = {{SLICE("a b/c"), SLICE("\r\nx"), SLICE(""), SLICE("x&y=+")},
                                        4};
    for (size_t i = 0; i < ARRAY_COUNT(templates); i++) {
        char buffer[33] = "";
        size_t count = pattern_expand(slice_of_string(templates[i].template), &captures,
                                      templates[i].encode, buffer, 32);
        cr_expect((count == SIZE_MAX) == (templates[i].text == NULL), "row %zu: %zu", i, count);
        if (count <= 32) {
            buffer[count] = '\0';
            cr_expect(strcmp(buffer, templates[i].text) == 0, "row %zu: %s", i, buffer);
        }
    }
}

/* Each further operator adds its own steps and does not multiply those before it: with every start
 * tried for every end, these matches would take minutes. */
Test(pattern, many_operators_take_no_longer_than_their_sum, .timeout = 120)
{
    enum { PATH_BYTES = 4096, TIMES = 500 };
    static char path[PATH_BYTES];
    static const char *const patterns[] = {
        "/" NAME "-" NAME "-" NAME "-" NAME "-" NAME "-" NAME "-" NAME "-" NAME "x",
        "/" SPLAT "-" SPLAT "-" SPLAT "-" SPLAT "-" SPLAT "-" SPLAT "-" SPLAT "-" SPLAT "x",
        SPLAT SUBTREE SPLAT SUBTREE NAME SUBTREE SPLAT SUBTREE NAME SUBTREE SPLAT "x",
    };
    for (size_t i = 0; i < TIMES * ARRAY_COUNT(patterns); i++) {
        memset(path, '-', sizeof path);
        for (size_t at = 0; at < sizeof path; at += i % 2 == 0 ? sizeof path : 7) {
            path[at] = '/';
        }
        struct slice pattern = slice_of_string(patterns[i / TIMES]);
        cr_assert(!pattern_matches(pattern, 0, (struct slice){path, sizeof path}, NULL));
    }
}
