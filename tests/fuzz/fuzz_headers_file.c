/* `_headers`: what is understood can be written down again and is read as the same; the ends of
 * lines and comments do not matter; and what rules say of a path ends up in the fields. Input: "n"
 * or "c" for the dialect and a host, a path, and the file. */
#include "fuzz.h"

#include "common/mem.h"
#include "common/path.h"
#include "packer/site/headers_file.h"
#include "packer/site/rule_file.h"

#include <strings.h>

static bool is_text(const char *text)
{
    for (; *text != '\0'; text++) {
        unsigned char byte = (unsigned char)*text;
        if ((byte < 0x20 && byte != '\t') || byte == 0x7f) {
            return false;
        }
    }
    return true;
}

/* A template: text, and references to captures that there are. */
static bool is_template(const char *value, unsigned captures)
{
    char *text = mem_string(value, strlen(value));
    for (char *at = text; *at != '\0'; at++) {
        if (*at == PATTERN_PLACEHOLDER) {
            *at = ' ';
            unsigned number = (unsigned char)at[1] - 0x20u;
            if (at[1] == '\0' || number >= captures) {
                free(text);
                return false;
            }
            *++at = ' ';
        }
    }
    bool is_good = is_text(text);
    free(text);
    return is_good;
}

static unsigned count_operators(const char *pattern)
{
    unsigned count = 0;
    for (; *pattern != '\0'; pattern++) {
        count += *pattern >= PATTERN_SPLAT && *pattern <= PATTERN_SUBTREE;
    }
    return count;
}

static size_t count_lines(struct slice text)
{
    size_t lines = 0;
    while (text.count > 0) {
        (void)slice_take(&text, '\n');
        lines++;
    }
    return lines;
}

static void check_rules(const struct headers_file *file, size_t lines)
{
    uint32_t line = 0;
    for (size_t i = 0; i < file->rule_count; i++) {
        const struct header_rule *rule = &file->rules[i];
        FUZZ_CHECK(rule->line > line && rule->line <= lines && rule->field_count > 0);
        FUZZ_CHECK(rule->pattern[0] != '\0' && strlen(rule->pattern) <= PATH_BYTES_MAX);
        FUZZ_CHECK(count_operators(rule->pattern) <= PATTERN_CAPTURES_MAX);
        line = rule->line;
        for (size_t j = 0; j < rule->field_count; j++) {
            const struct header_field *field = &rule->fields[j];
            FUZZ_CHECK(field->name[0] != '\0' && strpbrk(field->name, " \t:\"") == NULL);
            FUZZ_CHECK(is_text(field->name) && field->is_unset == (field->value == NULL));
            FUZZ_CHECK(field->is_unset ||
                       is_template(field->value, count_operators(rule->pattern)));
            FUZZ_CHECK(strcasecmp(field->name, "Content-Length") != 0 &&
                       strcasecmp(field->name, "Transfer-Encoding") != 0 &&
                       strcasecmp(field->name, "Connection") != 0 &&
                       strcasecmp(field->name, "Date") != 0);
        }
    }
    for (size_t i = 0; i < file->problems.count; i++) {
        const struct rule_problem *problem = &file->problems.rows[i];
        FUZZ_CHECK(problem->line > 0 && problem->line <= lines && problem->text[0] != '\0');
        FUZZ_CHECK(is_text(problem->text) && strchr(problem->text, '\t') == NULL);
    }
}

static bool same_text(const char *a, const char *b)
{
    return (a == NULL) == (b == NULL) && (a == NULL || strcmp(a, b) == 0);
}

static bool same_rules(const struct headers_file *a, const struct headers_file *b)
{
    bool is_same = a->rule_count == b->rule_count;
    for (size_t i = 0; is_same && i < a->rule_count; i++) {
        const struct header_rule *x = &a->rules[i];
        const struct header_rule *y = &b->rules[i];
        is_same = same_text(x->host, y->host) && same_text(x->pattern, y->pattern) &&
                  same_text(x->source, y->source) && x->pattern_flags == y->pattern_flags &&
                  x->field_count == y->field_count;
        for (size_t j = 0; is_same && j < x->field_count; j++) {
            is_same = same_text(x->fields[j].name, y->fields[j].name) &&
                      same_text(x->fields[j].value, y->fields[j].value);
        }
    }
    return is_same;
}

