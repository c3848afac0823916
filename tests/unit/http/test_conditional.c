/* Preconditions: lists of entity tags, dates, and the order in which they count. */
#include "http/conditional.h"

#include "http/h1_parse.h"

#include <criterion/criterion.h>
#include <stdio.h>

#define TAG "\"abc\""

static const struct {
    const char *value;
    const char *etag;
    bool matches;
} rows[] = {
    {"\"abc\"", TAG, true},
    {"\"abd\"", TAG, false},
    {"\"ab\"", TAG, false},
    {"\"abcd\"", TAG, false},
    {"\"ABC\"", TAG, false},
    {"\"\"", TAG, false},
    {"\"\"", "\"\"", true},
    /* compared weakly (RFC 9110 section 8.8.3.2) */
    {"W/\"abc\"", TAG, true},
    {"w/\"abc\"", TAG, false},
    {"W/W/\"abc\"", TAG, false},
    {"W/abc", TAG, false},
    {"W/", TAG, false},
    {"W", TAG, false},
    {"W/ \"abc\"", TAG, false},
    /* lists */
    {"\"x\", \"abc\"", TAG, true},
    {"\"x\",\"abc\",\"y\"", TAG, true},
    {"\"x\"\t,\tW/\"abc\"", TAG, true},
    {"\"x\" , \"abc\"", TAG, true},
    {"\"x\", \"y\"", TAG, false},
    {",, \"abc\"", TAG, true}, /* empty members are skipped (section 5.6.1) */
    {"\"x\",,\"abc\",", TAG, true},
    {" \"abc\" ", TAG, true},
    /* a comma in quotes is part of the tag */
    {"\"x,\"", TAG, false},
    {"\"x, \", \"abc\"", TAG, true},
    {"\"a,b\"", "\"a,b\"", true},
    {"\"x,\"abc\"", TAG, false},
    {"\"\\\"abc\"", TAG, false},
    {"\"W/\"", "\"W/\"", true},
    /* everything there is */
    {"*", TAG, true},
    {"\"*\"", TAG, false},
    {"**", TAG, false},
    {"*, \"abc\"", TAG, false},
    {"\"x\", *", TAG, false},
    /* what is no entity tag ends the list */
    {"", TAG, false},
    {",", TAG, false},
    {"abc", TAG, false},
    {"abc, \"abc\"", TAG, false},
    {"'abc'", TAG, false},
    {"\"abc", TAG, false},
    {"abc\"", TAG, false},
    {"\"", TAG, false},
    {"\"x\"; \"abc\"", TAG, false},
    /* members without a comma between them: none behind the first counts */
    {"\"x\" \"abc\"", TAG, false},
    {"\"abc\" \"x\"", TAG, true},
    {"\"x\"\"abc\"", TAG, false},
    {"\"x\"W/\"abc\"", TAG, false},
    {"\"x\", y, \"abc\"", TAG, false},
    {"\"x\", \"abc", TAG, false},
};

Test(conditional, etag_lists)
{
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        bool matches =
            etag_list_matches(slice_of_string(rows[i].value), slice_of_string(rows[i].etag), false);
        cr_expect(matches == rows[i].matches, "row %zu: %s", i, rows[i].value);
    }
}

Test(conditional, reads_nothing_behind_the_value)
{
    static const char text[] = "\"x\", W/\"abc\"";
    for (size_t count = 0; count < sizeof text - 1; count++) {
        cr_expect(!etag_list_matches((struct slice){text, count}, SLICE(TAG), false), "%zu", count);
    }
}

Test(conditional, strong_comparison)
{
    cr_expect(etag_list_matches(SLICE("\"abc\""), SLICE(TAG), true));
    cr_expect(etag_list_matches(SLICE("W/\"abc\", \"abc\""), SLICE(TAG), true));
    cr_expect(etag_list_matches(SLICE("*"), SLICE(TAG), true));
    cr_expect(!etag_list_matches(SLICE("W/\"abc\""), SLICE(TAG), true));
}

/* ---- requests ---- */

#define BEFORE "Sun, 06 Nov 1994 08:49:36 GMT"
#define THEN   "Sun, 06 Nov 1994 08:49:37 GMT"
#define AFTER  "Sun, 06 Nov 1994 08:49:38 GMT"

