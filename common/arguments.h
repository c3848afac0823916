/* Words of a command line, and where they stand. @FILE among them stands for the words of a file:
 * a flag and its value on each line, or other words as on a command line; lines that begin with #
 * are comments, and @OTHER is a file again, seen from the folder of the one that names it. */
#ifndef CAIRN_COMMON_ARGUMENTS_H
#define CAIRN_COMMON_ARGUMENTS_H

#include "common/error.h"

#include <stdbool.h>

struct argument {
    char *text;
    char *where;    /* "serve.conf:3"; NULL: the command line */
    unsigned depth; /* in so many files */
};

struct arguments {
    struct argument *at;
    size_t count;
    char **files; /* that were read */
    size_t file_count;
};

/* Files in files. */
enum { ARGUMENTS_DEPTH_MAX = 16 };

/* Copies the words. */
void arguments_init(struct arguments *arguments, int count, char *const *words);
void arguments_fini(struct arguments *arguments);

/* Puts the words of the file that the word at `position` ("@FILE") names in its place. ERR_USAGE
 * with a sentence that names the file, and the line where one is to blame. */
int arguments_expand(struct arguments *arguments, size_t position,
                     struct error *error) CAIRN_MUST_CHECK;

/* Appends the words of one line: a flag with its value is one word, `--name=value`. The text is
 * written to. Returns NULL, or a static string that names the broken rule. */
const char *arguments_add_line(struct arguments *arguments, char *line);

#endif
