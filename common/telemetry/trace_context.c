#include "telemetry/trace_context.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

/* ---- traceparent ---- */

/* Lower-case digits alone: others make the field void. */
static int hex_value(char digit)
{
    if (digit >= '0' && digit <= '9') {
        return digit - '0';
    }
    return digit >= 'a' && digit <= 'f' ? digit - 'a' + 10 : -1;
}

/* Takes `count` bytes in hexadecimal, and the hyphen behind them unless nothing follows, off *text.
 */
static bool take_hex(struct slice *text, uint8_t *out, size_t count)
{
    if (text->count < 2 * count || (text->count > 2 * count && text->bytes[2 * count] != '-')) {
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        int high = hex_value(text->bytes[2 * i]);
        int low = hex_value(text->bytes[2 * i + 1]);
        if (high < 0 || low < 0) {
            return false;
        }
        out[i] = (uint8_t)(high << 4 | low);
    }
    *text = slice_after(*text, 2 * count + 1);
    return true;
}

static bool is_zero(const uint8_t *bytes, size_t count)
{
    uint8_t any = 0;
    for (size_t i = 0; i < count; i++) {
        any |= bytes[i];
    }
    return any == 0;
}

bool traceparent_parse(struct slice text, struct trace_context *out_context)
{
    struct trace_context context;
    uint8_t version;
    uint8_t flags;
    size_t bytes = text.count;
    if (bytes < TRACEPARENT_BYTES || !take_hex(&text, &version, 1) || version == 0xff ||
        (version == 0 && bytes != TRACEPARENT_BYTES) ||
        !take_hex(&text, context.trace_id, TRACE_ID_BYTES) ||
        !take_hex(&text, context.span_id, SPAN_ID_BYTES) || !take_hex(&text, &flags, 1)) {
        return false;
    }
    if (is_zero(context.trace_id, TRACE_ID_BYTES) || is_zero(context.span_id, SPAN_ID_BYTES)) {
        return false;
    }
    context.is_sampled = (flags & 1) != 0;
    *out_context = context;
    return true;
}

void hex_format(const uint8_t *bytes, size_t count, char *out)
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < count; i++) {
        out[2 * i] = digits[bytes[i] >> 4];
        out[2 * i + 1] = digits[bytes[i] & 15];
    }
    out[2 * count] = '\0';
}

void traceparent_format(const struct trace_context *context, char out[TRACEPARENT_BYTES + 1])
{
    memcpy(out, "00-", 3);
    hex_format(context->trace_id, TRACE_ID_BYTES, out + 3);
    out[35] = '-';
    hex_format(context->span_id, SPAN_ID_BYTES, out + 36);
    memcpy(out + 52, context->is_sampled ? "-01" : "-00", 4);
}

/* ---- tracestate ---- */

enum { TRACESTATE_MEMBERS_MAX = 32, KEY_BYTES_MAX = 256, VALUE_BYTES_MAX = 256 };

static bool is_key_byte(char byte)
{
    return (byte >= 'a' && byte <= 'z') || (byte >= '0' && byte <= '9') ||
           (byte != '\0' && strchr("_-*/@", byte) != NULL);
}

/* One text for both forms of a key, with and without a tenant before '@': a reader may take what
 * is a little more than the grammar, and passes it on as it is. */
static bool is_key(struct slice key)
{
    bool is_good = key.count > 0 && key.count <= KEY_BYTES_MAX &&
                   ((key.bytes[0] >= 'a' && key.bytes[0] <= 'z') ||
                    (key.bytes[0] >= '0' && key.bytes[0] <= '9'));
    for (size_t i = 0; i < key.count && is_good; i++) {
        is_good = is_key_byte(key.bytes[i]);
    }
    return is_good;
}

static bool is_value(struct slice value)
{
    bool is_good = value.count > 0 && value.count <= VALUE_BYTES_MAX;
    for (size_t i = 0; i < value.count && is_good; i++) {
        char byte = value.bytes[i];
        is_good = byte >= 0x20 && byte <= 0x7e && byte != ',' && byte != '=';
    }
    return is_good;
}

bool tracestate_is_valid(struct slice text)
{
    size_t members = 0;
    if (text.count > TRACESTATE_BYTES_MAX) {
        return false;
    }
    while (text.count > 0) {
        struct slice value = slice_trim(slice_take(&text, ','));
        if (value.count == 0) {
            continue; /* an empty member is allowed, and says nothing */
        }
        const char *equals = memchr(value.bytes, '=', value.count);
        struct slice key = slice_take(&value, '=');
        if (equals == NULL || !is_key(key) || !is_value(value) ||
            ++members > TRACESTATE_MEMBERS_MAX) {
            return false;
        }
    }
    return members > 0;
}

/* ---- numbers ---- */

static uint64_t rotated(uint64_t value, int bits)
{
    return value << bits | value >> (64 - bits);
}

static uint64_t next(struct id_source *source)
{
    uint64_t *state = source->state;
    uint64_t result = rotated(state[0] + state[3], 23) + state[0];
    uint64_t shifted = state[1] << 17;
    state[2] ^= state[0];
    state[3] ^= state[1];
    state[1] ^= state[2];
    state[0] ^= state[3];
    state[2] ^= shifted;
    state[3] = rotated(state[3], 45);
    return result;
}

int id_source_init(struct id_source *source, struct error *error)
{
    if (getentropy(source->state, sizeof source->state) != 0) {
        return error_set(error, -errno, "random numbers: %s", strerror(errno));
    }
    source->state[0] |= 1; /* all zero would stay so */
    return 0;
}

struct id_source id_source_of(uint64_t seed)
{
    struct id_source source = {{seed | 1, ~seed, seed * 3, 0x9e3779b97f4a7c15}};
    for (int i = 0; i < 16; i++) { /* few bits of the seed reach all of the state */
        (void)next(&source);
    }
    return source;
}

uint64_t id_source_next(struct id_source *source)
{
    uint64_t number = next(source);
    return number != 0 ? number : 1;
}

void id_source_trace(struct id_source *source, uint8_t out_trace_id[TRACE_ID_BYTES])
{
    const uint64_t numbers[2] = {id_source_next(source), id_source_next(source)};
    memcpy(out_trace_id, numbers, TRACE_ID_BYTES);
}

void id_source_span(struct id_source *source, uint8_t out_span_id[SPAN_ID_BYTES])
{
    uint64_t number = id_source_next(source);
    memcpy(out_span_id, &number, SPAN_ID_BYTES);
}
