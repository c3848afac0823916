/* The words of a command line, taken apart. Pure. docs/control.md. */
#ifndef CAIRN_SERVER_COMMAND_WORDS_H
#define CAIRN_SERVER_COMMAND_WORDS_H

#include "server/control/line_reader.h"
#include "server/loader.h"

bool command_words_is_space(char byte);
struct slice command_words_skip_spaces(struct slice text);
struct slice command_words_trim_end(struct slice text);

/* The line of a `load index`, taken apart; strings in `text`. */
struct load_words {
    char path[CONTROL_LINE_BYTES_MAX + 1];
    char text[CONTROL_LINE_BYTES_MAX + 2]; /* hosts and prefix */
    size_t text_bytes;
    struct load_request request;
};

/* PATH [host=...] [at=...] [traceparent=...]. A path may hold spaces; one that ends like an option
 * is quoted. Returns what is wrong with it; NULL: nothing. `words` begins zeroed. */
const char *command_words_load(struct slice argument, struct load_words *words);

/* Takes "host=...", "at=..." or "traceparent=..." off the end of the line. False: the last word is
 * none of them, or comes twice. */
bool command_words_take_option(struct slice *argument, struct load_words *words);

/* Takes "id=..." off the end of the line, once: the release that is meant. */
bool command_words_take_id(struct slice *argument, struct slice *id);

/* A backslash and an 'n' or 't' stand for the end of a line and for a tab, which no command has in
 * it, two backslashes for one, and any other for itself. `out` has room for text.count bytes.
 * Returns the length. */
size_t command_words_unescape(struct slice text, char *out);

#endif
