#include "packer/site/rule_file.h"

#include "common/mem.h"
#include "common/path.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

void rule_problem_add(struct rule_problems *problems, uint32_t line, bool is_error,
                      const char *format, ...)
{
    char text[512];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    for (char *at = text; *at != '\0'; at++) {
        if ((unsigned char)*at < 0x20 || *at == 0x7f) {
            *at = '?';
        }
    }
    if (problems->count == problems->capacity) {
        problems->capacity = mem_capacity(problems->capacity, problems->count + 1);
        problems->rows = mem_resize(problems->rows, problems->capacity, sizeof *problems->rows);
    }
    problems->rows[problems->count++] =
        (struct rule_problem){line, is_error, mem_string(text, strlen(text))};
}

void rule_problems_fini(struct rule_problems *problems)
{
    for (size_t i = 0; i < problems->count; i++) {
        free(problems->rows[i].text);
    }
    free(problems->rows);
    *problems = (struct rule_problems){0};
}

static bool is_space(char byte)
{
    return byte == ' ' || byte == '\t' || byte == '\r' || byte == '\v' || byte == '\f';
}

struct slice rule_trim(struct slice text)
{
    while (text.count > 0 && is_space(text.bytes[0])) {
        text = slice_after(text, 1);
    }
    while (text.count > 0 && is_space(text.bytes[text.count - 1])) {
        text.count--;
    }
    return text;
}

bool rule_next_line(struct slice *text, struct slice *out_line, uint32_t *line)
{
    if (text->count == 0) {
        return false;
    }
    if (*line == 0 && slice_starts_with(*text, SLICE("\xef\xbb\xbf"))) {
        *text = slice_after(*text, 3);
    }
    const char *end = text->count == 0 ? NULL : memchr(text->bytes, '\n', text->count);
    size_t count = end == NULL ? text->count : (size_t)(end - text->bytes);
    *out_line = rule_trim((struct slice){text->bytes, count});
    *text = slice_after(*text, count + 1);
    ++*line;
    return true;
}

struct slice rule_next_token(struct slice *line)
{
    *line = rule_trim(*line);
    size_t count = 0;
    while (count < line->count && !is_space(line->bytes[count])) {
        count++;
    }
    struct slice token = {line->bytes, count};
    *line = slice_after(*line, count);
    return token;
}

/* ---- paths ---- */

struct compiler {
    char *out; /* as long as the input, and a few bytes more */
    size_t count;
    enum dialect dialect;
    struct rule_names *names;
    const char *why;
};

static bool is_name_byte(char byte, bool is_first)
{
    bool is_letter = (unsigned char)((byte | 0x20) - 'a') < 26;
    return is_letter || byte == '_' || (!is_first && (unsigned char)(byte - '0') < 10);
}

static size_t name_bytes(struct slice text, size_t at)
{
    size_t count = 0;
    while (at + count < text.count && is_name_byte(text.bytes[at + count], count == 0)) {
        count++;
    }
    return count;
}

static bool add_name(struct compiler *compiler, struct slice name, char operator)
{
    if (compiler->names->count == PATTERN_CAPTURES_MAX) {
        compiler->why = "more than 16 wildcards";
        return false;
    }
    compiler->names->at[compiler->names->count++] = name;
    compiler->out[compiler->count++] = operator;
    return true;
}

/* Netlify's '*' as a whole segment also matches the folder itself, without its slash. */
static bool add_splat(struct compiler *compiler, struct slice path, size_t at)
{
    bool is_segment =
        at > 0 && path.bytes[at - 1] == '/' && (at + 1 == path.count || path.bytes[at + 1] == '/');
    if (compiler->dialect == DIALECT_CLOUDFLARE) {
        for (unsigned i = 0; i < compiler->names->count; i++) {
            if (slice_equal(compiler->names->at[i], SLICE("splat"))) {
                compiler->why = "more than one '*'";
                return false;
            }
        }
    } else if (is_segment && compiler->count > 1) {
        compiler->count--; /* the slash belongs to the operator */
        return add_name(compiler, SLICE("splat"), PATTERN_SUBTREE);
    }
    return add_name(compiler, SLICE("splat"), PATTERN_SPLAT);
}

int rule_hex_digit(char byte)
{
    static const char digits[] = "0123456789abcdef";
    const char *at = byte == '\0' ? NULL : memchr(digits, byte | 0x20, 16);
    if (at == NULL || (byte < '0')) {
        return -1;
    }
    return (int)(at - digits);
}

