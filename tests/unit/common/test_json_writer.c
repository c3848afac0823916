/* The JSON writer: texts as they come out, every byte in a string, and misuse that must abort. */
#include "common/json_writer.h"

#include <criterion/criterion.h>
#include <math.h>
#include <signal.h>
#include <stdlib.h>

#define REPLACEMENT "\xef\xbf\xbd" /* U+FFFD */

/* A text that is written into memory. */
struct sheet {
    char *text;
    size_t count;
    struct json_writer json;
};

static void sheet_open(struct sheet *sheet)
{
    FILE *file = open_memstream(&sheet->text, &sheet->count);
    cr_assert_not_null(file);
    sheet->json = json_writer(file);
}

static void sheet_expect(struct sheet *sheet, const char *expected)
{
    fclose(sheet->json.file);
    cr_expect_str_eq(sheet->text, expected, "'%s' is not '%s'", sheet->text, expected);
    free(sheet->text);
}

Test(json_writer, one_line)
{
    struct sheet sheet;
    sheet_open(&sheet);
    struct json_writer *json = &sheet.json;
    json_begin_object(json);
    json_key(json, "name");
    json_string(json, SLICE("a/b.html"));
    json_key(json, "bytes");
    json_u64(json, 12);
    json_key(json, "forms");
    json_begin_array(json, false);
    json_string(json, SLICE("br"));
    json_begin_object(json);
    json_end_object(json);
    json_begin_array(json, false);
    json_end_array(json);
    json_null(json);
    json_end_array(json);
    json_key(json, "is_new");
    json_bool(json, true);
    json_key(json, "is_gone");
    json_bool(json, false);
    json_end_object(json);
    json_end(json);
    sheet_expect(&sheet, "{\"name\":\"a/b.html\",\"bytes\":12,\"forms\":[\"br\",{},[],null],"
                         "\"is_new\":true,\"is_gone\":false}\n");
}

Test(json_writer, a_line_for_each_row)
{
    struct sheet sheet;
    sheet_open(&sheet);
    json_begin_array(&sheet.json, true);
    for (uint64_t i = 0; i < 3; i++) {
        json_begin_object(&sheet.json);
        json_key(&sheet.json, "i");
        json_u64(&sheet.json, i);
        json_key(&sheet.json, "list");
        json_begin_array(&sheet.json, false);
        json_u64(&sheet.json, 1);
        json_u64(&sheet.json, 2);
        json_end_array(&sheet.json);
        json_end_object(&sheet.json);
    }
    json_end_array(&sheet.json);
    json_end(&sheet.json);
    sheet_expect(&sheet, "[\n{\"i\":0,\"list\":[1,2]},\n{\"i\":1,\"list\":[1,2]},\n"
                         "{\"i\":2,\"list\":[1,2]}\n]\n");
}

Test(json_writer, no_rows)
{
    struct sheet sheet;
    sheet_open(&sheet);
    json_begin_array(&sheet.json, true);
    json_end_array(&sheet.json);
    json_end(&sheet.json);
    sheet_expect(&sheet, "[]\n");
}

Test(json_writer, one_text_behind_the_other)
{
    struct sheet sheet;
    sheet_open(&sheet);
    for (uint64_t i = 0; i < 2; i++) {
        json_begin_array(&sheet.json, false);
        json_u64(&sheet.json, i);
        json_end_array(&sheet.json);
        json_end(&sheet.json);
    }
    sheet_expect(&sheet, "[0]\n[1]\n");
}

Test(json_writer, numbers)
{
    struct sheet sheet;
    sheet_open(&sheet);
    struct json_writer *json = &sheet.json;
    json_begin_array(json, false);
    json_u64(json, 0);
    json_u64(json, UINT64_MAX);
    json_i64(json, INT64_MIN);
    json_i64(json, INT64_MAX);
    json_i64(json, -1);
    json_fixed(json, 1.25, 1);
    json_fixed(json, -3, 3);
    json_fixed(json, 2.5, 0);
    json_end_array(json);
    json_end(json);
    sheet_expect(&sheet, "[0,18446744073709551615,-9223372036854775808,9223372036854775807,-1,1.2,"
                         "-3.000,2]\n");
}

/* Rows hold NUL bytes too, so lengths come from the literal. */
#define TEXT(literal)                                                                              \
    {                                                                                              \
        (literal), sizeof(literal) - 1                                                             \
    }

static const struct {
    struct slice text;
    const char *written;
} strings[] = {
    {TEXT(""), ""},
    {TEXT("plain text ~"), "plain text ~"},
    /* RFC 8259 section 7: what must be escaped, and no more of what is often escaped */
    {TEXT("\"\\/"), "\\\"\\\\/"},
    {TEXT("\b\f\n\r\t"), "\\b\\f\\n\\r\\t"},
    {TEXT("a\0b\x01\x1f\x0b"), "a\\u0000b\\u0001\\u001f\\u000b"},
    {TEXT("<>&'"), "<>&'"},
    /* UTF-8, one row for each length, and the ends of the ranges */
    {TEXT("\xc3\xa9"), "\xc3\xa9"},
    {TEXT("\xe2\x82\xac"), "\xe2\x82\xac"},
    {TEXT("\xf0\x9f\x98\x80"), "\xf0\x9f\x98\x80"},
    {TEXT("\xed\x9f\xbf\xee\x80\x80"), "\xed\x9f\xbf\xee\x80\x80"},
    {TEXT("\xf4\x8f\xbf\xbf"), "\xf4\x8f\xbf\xbf"},
    /* not UTF-8: each such byte is replaced, what follows is not lost */
    {TEXT("\xff"), REPLACEMENT},
    {TEXT("a\x80z"), "a" REPLACEMENT "z"},
    {TEXT("\xc3"), REPLACEMENT},
    {TEXT("\xc3\"x"), REPLACEMENT "\\\"x"},
    {TEXT("\xe2\x82"), REPLACEMENT REPLACEMENT},
    {TEXT("\xc0\xaf"), REPLACEMENT REPLACEMENT},
    {TEXT("\xed\xa0\x80"), REPLACEMENT REPLACEMENT REPLACEMENT},
    {TEXT("\xf4\x90\x80\x80"), REPLACEMENT REPLACEMENT REPLACEMENT REPLACEMENT},
};

