#include "packer/site/headers_file.h"

#include "common/mem.h"

#include <stdlib.h>
#include <strings.h>

/* ---- lists of fields ---- */

void field_list_fini(struct field_list *list)
{
    for (size_t i = 0; i < list->count; i++) {
        free(list->rows[i].name);
        free(list->rows[i].value);
    }
    free(list->rows);
    *list = (struct field_list){0};
}

static struct field *find_field(const struct field_list *list, const char *name)
{
    for (size_t i = 0; i < list->count; i++) {
        if (strcasecmp(list->rows[i].name, name) == 0) {
            return &list->rows[i];
        }
    }
    return NULL;
}

const char *field_list_get(const struct field_list *list, const char *name)
{
    const struct field *field = find_field(list, name);
    return field == NULL ? NULL : field->value;
}

void field_list_set(struct field_list *list, const char *name, const char *value)
{
    struct field *field = find_field(list, name);
    if (field != NULL) {
        free(field->value);
        field->value = mem_string(value, strlen(value));
        return;
    }
    if (list->count == list->capacity) {
        list->capacity = mem_capacity(list->capacity, list->count + 1);
        list->rows = mem_resize(list->rows, list->capacity, sizeof *list->rows);
    }
    list->rows[list->count++] =
        (struct field){mem_string(name, strlen(name)), mem_string(value, strlen(value))};
}

void field_list_remove(struct field_list *list, const char *name)
{
    struct field *field = find_field(list, name);
    if (field != NULL) {
        free(field->name);
        free(field->value);
        size_t behind = (size_t)(list->rows + list->count - field) - 1;
        memmove(field, field + 1, behind * sizeof *field);
        list->count--;
    }
}

static void field_list_append(struct field_list *list, const char *name, const char *value)
{
    const char *old = field_list_get(list, name);
    if (old == NULL) {
        field_list_set(list, name, value);
        return;
    }
    char *both = mem_format("%s, %s", old, value);
    field_list_set(list, name, both);
    free(both);
}

/* ---- parsing ---- */

static bool is_token(struct slice name)
{
    for (size_t i = 0; i < name.count; i++) {
        char byte = name.bytes[i];
        bool is_alphanumeric =
            (unsigned char)((byte | 0x20) - 'a') < 26 || (unsigned char)(byte - '0') < 10;
        if (!is_alphanumeric && (byte == '\0' || strchr("!#$%&'*+-.^_`|~", byte) == NULL)) {
            return false;
        }
    }
    return name.count > 0;
}

/* What frames, validates or describes the message is the server's to say. */
static bool is_protected(struct slice name)
{
    static const char *const names[] = {
        "Accept-Ranges",
        "Age",
        "Allow",
        "Alt-Svc",
        "Connection",
        "Content-Encoding",
        "Content-Length",
        "Content-Range",
        "Date",
        "ETag",
        "Keep-Alive",
        "Last-Modified",
        "Location",
        "Server",
        "TE",
        "Trailer",
        "Transfer-Encoding",
        "Upgrade",
        "Proxy-Connection",
    };
    for (size_t i = 0; i < ARRAY_COUNT(names); i++) {
        if (slice_equal_ignoring_case(name, slice_of_string(names[i]))) {
            return true;
        }
    }
    return false;
}

/* The state of a parse: the rule that field lines belong to, and the names that it captures. */
struct parse {
    struct headers_file *file;
    uint32_t line;
    bool has_rule;    /* a path line has been seen */
    bool is_rejected; /* and was refused: its fields are passed over */
    struct rule_names names;
};

static void add_field(struct header_rule *rule, struct header_field field)
{
    if (rule->field_count == rule->field_capacity) {
        rule->field_capacity = mem_capacity(rule->field_capacity, rule->field_count + 1);
        rule->fields = mem_resize(rule->fields, rule->field_capacity, sizeof *rule->fields);
    }
    rule->fields[rule->field_count++] = field;
}

static void free_rule(struct header_rule *rule)
{
    for (size_t i = 0; i < rule->field_count; i++) {
        free(rule->fields[i].name);
        free(rule->fields[i].value);
    }
    free(rule->fields);
    free(rule->source);
    free(rule->host);
    free(rule->pattern);
}

/* A block without fields does nothing. */
static void close_rule(struct parse *parse)
{
    struct headers_file *file = parse->file;
    if (!parse->has_rule || parse->is_rejected || file->rule_count == 0) {
        return;
    }
    struct header_rule *rule = &file->rules[file->rule_count - 1];
    if (rule->field_count == 0) {
        rule_problem_add(&file->problems, rule->line, false, "%s: no headers follow", rule->source);
        free_rule(rule);
        file->rule_count--;
    }
}

