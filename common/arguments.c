#include "common/arguments.h"

#include "common/mem.h"

#include <errno.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void append(struct arguments *arguments, const char *text, size_t count)
{
    arguments->at = mem_resize(arguments->at, arguments->count + 1, sizeof *arguments->at);
    arguments->at[arguments->count++] = (struct argument){.text = mem_string(text, count)};
}

void arguments_init(struct arguments *arguments, int count, char *const *words)
{
    *arguments = (struct arguments){0};
    for (int i = 0; i < count; i++) {
        append(arguments, words[i], strlen(words[i]));
    }
}

void arguments_fini(struct arguments *arguments)
{
    for (size_t i = 0; i < arguments->count; i++) {
        free(arguments->at[i].text);
        free(arguments->at[i].where);
    }
    for (size_t i = 0; i < arguments->file_count; i++) {
        free(arguments->files[i]);
    }
    free(arguments->files);
    free(arguments->at);
    *arguments = (struct arguments){0};
}

/* ---- a line ---- */

static const char blanks[] = " \t\r\n";

static bool is_blank(char byte)
{
    return byte != '\0' && strchr(blanks, byte) != NULL;
}

static char *trimmed(char *line)
{
    size_t count = strlen(line);
    while (count > 0 && is_blank(line[count - 1])) {
        count--;
    }
    line[count] = '\0';
    while (is_blank(*line)) {
        line++;
    }
    return line;
}

/* "--name value", "--name=value", "-n value", "-nvalue": in the form that is one word. */
static void add_flag(struct arguments *arguments, const char *line)
{
    size_t name_count = strcspn(line, " \t\r\n=");
    const char *value = line + name_count;
    if (*value == '=' || *value == '\0') {
        append(arguments, line, strlen(line));
        return;
    }
    value += strspn(value, blanks);
    bool is_long = line[1] == '-';
    char *word = mem_format("%.*s%s%s", (int)name_count, line, is_long ? "=" : "", value);
    append(arguments, word, strlen(word));
    free(word);
}

/* The next word, unquoted in its place: double quotes around it or a part of it, in which \" and
 * \\ stand for themselves. NULL: the quotes do not end. *out_rest is what follows. */
static char *next_word(char *line, char **out_rest)
{
    char *to = line;
    bool is_quoted = false;
    char *at = line;
    for (; *at != '\0' && (is_quoted || !is_blank(*at)); at++) {
        if (*at == '"') {
            is_quoted = !is_quoted;
            continue;
        }
        if (is_quoted && *at == '\\' && (at[1] == '"' || at[1] == '\\')) {
            at++;
        }
        *to++ = *at;
    }
    *out_rest = *at == '\0' ? at : at + 1;
    *to = '\0';
    return is_quoted ? NULL : line;
}

const char *arguments_add_line(struct arguments *arguments, char *line)
{
    line = trimmed(line);
    if (*line == '\0' || *line == '#') {
        return NULL;
    }
    if (*line == '-') {
        add_flag(arguments, line);
        return NULL;
    }
    if (*line == '@') {
        append(arguments, line, strlen(line));
        return NULL;
    }
    while (*line != '\0') {
        char *rest;
        char *word = next_word(line, &rest);
        if (word == NULL) {
            return "the quotes do not end";
        }
        append(arguments, word, strlen(word));
        line = rest + strspn(rest, blanks);
    }
    return NULL;
}

/* ---- a file ---- */

/* The path behind the @, seen from the folder of the file that the word stands in. */
static char *path_of(const struct argument *argument)
{
    const char *path = argument->text + 1;
    if (argument->where == NULL || *path == '/') {
        return mem_string(path, strlen(path));
    }
    char *file =
        mem_string(argument->where, (size_t)(strrchr(argument->where, ':') - argument->where));
    char *joined = mem_format("%s/%s", dirname(file), path);
    free(file);
    return joined;
}

static int read_lines(struct arguments *arguments, const char *path, unsigned depth, FILE *file,
                      struct error *error)
{
    char *line = NULL;
    size_t capacity = 0;
    unsigned number = 0;
    int status = 0;
    ssize_t count;
    errno = 0;
    while (status == 0 && (count = getline(&line, &capacity, file)) >= 0) {
        size_t first = arguments->count;
        number++;
        const char *why = strlen(line) != (size_t)count ? "a byte that is zero"
                                                        : arguments_add_line(arguments, line);
        if (why != NULL) {
            status = error_set(error, ERR_USAGE, "%s:%u: %s", path, number, why);
        }
        for (size_t i = first; i < arguments->count; i++) {
            arguments->at[i].where = mem_format("%s:%u", path, number);
            arguments->at[i].depth = depth;
        }
    }
    if (status == 0 && !feof(file)) { /* also where there was no memory for the line */
        status = error_set(error, ERR_USAGE, "@%s: %s", path, strerror(errno));
    }
    free(line);
    return status;
}

static int read_file(struct arguments *arguments, const char *path, unsigned depth,
                     struct error *error)
{
    FILE *file = fopen(path, "re");
    if (file == NULL) {
        return error_set(error, ERR_USAGE, "@%s: %s", path, strerror(errno));
    }
    int status = read_lines(arguments, path, depth, file, error);
    (void)fclose(file); /* was only read */
    return status;
}

/* Puts `inner` in the place of the word at `position`. */
static void splice(struct arguments *arguments, size_t position, struct arguments *inner)
{
    size_t behind = arguments->count - position - 1;
    free(arguments->at[position].text);
    free(arguments->at[position].where);
    arguments->at =
        mem_resize(arguments->at, arguments->count + inner->count, sizeof *arguments->at);
    struct argument *place = arguments->at + position;
    memmove(place + inner->count, place + 1, behind * sizeof *place);
    if (inner->count > 0) {
        memcpy(place, inner->at, inner->count * sizeof *place);
    }
    arguments->count = position + inner->count + behind;
    free(inner->at);
}

int arguments_expand(struct arguments *arguments, size_t position, struct error *error)
{
    struct argument *argument = &arguments->at[position];
    struct arguments inner = {0};
    struct error detail = {""};
    char *path = path_of(argument);
    int status = 0;
    if (argument->depth == ARGUMENTS_DEPTH_MAX) {
        status = error_set(&detail, ERR_USAGE, "@%s: files in files, more than %d deep", path,
                           ARGUMENTS_DEPTH_MAX);
    } else {
        status = read_file(&inner, path, argument->depth + 1, &detail);
    }
    arguments->files =
        mem_resize(arguments->files, arguments->file_count + 1, sizeof *arguments->files);
    arguments->files[arguments->file_count++] = path;
    if (status != 0) {
        bool is_named = argument->where != NULL;
        arguments_fini(&inner);
        return error_set(error, status, "%s%s%s", is_named ? argument->where : "",
                         is_named ? ": " : "", detail.text);
    }
    splice(arguments, position, &inner);
    return 0;
}
