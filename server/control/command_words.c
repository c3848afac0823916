#include "server/control/command_words.h"

bool command_words_is_space(char byte)
{
    return byte == ' ' || byte == '\t';
}

struct slice command_words_skip_spaces(struct slice text)
{
    while (text.count > 0 && command_words_is_space(text.bytes[0])) {
        text = slice_after(text, 1);
    }
    return text;
}

struct slice command_words_trim_end(struct slice text)
{
    while (text.count > 0 && command_words_is_space(text.bytes[text.count - 1])) {
        text.count--;
    }
    return text;
}

/* Takes a path in double quotes, in which \" and \\ stand for themselves, off *argument. False if
 * the quotes do not end, or nothing is between them. */
static bool take_quoted(struct slice *argument, char *out)
{
    size_t count = 0;
    for (size_t i = 1; i < argument->count; i++) {
        char byte = argument->bytes[i];
        if (byte == '"') {
            out[count] = '\0';
            *argument = slice_after(*argument, i + 1);
            return count > 0;
        }
        if (byte == '\\' && i + 1 < argument->count) {
            byte = argument->bytes[++i];
        }
        out[count++] = byte;
    }
    return false;
}

static const char *keep(struct load_words *words, struct slice value)
{
    char *at = words->text + words->text_bytes;
    memcpy(at, value.bytes, value.count);
    at[value.count] = '\0';
    words->text_bytes += value.count + 1;
    return at;
}

/* The last word of a line without spaces at its end. */
static struct slice last_word(struct slice line)
{
    size_t start = line.count;
    while (start > 0 && !command_words_is_space(line.bytes[start - 1])) {
        start--;
    }
    return slice_after(line, start);
}

bool command_words_take_option(struct slice *argument, struct load_words *words)
{
    struct slice line = command_words_trim_end(*argument);
    struct slice value = last_word(line);
    size_t start = line.count - value.count;
    struct slice name = slice_take(&value, '=');
    if (slice_equal(name, SLICE("host")) && words->request.hosts == NULL) {
        words->request.hosts = keep(words, value);
    } else if (slice_equal(name, SLICE("at")) && words->request.prefix == NULL) {
        words->request.prefix = keep(words, value);
    } else if (slice_equal(name, SLICE("traceparent")) && words->request.traceparent.count == 0) {
        words->request.traceparent = slice_of_string(keep(words, value));
    } else {
        return false;
    }
    argument->count = start;
    return true;
}

const char *command_words_load(struct slice argument, struct load_words *words)
{
    bool is_quoted = argument.bytes[0] == '"';
    if (is_quoted && !take_quoted(&argument, words->path)) {
        return "the quoted path does not end";
    }
    while (command_words_take_option(&argument, words)) {
    }
    argument = command_words_trim_end(argument);
    if (is_quoted) {
        bool is_rest_empty = command_words_skip_spaces(argument).count == 0;
        words->request.path = words->path;
        return is_rest_empty
                   ? NULL
                   : "something else than host=, at= and traceparent= follows the quoted path";
    }
    memcpy(words->path, argument.bytes, argument.count);
    words->path[argument.count] = '\0';
    words->request.path = words->path;
    return argument.count > 0 ? NULL : "PATH is missing";
}

bool command_words_take_id(struct slice *argument, struct slice *id)
{
    struct slice line = command_words_trim_end(*argument);
    struct slice value = last_word(line);
    size_t start = line.count - value.count;
    if (!slice_starts_with(value, SLICE("id=")) || value.count == 3 || id->count > 0) {
        return false;
    }
    *id = slice_after(value, 3);
    argument->count = start;
    return true;
}

size_t command_words_unescape(struct slice text, char *out)
{
    size_t count = 0;
    for (size_t i = 0; i < text.count; i++) {
        char next = i + 1 < text.count ? text.bytes[i + 1] : '\0';
        bool is_escape = text.bytes[i] == '\\' && (next == 'n' || next == 't' || next == '\\');
        out[count++] = !is_escape ? text.bytes[i] : next == 'n' ? '\n' : next == 't' ? '\t' : next;
        i += is_escape;
    }
    return count;
}