/* Splits "https://host/path". NULL, or why it is refused. */
static const char *split_host(struct slice *path, struct slice *out_host)
{
    const char *scheme_end = memmem(path->bytes, path->count, "://", 3);
    struct slice scheme = {path->bytes, (size_t)(scheme_end - path->bytes)};
    if (!slice_equal(scheme, SLICE("https")) && !slice_equal(scheme, SLICE("http"))) {
        return "a URL has to start with https://";
    }
    struct slice rest = slice_after(*path, scheme.count + 3);
    const char *slash = rest.count == 0 ? NULL : memchr(rest.bytes, '/', rest.count);
    size_t host_bytes = slash == NULL ? rest.count : (size_t)(slash - rest.bytes);
    *out_host = (struct slice){rest.bytes, host_bytes};
    for (size_t i = 0; i + 1 < host_bytes; i++) {
        if (rest.bytes[i] == ':' && (unsigned char)(rest.bytes[i + 1] - '0') < 10) {
            return "a host with a port";
        }
    }
    *path = slash == NULL ? SLICE("/") : slice_after(rest, host_bytes);
    return host_bytes == 0 ? "a URL without a host" : NULL;
}

/* Appends the captures of the path behind those of the host. The host's are not available in
 * values: it is known which host it is. */
static const char *compile_rule(struct parse *parse, struct slice path, struct header_rule *rule)
{
    const char *why = NULL;
    if (path.bytes[0] != '/') {
        struct slice host;
        why = split_host(&path, &host);
        if (why == NULL) {
            struct rule_names ignored;
            rule->host = rule_compile_path(host, parse->file->dialect, true, &ignored, &why);
        }
        if (rule->host == NULL) {
            return why;
        }
    }
    rule->pattern = rule_compile_path(path, parse->file->dialect, true, &parse->names, &why);
    rule->pattern_flags =
        parse->file->dialect == DIALECT_NETLIFY ? PATTERN_IGNORE_CASE | PATTERN_OPTIONAL_SLASH : 0;
    return rule->pattern == NULL ? why : NULL;
}

static void parse_path(struct parse *parse, struct slice line)
{
    struct headers_file *file = parse->file;
    close_rule(parse);
    struct header_rule rule = {.line = parse->line, .source = mem_string(line.bytes, line.count)};
    const char *why = compile_rule(parse, line, &rule);
    parse->has_rule = true;
    parse->is_rejected = why != NULL;
    if (why != NULL) {
        rule_problem_add(&file->problems, parse->line, false, "%s: %s", rule.source, why);
        free_rule(&rule);
        return;
    }
    if (file->rule_count == file->rule_capacity) {
        file->rule_capacity = mem_capacity(file->rule_capacity, file->rule_count + 1);
        file->rules = mem_resize(file->rules, file->rule_capacity, sizeof *file->rules);
    }
    file->rules[file->rule_count++] = rule;
}

static void parse_unset(struct parse *parse, struct slice line, struct header_rule *rule)
{
    struct slice name = rule_trim(slice_after(line, 1));
    if (!is_token(name) || is_protected(name)) {
        rule_problem_add(&parse->file->problems, parse->line, false,
                         "%.*s: not the name of a field that can be taken away", (int)line.count,
                         line.bytes);
        return;
    }
    add_field(rule, (struct header_field){mem_string(name.bytes, name.count), NULL, true});
}

static struct header_field *same_field(const struct header_rule *rule, struct slice name)
{
    for (size_t i = 0; i < rule->field_count; i++) {
        if (!rule->fields[i].is_unset &&
            slice_equal_ignoring_case(slice_of_string(rule->fields[i].name), name)) {
            return &rule->fields[i];
        }
    }
    return NULL;
}

/* "Name: value"; the same name twice in a block is joined. */
static void parse_field(struct parse *parse, struct slice line, size_t colon,
                        struct header_rule *rule)
{
    struct rule_problems *problems = &parse->file->problems;
    struct slice name = rule_trim((struct slice){line.bytes, colon});
    struct slice value = rule_trim(slice_after(line, colon + 1));
    bool has_control = false;
    for (size_t i = 0; i < value.count; i++) {
        unsigned char byte = (unsigned char)value.bytes[i];
        has_control |= (byte < 0x20 && byte != '\t') || byte == 0x7f;
    }
    if (slice_equal_ignoring_case(name, SLICE("Basic-Auth"))) {
        rule_problem_add(problems, parse->line, true,
                         "Basic-Auth is not supported: %s would be open to all", rule->source);
    } else if (!is_token(name)) {
        rule_problem_add(problems, parse->line, false, "%.*s: not a field name", (int)name.count,
                         name.bytes);
    } else if (is_protected(name)) {
        rule_problem_add(problems, parse->line, false, "%.*s is for the server to set",
                         (int)name.count, name.bytes);
    } else if (value.count == 0 || has_control) {
        rule_problem_add(problems, parse->line, false, "%.*s: %s", (int)name.count, name.bytes,
                         has_control ? "a control character in the value" : "no value");
    } else {
        static const struct rule_names none;
        bool has_names = parse->file->dialect == DIALECT_CLOUDFLARE;
        char *template = rule_compile_template(value, has_names ? &parse->names : &none, false);
        struct header_field *same = same_field(rule, name);
        if (same == NULL) {
            add_field(rule,
                      (struct header_field){mem_string(name.bytes, name.count), template, false});
            return;
        }
        char *both = mem_format("%s, %s", same->value, template);
        free(same->value);
        free(template);
        same->value = both;
    }
}

