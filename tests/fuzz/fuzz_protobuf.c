/* The wire format: what is read is written again, and read as the same; and what a collector
 * answers is a message or none, of which nothing lies outside of the input. */
#include "fuzz.h"

#include "telemetry/otlp.h"

static void write_field(struct protobuf *writer, const struct protobuf_field *field)
{
    switch (field->type) {
    case PROTOBUF_VARINT:
        protobuf_varint(writer, field->number, field->value);
        break;
    case PROTOBUF_FIXED64:
        protobuf_fixed64(writer, field->number, field->value);
        break;
    case PROTOBUF_FIXED32:
        protobuf_fixed32(writer, field->number, (uint32_t)field->value);
        break;
    case PROTOBUF_BYTES: {
        size_t begun = protobuf_begin(writer, field->number);
        protobuf_append(writer, field->bytes);
        protobuf_end(writer, begun);
        break;
    }
    }
}

static bool is_same(const struct protobuf_field *a, const struct protobuf_field *b)
{
    return a->number == b->number && a->type == b->type && a->value == b->value &&
           slice_equal(a->bytes, b->bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count)
{
    char *copy = fuzz_copy(fuzz_input(bytes, count));
    struct slice message = {copy, count};
    struct protobuf writer = protobuf_growing();
    struct protobuf_field field;
    struct protobuf_field again;
    enum protobuf_read read;
    while ((read = protobuf_next(&message, &field)) == PROTOBUF_FIELD) {
        write_field(&writer, &field);
    }
    FUZZ_CHECK((read == PROTOBUF_END) == (message.count == 0));
    struct slice first = {copy, count};
    struct slice second = {(const char *)writer.bytes, writer.count};
    FUZZ_CHECK(second.count <= first.count); /* the shortest form of each number */
    while (second.count > 0) {
        FUZZ_CHECK(protobuf_next(&first, &field) == PROTOBUF_FIELD);
        FUZZ_CHECK(protobuf_next(&second, &again) == PROTOBUF_FIELD);
        FUZZ_CHECK(is_same(&field, &again));
    }
    FUZZ_CHECK(first.count == message.count);
    struct otlp_response response;
    if (otlp_response_parse((struct slice){copy, count}, &response)) {
        FUZZ_CHECK(read == PROTOBUF_END);
        FUZZ_CHECK(response.message.count == 0 ||
                   (response.message.bytes >= copy &&
                    response.message.bytes + response.message.count <= copy + count));
    }
    protobuf_fini(&writer);
    free(copy);
    return 0;
}
