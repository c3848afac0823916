#include "common/json_writer.h"

#include "common/utf8.h"

#include <assert.h>
#include <inttypes.h>
#include <math.h>

struct json_writer json_writer(FILE *file)
{
    return (struct json_writer){.file = file};
}

/* Before a value: the comma, in an array, and the check that an object has given it a name. */
static void begin_value(struct json_writer *writer)
{
    if (writer->depth == 0) {
        assert(!writer->has_value); /* a text is one value, RFC 8259 §2 */
        writer->has_value = true;
        return;
    }
    bool is_object = writer->levels[writer->depth - 1].is_object;
    assert(!is_object || writer->levels[writer->depth - 1].has_key);
    if (!is_object) {
        bool has_rows = writer->levels[writer->depth - 1].has_rows;
        if (writer->levels[writer->depth - 1].has_members) {
            fputc(',', writer->file);
        }
        if (has_rows) {
            fputc('\n', writer->file);
        }
    }
    writer->levels[writer->depth - 1].has_members = true;
    writer->levels[writer->depth - 1].has_key = false;
}

static void begin(struct json_writer *writer, bool is_object, bool has_rows)
{
    begin_value(writer);
    assert(writer->depth < JSON_DEPTH_MAX);
    writer->levels[writer->depth].is_object = is_object;
    writer->levels[writer->depth].has_members = false;
    writer->levels[writer->depth].has_key = false;
    writer->levels[writer->depth].has_rows = has_rows;
    writer->depth++;
    fputc(is_object ? '{' : '[', writer->file);
}

static void end(struct json_writer *writer, bool is_object)
{
    assert(writer->depth > 0 && writer->levels[writer->depth - 1].is_object == is_object &&
           !writer->levels[writer->depth - 1].has_key);
    writer->depth--;
    if (writer->levels[writer->depth].has_rows && writer->levels[writer->depth].has_members) {
        fputc('\n', writer->file);
    }
    fputc(is_object ? '}' : ']', writer->file);
}

void json_begin_object(struct json_writer *writer)
{
    begin(writer, true, false);
}

void json_end_object(struct json_writer *writer)
{
    end(writer, true);
}

void json_begin_array(struct json_writer *writer, bool has_rows)
{
    begin(writer, false, has_rows);
}

void json_end_array(struct json_writer *writer)
{
    end(writer, false);
}

static void put_escaped(FILE *file, unsigned char byte)
{
    static const struct {
        char byte;
        char letter;
    } short_forms[] = {{'"', '"'},  {'\\', '\\'}, {'\b', 'b'}, {'\f', 'f'},
                       {'\n', 'n'}, {'\r', 'r'},  {'\t', 't'}};
    for (size_t i = 0; i < ARRAY_COUNT(short_forms); i++) {
        if ((unsigned char)short_forms[i].byte == byte) {
            fputc('\\', file);
            fputc(short_forms[i].letter, file);
            return;
        }
    }
    if (byte < 0x20 || byte == 0x7f) {
        fprintf(file, "\\u%04x", byte);
    } else {
        fputc(byte, file);
    }
}

static void put_text(FILE *file, struct slice text)
{
    fputc('"', file);
    for (size_t at = 0; at < text.count;) {
        size_t count = utf8_sequence_bytes(text.bytes + at, text.count - at);
        if (count == 0 && text.bytes[at] != '\0') {
            fputs("\xef\xbf\xbd", file);
            at++;
        } else if (count <= 1) {
            put_escaped(file, (unsigned char)text.bytes[at]);
            at++;
        } else {
            fwrite(text.bytes + at, 1, count, file);
            at += count;
        }
    }
    fputc('"', file);
}

void json_key(struct json_writer *writer, const char *key)
{
    assert(writer->depth > 0 && writer->levels[writer->depth - 1].is_object &&
           !writer->levels[writer->depth - 1].has_key);
    if (writer->levels[writer->depth - 1].has_members) {
        fputc(',', writer->file);
    }
    put_text(writer->file, slice_of_string(key));
    fputc(':', writer->file);
    writer->levels[writer->depth - 1].has_key = true;
}

void json_string(struct json_writer *writer, struct slice text)
{
    begin_value(writer);
    put_text(writer->file, text);
}

void json_u64(struct json_writer *writer, uint64_t number)
{
    begin_value(writer);
    fprintf(writer->file, "%" PRIu64, number);
}

void json_i64(struct json_writer *writer, int64_t number)
{
    begin_value(writer);
    fprintf(writer->file, "%" PRId64, number);
}

void json_bool(struct json_writer *writer, bool value)
{
    begin_value(writer);
    fputs(value ? "true" : "false", writer->file);
}

void json_null(struct json_writer *writer)
{
    begin_value(writer);
    fputs("null", writer->file);
}

void json_fixed(struct json_writer *writer, double number, int digits)
{
    assert(isfinite(number));
    begin_value(writer);
    fprintf(writer->file, "%.*f", digits, number);
}

void json_end(struct json_writer *writer)
{
    assert(writer->depth == 0 && writer->has_value);
    writer->has_value = false;
    fputc('\n', writer->file);
}