/* One byte, decoded. Returns how many it took, 0 with *why. */
static size_t add_byte(struct compiler *compiler, struct slice path, size_t at)
{
    char byte = path.bytes[at];
    size_t taken = 1;
    if (byte == '%') {
        int high = at + 2 < path.count ? rule_hex_digit(path.bytes[at + 1]) : -1;
        int low = at + 2 < path.count ? rule_hex_digit(path.bytes[at + 2]) : -1;
        if (high < 0 || low < 0) {
            compiler->why = "a '%' that two hexadecimal digits do not follow";
            return 0;
        }
        byte = (char)(high * 16 + low);
        taken = 3;
    }
    if ((unsigned char)byte < 0x20 || byte == 0x7f) {
        compiler->why = "a control character";
        return 0;
    }
    if (byte == '/' && compiler->count > 0 && compiler->out[compiler->count - 1] == '/') {
        return taken; /* a run of slashes is one, as in requests */
    }
    compiler->out[compiler->count++] = byte;
    return taken;
}

/* What stands at `at`: an operator or a byte. Returns how many bytes it took, 0 with *why. */
static size_t compile_one(struct compiler *compiler, struct slice path, size_t at,
                          bool splat_anywhere)
{
    char byte = path.bytes[at];
    bool starts_segment = at > 0 && path.bytes[at - 1] == '/';
    if (byte == '*' && (splat_anywhere || at + 1 == path.count)) {
        return add_splat(compiler, path, at) ? 1 : 0;
    }
    size_t count = byte == ':' ? name_bytes(path, at + 1) : 0;
    bool is_whole = at + 1 + count == path.count || path.bytes[at + 1 + count] == '/';
    if (count > 0 && (compiler->dialect == DIALECT_CLOUDFLARE || (starts_segment && is_whole))) {
        struct slice name = {path.bytes + at + 1, count};
        if (slice_equal(name, SLICE("splat")) && compiler->dialect == DIALECT_CLOUDFLARE) {
            compiler->why = "':splat' is the name of '*'";
            return 0;
        }
        return add_name(compiler, name, PATTERN_PLACEHOLDER) ? count + 1 : 0;
    }
    return add_byte(compiler, path, at);
}

char *rule_compile_path(struct slice path, enum dialect dialect, bool splat_anywhere,
                        struct rule_names *out_names, const char **why)
{
    struct compiler compiler = {
        .out = mem_zeroed(path.count + 2, 1),
        .dialect = dialect,
        .names = out_names,
    };
    out_names->count = 0;
    for (size_t at = 0; at < path.count;) {
        size_t taken = compile_one(&compiler, path, at, splat_anywhere);
        if (taken == 0) {
            *why = compiler.why;
            free(compiler.out);
            return NULL;
        }
        at += taken;
    }
    if (compiler.count > PATH_BYTES_MAX) {
        *why = "longer than a path can be";
        free(compiler.out);
        return NULL;
    }
    return compiler.out;
}

/* ---- templates ---- */

/* The capture of this name; the longest name that fits, so that ":id" does not eat into ":idx". */
static int find_name(const struct rule_names *names, struct slice name)
{
    for (unsigned i = 0; i < names->count; i++) {
        if (slice_equal(names->at[i], name)) {
            return (int)i;
        }
    }
    return -1;
}

static bool needs_encoding(char byte)
{
    return (unsigned char)byte <= 0x20 || (unsigned char)byte >= 0x7f || byte == '"' ||
           byte == '<' || byte == '>' || byte == '\\' || byte == '^' || byte == '`' ||
           byte == '{' || byte == '|' || byte == '}';
}

char *rule_compile_template(struct slice text, const struct rule_names *names, bool encode)
{
    static const char digits[] = "0123456789ABCDEF";
    char *out = mem_zeroed(text.count * 3 + 1, 1);
    size_t count = 0;
    for (size_t at = 0; at < text.count;) {
        char byte = text.bytes[at];
        size_t bytes = byte == ':' ? name_bytes(text, at + 1) : 0;
        int capture =
            bytes == 0 ? -1 : find_name(names, (struct slice){text.bytes + at + 1, bytes});
        if (capture >= 0) {
            out[count++] = PATTERN_PLACEHOLDER;
            out[count++] = (char)(0x20 + capture);
            at += bytes + 1;
            continue;
        }
        if (encode && needs_encoding(byte)) {
            out[count++] = '%';
            out[count++] = digits[(unsigned char)byte >> 4];
            out[count++] = digits[(unsigned char)byte & 15];
        } else {
            out[count++] = byte;
        }
        at++;
    }
    return out;
}