enum { THEN_S = 784111777, LATER_S = THEN_S + 1000 };

static void parse(const char *method, const char *fields, struct request *out_request)
{
    static char input[2048];
    struct limits limits;
    unsigned status;
    limits_init(&limits);
    snprintf(input, sizeof input, "%s / HTTP/1.1\r\nHost: a\r\n%s\r\n", method, fields);
    cr_assert(h1_parse(slice_of_string(input), &limits, out_request, &status) == H1_OK, "%s",
              input);
}

#define PASSED   PRECONDITION_PASSED
#define NOT_MOD  PRECONDITION_NOT_MODIFIED
#define FAILED   PRECONDITION_FAILED
#define MATCH    "If-Match: \"abc\"\r\n"
#define MISMATCH "If-Match: \"x\"\r\n"
#define NONE     "If-None-Match: \"abc\"\r\n"
#define OTHER    "If-None-Match: \"x\"\r\n"

/* RFC 9110 section 13.2.2, step by step. The representation has the tag "abc" and was modified
 * THEN. */
static const struct {
    const char *fields;
    enum precondition result;
} steps[] = {
    {"", PASSED},
    /* 1: If-Match, strong (section 13.1.1) */
    {MATCH, PASSED},
    {MISMATCH, FAILED},
    {"If-Match: *\r\n", PASSED},
    {"If-Match: W/\"abc\"\r\n", FAILED},
    {"If-Match: \"x\", \"abc\"\r\n", PASSED},
    {"If-Match: \"x\"\r\nIf-Match: \"abc\"\r\n", PASSED},
    {"If-Match:\r\n", FAILED},
    /* 2: If-Unmodified-Since, unless there is an If-Match (section 13.1.4) */
    {"If-Unmodified-Since: " BEFORE "\r\n", FAILED},
    {"If-Unmodified-Since: " THEN "\r\n", PASSED},
    {"If-Unmodified-Since: " AFTER "\r\n", PASSED},
    {"If-Unmodified-Since: Sunday, 06-Nov-94 08:49:36 GMT\r\n", FAILED},
    {"If-Unmodified-Since: Sun Nov  6 08:49:36 1994\r\n", FAILED},
    {"If-Unmodified-Since: yesterday\r\n", PASSED},
    {"If-Unmodified-Since: " BEFORE "\r\nIf-Unmodified-Since: " BEFORE "\r\n", PASSED},
    {MATCH "If-Unmodified-Since: " BEFORE "\r\n", PASSED},
    {MISMATCH "If-Unmodified-Since: " AFTER "\r\n", FAILED},
    /* 3: If-None-Match (section 13.1.2), behind the first two */
    {NONE, NOT_MOD},
    {OTHER, PASSED},
    {"If-None-Match: W/\"abc\"\r\n", NOT_MOD},
    {"If-None-Match: *\r\n", NOT_MOD},
    {"If-None-Match: \"x\"\r\nif-none-match: W/\"abc\"\r\n", NOT_MOD},
    {MATCH NONE, NOT_MOD},
    {MISMATCH NONE, FAILED},
    {"If-Unmodified-Since: " BEFORE "\r\n" NONE, FAILED},
    {"If-Unmodified-Since: " AFTER "\r\n" NONE, NOT_MOD},
    /* 4: If-Modified-Since, unless there is an If-None-Match (section 13.1.3) */
    {"If-Modified-Since: " BEFORE "\r\n", PASSED},
    {"If-Modified-Since: " THEN "\r\n", NOT_MOD},
    {"If-Modified-Since: " AFTER "\r\n", NOT_MOD},
    {"If-Modified-Since: Sunday, 06-Nov-94 08:49:37 GMT\r\n", NOT_MOD},
    {"If-Modified-Since: Sun Nov  6 08:49:37 1994\r\n", NOT_MOD},
    {"If-Modified-Since: Sun, 06 Nov 1994 08:49:37\r\n", PASSED},
    {"If-Modified-Since: 784111777\r\n", PASSED},
    {"If-Modified-Since: " AFTER ", " AFTER "\r\n", PASSED},
    {OTHER "If-Modified-Since: " AFTER "\r\n", PASSED},
    {NONE "If-Modified-Since: " BEFORE "\r\n", NOT_MOD},
    {MATCH "If-Modified-Since: " AFTER "\r\n", NOT_MOD},
    {"If-None-Match:\r\nIf-Modified-Since: " AFTER "\r\n", PASSED},
};

