/* A line of a file of flags: its words are those that a slower reader finds, written with quotes
 * they are read again as they were, and as a command line they say something or are refused with a
 * sentence. Input: the line. */
#include "fuzz.h"

#include "common/mem.h"
#include "common/options.h"

/* ---- the slower reader ---- */

struct words {
    char text[4096]; /* each with a NUL behind it */
    size_t count, bytes;
};

static bool is_blank(char byte)
{
    return byte != '\0' && strchr(" \t\r\n", byte) != NULL;
}

static void put(struct words *words, char byte)
{
    FUZZ_CHECK(words->bytes < sizeof words->text);
    words->text[words->bytes++] = byte;
}

/* Byte by byte, with what is open in a variable. False: the quotes do not end. */
static bool read_words(struct slice line, struct words *words)
{
    enum { BETWEEN, IN_WORD, IN_QUOTES, BEHIND_BACKSLASH } state = BETWEEN;
    for (size_t i = 0; i < line.count; i++) {
        char byte = line.bytes[i];
        bool ends = state < IN_QUOTES && is_blank(byte);
        if (ends && state == IN_WORD) {
            put(words, '\0');
        }
        if (ends) {
            state = BETWEEN;
            continue;
        }
        words->count += state == BETWEEN;
        state = state == BETWEEN ? IN_WORD : state;
        if (state == BEHIND_BACKSLASH) {
            if (byte != '"' && byte != '\\') {
                put(words, '\\');
                i--; /* it counts as it would without */
            } else {
                put(words, byte);
            }
            state = IN_QUOTES;
        } else if (byte == '"') {
            state = state == IN_QUOTES ? IN_WORD : IN_QUOTES;
        } else if (byte == '\\' && state == IN_QUOTES) {
            state = BEHIND_BACKSLASH;
        } else {
            put(words, byte);
        }
    }
    if (state == IN_WORD) {
        put(words, '\0');
    }
    return state <= IN_WORD;
}

static struct slice trimmed(struct slice line)
{
    while (line.count > 0 && is_blank(line.bytes[0])) {
        line = slice_after(line, 1);
    }
    while (line.count > 0 && is_blank(line.bytes[line.count - 1])) {
        line.count--;
    }
    return line;
}

static void check_words(struct slice line, const struct arguments *arguments, const char *why)
{
    static struct words words;
    words.count = words.bytes = 0;
    bool ends = read_words(line, &words);
    FUZZ_CHECK(ends == (why == NULL));
    if (!ends) {
        return;
    }
    FUZZ_CHECK(words.count == arguments->count);
    const char *at = words.text;
    for (size_t i = 0; i < words.count; i++) {
        FUZZ_CHECK(strcmp(at, arguments->at[i].text) == 0);
        at += strlen(at) + 1;
    }
}

/* ---- written and read again ---- */

static void append(char **text, const char *more)
{
    char *longer = mem_format("%s%s", *text, more);
    free(*text);
    *text = longer;
}

static void check_again(const struct arguments *arguments)
{
    char *line = mem_string("", 0);
    struct arguments again = {0};
    for (size_t i = 0; i < arguments->count; i++) {
        append(&line, i == 0 ? "\"" : " \"");
        for (const char *at = arguments->at[i].text; *at != '\0'; at++) {
            char byte[] = {*at, '\0'};
            append(&line, *at == '"' || *at == '\\' ? "\\" : "");
            append(&line, byte);
        }
        append(&line, "\"");
    }
    FUZZ_CHECK(arguments_add_line(&again, line) == NULL);
    FUZZ_CHECK(again.count == arguments->count);
    for (size_t i = 0; i < again.count; i++) {
        FUZZ_CHECK(strcmp(again.at[i].text, arguments->at[i].text) == 0);
    }
    arguments_fini(&again);
    free(line);
}

