/* If-None-Match: lists of entity tags, and what is none. */
#include "http/conditional.h"

#include <criterion/criterion.h>

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
            etag_list_matches(slice_of_string(rows[i].value), slice_of_string(rows[i].etag));
        cr_expect(matches == rows[i].matches, "row %zu: %s", i, rows[i].value);
    }
}

Test(conditional, reads_nothing_behind_the_value)
{
    static const char text[] = "\"x\", W/\"abc\"";
    for (size_t count = 0; count < sizeof text - 1; count++) {
        cr_expect(!etag_list_matches((struct slice){text, count}, SLICE(TAG)), "%zu", count);
    }
}

Test(conditional, lines_of_a_request_are_one_list)
{
    struct request request = {
        .field_count = 3,
        .fields = {{SLICE("If-None-Match"), SLICE("\"x\""), FIELD_IF_NONE_MATCH},
                   {SLICE("X-Other"), SLICE("\"other\""), FIELD_OTHER},
                   {SLICE("if-none-match"), SLICE("W/\"abc\""), FIELD_IF_NONE_MATCH}},
    };
    cr_expect(is_not_modified(&request, SLICE(TAG)));
    cr_expect(is_not_modified(&request, SLICE("\"x\"")));
    cr_expect(!is_not_modified(&request, SLICE("\"other\"")));
    request.field_count = 2;
    cr_expect(!is_not_modified(&request, SLICE(TAG)));
    request.field_count = 0;
    cr_expect(!is_not_modified(&request, SLICE("\"x\"")));
}