/* The same text with CRLF for LF and a comment behind every line. */
static char *with_other_ends(struct slice text, size_t *out_count)
{
    static const char between[] = " \t\r\n# :a *\r\n\v\n";
    char *out = malloc((count_lines(text) + 1) * sizeof between + text.count);
    size_t count = 0;
    while (text.count > 0) {
        struct slice line = slice_take(&text, '\n');
        memcpy(out + count, line.bytes, line.count);
        count += line.count;
        memcpy(out + count, between, sizeof between - 1);
        count += sizeof between - 1;
    }
    *out_count = count;
    return out;
}

static void check_parse(const struct headers_file *file, struct slice text)
{
    struct headers_file other;
    headers_file_parse(text, file->dialect, &other);
    FUZZ_CHECK(same_rules(file, &other) && file->problems.count == other.problems.count);
    headers_file_fini(&other);
}

/* Rules of the dialect whose values are what is written. */
static void check_written(const struct headers_file *file)
{
    char *text = NULL;
    size_t count = 0;
    FILE *stream = open_memstream(&text, &count);
    FUZZ_CHECK(stream != NULL);
    for (size_t i = 0; i < file->rule_count; i++) {
        const struct header_rule *rule = &file->rules[i];
        fprintf(stream, "%s\n", rule->source);
        for (size_t j = 0; j < rule->field_count; j++) {
            const struct header_field *field = &rule->fields[j];
            if (field->is_unset) {
                fprintf(stream, "  ! %s\n", field->name);
            } else {
                fprintf(stream, "  %s: %s\n", field->name, field->value);
            }
        }
    }
    fclose(stream);
    struct headers_file other;
    headers_file_parse((struct slice){text, count}, file->dialect, &other);
    FUZZ_CHECK(same_rules(file, &other) && other.problems.count == 0);
    headers_file_fini(&other);
    free(text);
}

/* Every field that a matching rule sets is there, unless one behind it takes it away; and nothing
 * is that no rule sets. */
static void check_apply(const struct headers_file *file, struct slice host, struct slice path)
{
    struct field_list fields = {0};
    struct field_list expected = {0};
    bool matches = headers_file_apply(file, host, path, &fields);
    bool any = false;
    for (size_t i = 0; i < file->rule_count; i++) {
        const struct header_rule *rule = &file->rules[i];
        bool is_it =
            (rule->host == NULL ||
             pattern_matches(slice_of_string(rule->host), PATTERN_IGNORE_CASE, host, NULL)) &&
            pattern_matches(slice_of_string(rule->pattern), rule->pattern_flags, path, NULL);
        any |= is_it;
        for (size_t j = 0; is_it && j < rule->field_count; j++) {
            if (rule->fields[j].is_unset) {
                field_list_remove(&expected, rule->fields[j].name);
            }
        }
        for (size_t j = 0; is_it && j < rule->field_count; j++) {
            if (!rule->fields[j].is_unset) {
                field_list_set(&expected, rule->fields[j].name, "");
            }
        }
    }
    FUZZ_CHECK(matches == any && fields.count == expected.count);
    for (size_t i = 0; i < fields.count; i++) {
        FUZZ_CHECK(field_list_get(&expected, fields.rows[i].name) != NULL);
        FUZZ_CHECK(is_text(fields.rows[i].value));
    }
    field_list_fini(&fields);
    field_list_fini(&expected);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count)
{
    struct slice text = fuzz_input(bytes, count);
    struct slice host = slice_take(&text, '\n');
    struct slice path = slice_take(&text, '\n');
    bool is_netlify = fuzz_take_byte(&host) == 'n';
    host = slice_trim(host);
    char *copy = fuzz_copy(text);
    struct headers_file file;
    headers_file_parse((struct slice){copy, text.count},
                       is_netlify ? DIALECT_NETLIFY : DIALECT_CLOUDFLARE, &file);
    free(copy);
    check_rules(&file, count_lines(text));
    check_apply(&file, host, path);
    size_t other_count;
    char *other = with_other_ends(text, &other_count);
    check_parse(&file, (struct slice){other, other_count});
    free(other);
    if (is_netlify) {
        check_written(&file);
    }
    headers_file_fini(&file);
    return 0;
}
