#include "http/rule_fields.h"

#include "common/field_lines.h"
#include "common/pattern.h"

static bool matches(const struct index *index, const struct index_rule *rule, struct slice path,
                    struct pattern_captures *captures)
{
    return rule->kind == RULE_FIELDS &&
           pattern_matches(index_text(index, rule->pattern_at, rule->pattern_bytes),
                           rule->pattern_flags, path, captures);
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
        struct slice other = line_name(field_line_take(&lines), &is_unset);
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

/* The value of a line, without the space before it and the line's end. A template: what looks like
 * white space may be a reference. */
static struct slice line_value(struct slice line, size_t name_bytes)
{
    struct slice value = slice_after(line, name_bytes + 1);
    while (value.count > 0 && value.bytes[0] == ' ') {
        value = slice_after(value, 1);
    }
    while (value.count > 0 &&
           (value.bytes[value.count - 1] == '\r' || value.bytes[value.count - 1] == '\n')) {
        value.count--;
    }
    return value;
}

/* The rule's value of this field; a field comes once in a rule. */
static bool rule_value(const struct index *index, const struct index_rule *rule, struct slice name,
                       struct slice *out_value)
{
    struct slice lines = index_text(index, rule->target_at, rule->target_bytes);
    while (lines.count > 0) {
        bool is_unset;
        struct slice line = field_line_take(&lines);
        struct slice other = line_name(line, &is_unset);
        if (!is_unset && slice_equal_ignoring_case(other, name)) {
            *out_value = line_value(line, other.count);
            return true;
        }
    }
    return false;
}

/* Did an earlier rule write the field, and this value behind its own? */
static bool is_joined(const struct index *index, uint32_t rule, struct slice name,
                      struct slice path)
{
    for (uint32_t i = 0; i < rule; i++) {
        struct slice value;
        if (rule_value(index, &index->rules[i], name, &value) &&
            matches(index, &index->rules[i], path, NULL) && !is_void(index, i, name, path)) {
            return true;
        }
    }
    return false;
}

struct output {
    char *buffer;
    size_t count, capacity;
    bool is_full;
    bool wants_vary; /* it has not been written yet */
};

static void put(struct output *output, struct slice template,
                const struct pattern_captures *captures)
{
    size_t written = output->is_full
                         ? SIZE_MAX
                         : pattern_expand(template, captures, true, output->buffer + output->count,
                                          output->capacity - output->count);
    output->is_full = written == SIZE_MAX;
    output->count += output->is_full ? 0 : written;
}

/* "name: value, value": what rule `first` and those behind it say, joined (RFC 9110 §5.3). */
static void put_field(struct output *output, const struct index *index, uint32_t first,
                      struct slice name, struct slice path)
{
    static const struct pattern_captures none = {.count = 0};
    put(output, name, &none);
    struct slice separator = SLICE(": ");
    if (output->wants_vary && slice_equal_ignoring_case(name, SLICE("Vary"))) {
        output->wants_vary = false;
        put(output, SLICE(": Accept-Encoding"), &none);
        separator = SLICE(", ");
    }
    for (uint32_t i = first; i < index->rule_count; i++) {
        struct pattern_captures captures = {.count = 0};
        struct slice value;
        if (rule_value(index, &index->rules[i], name, &value) &&
            matches(index, &index->rules[i], path, &captures)) {
            put(output, separator, &none);
            put(output, value, &captures);
            separator = SLICE(", ");
        }
    }
    put(output, SLICE("\r\n"), &none);
}

size_t rule_fields_write(const struct index *index, struct slice path, bool vary, char *buffer,
                         size_t capacity)
{
    struct output output = {buffer, 0, capacity, false, vary};
    for (uint32_t i = 0; i < index->rule_count; i++) {
        const struct index_rule *rule = &index->rules[i];
        if (!matches(index, rule, path, NULL)) {
            continue;
        }
        struct slice lines = index_text(index, rule->target_at, rule->target_bytes);
        while (lines.count > 0) {
            bool is_unset;
            struct slice name = line_name(field_line_take(&lines), &is_unset);
            if (!is_unset && !is_void(index, i, name, path) && !is_joined(index, i, name, path)) {
                put_field(&output, index, i, name, path);
            }
        }
    }
    if (output.wants_vary) {
        static const struct pattern_captures none = {.count = 0};
        put(&output, SLICE("Vary: Accept-Encoding\r\n"), &none);
    }
    return output.is_full ? capacity + 1 : output.count;
}
