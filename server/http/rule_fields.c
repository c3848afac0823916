#include "http/rule_fields.h"

#include "common/pattern.h"

static bool matches(const struct index *index, const struct index_rule *rule, struct slice path,
                    struct pattern_captures *captures)
{
    return rule->kind == RULE_FIELDS &&
           pattern_matches(index_text(index, rule->pattern_at, rule->pattern_bytes),
                           rule->pattern_flags, path, captures);
}

/* Takes one line, CRLF included, off *lines. */
static struct slice take_line(struct slice *lines)
{
    const char *end = memchr(lines->bytes, '\n', lines->count);
    size_t count = end == NULL ? lines->count : (size_t)(end - lines->bytes) + 1;
    struct slice line = {lines->bytes, count};
    *lines = slice_after(*lines, count);
    return line;
}

/* The name of a line's field. A line without ':' is a name that is taken away. */
static struct slice line_name(struct slice line, bool *out_is_unset)
{
    const char *colon = memchr(line.bytes, ':', line.count);
    *out_is_unset = colon == NULL;
    size_t count = colon != NULL ? (size_t)(colon - line.bytes) : line.count;
    while (count > 0 && (line.bytes[count - 1] == '\r' || line.bytes[count - 1] == '\n')) {
        count--;
    }
    return (struct slice){line.bytes, count};
}

/* Does rule i say of this field what makes an earlier line void? */
static bool voids(const struct index *index, const struct index_rule *rule, struct slice name)
{
    struct slice lines = index_text(index, rule->target_at, rule->target_bytes);
    while (lines.count > 0) {
        bool is_unset;
        struct slice other = line_name(take_line(&lines), &is_unset);
        if ((is_unset || (rule->flags & RULE_OVERRIDES) != 0) &&
            slice_equal_ignoring_case(other, name)) {
            return true;
        }
    }
    return false;
}

static bool is_void(const struct index *index, uint32_t rule, struct slice name, struct slice path)
{
    for (uint32_t i = rule + 1; i < index->rule_count; i++) {
        if (index->rules[i].kind == RULE_FIELDS && voids(index, &index->rules[i], name) &&
            matches(index, &index->rules[i], path, NULL)) {
            return true;
        }
    }
    return false;
}

size_t rule_fields_write(const struct index *index, struct slice path, char *buffer,
                         size_t capacity)
{
    size_t count = 0;
    for (uint32_t i = 0; i < index->rule_count; i++) {
        const struct index_rule *rule = &index->rules[i];
        struct pattern_captures captures = {.count = 0};
        if (!matches(index, rule, path, &captures)) {
            continue;
        }
        struct slice lines = index_text(index, rule->target_at, rule->target_bytes);
        while (lines.count > 0) {
            struct slice line = take_line(&lines);
            bool is_unset;
            struct slice name = line_name(line, &is_unset);
            if (is_unset || is_void(index, i, name, path)) {
                continue;
            }
            size_t written =
                pattern_expand(line, &captures, true, buffer + count, capacity - count);
            if (written == SIZE_MAX) {
                return capacity + 1;
            }
            count += written;
        }
    }
    return count;
}
