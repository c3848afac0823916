/* `_redirects`: every rule is what its line alone would be, whatever stands around it; it leads
 * where the server can send somebody; and of rules for the same there is one. Input: "n" or "c" for
 * the dialect, and from the next line on the file. */
#include "fuzz.h"

#include "common/mem.h"
#include "common/path.h"
#include "packer/site/redirects_file.h"
#include "packer/site/rule_file.h"

static size_t count_lines(struct slice text)
{
    size_t lines = 0;
    while (text.count > 0) {
        (void)slice_take(&text, '\n');
        lines++;
    }
    return lines;
}

static bool is_plain(const char *text)
{
    for (; *text != '\0'; text++) {
        if ((unsigned char)*text < 0x20 || *text == 0x7f) {
            return false;
        }
    }
    return true;
}

static unsigned count_captures(const struct redirect_rule *rule)
{
    unsigned count = 0;
    for (const char *at = rule->pattern; *at != '\0'; at++) {
        count += *at >= PATTERN_SPLAT && *at <= PATTERN_SUBTREE;
    }
    for (size_t i = 0; i < rule->query_count; i++) {
        FUZZ_CHECK(rule->queries[i].capture < 0 || rule->queries[i].capture == (int)count);
        count += rule->queries[i].capture >= 0;
    }
    return count;
}

/* A template of bytes that can stand in a URL, and references to captures that there are. */
static void check_target(const struct redirect_rule *rule, unsigned captures)
{
    char *text = mem_string(rule->target, strlen(rule->target));
    for (char *at = text; *at != '\0'; at++) {
        if (*at == PATTERN_PLACEHOLDER) {
            FUZZ_CHECK(at[1] != '\0' && (unsigned char)at[1] - 0x20u < captures);
            at[0] = 'x';
            at[1] = 'x';
            at++;
        }
        FUZZ_CHECK((unsigned char)*at > 0x20 && (unsigned char)*at < 0x7f);
    }
    bool is_path = text[0] == '/';
    bool is_url = strncmp(text, "http://", 7) == 0 || strncmp(text, "https://", 8) == 0;
    FUZZ_CHECK(is_path || is_url);
    FUZZ_CHECK(!is_path || text[1] != '/');
    FUZZ_CHECK(is_path || (rule->status >= 300 && rule->status < 400));
    FUZZ_CHECK(rule->target_has_query || strchr(text, '?') == NULL);
    free(text);
}

static void check_rule(const struct redirect_rule *rule, enum dialect dialect)
{
    static const unsigned statuses[] = {200, 301, 302, 303, 307, 308, 404, 410};
    bool is_known = false;
    for (size_t i = 0; i < ARRAY_COUNT(statuses); i++) {
        is_known |= rule->status == statuses[i];
    }
    FUZZ_CHECK(is_known);
    FUZZ_CHECK(dialect == DIALECT_NETLIFY || (rule->status < 400 && rule->host == NULL));
    char first = rule->pattern[0];
    FUZZ_CHECK(first == '/' || first == PATTERN_SUBTREE);
    FUZZ_CHECK(strlen(rule->pattern) <= PATH_BYTES_MAX);
    FUZZ_CHECK(rule->query_count <= PATTERN_CAPTURES_MAX);
    for (size_t i = 0; i < rule->query_count; i++) {
        FUZZ_CHECK(rule->queries[i].key[0] != '\0');
    }
    unsigned captures = count_captures(rule);
    FUZZ_CHECK(captures <= PATTERN_CAPTURES_MAX);
    if (rule->target == NULL) {
        FUZZ_CHECK(rule->status == 404 || rule->status == 410);
    } else {
        check_target(rule, captures);
    }
    FUZZ_CHECK(!rule->is_fallback || rule->status == 200);
}

static bool same_text(const char *a, const char *b)
{
    return (a == NULL) == (b == NULL) && (a == NULL || strcmp(a, b) == 0);
}

