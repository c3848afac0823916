/* The wire format: exact bytes, those of the encoding's own description among them, and back. */
#include "telemetry/protobuf.h"

#include <criterion/criterion.h>
#include <stdlib.h>

static void check_bytes(const struct protobuf *writer, const char *bytes, size_t count)
{
    cr_assert_eq(writer->count, count, "%zu bytes, not %zu", writer->count, count);
    cr_assert_arr_eq(writer->bytes, bytes, count);
}

#define CHECK_BYTES(writer, literal) check_bytes(writer, literal, sizeof(literal) - 1)

Test(protobuf, writes_what_its_description_shows)
{
    struct protobuf writer = protobuf_growing();
    protobuf_varint(&writer, 1, 150);
    CHECK_BYTES(&writer, "\x08\x96\x01");
    writer.count = 0;
    protobuf_bytes(&writer, 2, SLICE("testing"));
    CHECK_BYTES(&writer, "\x12\x07"
                         "testing");
    writer.count = 0;
    size_t begun = protobuf_begin(&writer, 3);
    protobuf_varint(&writer, 1, 150);
    protobuf_end(&writer, begun);
    CHECK_BYTES(&writer, "\x1a\x03\x08\x96\x01");
    protobuf_fini(&writer);
}

Test(protobuf, writes_numbers)
{
    struct protobuf writer = protobuf_growing();
    protobuf_varint(&writer, 16, UINT64_MAX);
    protobuf_bool(&writer, 1, true);
    protobuf_fixed32(&writer, 2, 0x04030201);
    protobuf_fixed64(&writer, 3, 0x0807060504030201);
    protobuf_double(&writer, 4, 1.0);
    CHECK_BYTES(&writer, "\x80\x01\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"
                         "\x08\x01"
                         "\x15\x01\x02\x03\x04"
                         "\x19\x01\x02\x03\x04\x05\x06\x07\x08"
                         "\x21\0\0\0\0\0\0\xf0\x3f");
    protobuf_fini(&writer);
}

Test(protobuf, writes_packed_numbers)
{
    struct protobuf writer = protobuf_growing();
    const uint64_t numbers[] = {1, 2};
    const double bounds[] = {0.5};
    protobuf_packed_fixed64(&writer, 6, numbers, 2);
    protobuf_packed_double(&writer, 7, bounds, 1);
    protobuf_packed_double(&writer, 8, NULL, 0);
    CHECK_BYTES(&writer, "\x32\x10\x01\0\0\0\0\0\0\0\x02\0\0\0\0\0\0\0"
                         "\x3a\x08\0\0\0\0\0\0\xe0\x3f"
                         "\x42\0");
    protobuf_fini(&writer);
}

/* Lengths around those at which the length itself takes a byte more. */
Test(protobuf, nested_messages_of_any_length_are_read_back)
{
    static const size_t lengths[] = {0, 1, 125, 126, 127, 128, 16381, 16382, 16383, 16384, 2097150};
    for (size_t i = 0; i < ARRAY_COUNT(lengths); i++) {
        struct protobuf writer = protobuf_growing();
        char *text = malloc(lengths[i] + 1);
        memset(text, 'x', lengths[i] + 1);
        size_t outer = protobuf_begin(&writer, 1);
        size_t inner = protobuf_begin(&writer, 2);
        protobuf_append(&writer, (struct slice){text, lengths[i]});
        protobuf_end(&writer, inner);
        protobuf_end(&writer, outer);
        protobuf_varint(&writer, 3, 7);

        struct slice message = {(const char *)writer.bytes, writer.count};
        struct protobuf_field field;
        struct protobuf_field nested;
        cr_assert_eq(protobuf_next(&message, &field), PROTOBUF_FIELD);
        cr_assert_eq(field.number, 1);
        cr_assert_eq(protobuf_next(&field.bytes, &nested), PROTOBUF_FIELD);
        cr_assert_eq(nested.number, 2);
        cr_assert(slice_equal(nested.bytes, (struct slice){text, lengths[i]}), "%zu", lengths[i]);
        cr_assert_eq(protobuf_next(&field.bytes, &nested), PROTOBUF_END);
        cr_assert_eq(protobuf_next(&message, &field), PROTOBUF_FIELD);
        cr_assert_eq(field.value, 7);
        cr_assert_eq(protobuf_next(&message, &field), PROTOBUF_END);
        free(text);
        protobuf_fini(&writer);
    }
}

/* At each capacity: either all of it is there, or it says that it is not. */
Test(protobuf, a_buffer_of_a_fixed_size_says_what_does_not_fit)
{
    enum { WHOLE_BYTES = 2 + 3 + 200 };
    for (size_t capacity = 0; capacity <= WHOLE_BYTES + 2; capacity++) {
        char *bytes = malloc(capacity + 1);
        char text[200];
        memset(text, 'y', sizeof text);
        struct protobuf writer = protobuf_fixed(bytes, capacity);
        size_t outer = protobuf_begin(&writer, 1);
        protobuf_bytes(&writer, 2, (struct slice){text, sizeof text});
        protobuf_end(&writer, outer);
        cr_assert_eq(writer.is_overfull, capacity < WHOLE_BYTES + 1, "%zu", capacity);
        cr_assert_leq(writer.count, capacity);
        protobuf_fini(&writer);
        free(bytes);
    }
}

Test(protobuf, bad_messages_are_refused)
{
    static const struct slice bad[] = {
        {"\x00\x01", 2},                                          /* field 0 */
        {"\x0b", 1},                                              /* a group */
        {"\x0f\x01", 2},                                          /* no type */
        {"\x08", 1},                                              /* no value */
        {"\x08\x80", 2},                                          /* half a value */
        {"\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02", 11},     /* 65 bits */
        {"\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 12}, /* 11 bytes */
        {"\x09\0\0\0\0\0\0\0", 8},                                /* 7 of 8 bytes */
        {"\x0d\0\0\0", 4},                                        /* 3 of 4 bytes */
        {"\x12\x02x", 3},                                         /* 1 of 2 bytes */
        {"\x12\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01x", 12},    /* a huge length */
        {"\xf8\xff\xff\xff\x1f\x01", 6},                          /* a number too large */
    };
    for (size_t i = 0; i < ARRAY_COUNT(bad); i++) {
        struct slice message = bad[i];
        struct protobuf_field field;
        cr_assert_eq(protobuf_next(&message, &field), PROTOBUF_BAD, "row %zu", i);
        cr_assert(slice_equal(message, bad[i]));
    }
}
