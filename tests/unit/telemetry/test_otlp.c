/* OTLP messages: exact bytes of small ones; what official definitions make of them is tests/otel.
 */
#include "telemetry/otlp.h"

#include <criterion/criterion.h>

static void check_bytes(const struct protobuf *writer, const char *bytes, size_t count)
{
    cr_assert_eq(writer->count, count, "%zu bytes, not %zu", writer->count, count);
    cr_assert_arr_eq(writer->bytes, bytes, count);
}

#define CHECK_BYTES(writer, literal) check_bytes(writer, literal, sizeof(literal) - 1)

static const struct trace_context context = {
    .trace_id = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16},
    .span_id = {1, 2, 3, 4, 5, 6, 7, 8},
    .is_sampled = true,
};

#define TRACE_ID "\x0a\x10\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f\x10"
#define SPAN_ID  "\x12\x08\x01\x02\x03\x04\x05\x06\x07\x08"

Test(otlp, a_span)
{
    struct protobuf writer = protobuf_growing();
    const struct trace_context parent = {.span_id = {9, 9, 9, 9, 9, 9, 9, 9}};
    const struct otlp_span span = {
        .context = context,
        .parent = &parent,
        .has_remote_parent = true,
        .trace_state = SLICE("a=1"),
        .name = SLICE("GET"),
        .kind = OTLP_SERVER,
        .begin_ns = 1,
        .end_ns = 2,
        .has_failed = true,
        .failure = SLICE("no"),
    };
    size_t begun = otlp_span_begin(&writer, &span);
    otlp_number(&writer, OTLP_SPAN, "n", -1);
    otlp_item_end(&writer, begun);
    CHECK_BYTES(&writer, "\x12\x64" TRACE_ID SPAN_ID "\x1a\x03"
                         "a=1"
                         "\x22\x08\x09\x09\x09\x09\x09\x09\x09\x09"
                         "\x2a\x03GET\x30\x02"
                         "\x39\x01\0\0\0\0\0\0\0"
                         "\x41\x02\0\0\0\0\0\0\0"
                         "\x85\x01\x01\x03\0\0"
                         "\x7a\x06\x12\x02no\x18\x02"
                         "\x4a\x10\x0a\x01n\x12\x0b\x18\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01");
    protobuf_fini(&writer);
}

Test(otlp, a_log_record)
{
    struct protobuf writer = protobuf_growing();
    const struct otlp_log_record record = {
        .time_ns = 3,
        .severity = OTLP_WARN,
        .body = SLICE("x"),
        .event_name = SLICE("e"),
        .context = &context,
    };
    size_t begun = otlp_log_record_begin(&writer, &record);
    otlp_flag(&writer, OTLP_LOG_RECORD, "f", true);
    otlp_item_end(&writer, begun);
    CHECK_BYTES(&writer, "\x12\x4c"
                         "\x09\x03\0\0\0\0\0\0\0"
                         "\x59\x03\0\0\0\0\0\0\0"
                         "\x10\x0d\x1a\x04WARN\x2a\x03\x0a\x01x"
                         "\x45\x01\0\0\0"
                         "\x4a\x10\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f\x10"
                         "\x52\x08\x01\x02\x03\x04\x05\x06\x07\x08"
                         "\x62\x01"
                         "e"
                         "\x32\x07\x0a\x01"
                         "f\x12\x02\x10\x01");
    protobuf_fini(&writer);
}

Test(otlp, metrics)
{
    struct protobuf writer = protobuf_growing();
    const struct otlp_period period = {1, 2};
    struct otlp_metric metric = otlp_metric_begin(&writer, OTLP_SUM, "m", "By", "d");
    otlp_item_end(&writer, otlp_integer_begin(&writer, period, 5));
    otlp_metric_end(&writer, &metric);
    CHECK_BYTES(&writer, "\x12\x2d\x0a\x01m\x12\x01"
                         "d\x1a\x02"
                         "By\x3a\x21"
                         "\x0a\x1b\x11\x01\0\0\0\0\0\0\0\x19\x02\0\0\0\0\0\0\0"
                         "\x31\x05\0\0\0\0\0\0\0"
                         "\x10\x02\x18\x01");
    writer.count = 0;
    const double bounds[] = {1};
    const uint64_t counts[] = {3, 4};
    const struct otlp_histogram histogram = {bounds, 1, counts, 2.0};
    metric = otlp_metric_begin(&writer, OTLP_HISTOGRAM, "h", "s", "");
    otlp_item_end(&writer, otlp_histogram_begin(&writer, period, &histogram));
    otlp_metric_end(&writer, &metric);
    CHECK_BYTES(&writer, "\x12\x4e\x0a\x01h\x12\x00\x1a\x01s\x4a\x44"
                         "\x0a\x40\x11\x01\0\0\0\0\0\0\0\x19\x02\0\0\0\0\0\0\0"
                         "\x21\x07\0\0\0\0\0\0\0"
                         "\x29\0\0\0\0\0\0\0\x40"
                         "\x32\x10\x03\0\0\0\0\0\0\0\x04\0\0\0\0\0\0\0"
                         "\x3a\x08\0\0\0\0\0\0\xf0\x3f"
                         "\x10\x02");
    protobuf_fini(&writer);
}

