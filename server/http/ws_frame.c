#include "http/ws_frame.h"

#include "common/utf8.h"

#include <assert.h>

/* The first two bytes of a frame (RFC 6455 §5.2). */
enum {
    FINAL = 0x80,
    RESERVED = 0x70,
    OPCODE = 0x0f,
    MASKED = 0x80,
    LENGTH = 0x7f,
    LENGTH_IN_2_BYTES = 126,
    LENGTH_IN_8_BYTES = 127,
    MASK_BYTES = 4,
    CODE_BYTES = 2,
};

struct header {
    enum ws_opcode opcode;
    bool is_final;
    uint64_t payload_bytes;
    uint8_t mask[MASK_BYTES];
    size_t bytes; /* of the header; 0: it is not whole yet */
};

static bool is_control(unsigned opcode)
{
    return opcode >= WS_CLOSE;
}

static void fail(struct ws_reader *reader, unsigned code, const char *why, struct ws_event *event)
{
    reader->is_over = true;
    event->kind = WS_FAILED;
    event->code = code;
    event->why = why;
}

/* ---- headers ---- */

/* Which rule a frame's first byte breaks; NULL: none. */
static const char *first_byte_fault(const struct ws_reader *reader, uint8_t first)
{
    unsigned opcode = first & OPCODE;
    if ((first & RESERVED) != 0) {
        return "a reserved bit is set, and there is no extension"; /* §5.2 */
    }
    if (opcode > WS_PONG || (opcode > WS_BINARY && !is_control(opcode))) {
        return "a reserved opcode"; /* §5.2 */
    }
    if (is_control(opcode)) {
        return (first & FINAL) == 0 ? "a control frame in fragments" : NULL; /* §5.5 */
    }
    bool is_open = reader->message != WS_CONTINUATION;
    if (is_open != (opcode == WS_CONTINUATION)) { /* §5.4 */
        return is_open ? "a message begins within another" : "a continuation of nothing";
    }
    return NULL;
}

static const char *second_byte_fault(uint8_t first, uint8_t second)
{
    if ((second & MASKED) == 0) {
        return "a frame without a mask"; /* §5.1 */
    }
    if (is_control(first & OPCODE) && (second & LENGTH) > WS_CONTROL_PAYLOAD_BYTES_MAX) {
        return "a control frame of more than 125 bytes"; /* §5.5 */
    }
    return NULL;
}

static uint64_t big_endian(const char *bytes, size_t count)
{
    uint64_t number = 0;
    for (size_t i = 0; i < count; i++) {
        number = number << 8 | (uint8_t)bytes[i];
    }
    return number;
}

static const char *length_fault(uint64_t length, size_t length_bytes)
{
    if (length >> 63 != 0) {
        return "a length with its highest bit set"; /* §5.2 */
    }
    if ((length_bytes == 2 && length < LENGTH_IN_2_BYTES) ||
        (length_bytes == 8 && length <= 0xffff)) {
        return "a length in more bytes than it needs"; /* §5.2 */
    }
    return NULL;
}

/* Of one byte at least. What breaks a rule is told as soon as its byte is there, in the order of
 * the bytes, so that it is told the same however the input comes. */
static const char *read_header(const struct ws_reader *reader, struct slice input,
                               struct header *out_header)
{
    *out_header = (struct header){0};
    uint8_t first = (uint8_t)input.bytes[0];
    const char *why = first_byte_fault(reader, first);
    if (why != NULL || input.count == 1) {
        return why;
    }
    uint8_t second = (uint8_t)input.bytes[1];
    why = second_byte_fault(first, second);
    if (why != NULL) {
        return why;
    }
    uint64_t length = second & LENGTH;
    size_t length_bytes = length == LENGTH_IN_2_BYTES ? 2 : length == LENGTH_IN_8_BYTES ? 8 : 0;
    if (input.count < 2 + length_bytes) {
        return NULL;
    }
    if (length_bytes > 0) {
        length = big_endian(input.bytes + 2, length_bytes);
        why = length_fault(length, length_bytes);
    }
    if (why != NULL || input.count < 2 + length_bytes + MASK_BYTES) {
        return why;
    }
    out_header->opcode = first & OPCODE;
    out_header->is_final = (first & FINAL) != 0;
    out_header->payload_bytes = length;
    memcpy(out_header->mask, input.bytes + 2 + length_bytes, MASK_BYTES);
    out_header->bytes = 2 + length_bytes + MASK_BYTES;
    return NULL;
}