Test(json_writer, strings)
{
    for (size_t i = 0; i < ARRAY_COUNT(strings); i++) {
        /* in memory of its own, so that a read behind it is found */
        struct slice text = strings[i].text;
        char *bytes = malloc(text.count + (text.count == 0));
        memcpy(bytes, text.bytes, text.count);
        struct sheet sheet;
        sheet_open(&sheet);
        json_string(&sheet.json, (struct slice){bytes, text.count});
        json_end(&sheet.json);
        char expected[128];
        snprintf(expected, sizeof expected, "\"%s\"\n", strings[i].written);
        sheet_expect(&sheet, expected);
        free(bytes);
    }
}

Test(json_writer, keys_are_escaped_too)
{
    struct sheet sheet;
    sheet_open(&sheet);
    json_begin_object(&sheet.json);
    json_key(&sheet.json, "a\"\n\xff");
    json_null(&sheet.json);
    json_end_object(&sheet.json);
    json_end(&sheet.json);
    sheet_expect(&sheet, "{\"a\\\"\\n" REPLACEMENT "\":null}\n");
}

/* No byte gets out that would end a string or a line early. */
Test(json_writer, every_byte)
{
    for (int byte = 0; byte < 256; byte++) {
        char text[1] = {(char)byte};
        struct sheet sheet;
        sheet_open(&sheet);
        json_string(&sheet.json, (struct slice){text, 1});
        fclose(sheet.json.file);
        cr_assert_geq(sheet.count, 3);
        cr_expect(sheet.text[0] == '"' && sheet.text[sheet.count - 1] == '"');
        for (size_t i = 1; i + 1 < sheet.count; i++) {
            cr_expect((unsigned char)sheet.text[i] >= 0x20, "byte %d", byte);
            cr_expect(sheet.text[i] != '"' || sheet.text[i - 1] == '\\', "byte %d", byte);
        }
        free(sheet.text);
    }
}

Test(json_writer, depth)
{
    struct sheet sheet;
    sheet_open(&sheet);
    char expected[2 * JSON_DEPTH_MAX + 2];
    for (int i = 0; i < JSON_DEPTH_MAX; i++) {
        json_begin_array(&sheet.json, false);
        expected[i] = '[';
        expected[2 * JSON_DEPTH_MAX - 1 - i] = ']';
    }
    for (int i = 0; i < JSON_DEPTH_MAX; i++) {
        json_end_array(&sheet.json);
    }
    json_end(&sheet.json);
    expected[2 * JSON_DEPTH_MAX] = '\n';
    expected[2 * JSON_DEPTH_MAX + 1] = '\0';
    sheet_expect(&sheet, expected);
}

/* ---- misuse ---- */

/* Each of these ends the process before it returns. */
#define ABORTS(name) Test(json_writer, aborts_on_##name, .signal = SIGABRT)

static struct json_writer nowhere(void)
{
    FILE *file = fopen("/dev/null", "w");
    cr_assert_not_null(file);
    return json_writer(file);
}

ABORTS(value_without_key)
{
    struct json_writer json = nowhere();
    json_begin_object(&json);
    json_null(&json);
}

ABORTS(second_value_of_a_key)
{
    struct json_writer json = nowhere();
    json_begin_object(&json);
    json_key(&json, "a");
    json_null(&json);
    json_null(&json);
}

ABORTS(key_behind_key)
{
    struct json_writer json = nowhere();
    json_begin_object(&json);
    json_key(&json, "a");
    json_key(&json, "b");
}

ABORTS(key_in_array)
{
    struct json_writer json = nowhere();
    json_begin_array(&json, false);
    json_key(&json, "a");
}

ABORTS(key_at_the_top)
{
    struct json_writer json = nowhere();
    json_key(&json, "a");
}

ABORTS(object_that_ends_behind_a_key)
{
    struct json_writer json = nowhere();
    json_begin_object(&json);
    json_key(&json, "a");
    json_end_object(&json);
}

ABORTS(array_that_ends_as_object)
{
    struct json_writer json = nowhere();
    json_begin_array(&json, false);
    json_end_object(&json);
}

ABORTS(object_that_ends_as_array)
{
    struct json_writer json = nowhere();
    json_begin_object(&json);
    json_end_array(&json);
}

ABORTS(end_of_nothing)
{
    struct json_writer json = nowhere();
    json_end_array(&json);
}

ABORTS(text_that_ends_open)
{
    struct json_writer json = nowhere();
    json_begin_array(&json, false);
    json_end(&json);
}

ABORTS(too_deep)
{
    struct json_writer json = nowhere();
    for (int i = 0; i <= JSON_DEPTH_MAX; i++) {
        json_begin_array(&json, false);
    }
}

ABORTS(second_value_at_the_top)
{
    struct json_writer json = nowhere();
    json_u64(&json, 1);
    json_u64(&json, 2);
}

ABORTS(text_without_a_value)
{
    struct json_writer json = nowhere();
    json_end(&json);
}

ABORTS(number_that_json_has_not)
{
    struct json_writer json = nowhere();
    json_fixed(&json, INFINITY, 1);
}
