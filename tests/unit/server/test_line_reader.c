/* Command lines out of a stream: the same events however it is cut. */
#include "server/control/line_reader.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

/* What a stream gave, as text: "[line]", "<long>", "<binary>", "<unfinished>". */
struct story {
    char text[4096];
    size_t count;
};

static void tell(struct story *story, enum line_event event, struct slice line)
{
    static const char *const names[] = {
        [LINE_TOO_LONG] = "<long>",
        [LINE_BINARY] = "<binary>",
        [LINE_UNFINISHED] = "<unfinished>",
    };
    char *at = story->text + story->count;
    size_t left = sizeof story->text - story->count;
    int count = 0;
    if (event == LINE_READY && line.count > 1000) {
        count = snprintf(at, left, "[%zu bytes]", line.count);
    } else if (event == LINE_READY) {
        count = snprintf(at, left, "[%.*s]", (int)line.count, line.bytes);
    } else if (event != LINE_MORE) {
        count = snprintf(at, left, "%s", names[event]);
    }
    cr_assert(count >= 0 && (size_t)count < left);
    story->count += (size_t)count;
}

static void feed(struct line_reader *reader, struct slice input, struct story *story)
{
    enum line_event event;
    do {
        struct slice line = {0};
        event = line_reader_take(reader, &input, &line);
        cr_assert(event == LINE_MORE || event == LINE_READY || event == LINE_TOO_LONG ||
                  event == LINE_BINARY);
        tell(story, event, line);
    } while (event != LINE_MORE);
    cr_assert(input.count == 0, "LINE_MORE with input left");
}

/* The story of a stream in pieces of `piece` bytes, the first of `first` bytes. */
static struct story read_stream(struct slice stream, size_t first, size_t piece)
{
    struct line_reader *reader = calloc(1, sizeof *reader);
    cr_assert(reader != NULL);
    struct story story = {.count = 0};
    size_t count = first;
    while (stream.count > 0) {
        count = count < stream.count ? count : stream.count;
        feed(reader, (struct slice){stream.bytes, count}, &story);
        stream = slice_after(stream, count);
        count = piece;
    }
    tell(&story, line_reader_end(reader), (struct slice){0});
    cr_expect(line_reader_end(reader) == LINE_MORE, "it starts anew");
    free(reader);
    return story;
}

#define TEXT(literal)                                                                              \
    {                                                                                              \
        (literal), sizeof(literal) - 1                                                             \
    }

static const struct {
    struct slice stream;
    const char *story;
} rows[] = {
    {TEXT(""), ""},
    {TEXT("list\n"), "[list]"},
    {TEXT("list\r\n"), "[list]"},
    {TEXT("load index /a b\nlist\nquit\n"), "[load index /a b][list][quit]"},
    {TEXT("a\r\nb\nc\r\n"), "[a][b][c]"},
    {TEXT("\n\n\r\n \t \n\t\r\nlist\n\n"), "[list]"},
    {TEXT("  list  \n"), "[  list  ]"},
    {TEXT("a\tb\n"), "[a\tb]"},
    {TEXT("caf\xc3\xa9 \xff\n"), "[caf\xc3\xa9 \xff]"},
    {TEXT("\"q\\\"\"\n"), "[\"q\\\"\"]"},
    /* control characters */
    {TEXT("a\0b\n"), "<binary>"},
    {TEXT("a\x1b[31m\nlist\n"), "<binary>[list]"},
    {TEXT("\x7f\n"), "<binary>"},
    {TEXT("a\rb\n"), "<binary>"},
    {TEXT("a\r\r\n"), "<binary>"},
    {TEXT("\x01\n\x02\nlist\n"), "<binary><binary>[list]"},
    /* a line that the stream's end cuts off is not carried out */
    {TEXT("quit"), "<unfinished>"},
    {TEXT("list\nquit"), "[list]<unfinished>"},
    {TEXT("list\nquit\r"), "[list]<unfinished>"},
    {TEXT("list\n  \t"), "[list]"},
};

Test(line_reader, every_split_in_two_and_all_pieces)
{
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        size_t count = rows[i].stream.count;
        for (size_t first = 1; first <= count + 1; first++) {
            struct story story = read_stream(rows[i].stream, first, count);
            cr_expect(strcmp(story.text, rows[i].story) == 0, "row %zu, first %zu: %s", i, first,
                      story.text);
        }
        for (size_t piece = 1; piece <= count; piece++) {
            struct story story = read_stream(rows[i].stream, piece, piece);
            cr_expect(strcmp(story.text, rows[i].story) == 0, "row %zu, pieces of %zu: %s", i,
                      piece, story.text);
        }
    }
}

/* "list\n", a line of `count` bytes, its end, "quit\n". */
static struct story read_long(size_t count, const char *end, size_t piece)
{
    char *stream = NULL;
    int bytes = asprintf(&stream, "list\n%0*d%squit\n", (int)count, 7, end);
    cr_assert(bytes > 0);
    struct story story = read_stream((struct slice){stream, (size_t)bytes}, piece, piece);
    free(stream);
    return story;
}

Test(line_reader, length_limit)
{
    static const size_t pieces[] = {1, 2, 5, 100, 4096, 16384, 16385, 100000};
    static const struct {
        size_t count;
        const char *end;
        const char *story;
    } lengths[] = {
        {CONTROL_LINE_BYTES_MAX - 1, "\n", "[list][16383 bytes][quit]"},
        {CONTROL_LINE_BYTES_MAX - 1, "\r\n", "[list][16383 bytes][quit]"},
        {CONTROL_LINE_BYTES_MAX, "\n", "[list][16384 bytes][quit]"},
        {CONTROL_LINE_BYTES_MAX + 1, "\n", "[list]<long>[quit]"},
        {CONTROL_LINE_BYTES_MAX + 1, "\r\n", "[list]<long>[quit]"},
        {5 * CONTROL_LINE_BYTES_MAX, "\n", "[list]<long>[quit]"},
    };
    for (size_t i = 0; i < ARRAY_COUNT(lengths); i++) {
        for (size_t j = 0; j < ARRAY_COUNT(pieces); j++) {
            struct story story = read_long(lengths[i].count, lengths[i].end, pieces[j]);
            cr_expect(strcmp(story.text, lengths[i].story) == 0, "row %zu, pieces of %zu: %s", i,
                      pieces[j], story.text);
        }
    }
}

Test(line_reader, too_long_is_told_once_and_its_end_is_no_command)
{
    struct line_reader *reader = calloc(1, sizeof *reader);
    cr_assert(reader != NULL);
    char bytes[1000];
    memset(bytes, 'x', sizeof bytes);
    struct story story = {.count = 0};
    for (int i = 0; i < 100; i++) {
        feed(reader, (struct slice){bytes, sizeof bytes}, &story);
    }
    cr_expect(strcmp(story.text, "<long>") == 0, "%s", story.text);
    cr_expect(line_reader_end(reader) == LINE_MORE, "it was told already");
    feed(reader, SLICE("list\n"), &story);
    cr_expect(strcmp(story.text, "<long>[list]") == 0, "%s", story.text);
    free(reader);
}