/* A flag with its value is one word, which as a line is itself. */
static void check_flag(struct slice line, const struct arguments *arguments, const char *why)
{
    FUZZ_CHECK(why == NULL && arguments->count == 1);
    const char *word = arguments->at[0].text;
    struct arguments again = {0};
    char *copy = mem_string(word, strlen(word));
    FUZZ_CHECK(arguments_add_line(&again, copy) == NULL && again.count == 1);
    bool is_long = line.count > 1 && line.bytes[1] == '-';
    if (is_long) {
        FUZZ_CHECK(strcmp(again.at[0].text, word) == 0);
    }
    FUZZ_CHECK(strlen(word) <= line.count);
    arguments_fini(&again);
    free(copy);
}

/* ---- as a command line ---- */

struct subject {
    bool is_loud;
    size_t count;
    const char *name;
};

static const struct option options[] = {
    {.name = "loud",
     .letter = 'l',
     .apply = option_set_flag,
     .offset = offsetof(struct subject, is_loud)},
    {.name = "count",
     .letter = 'c',
     .argument = "N",
     .apply = option_set_number,
     .offset = offsetof(struct subject, count),
     .least = 2,
     .most = 9},
    {.name = "name",
     .argument = "NAME",
     .choices = "red|green",
     .apply = option_set_text,
     .offset = offsetof(struct subject, name)},
    {.name = "names", .about = OPTION_OTHER},
};

static const struct option_group group = {"All", options, ARRAY_COUNT(options), false};
static const struct option_table table = {
    .program = "program",
    .groups = (const struct option_group *const[]){&group, &option_about_group, NULL},
};

static void check_settings(const struct arguments *arguments)
{
    struct settings settings;
    struct subject subject = {.count = 2};
    struct error error = {""};
    char **words = mem_zeroed(arguments->count + 1, sizeof *words);
    for (size_t i = 0; i < arguments->count; i++) {
        words[i] =
            arguments->at[i].text[0] == '@' ? arguments->at[i].text + 1 : arguments->at[i].text;
        words[i] += strspn(words[i], "@"); /* no file is opened */
    }
    int status = settings_read(&settings, &table, (int)arguments->count, words, &error);
    FUZZ_CHECK(status == 0 || (status == ERR_USAGE && error.text[0] != '\0'));
    FUZZ_CHECK(settings.count + settings.operand_count <= arguments->count * 1024);
    for (size_t i = 0; i < settings.count && status == 0; i++) {
        error.text[0] = '\0';
        int applied = setting_apply(&settings.at[i], &subject, &error);
        FUZZ_CHECK(applied == 0 || (applied == ERR_USAGE && error.text[0] != '\0'));
        FUZZ_CHECK(subject.count >= 2 && subject.count <= 9);
        FUZZ_CHECK(subject.name == NULL || strcmp(subject.name, "red") == 0 ||
                   strcmp(subject.name, "green") == 0);
    }
    settings_fini(&settings);
    free(words);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count)
{
    struct slice line = fuzz_input(bytes, count);
    struct arguments arguments = {0};
    if (count > 1000 || memchr(bytes, '\0', count) != NULL) {
        return 0; /* a file with such a byte is refused before */
    }
    char *copy = mem_string(line.bytes, line.count);
    const char *why = arguments_add_line(&arguments, copy);
    free(copy);
    line = trimmed(line);
    if (line.count == 0 || line.bytes[0] == '#') {
        FUZZ_CHECK(why == NULL && arguments.count == 0);
    } else if (line.bytes[0] == '-') {
        check_flag(line, &arguments, why);
    } else if (line.bytes[0] == '@') {
        FUZZ_CHECK(why == NULL && arguments.count == 1);
        FUZZ_CHECK(slice_equal(slice_of_string(arguments.at[0].text), line));
    } else {
        check_words(line, &arguments, why);
    }
    if (why == NULL && arguments.count > 0) {
        check_again(&arguments);
        check_settings(&arguments);
    }
    arguments_fini(&arguments);
    return 0;
}
