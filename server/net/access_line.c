#include "net/access_line.h"

#include "common/http_date.h"
#include "common/mem.h"
#include "common/utf8.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum {
    ESCAPED_BYTES_MAX = 6, /* what a byte takes in JSON: "\u001f", "\\xff" */
    NUMBER_BYTES_MAX = 20,
    SECOND_NS = 1000000000,
};

void access_line_init(struct access_line *line)
{
    *line = (struct access_line){.second = -1};
}

void access_line_fini(struct access_line *line)
{
    free(line->bytes);
    line->bytes = NULL;
}

/* ---- pieces ---- */

static void reserve(struct access_line *line, size_t count)
{
    if (line->capacity - line->count < count) {
        line->capacity = mem_capacity(line->capacity, line->count + count);
        line->bytes = mem_resize(line->bytes, line->capacity, 1);
    }
}

static void put(struct access_line *line, struct slice text)
{
    reserve(line, text.count);
    memcpy(line->bytes + line->count, text.bytes, text.count);
    line->count += text.count;
}

static void put_byte(struct access_line *line, char byte)
{
    line->bytes[line->count++] = byte; /* reserved by the caller */
}

/* At least so many digits. */
static void put_number(struct access_line *line, uint64_t number, size_t digits)
{
    char text[NUMBER_BYTES_MAX];
    size_t at = sizeof text;
    do {
        text[--at] = (char)('0' + number % 10);
        number /= 10;
    } while (number > 0 || sizeof text - at < digits);
    put(line, (struct slice){text + at, sizeof text - at});
}

static void put_hex(struct access_line *line, unsigned value, unsigned digits)
{
    while (digits-- > 0) {
        put_byte(line, "0123456789abcdef"[value >> 4 * digits & 15]);
    }
}

static void put_client(struct access_line *line, const struct exchange *exchange)
{
    char client[IP_ADDRESS_TEXT_BYTES];
    ip_address_format(&exchange->client, client);
    put(line, slice_of_string(client));
}

static struct slice field_named(const struct request *request, struct slice name)
{
    for (size_t i = 0; request != NULL && i < request->field_count; i++) {
        if (slice_equal_ignoring_case(request->fields[i].name, name)) {
            return request->fields[i].value;
        }
    }
    return (struct slice){"", 0};
}

/* ---- combined ---- */

/* "06/Nov/1994:08:49:37 +0000" from "Sun, 06 Nov 1994 08:49:37 GMT". */
static void set_combined_time(struct access_line *line, int64_t second)
{
    char date[HTTP_DATE_BYTES];
    if (line->second != second) {
        http_date_format(second, date);
        snprintf(line->time, sizeof line->time, "%.2s/%.3s/%.4s:%.8s +0000", date + 5, date + 8,
                 date + 12, date + 17);
        line->second = second;
    }
}

/* In quotes; what is not plain text, and the quote and the backslash, as \xHH. */
static void put_quoted(struct access_line *line, struct slice text)
{
    reserve(line, ESCAPED_BYTES_MAX * text.count + 3);
    put_byte(line, '"');
    if (text.count == 0) {
        put_byte(line, '-');
    }
    for (size_t i = 0; i < text.count; i++) {
        unsigned char byte = (unsigned char)text.bytes[i];
        if (byte < 0x20 || byte >= 0x7f || byte == '"' || byte == '\\') {
            put_byte(line, '\\');
            put_byte(line, 'x');
            put_hex(line, byte, 2);
        } else {
            put_byte(line, (char)byte);
        }
    }
    put_byte(line, '"');
}