static bool is_path_line(const struct headers_file *file, struct slice line)
{
    if (line.bytes[0] == '/') {
        return true;
    }
    if (file->dialect != DIALECT_CLOUDFLARE) {
        return false;
    }
    const char *scheme_end = memmem(line.bytes, line.count, "://", 3);
    return scheme_end != NULL &&
           memchr(line.bytes, ' ', (size_t)(scheme_end - line.bytes)) == NULL &&
           memchr(line.bytes, ':', (size_t)(scheme_end - line.bytes)) == NULL;
}

static void parse_line(struct parse *parse, struct slice line)
{
    struct headers_file *file = parse->file;
    if (is_path_line(file, line)) {
        parse_path(parse, line);
        return;
    }
    if (!parse->has_rule) {
        rule_problem_add(&file->problems, parse->line, false,
                         "%.*s: a header before the first path", (int)line.count, line.bytes);
        return;
    }
    if (parse->is_rejected) {
        return;
    }
    struct header_rule *rule = &file->rules[file->rule_count - 1];
    const char *colon = memchr(line.bytes, ':', line.count);
    if (line.bytes[0] == '!' && colon == NULL) {
        parse_unset(parse, line, rule);
    } else if (colon == NULL) {
        rule_problem_add(&file->problems, parse->line, false, "%.*s: neither a path nor a header",
                         (int)line.count, line.bytes);
    } else {
        parse_field(parse, line, (size_t)(colon - line.bytes), rule);
    }
}

void headers_file_parse(struct slice text, enum dialect dialect, struct headers_file *out_file)
{
    *out_file = (struct headers_file){.dialect = dialect};
    struct parse parse = {.file = out_file};
    struct slice line;
    while (rule_next_line(&text, &line, &parse.line)) {
        if (line.count > 0 && line.bytes[0] != '#') {
            parse_line(&parse, line);
        }
    }
    close_rule(&parse);
}

void headers_file_fini(struct headers_file *file)
{
    for (size_t i = 0; i < file->rule_count; i++) {
        free_rule(&file->rules[i]);
    }
    free(file->rules);
    rule_problems_fini(&file->problems);
    *file = (struct headers_file){0};
}

/* ---- applying ---- */

static void set_or_append(const struct headers_file *file, const struct header_field *field,
                          const char *value, struct field_list *seen, struct field_list *fields)
{
    bool was_set = field_list_get(seen, field->name) != NULL;
    if (strcasecmp(field->name, "Vary") == 0 || (file->dialect == DIALECT_CLOUDFLARE && was_set)) {
        field_list_append(fields, field->name, value);
    } else {
        field_list_set(fields, field->name, value);
    }
    field_list_set(seen, field->name, "");
}

/* What a template can become: an encoded byte takes three. */
static size_t expanded_bytes_max(const char *template, const struct pattern_captures *captures)
{
    size_t bytes = strlen(template);
    for (const char *at = template; *at != '\0'; at++) {
        if (*at == PATTERN_PLACEHOLDER && at[1] != '\0') {
            unsigned number = (unsigned char)*++at - 0x20u;
            bytes += number < captures->count ? 3 * captures->at[number].count : 0;
        }
    }
    return bytes;
}

static void apply_rule(const struct headers_file *file, const struct header_rule *rule,
                       const struct pattern_captures *captures, struct field_list *seen,
                       struct field_list *fields)
{
    for (size_t i = 0; i < rule->field_count; i++) {
        if (rule->fields[i].is_unset) {
            field_list_remove(fields, rule->fields[i].name);
        }
    }
    for (size_t i = 0; i < rule->field_count; i++) {
        const struct header_field *field = &rule->fields[i];
        if (field->is_unset) {
            continue;
        }
        size_t capacity = expanded_bytes_max(field->value, captures);
        char *value = mem_zeroed(capacity + 1, 1);
        (void)pattern_expand(slice_of_string(field->value), captures, true, value, capacity);
        set_or_append(file, field, value, seen, fields);
        free(value);
    }
}

bool headers_file_apply(const struct headers_file *file, struct slice host, struct slice path,
                        struct field_list *fields)
{
    struct field_list seen = {0};
    bool matches = false;
    for (size_t i = 0; i < file->rule_count; i++) {
        const struct header_rule *rule = &file->rules[i];
        struct pattern_captures captures = {.count = 0};
        if (rule->host != NULL &&
            !pattern_matches(slice_of_string(rule->host), PATTERN_IGNORE_CASE, host, NULL)) {
            continue;
        }
        if (pattern_matches(slice_of_string(rule->pattern), rule->pattern_flags, path, &captures)) {
            apply_rule(file, rule, &captures, &seen, fields);
            matches = true;
        }
    }
    field_list_fini(&seen);
    return matches;
}
