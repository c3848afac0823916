/* The wire format of Protocol Buffers (protobuf.dev, "Encoding"): what OTLP is written in. A writer
 * appends fields to a buffer that grows, or to one of a fixed size, which then says that it was too
 * small; a reader takes fields off a slice. No message definitions: otlp.h knows the numbers. */
#ifndef CAIRN_TELEMETRY_PROTOBUF_H
#define CAIRN_TELEMETRY_PROTOBUF_H

#include "common/slice.h"

struct protobuf {
    uint8_t *bytes;
    size_t count;
    size_t capacity;
    bool is_fixed;    /* the bytes are somebody else's, and do not grow */
    bool is_overfull; /* sticky: something did not fit; what is there is no message */
};

/* Grows; protobuf_fini() frees. */
struct protobuf protobuf_growing(void);

/* Writes to `capacity` bytes that the caller has, without an allocation. */
struct protobuf protobuf_fixed(void *bytes, size_t capacity);
void protobuf_fini(struct protobuf *writer);

/* Fields, by their numbers. Each is written, whatever its value: a default value that is left out
 * is the caller's decision. */
void protobuf_varint(struct protobuf *writer, unsigned field, uint64_t value);
void protobuf_bool(struct protobuf *writer, unsigned field, bool value);
void protobuf_fixed32(struct protobuf *writer, unsigned field, uint32_t value);
void protobuf_fixed64(struct protobuf *writer, unsigned field, uint64_t value);
void protobuf_double(struct protobuf *writer, unsigned field, double value);
void protobuf_bytes(struct protobuf *writer, unsigned field, struct slice value);

/* Repeated numbers of 64 bits in one field. */
void protobuf_packed_fixed64(struct protobuf *writer, unsigned field, const uint64_t *values,
                             size_t count);
void protobuf_packed_double(struct protobuf *writer, unsigned field, const double *values,
                            size_t count);

/* A message in a message: everything between the two is its own. Returns what belongs to its end.
 */
size_t protobuf_begin(struct protobuf *writer, unsigned field);
void protobuf_end(struct protobuf *writer, size_t begun);

/* Bytes that are fields already. */
void protobuf_append(struct protobuf *writer, struct slice fields);

enum protobuf_type {
    PROTOBUF_VARINT = 0,
    PROTOBUF_FIXED64 = 1,
    PROTOBUF_BYTES = 2,
    PROTOBUF_FIXED32 = 5,
};

struct protobuf_field {
    unsigned number;
    enum protobuf_type type;
    uint64_t value;     /* of a number; two's complement, the bits of a double */
    struct slice bytes; /* PROTOBUF_BYTES: text, bytes, or a message */
};

enum protobuf_read { PROTOBUF_FIELD, PROTOBUF_END, PROTOBUF_BAD };

/* Takes the next field off *message. PROTOBUF_BAD: this is no message; nothing is taken. */
enum protobuf_read protobuf_next(struct slice *message, struct protobuf_field *out_field);

#endif