static void make_combined(struct access_line *line, const struct exchange *exchange)
{
    set_combined_time(line, exchange->begun_ns / SECOND_NS);
    put_client(line, exchange);
    put(line, SLICE(" - - ["));
    put(line, slice_of_string(line->time));
    put(line, SLICE("] "));
    put_quoted(line, exchange->line);
    put(line, SLICE(" "));
    put_number(line, exchange->status, 3);
    put(line, SLICE(" "));
    put_number(line, exchange->body_bytes, 1);
    put(line, SLICE(" "));
    put_quoted(line, field_named(exchange->request, SLICE("Referer")));
    put(line, SLICE(" "));
    put_quoted(line, field_named(exchange->request, SLICE("User-Agent")));
}

/* ---- JSON ---- */

static void put_code_unit(struct access_line *line, unsigned unit)
{
    put_byte(line, '\\');
    put_byte(line, 'u');
    put_hex(line, unit, 4);
}

/* A sequence of UTF-8, of more than one byte, as one or two code units (RFC 8259 §7). */
static void put_code_point(struct access_line *line, const char *bytes, size_t count)
{
    static const unsigned char first_bits[] = {0, 0x7f, 0x1f, 0x0f, 0x07};
    unsigned point = (unsigned char)bytes[0] & first_bits[count];
    for (size_t i = 1; i < count; i++) {
        point = point << 6 | ((unsigned char)bytes[i] & 0x3f);
    }
    if (point >= 0x10000) {
        put_code_unit(line, 0xd800 + ((point - 0x10000) >> 10));
        point = 0xdc00 + ((point - 0x10000) & 0x3ff);
    }
    put_code_unit(line, point);
}

/* A string. A byte that belongs to no UTF-8 is the text \xHH in it, and a backslash is two, so that
 * the bytes can be told from the string. */
static void put_string(struct access_line *line, struct slice text)
{
    reserve(line, ESCAPED_BYTES_MAX * text.count + 2);
    put_byte(line, '"');
    for (size_t i = 0; i < text.count;) {
        unsigned char byte = (unsigned char)text.bytes[i];
        size_t sequence = byte < 0x80 ? 1 : utf8_sequence_bytes(text.bytes + i, text.count - i);
        if (sequence > 1) {
            put_code_point(line, text.bytes + i, sequence);
        } else if (sequence == 0) {
            put_byte(line, '\\');
            put_byte(line, '\\');
            put_byte(line, 'x');
            put_hex(line, byte, 2);
        } else if (byte < 0x20 || byte == 0x7f) {
            put_code_unit(line, byte);
        } else if (byte == '\\') {
            memcpy(line->bytes + line->count, "\\\\\\\\", 4);
            line->count += 4;
        } else {
            if (byte == '"') {
                put_byte(line, '\\');
            }
            put_byte(line, (char)byte);
        }
        i += sequence == 0 ? 1 : sequence;
    }
    put_byte(line, '"');
}

/* Unless it is empty. `key` comes with what stands around it: `,"key":`. */
static void put_member(struct access_line *line, struct slice key, struct slice value)
{
    if (value.count > 0) {
        put(line, key);
        put_string(line, value);
    }
}

static void put_json_time(struct access_line *line, int64_t unix_ns)
{
    time_t second = unix_ns / SECOND_NS;
    if (line->second != second) {
        struct tm parts;
        gmtime_r(&second, &parts);
        strftime(line->time, sizeof line->time, "%Y-%m-%dT%H:%M:%S", &parts);
        line->second = second;
    }
    put(line, SLICE("{\"time\":\""));
    put(line, slice_of_string(line->time));
    put(line, SLICE("."));
    put_number(line, (uint64_t)(unix_ns % SECOND_NS / 1000), 6);
    put(line, SLICE("Z\""));
}

static void put_request(struct access_line *line, const struct exchange *exchange)
{
    const struct request *request = exchange->request;
    if (request == NULL) {
        put_member(line, SLICE(",\"request\":"), exchange->line);
        return;
    }
    struct slice rest = exchange->line;
    put_member(line, SLICE(",\"host\":"), request->host);
    put_member(line, SLICE(",\"method\":"), slice_take(&rest, ' '));
    put_member(line, SLICE(",\"path\":"), request->is_asterisk ? SLICE("*") : request->path);
    put_member(line, SLICE(",\"query\":"), request->query);
    put_member(line, SLICE(",\"protocol\":"),
               request->version_minor == 0 ? SLICE("HTTP/1.0") : SLICE("HTTP/1.1"));
}