static bool same_from(const struct redirect_rule *a, const struct redirect_rule *b)
{
    bool is_same = same_text(a->host, b->host) && same_text(a->pattern, b->pattern) &&
                   a->query_count == b->query_count;
    for (size_t i = 0; is_same && i < a->query_count; i++) {
        is_same = same_text(a->queries[i].key, b->queries[i].key) &&
                  same_text(a->queries[i].value, b->queries[i].value) &&
                  a->queries[i].capture == b->queries[i].capture;
    }
    return is_same;
}

static bool same_rule(const struct redirect_rule *a, const struct redirect_rule *b)
{
    return same_from(a, b) && same_text(a->target, b->target) && a->status == b->status &&
           a->is_forced == b->is_forced && a->is_fallback == b->is_fallback &&
           a->target_has_query == b->target_has_query && a->pattern_flags == b->pattern_flags &&
           same_text(a->source, b->source);
}

/* The line alone, with another end, between comments. */
static void check_line(const struct redirects_file *file, struct slice line, uint32_t number,
                       size_t *rules)
{
    static const char before[] = "#/a /b\r\n\t";
    static const char behind[] = "\t\r\n\r\n#";
    size_t count = line.count + sizeof before + sizeof behind - 2;
    char *text = malloc(count);
    memcpy(text, before, sizeof before - 1);
    memcpy(text + sizeof before - 1, line.bytes, line.count);
    memcpy(text + count - (sizeof behind - 1), behind, sizeof behind - 1);
    struct redirects_file alone;
    redirects_file_parse((struct slice){text, count}, file->dialect, &alone);
    free(text);
    FUZZ_CHECK(alone.rule_count <= 1 && alone.rule_count + alone.problems.count <= 1);
    for (size_t i = 0; i < file->rule_count; i++) {
        if (file->rules[i].line == number) {
            FUZZ_CHECK(alone.rule_count == 1 && same_rule(&file->rules[i], &alone.rules[0]));
        }
    }
    /* that of two for the same which is kept: the last in one dialect, the first in the other */
    for (size_t i = 0; alone.rule_count == 1 && i < file->rule_count; i++) {
        if (same_from(&file->rules[i], &alone.rules[0])) {
            bool is_netlify = file->dialect == DIALECT_NETLIFY;
            FUZZ_CHECK(is_netlify ? file->rules[i].line >= number : file->rules[i].line <= number);
            ++*rules;
        }
    }
    redirects_file_fini(&alone);
}

static void check_lines(const struct redirects_file *file, struct slice text)
{
    size_t lines = 0;
    size_t with_rule = 0;
    struct slice rest = slice_after(text, slice_starts_with(text, SLICE("\xef\xbb\xbf")) ? 3 : 0);
    while (rest.count > 0) {
        check_line(file, slice_take(&rest, '\n'), (uint32_t)++lines, &with_rule);
    }
    FUZZ_CHECK(with_rule >= file->rule_count); /* each is for a line at least */
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count)
{
    struct slice text = fuzz_input(bytes, count);
    enum dialect dialect = slice_starts_with(slice_take(&text, '\n'), SLICE("n"))
                               ? DIALECT_NETLIFY
                               : DIALECT_CLOUDFLARE;
    char *copy = fuzz_copy(text);
    struct redirects_file file;
    redirects_file_parse((struct slice){copy, text.count}, dialect, &file);
    free(copy);
    size_t lines = count_lines(text);
    for (size_t i = 0; i < file.rule_count; i++) {
        FUZZ_CHECK(file.rules[i].line > 0 && file.rules[i].line <= lines);
        check_rule(&file.rules[i], dialect);
        for (size_t j = i + 1; j < file.rule_count; j++) {
            FUZZ_CHECK(!same_from(&file.rules[i], &file.rules[j]));
        }
    }
    for (size_t i = 0; i < file.problems.count; i++) {
        const struct rule_problem *problem = &file.problems.rows[i];
        FUZZ_CHECK(problem->line > 0 && problem->line <= lines && is_plain(problem->text));
    }
    check_lines(&file, text);
    redirects_file_fini(&file);
    return 0;
}
