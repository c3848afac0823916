/* Bounded reading and writing of little-endian structures. The error is sticky: a parser is a
 * straight list of reads and one look at wire_ok() at the end; a read past the end gives zeros. */
#ifndef CAIRN_COMMON_WIRE_H
#define CAIRN_COMMON_WIRE_H

#include "common/compiler.h"

#include <stdbool.h>
#include <string.h>

struct wire_reader {
    const uint8_t *at;
    size_t left;
    bool failed;
};

static inline struct wire_reader wire_reader(const void *bytes, size_t count)
{
    return (struct wire_reader){bytes, count, false};
}

static inline bool wire_ok(const struct wire_reader *reader)
{
    return !reader->failed;
}

static inline void wire_read(struct wire_reader *reader, void *out, size_t count)
{
    if (reader->failed || reader->left < count) {
        reader->failed = true;
        memset(out, 0, count);
        return;
    }
    memcpy(out, reader->at, count);
    reader->at += count;
    reader->left -= count;
}

static inline uint8_t wire_u8(struct wire_reader *reader)
{
    uint8_t value;
    wire_read(reader, &value, sizeof value);
    return value;
}

static inline uint16_t wire_u16(struct wire_reader *reader)
{
    uint16_t value;
    wire_read(reader, &value, sizeof value);
    return value;
}

static inline uint32_t wire_u32(struct wire_reader *reader)
{
    uint32_t value;
    wire_read(reader, &value, sizeof value);
    return value;
}

static inline uint64_t wire_u64(struct wire_reader *reader)
{
    uint64_t value;
    wire_read(reader, &value, sizeof value);
    return value;
}

static inline int64_t wire_i64(struct wire_reader *reader)
{
    int64_t value;
    wire_read(reader, &value, sizeof value);
    return value;
}

/* Skips `count` reserved bytes, which must be zero (docs/format.md, "Reserved"). */
static inline void wire_reserved(struct wire_reader *reader, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (wire_u8(reader) != 0) {
            reader->failed = true;
        }
    }
}

/* Writes into memory that the caller has sized: running over it is a bug, and asserted. */
struct wire_writer {
    uint8_t *start;
    size_t used;
    size_t capacity;
};

static inline struct wire_writer wire_writer(void *bytes, size_t capacity)
{
    memset(bytes, 0, capacity);
    return (struct wire_writer){bytes, 0, capacity};
}

static inline void wire_put(struct wire_writer *writer, const void *bytes, size_t count)
{
    if (count > writer->capacity - writer->used) {
        __builtin_trap();
    }
    memcpy(writer->start + writer->used, bytes, count);
    writer->used += count;
}

static inline void wire_put_u8(struct wire_writer *writer, uint8_t value)
{
    wire_put(writer, &value, sizeof value);
}

static inline void wire_put_u16(struct wire_writer *writer, uint16_t value)
{
    wire_put(writer, &value, sizeof value);
}

static inline void wire_put_u32(struct wire_writer *writer, uint32_t value)
{
    wire_put(writer, &value, sizeof value);
}

static inline void wire_put_u64(struct wire_writer *writer, uint64_t value)
{
    wire_put(writer, &value, sizeof value);
}

static inline void wire_put_i64(struct wire_writer *writer, int64_t value)
{
    wire_put(writer, &value, sizeof value);
}

static inline void wire_put_zeros(struct wire_writer *writer, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        wire_put_u8(writer, 0);
    }
}

#endif