Test(conditional, order_of_preconditions)
{
    static struct request request;
    const struct validators validators = {SLICE(TAG), THEN_S};
    for (size_t i = 0; i < ARRAY_COUNT(steps); i++) {
        parse(i % 2 == 0 ? "GET" : "HEAD", steps[i].fields, &request);
        enum precondition result = precondition_evaluate(&request, &validators, LATER_S);
        cr_expect(result == steps[i].result, "%s: %d", steps[i].fields, (int)result);
    }
}

/* Without a date of its own, a representation is not compared by date (section 13.1.4). */
Test(conditional, no_modification_date)
{
    static struct request request;
    const struct validators validators = {SLICE(TAG), -1};
    parse("GET", "If-Unmodified-Since: " BEFORE "\r\nIf-Modified-Since: " AFTER "\r\n", &request);
    cr_expect(precondition_evaluate(&request, &validators, LATER_S) == PRECONDITION_PASSED);
    struct slice range;
    parse("GET", "Range: bytes=0-\r\nIf-Range: " THEN "\r\n", &request);
    cr_expect(!range_applies(&request, &validators, LATER_S, &range));
}

#define RANGE "Range: bytes=0-1\r\n"

static const struct {
    const char *method;
    const char *fields;
    int64_t now_s;
    bool applies;
} range_rows[] = {
    {"GET", "", LATER_S, false},
    {"GET", RANGE, LATER_S, true},
    {"HEAD", RANGE, LATER_S, false}, /* section 14.2 */
    {"OPTIONS", RANGE, LATER_S, false},
    {"GET", RANGE RANGE, LATER_S, false},
    /* If-Range (section 13.1.5) */
    {"GET", "If-Range: \"abc\"\r\n", LATER_S, false},
    {"GET", RANGE "If-Range: \"abc\"\r\n", LATER_S, true},
    {"GET", RANGE "If-Range: \"x\"\r\n", LATER_S, false},
    {"GET", RANGE "If-Range: W/\"abc\"\r\n", LATER_S, false},
    {"GET", RANGE "If-Range: \"abc\", \"x\"\r\n", LATER_S, false},
    {"GET", RANGE "If-Range: *\r\n", LATER_S, false},
    {"GET", RANGE "If-Range:\r\n", LATER_S, false},
    {"GET", RANGE "If-Range: \"abc\"\r\nIf-Range: \"abc\"\r\n", LATER_S, false},
    {"GET", RANGE "If-Range: " THEN "\r\n", LATER_S, true},
    {"GET", RANGE "If-Range: Sunday, 06-Nov-94 08:49:37 GMT\r\n", LATER_S, true},
    {"GET", RANGE "If-Range: " AFTER "\r\n", LATER_S, false}, /* exactly, not later than */
    {"GET", RANGE "If-Range: " BEFORE "\r\n", LATER_S, false},
    {"GET", RANGE "If-Range: tomorrow\r\n", LATER_S, false},
    /* modified in this very second: it may change again in it (section 8.8.2.2) */
    {"GET", RANGE "If-Range: " THEN "\r\n", THEN_S, false},
    {"GET", RANGE "If-Range: " THEN "\r\n", THEN_S + 1, true},
};

Test(conditional, when_a_range_counts)
{
    static struct request request;
    const struct validators validators = {SLICE(TAG), THEN_S};
    for (size_t i = 0; i < ARRAY_COUNT(range_rows); i++) {
        struct slice range = SLICE("");
        parse(range_rows[i].method, range_rows[i].fields, &request);
        bool applies = range_applies(&request, &validators, range_rows[i].now_s, &range);
        cr_expect(applies == range_rows[i].applies, "row %zu: %s", i, range_rows[i].fields);
        cr_expect(!applies || slice_equal(range, SLICE("bytes=0-1")), "row %zu", i);
    }
}