/* ---- payloads ---- */

/* XOR with the mask (§5.3), which is then turned to what the byte behind needs. */
static void unmask(char *bytes, size_t count, uint8_t mask[MASK_BYTES])
{
    uint8_t twice[2 * MASK_BYTES];
    memcpy(twice, mask, MASK_BYTES);
    memcpy(twice + MASK_BYTES, mask, MASK_BYTES);
    uint64_t mask_word;
    memcpy(&mask_word, twice, sizeof mask_word);
    size_t i = 0;
    for (; i + sizeof mask_word <= count; i += sizeof mask_word) {
        uint64_t word;
        memcpy(&word, bytes + i, sizeof word);
        word ^= mask_word;
        memcpy(bytes + i, &word, sizeof word);
    }
    for (; i < count; i++) {
        bytes[i] = (char)((uint8_t)bytes[i] ^ mask[i % MASK_BYTES]);
    }
    memcpy(mask, twice + count % MASK_BYTES, MASK_BYTES);
}

/* The payload of a data frame has been used. */
static void end_frame(struct ws_reader *reader, struct ws_event *event)
{
    if (!reader->is_last_frame) {
        return;
    }
    if (reader->message == WS_TEXT && reader->utf8 != UTF8_WHOLE) {
        fail(reader, WS_CODE_BAD_DATA, "a text ends within a character", event); /* §8.1 */
        return;
    }
    event->kind = WS_MESSAGE;
    event->message = reader->message;
    event->message_bytes = reader->message_bytes;
    *reader = (struct ws_reader){0};
}

static void begin_frame(struct ws_reader *reader, const struct header *header,
                        uint64_t message_bytes_max, struct ws_event *event)
{
    if (header->opcode != WS_CONTINUATION) {
        reader->message = (uint8_t)header->opcode;
    }
    if (header->payload_bytes > message_bytes_max ||
        reader->message_bytes > message_bytes_max - header->payload_bytes) {
        fail(reader, WS_CODE_TOO_BIG, "a message that is too long", event);
        return;
    }
    reader->message_bytes += header->payload_bytes;
    reader->payload_left = header->payload_bytes;
    reader->is_last_frame = header->is_final;
    memcpy(reader->mask, header->mask, MASK_BYTES);
    if (reader->payload_left == 0) {
        end_frame(reader, event);
    }
}

/* Only texts have to be unmasked: nobody wants the bytes. Returns how many are used. */
static size_t drop_payload(struct ws_reader *reader, char *bytes, size_t count,
                           struct ws_event *event)
{
    size_t piece = reader->payload_left < count ? (size_t)reader->payload_left : count;
    if (reader->message == WS_TEXT) {
        unmask(bytes, piece, reader->mask);
        reader->utf8 = (uint8_t)utf8_continue(reader->utf8, (struct slice){bytes, piece});
        if (reader->utf8 == UTF8_BAD) {
            fail(reader, WS_CODE_BAD_DATA, "a text that is not UTF-8", event); /* §8.1 */
            return piece;
        }
    }
    reader->payload_left -= piece;
    if (reader->payload_left == 0) {
        end_frame(reader, event);
    }
    return piece;
}

/* The body of a Close frame: nothing, or a code and a reason (§5.5.1). */
static void read_close(struct ws_reader *reader, struct slice body, struct ws_event *event)
{
    if (body.count == 1) {
        fail(reader, WS_CODE_PROTOCOL_ERROR, "half a close code", event);
        return;
    }
    unsigned code = WS_CODE_NONE;
    if (body.count > 0) {
        code = (unsigned)big_endian(body.bytes, CODE_BYTES);
        if (!ws_code_is_sendable(code)) {
            fail(reader, WS_CODE_PROTOCOL_ERROR, "a close code that cannot be sent",
                 event); /* §7.4 */
            return;
        }
    }
    struct slice reason = slice_after(body, CODE_BYTES);
    if (utf8_continue(UTF8_WHOLE, reason) != UTF8_WHOLE) {
        fail(reader, WS_CODE_BAD_DATA, "a reason that is not UTF-8", event); /* §8.1 */
        return;
    }
    reader->is_over = true;
    event->kind = WS_CLOSED;
    event->code = code;
    event->payload = reason;
}