/* A receiver would refuse all that comes with it. */
Test(otlp, text_that_is_not_utf8_is_mended_and_cut_between_characters)
{
    static const struct {
        const char *text;
        size_t bytes_max;
        const char *sent;
    } rows[] = {
        {"plain", SIZE_MAX, "plain"},
        {"", SIZE_MAX, ""},
        {"a\xff"
         "b",
         SIZE_MAX,
         "a\xef\xbf\xbd"
         "b"},
        {"\xff\xfe", SIZE_MAX, "\xef\xbf\xbd\xef\xbf\xbd"},
        {"\xc3\xa4\xc3", SIZE_MAX, "\xc3\xa4\xef\xbf\xbd"},
        {"abc", 2, "ab"},
        {"a\xc3\xa4", 2, "a"},
        {"a\xc3\xa4", 3, "a\xc3\xa4"},
        {"\xe2\x82\xac\xe2\x82\xac", 5, "\xe2\x82\xac"},
    };
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        struct protobuf writer = protobuf_growing();
        otlp_text(&writer, OTLP_SPAN, "k", slice_of_string(rows[i].text), rows[i].bytes_max);
        struct slice message = {(const char *)writer.bytes, writer.count};
        struct protobuf_field field;
        for (int depth = 0; depth < 3; depth++) { /* attribute, value, string */
            while (protobuf_next(&message, &field) == PROTOBUF_FIELD && message.count > 0) {
            }
            message = field.bytes;
        }
        cr_assert(slice_equal(message, slice_of_string(rows[i].sent)), "row %zu: %.*s", i,
                  (int)message.count, message.bytes);
        protobuf_fini(&writer);
    }
}

Test(otlp, a_request_holds_its_items)
{
    struct protobuf writer = protobuf_growing();
    otlp_request(&writer, SLICE("\x0a\x00"), SLICE("\x12\x01x\x12\x01y"));
    struct slice message = {(const char *)writer.bytes, writer.count};
    struct protobuf_field all, part;
    cr_assert_eq(protobuf_next(&message, &all), PROTOBUF_FIELD);
    cr_assert_eq(all.number, 1);
    cr_assert_eq(message.count, 0);
    cr_assert_eq(protobuf_next(&all.bytes, &part), PROTOBUF_FIELD);
    cr_assert(part.number == 1 && slice_equal(part.bytes, SLICE("\x0a\x00")));
    cr_assert_eq(protobuf_next(&all.bytes, &part), PROTOBUF_FIELD);
    cr_assert_eq(part.number, 2);
    cr_assert_eq(all.bytes.count, 0);
    struct slice items = part.bytes;
    cr_assert_eq(protobuf_next(&items, &part), PROTOBUF_FIELD);
    cr_assert_eq(part.number, 1); /* the scope */
    cr_assert(slice_equal(items, SLICE("\x12\x01x\x12\x01y")));
    protobuf_fini(&writer);
}

Test(otlp, responses)
{
    static const struct {
        struct slice bytes;
        bool is_one;
        uint64_t rejected;
        const char *message;
    } rows[] = {
        {{"", 0}, true, 0, ""},
        {{"\x0a\x00", 2}, true, 0, ""},
        {{"\x0a\x02\x08\x05", 4}, true, 5, ""},
        {{"\x0a\x06\x08\x01\x12\x02no", 8}, true, 1, "no"},
        {{"\x12\x01x\x0a\x02\x08\x05", 7}, true, 5, ""}, /* a field that is not known */
        {{"\x0a\x02\x08", 3}, false, 0, ""},
        {{"\x0a\x01\x08", 3}, false, 0, ""},
        {{"{}", 2}, false, 0, ""},
    };
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        struct otlp_response response;
        bool is_one = otlp_response_parse(rows[i].bytes, &response);
        cr_assert_eq(is_one, rows[i].is_one, "row %zu", i);
        if (is_one) {
            cr_assert_eq(response.rejected, rows[i].rejected);
            cr_assert(slice_equal(response.message, slice_of_string(rows[i].message)));
        }
    }
}