static void put_answer(struct access_line *line, const struct exchange *exchange)
{
    put(line, SLICE(",\"status\":"));
    put_number(line, exchange->status, 1);
    put(line, SLICE(",\"bytes\":"));
    put_number(line, exchange->body_bytes, 1);
    put(line, SLICE(",\"length\":"));
    put_number(line, exchange->announced_bytes, 1);
    put(line, exchange->is_whole ? SLICE(",\"complete\":true") : SLICE(",\"complete\":false"));
    put(line, SLICE(",\"duration_s\":"));
    put_number(line, exchange->duration_ns / SECOND_NS, 1);
    put(line, SLICE("."));
    put_number(line, exchange->duration_ns % SECOND_NS / 1000, 6);
}

/* Names of hosts as they are given to the server: "" is every other one, ".x" those below x. */
static void put_origin(struct access_line *line, const struct exchange *exchange)
{
    static const struct slice codings[CODEC_COUNT] = {
        [CODEC_IDENTITY] = {"identity", 8},
        [CODEC_GZIP] = {"gzip", 4},
        [CODEC_BR] = {"br", 2},
        [CODEC_ZSTD] = {"zstd", 4},
    };
    if (exchange->codec < CODEC_COUNT) {
        put_member(line, SLICE(",\"encoding\":"), codings[exchange->codec]);
    }
    if (exchange->site_id == 0) {
        return;
    }
    put(line, SLICE(",\"site\":"));
    put_number(line, exchange->site_id, 1);
    put(line, SLICE(",\"release\":"));
    put_number(line, exchange->release, 1);
    bool is_name = exchange->host.count > 0 && exchange->host.bytes[0] != '.';
    put(line, is_name ? SLICE(",\"site_host\":\"") : SLICE(",\"site_host\":\"*"));
    put(line, exchange->host);
    put(line, SLICE("\""));
    put_member(line, SLICE(",\"site_at\":"),
               exchange->prefix.count == 0 ? SLICE("/") : exchange->prefix);
}

static void put_id(struct access_line *line, struct slice key, const uint8_t *id, size_t count)
{
    static const uint8_t none[TRACE_ID_BYTES];
    if (memcmp(id, none, count) == 0) {
        return;
    }
    put(line, key);
    reserve(line, 2 * count + 2);
    put_byte(line, '"');
    for (size_t i = 0; i < count; i++) {
        put_hex(line, id[i], 2);
    }
    put_byte(line, '"');
}

static void make_json(struct access_line *line, const struct exchange *exchange)
{
    put_json_time(line, exchange->begun_ns);
    put(line, SLICE(",\"client\":\""));
    put_client(line, exchange);
    put(line, SLICE("\""));
    put_request(line, exchange);
    put_answer(line, exchange);
    put_origin(line, exchange);
    put_member(line, SLICE(",\"referer\":"), field_named(exchange->request, SLICE("Referer")));
    put_member(line, SLICE(",\"user_agent\":"),
               field_named(exchange->request, SLICE("User-Agent")));
    put_id(line, SLICE(",\"trace_id\":"), exchange->trace_id, TRACE_ID_BYTES);
    put_id(line, SLICE(",\"span_id\":"), exchange->span_id, SPAN_ID_BYTES);
    put(line, SLICE("}"));
}

struct slice access_line_make(struct access_line *line, enum access_format format,
                              const struct exchange *exchange)
{
    line->count = 0;
    (format == ACCESS_JSON ? make_json : make_combined)(line, exchange);
    put(line, SLICE("\n"));
    return (struct slice){line->bytes, line->count};
}