static void read_control(struct ws_reader *reader, enum ws_opcode opcode, struct slice payload,
                         struct ws_event *event)
{
    if (opcode == WS_CLOSE) {
        read_close(reader, payload, event);
    } else {
        event->kind = opcode == WS_PING ? WS_PINGED : WS_PONGED;
        event->payload = payload;
    }
}

/* Takes a header, and the whole of a control frame. Returns how many bytes are used. */
static size_t take_frame(struct ws_reader *reader, char *bytes, size_t count,
                         uint64_t message_bytes_max, struct ws_event *event)
{
    struct header header;
    const char *why = read_header(reader, (struct slice){bytes, count}, &header);
    if (why != NULL) {
        fail(reader, WS_CODE_PROTOCOL_ERROR, why, event);
        return 0;
    }
    if (header.bytes == 0) {
        return 0;
    }
    if (!is_control(header.opcode)) {
        begin_frame(reader, &header, message_bytes_max, event);
        return header.bytes;
    }
    size_t payload_bytes = (size_t)header.payload_bytes;
    if (count < header.bytes + payload_bytes) {
        return 0;
    }
    char *payload = bytes + header.bytes;
    unmask(payload, payload_bytes, header.mask);
    read_control(reader, header.opcode, (struct slice){payload, payload_bytes}, event);
    return header.bytes + payload_bytes;
}

void ws_read(struct ws_reader *reader, char *input, size_t count, uint64_t message_bytes_max,
             struct ws_event *out_event)
{
    *out_event = (struct ws_event){.kind = WS_MORE};
    size_t used = 0;
    while (used < count && !reader->is_over && out_event->kind == WS_MORE) {
        char *at = input + used;
        size_t left = count - used;
        size_t taken = reader->payload_left > 0
                           ? drop_payload(reader, at, left, out_event)
                           : take_frame(reader, at, left, message_bytes_max, out_event);
        if (taken == 0 && out_event->kind == WS_MORE) {
            break;
        }
        used += taken;
    }
    out_event->used = reader->is_over ? count : used;
}

/* ---- writing ---- */

bool ws_code_is_sendable(unsigned code)
{
    return (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014) ||
           (code >= 3000 && code <= 4999);
}

size_t ws_write_header(enum ws_opcode opcode, uint64_t payload_bytes, char out[WS_HEADER_BYTES_MAX])
{
    bool is_short = payload_bytes < LENGTH_IN_2_BYTES;
    size_t length_bytes = is_short ? 0 : payload_bytes <= 0xffff ? 2 : 8;
    uint64_t length = is_short            ? payload_bytes
                      : length_bytes == 2 ? LENGTH_IN_2_BYTES
                                          : LENGTH_IN_8_BYTES;
    out[0] = (char)(FINAL | opcode);
    out[1] = (char)length;
    for (size_t i = 0; i < length_bytes; i++) {
        out[2 + i] = (char)(payload_bytes >> 8 * (length_bytes - 1 - i) & 0xff);
    }
    return 2 + length_bytes;
}

size_t ws_write_control(enum ws_opcode opcode, struct slice payload,
                        char out[WS_CONTROL_FRAME_BYTES_MAX])
{
    assert(is_control(opcode) && payload.count <= WS_CONTROL_PAYLOAD_BYTES_MAX);
    size_t header_bytes = ws_write_header(opcode, payload.count, out);
    if (payload.count > 0) {
        memcpy(out + header_bytes, payload.bytes, payload.count);
    }
    return header_bytes + payload.count;
}

size_t ws_write_close(unsigned code, struct slice reason, char out[WS_CONTROL_FRAME_BYTES_MAX])
{
    if (code == WS_CODE_NONE) {
        return ws_write_header(WS_CLOSE, 0, out);
    }
    assert(ws_code_is_sendable(code));
    size_t reason_bytes = reason.count;
    if (reason_bytes > WS_CLOSE_REASON_BYTES_MAX) {
        reason_bytes = WS_CLOSE_REASON_BYTES_MAX;
        while (reason_bytes > 0 && ((uint8_t)reason.bytes[reason_bytes] & 0xc0) == 0x80) {
            reason_bytes--; /* the byte behind the cut goes on with a character */
        }
    }
    char body[WS_CONTROL_PAYLOAD_BYTES_MAX] = {(char)(code >> 8), (char)(code & 0xff)};
    if (reason_bytes > 0) {
        memcpy(body + CODE_BYTES, reason.bytes, reason_bytes);
    }
    return ws_write_control(WS_CLOSE, (struct slice){body, CODE_BYTES + reason_bytes}, out);
}
