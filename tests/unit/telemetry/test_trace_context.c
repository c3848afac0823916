/* traceparent and tracestate by the rules of W3C Trace Context, and the numbers of spans. */
#include "telemetry/trace_context.h"

#include <criterion/criterion.h>
#include <stdlib.h>

#define TRACE "0af7651916cd43dd8448eb211c80319c"
#define SPAN  "b7ad6b7169203331"

struct row {
    const char *text;
    bool is_valid;
    bool is_sampled;
};

/* In a block of its own size, so that a read behind it is found. */
static bool parse(const char *text, struct trace_context *out_context)
{
    size_t count = strlen(text);
    char *copy = malloc(count + (count == 0));
    memcpy(copy, text, count);
    bool is_valid = traceparent_parse((struct slice){copy, count}, out_context);
    free(copy);
    return is_valid;
}

Test(trace_context, traceparent)
{
    static const struct row rows[] = {
        {"00-" TRACE "-" SPAN "-01", true, true},
        {"00-" TRACE "-" SPAN "-00", true, false},
        {"00-" TRACE "-" SPAN "-03", true, true}, /* of the flags, one counts */
        {"00-" TRACE "-" SPAN "-fe", true, false},
        {"cc-" TRACE "-" SPAN "-01", true, true}, /* a version to come */
        {"cc-" TRACE "-" SPAN "-01-what-will-be", true, true},
        {"01-" TRACE "-" SPAN "-01-", true, true},
        {"cc-" TRACE "-" SPAN "-01.what", false, false}, /* no hyphen */
        {"cc-" TRACE "-" SPAN "-011", false, false},
        {"00-" TRACE "-" SPAN "-01-", false, false}, /* version 00 has an end */
        {"00-" TRACE "-" SPAN "-01-more", false, false},
        {"ff-" TRACE "-" SPAN "-01", false, false},
        {"0F-" TRACE "-" SPAN "-01", false, false}, /* capitals */
        {"00-0AF7651916CD43DD8448EB211C80319C-" SPAN "-01", false, false},
        {"00-" TRACE "-B7AD6B7169203331-01", false, false},
        {"00-" TRACE "-" SPAN "-0A", false, false},
        {"00-00000000000000000000000000000000-" SPAN "-01", false, false},
        {"00-" TRACE "-0000000000000000-01", false, false},
        {"00-00000000000000000000000000000001-0000000000000001-01", true, true},
        {"00-" TRACE "-" SPAN "-0", false, false},
        {"00-" TRACE "-" SPAN, false, false},
        {"00-" TRACE "-" SPAN "-", false, false},
        {"00-" TRACE "1-" SPAN "-01", false, false},
        {"00_" TRACE "_" SPAN "_01", false, false},
        {"00-" TRACE "-" SPAN "-0g", false, false},
        {" 00-" TRACE "-" SPAN "-01", false, false},
        {"00-" TRACE "-" SPAN "-01,00-" TRACE "-" SPAN "-01", false, false},
        {"", false, false},
    };
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        struct trace_context context = {.is_sampled = !rows[i].is_sampled};
        struct trace_context before = context;
        bool is_valid = parse(rows[i].text, &context);
        cr_assert_eq(is_valid, rows[i].is_valid, "%s", rows[i].text);
        if (is_valid) {
            cr_assert_eq(context.is_sampled, rows[i].is_sampled, "%s", rows[i].text);
        } else {
            cr_assert_arr_eq(&context, &before, sizeof context);
        }
    }
}

Test(trace_context, what_is_written_is_read_back)
{
    struct trace_context context;
    char text[TRACEPARENT_BYTES + 1];
    cr_assert(parse("00-" TRACE "-" SPAN "-01", &context));
    cr_assert_eq(context.trace_id[0], 0x0a);
    cr_assert_eq(context.span_id[7], 0x31);
    traceparent_format(&context, text);
    cr_assert_str_eq(text, "00-" TRACE "-" SPAN "-01");
    context.is_sampled = false;
    traceparent_format(&context, text);
    cr_assert_str_eq(text, "00-" TRACE "-" SPAN "-00");
}

Test(trace_context, tracestate)
{
    static const struct row rows[] = {
        {"rojo=00f067aa0ba902b7", true, false},
        {"rojo=00f067aa0ba902b7,congo=t61rcWkgMzE", true, false},
        {" a=1 ,\tb=2,, c=3,", true, false},
        {"tenant@vendor=x y", true, false},
        {"1a-_*/=!~", true, false},
        {"", false, false},
        {",", false, false},
        {"a", false, false},
        {"a=", false, false},
        {"=1", false, false},
        {"A=1", false, false},
        {"a b=1", false, false},
        {"a=1=2", false, false},
        {"a=\x7f", false, false},
        {"a=\xc3\xa4", false, false},
    };
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        cr_assert_eq(tracestate_is_valid(slice_of_string(rows[i].text)), rows[i].is_valid, "%s",
                     rows[i].text);
    }
}

Test(trace_context, a_tracestate_has_limits)
{
    char text[4 * 33 + 1] = "";
    for (int i = 0; i < 32; i++) {
        strcat(text, "k=v,");
    }
    cr_assert(tracestate_is_valid(slice_of_string(text)));
    strcat(text, "k=v");
    cr_assert_not(tracestate_is_valid(slice_of_string(text)));
    char longer[TRACESTATE_BYTES_MAX + 2];
    memset(longer, ',', sizeof longer);
    memcpy(longer, "a=1", 3);
    cr_assert(tracestate_is_valid((struct slice){longer, TRACESTATE_BYTES_MAX}));
    cr_assert_not(tracestate_is_valid((struct slice){longer, TRACESTATE_BYTES_MAX + 1}));
}

/* Each bit is set in half of the numbers: of 4096, between 1792 and 2304 are 8 deviations. */
Test(trace_context, numbers_are_random_and_differ_by_seed)
{
    enum { COUNT = 4096 };
    struct id_source source = id_source_of(1);
    struct id_source other = id_source_of(2);
    unsigned set[64] = {0};
    for (int i = 0; i < COUNT; i++) {
        uint64_t number = id_source_next(&source);
        cr_assert_neq(number, id_source_next(&other));
        for (int bit = 0; bit < 64; bit++) {
            set[bit] += (unsigned)(number >> bit & 1);
        }
    }
    for (int bit = 0; bit < 64; bit++) {
        cr_assert(set[bit] > 1792 && set[bit] < 2304, "bit %d: %u", bit, set[bit]);
    }
    struct id_source a;
    struct id_source b;
    cr_assert_eq(id_source_init(&a, NULL), 0);
    cr_assert_eq(id_source_init(&b, NULL), 0);
    cr_assert_neq(id_source_next(&a), id_source_next(&b));
}
