/* Operations: which spans they come to, and that nothing is recorded that the sampler leaves. */
#include "telemetry/operation.h"

#include <criterion/criterion.h>

#define TRACE "0af7651916cd43dd8448eb211c80319c"
#define SPAN  "b7ad6b7169203331"

static const struct sampler always = {.has_parent_rule = true, .threshold = SAMPLER_RANGE};

enum { SPAN_ID = 2, PARENT_ID = 4, NAME = 5, STATUS = 15 };

/* A field of the n-th span; empty: it has none. */
static struct slice field_of(const struct operation *operation, size_t n, unsigned number)
{
    struct slice items = {(const char *)operation->spans.bytes, operation->spans.count};
    struct protobuf_field item = {.bytes = {"", 0}};
    for (size_t i = 0; i <= n; i++) {
        cr_assert_eq(protobuf_next(&items, &item), PROTOBUF_FIELD);
    }
    struct protobuf_field field;
    while (protobuf_next(&item.bytes, &field) == PROTOBUF_FIELD) {
        if (field.number == number) {
            return field.bytes;
        }
    }
    return (struct slice){"", 0};
}

static void check_text(struct slice text, const char *expected)
{
    cr_assert(slice_equal(text, slice_of_string(expected)), "%.*s, not %s", (int)text.count,
              text.bytes, expected);
}

Test(operation, phases_are_spans_below_the_whole)
{
    struct id_source ids = id_source_of(1);
    struct operation operation;
    char traceparent[TRACEPARENT_BYTES + 1];
    struct trace_context called;
    operation_begin(&operation, "whole", SLICE("00-" TRACE "-" SPAN "-01"), &always, &ids);
    operation_phase(&operation, "first");
    operation_call(&operation, "second", traceparent);
    operation_number(&operation, "n", 1);
    operation_end(&operation, "broken");
    cr_assert_eq(operation.span_count, 3);
    check_text(field_of(&operation, 0, NAME), "first");
    check_text(field_of(&operation, 1, NAME), "second");
    check_text(field_of(&operation, 2, NAME), "whole");
    cr_assert_eq(field_of(&operation, 0, STATUS).count, 0); /* it was over before */
    cr_assert_neq(field_of(&operation, 1, STATUS).count, 0);
    cr_assert_neq(field_of(&operation, 2, STATUS).count, 0);
    for (size_t i = 0; i < 2; i++) {
        cr_assert(
            slice_equal(field_of(&operation, i, PARENT_ID), field_of(&operation, 2, SPAN_ID)));
    }
    check_text(field_of(&operation, 2, PARENT_ID), "\xb7\xad\x6b\x71\x69\x20\x33\x31");
    cr_assert(traceparent_parse(slice_of_string(traceparent), &called));
    cr_assert(called.is_sampled);
    cr_assert_arr_eq(called.span_id, field_of(&operation, 1, SPAN_ID).bytes, SPAN_ID_BYTES);
    cr_assert_arr_eq(called.trace_id, operation.parent.trace_id, TRACE_ID_BYTES);
    operation_fini(&operation);
}

Test(operation, without_a_parent_it_begins_a_trace)
{
    struct id_source ids = id_source_of(1);
    struct operation operation;
    operation_begin(&operation, "whole", SLICE("nonsense"), &always, &ids);
    operation_end(&operation, NULL);
    cr_assert_eq(operation.span_count, 1);
    cr_assert_eq(field_of(&operation, 0, PARENT_ID).count, 0);
    cr_assert_eq(field_of(&operation, 0, STATUS).count, 0);
    operation_fini(&operation);
}

Test(operation, what_is_not_sampled_is_not_recorded)
{
    struct id_source ids = id_source_of(1);
    struct operation operation;
    char traceparent[TRACEPARENT_BYTES + 1] = "x";
    operation_begin(&operation, "whole", SLICE("00-" TRACE "-" SPAN "-00"), &always, &ids);
    operation_phase(&operation, "first");
    operation_text(&operation, "k", SLICE("v"));
    operation_call(&operation, "second", traceparent);
    operation_end(&operation, NULL);
    cr_assert_eq(operation.span_count, 0);
    cr_assert_eq(operation.spans.count, 0);
    cr_assert_eq(operation.attributes.count, 0);
    cr_assert_str_eq(traceparent, "");
    operation_fini(&operation);
    operation_phase(NULL, "first");
    operation_text(NULL, "k", SLICE("v"));
    operation_end(NULL, NULL);
    operation_fini(NULL);
}
