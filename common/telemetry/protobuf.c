#include "telemetry/protobuf.h"

#include "common/mem.h"

#include <stdlib.h>

enum { VARINT_BYTES_MAX = 10, FIELD_NUMBER_MAX = (1 << 29) - 1 };

struct protobuf protobuf_growing(void)
{
    return (struct protobuf){0};
}

struct protobuf protobuf_fixed(void *bytes, size_t capacity)
{
    return (struct protobuf){.bytes = bytes, .capacity = capacity, .is_fixed = true};
}

void protobuf_fini(struct protobuf *writer)
{
    if (!writer->is_fixed) {
        free(writer->bytes);
    }
    *writer = (struct protobuf){0};
}

/* ---- writing ---- */

/* Room for `count` more bytes. Once something has not fitted, nothing is written any more: fields
 * behind a gap would be read as others. */
static bool reserve(struct protobuf *writer, size_t count)
{
    if (writer->is_overfull) {
        return false;
    }
    if (count <= writer->capacity - writer->count) {
        return true;
    }
    if (writer->is_fixed) {
        writer->is_overfull = true;
        return false;
    }
    writer->capacity = mem_capacity(writer->capacity, writer->count + count);
    writer->bytes = mem_resize(writer->bytes, writer->capacity, 1);
    return true;
}

static size_t encode_varint(uint64_t value, uint8_t out[VARINT_BYTES_MAX])
{
    size_t count = 0;
    while (value >= 0x80) {
        out[count++] = (uint8_t)(value | 0x80);
        value >>= 7;
    }
    out[count++] = (uint8_t)value;
    return count;
}

static void put(struct protobuf *writer, const void *bytes, size_t count)
{
    if (count > 0 && reserve(writer, count)) {
        memcpy(writer->bytes + writer->count, bytes, count);
        writer->count += count;
    }
}

static void put_varint(struct protobuf *writer, uint64_t value)
{
    uint8_t bytes[VARINT_BYTES_MAX];
    put(writer, bytes, encode_varint(value, bytes));
}

static void put_tag(struct protobuf *writer, unsigned field, enum protobuf_type type)
{
    put_varint(writer, (uint64_t)field << 3 | (unsigned)type);
}

void protobuf_varint(struct protobuf *writer, unsigned field, uint64_t value)
{
    put_tag(writer, field, PROTOBUF_VARINT);
    put_varint(writer, value);
}

void protobuf_bool(struct protobuf *writer, unsigned field, bool value)
{
    protobuf_varint(writer, field, value);
}

void protobuf_fixed32(struct protobuf *writer, unsigned field, uint32_t value)
{
    put_tag(writer, field, PROTOBUF_FIXED32);
    put(writer, &value, sizeof value);
}

void protobuf_fixed64(struct protobuf *writer, unsigned field, uint64_t value)
{
    put_tag(writer, field, PROTOBUF_FIXED64);
    put(writer, &value, sizeof value);
}

void protobuf_double(struct protobuf *writer, unsigned field, double value)
{
    put_tag(writer, field, PROTOBUF_FIXED64);
    put(writer, &value, sizeof value);
}

void protobuf_bytes(struct protobuf *writer, unsigned field, struct slice value)
{
    put_tag(writer, field, PROTOBUF_BYTES);
    put_varint(writer, value.count);
    put(writer, value.bytes, value.count);
}

void protobuf_packed_fixed64(struct protobuf *writer, unsigned field, const uint64_t *values,
                             size_t count)
{
    protobuf_bytes(writer, field,
                   (struct slice){(const char *)(const void *)values, count * sizeof *values});
}

void protobuf_packed_double(struct protobuf *writer, unsigned field, const double *values,
                            size_t count)
{
    protobuf_bytes(writer, field,
                   (struct slice){(const char *)(const void *)values, count * sizeof *values});
}

/* How long the message is stands before it. One byte is kept for that, which is enough for most;
 * a longer one is moved when its length is known. */
size_t protobuf_begin(struct protobuf *writer, unsigned field)
{
    put_tag(writer, field, PROTOBUF_BYTES);
    put(writer, "", 1);
    return writer->count;
}

void protobuf_end(struct protobuf *writer, size_t begun)
{
    uint8_t length[VARINT_BYTES_MAX];
    if (writer->is_overfull) {
        return;
    }
    size_t bytes = writer->count - begun;
    size_t count = encode_varint(bytes, length);
    if (!reserve(writer, count - 1)) {
        return;
    }
    if (count > 1) {
        memmove(writer->bytes + begun + count - 1, writer->bytes + begun, bytes);
    }
    memcpy(writer->bytes + begun - 1, length, count);
    writer->count += count - 1;
}

void protobuf_append(struct protobuf *writer, struct slice fields)
{
    put(writer, fields.bytes, fields.count);
}

/* ---- reading ---- */

static bool take_varint(struct slice *message, uint64_t *out_value)
{
    uint64_t value = 0;
    for (size_t i = 0; i < VARINT_BYTES_MAX && i < message->count; i++) {
        uint8_t byte = (uint8_t)message->bytes[i];
        if (i == VARINT_BYTES_MAX - 1 && byte > 1) {
            return false; /* more than 64 bits */
        }
        value |= (uint64_t)(byte & 0x7f) << (7 * i);
        if ((byte & 0x80) == 0) {
            *message = slice_after(*message, i + 1);
            *out_value = value;
            return true;
        }
    }
    return false;
}

static bool take_number(struct slice *message, size_t bytes, uint64_t *out_value)
{
    if (message->count < bytes) {
        return false;
    }
    *out_value = 0;
    memcpy(out_value, message->bytes, bytes);
    *message = slice_after(*message, bytes);
    return true;
}

static bool take_bytes(struct slice *message, struct slice *out_bytes)
{
    uint64_t count;
    if (!take_varint(message, &count) || count > message->count) {
        return false;
    }
    *out_bytes = (struct slice){message->bytes, (size_t)count};
    *message = slice_after(*message, (size_t)count);
    return true;
}

static bool take_value(struct slice *message, struct protobuf_field *field)
{
    switch (field->type) {
    case PROTOBUF_VARINT:
        return take_varint(message, &field->value);
    case PROTOBUF_FIXED64:
        return take_number(message, sizeof(uint64_t), &field->value);
    case PROTOBUF_FIXED32:
        return take_number(message, sizeof(uint32_t), &field->value);
    case PROTOBUF_BYTES:
        return take_bytes(message, &field->bytes);
    default: /* groups, which nobody writes any more, and what there is no type for */
        return false;
    }
}

enum protobuf_read protobuf_next(struct slice *message, struct protobuf_field *out_field)
{
    if (message->count == 0) {
        return PROTOBUF_END;
    }
    struct slice rest = *message;
    struct protobuf_field field = {.bytes = {"", 0}};
    uint64_t tag;
    if (!take_varint(&rest, &tag) || tag >> 3 == 0 || tag >> 3 > FIELD_NUMBER_MAX) {
        return PROTOBUF_BAD;
    }
    field.number = (unsigned)(tag >> 3);
    field.type = (enum protobuf_type)(tag & 7);
    if (!take_value(&rest, &field)) {
        return PROTOBUF_BAD;
    }
    *message = rest;
    *out_field = field;
    return PROTOBUF_FIELD;
}
