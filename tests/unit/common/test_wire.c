/* Little-endian reading and writing: values, the sticky error, reserved bytes. */
#include "common/wire.h"

#include <criterion/criterion.h>
#include <signal.h>

Test(wire, values_are_little_endian)
{
    uint8_t bytes[23];
    struct wire_writer writer = wire_writer(bytes, sizeof bytes);
    wire_put_u8(&writer, 0x01);
    wire_put_u16(&writer, 0x0302);
    wire_put_u32(&writer, 0x07060504);
    wire_put_u64(&writer, 0x0f0e0d0c0b0a0908);
    wire_put_i64(&writer, INT64_C(0x1716151413121110));
    cr_assert(writer.used == sizeof bytes);
    for (size_t i = 0; i < sizeof bytes; i++) {
        cr_expect(bytes[i] == i + 1, "byte %zu", i);
    }
    struct wire_reader reader = wire_reader(bytes, sizeof bytes);
    cr_expect(wire_u8(&reader) == 0x01);
    cr_expect(wire_u16(&reader) == 0x0302);
    cr_expect(wire_u32(&reader) == 0x07060504);
    cr_expect(wire_u64(&reader) == 0x0f0e0d0c0b0a0908);
    cr_expect(wire_i64(&reader) == INT64_C(0x1716151413121110));
    cr_expect(wire_ok(&reader) && reader.left == 0);
}

Test(wire, extremes_round_trip)
{
    uint8_t bytes[24];
    struct wire_writer writer = wire_writer(bytes, sizeof bytes);
    wire_put_i64(&writer, INT64_MIN);
    wire_put_i64(&writer, -1);
    wire_put_u64(&writer, UINT64_MAX);
    struct wire_reader reader = wire_reader(bytes, sizeof bytes);
    cr_expect(wire_i64(&reader) == INT64_MIN);
    cr_expect(wire_i64(&reader) == -1);
    cr_expect(wire_u64(&reader) == UINT64_MAX);
    cr_expect(wire_ok(&reader));
}

Test(wire, error_is_sticky_and_reads_zero)
{
    static const uint8_t bytes[] = {1, 2, 3, 4, 5, 6, 7};
    struct wire_reader reader = wire_reader(bytes, sizeof bytes);
    cr_expect(wire_u32(&reader) == 0x04030201 && wire_ok(&reader));
    cr_expect(wire_u32(&reader) == 0 && !wire_ok(&reader));
    cr_expect(reader.left == 3, "a failed read takes nothing");
    cr_expect(wire_u8(&reader) == 0 && !wire_ok(&reader)); /* though a byte is there */
    uint8_t out[2] = {9, 9};
    wire_read(&reader, out, sizeof out);
    cr_expect(out[0] == 0 && out[1] == 0);
    wire_reserved(&reader, 1);
    cr_expect(!wire_ok(&reader));
}

Test(wire, every_length_that_is_too_short_fails)
{
    static const uint8_t bytes[8] = {1, 1, 1, 1, 1, 1, 1, 1};
    for (size_t count = 0; count <= sizeof bytes; count++) {
        struct wire_reader reader = wire_reader(bytes, count);
        uint64_t value = wire_u64(&reader);
        cr_expect(wire_ok(&reader) == (count == 8), "%zu", count);
        cr_expect((value != 0) == (count == 8), "%zu", count);
    }
    struct wire_reader empty = wire_reader(NULL, 0);
    cr_expect(wire_ok(&empty) && wire_u8(&empty) == 0 && !wire_ok(&empty));
}

Test(wire, reserved_bytes_must_be_zero)
{
    for (size_t wrong = 0; wrong <= 4; wrong++) {
        uint8_t bytes[5] = {0};
        bytes[wrong] = 1;
        struct wire_reader reader = wire_reader(bytes, sizeof bytes);
        wire_reserved(&reader, 4);
        cr_expect(wire_ok(&reader) == (wrong == 4), "byte %zu", wrong);
    }
    struct wire_reader reader = wire_reader("\0\0", 2);
    wire_reserved(&reader, 3);
    cr_expect(!wire_ok(&reader), "a reserved run past the end");
}

Test(wire, writer_zeroes_first_and_puts_zeros)
{
    uint8_t bytes[6];
    memset(bytes, 0xff, sizeof bytes);
    struct wire_writer writer = wire_writer(bytes, sizeof bytes);
    wire_put_u8(&writer, 7);
    wire_put_zeros(&writer, 3);
    wire_put(&writer, "x", 1);
    cr_expect(writer.used == 5);
    cr_expect(memcmp(bytes, "\7\0\0\0x\0", 6) == 0);
}

Test(wire, writing_past_the_end_is_a_bug, .signal = SIGILL)
{
    uint8_t bytes[3];
    struct wire_writer writer = wire_writer(bytes, sizeof bytes);
    wire_put_u32(&writer, 1);
}
