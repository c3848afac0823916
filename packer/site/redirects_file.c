#include "packer/site/redirects_file.h"

#include "common/hash.h"
#include "common/mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

static void free_rule(struct redirect_rule *rule)
{
    for (size_t i = 0; i < rule->query_count; i++) {
        free(rule->queries[i].key);
        free(rule->queries[i].value);
    }
    free(rule->queries);
    free(rule->source);
    free(rule->host);
    free(rule->pattern);
    free(rule->target);
}

void redirects_file_fini(struct redirects_file *file)
{
    for (size_t i = 0; i < file->rule_count; i++) {
        free_rule(&file->rules[i]);
    }
    free(file->rules);
    rule_problems_fini(&file->problems);
    *file = (struct redirects_file){0};
}

/* ---- one line ---- */

/* The words of a line, by their meaning. */
struct words {
    struct slice from;
    struct slice path; /* of "from": without scheme, host and query */
    struct slice to;
    struct slice status;
    struct slice queries[PATTERN_CAPTURES_MAX];
    unsigned query_count;
};

struct parse {
    struct redirects_file *file;
    uint32_t line;
    const char *why;   /* of a line that is not understood; static */
    char refusal[256]; /* of a rule that cannot be honoured */
};

static bool is_url(struct slice word)
{
    return slice_starts_with(word, SLICE("http://")) || slice_starts_with(word, SLICE("https://"));
}

static bool is_target(struct slice word)
{
    return word.bytes[0] == '/' || is_url(word);
}

static bool is_status(struct slice word)
{
    size_t count =
        word.count > 0 && word.bytes[word.count - 1] == '!' ? word.count - 1 : word.count;
    for (size_t i = 0; i < count; i++) {
        if (word.bytes[i] < '0' || word.bytes[i] > '9') {
            return false;
        }
    }
    return count > 0;
}

/* Country=, Language=, Role=, Cookie=: what a static server cannot know, or a cache not tell
 * apart. */
static bool is_condition(struct slice word)
{
    static const char *const names[] = {"Country=", "Language=", "Role=", "Cookie="};
    for (size_t i = 0; i < ARRAY_COUNT(names); i++) {
        size_t count = strlen(names[i]);
        if (word.count >= count && strncasecmp(word.bytes, names[i], count) == 0) {
            return true;
        }
    }
    return false;
}

/* from [key=value ...] [to] [status[!]] [condition=... ...] */
static bool split_netlify(struct parse *parse, struct slice line, struct words *words)
{
    struct slice word;
    words->from = rule_next_token(&line);
    while ((word = rule_next_token(&line)).count > 0 && word.bytes[0] != '#') {
        bool is_before_target = words->to.count == 0 && words->status.count == 0;
        if (words->to.count == 0 && words->status.count == 0 && is_target(word)) {
            words->to = word;
        } else if (words->status.count == 0 && is_status(word)) {
            words->status = word;
        } else if (is_condition(word)) {
            snprintf(parse->refusal, sizeof parse->refusal,
                     "the condition %.*s cannot be honoured by a static server", (int)word.count,
                     word.bytes);
            return false;
        } else if (is_before_target && memchr(word.bytes, '=', word.count) != NULL &&
                   words->query_count < PATTERN_CAPTURES_MAX) {
            words->queries[words->query_count++] = word;
        } else {
            parse->why = "a word that is neither target nor status nor condition";
            return false;
        }
    }
    return true;
}

/* from to [status]; what follows white space and '#' is a comment. */
static bool split_cloudflare(struct parse *parse, struct slice line, struct words *words)
{
    struct slice more[2] = {{"", 0}, {"", 0}};
    words->from = rule_next_token(&line);
    words->to = rule_next_token(&line);
    for (size_t i = 0; i < 2; i++) {
        more[i] = rule_next_token(&line);
    }
    if (words->to.count > 0 && words->to.bytes[0] == '#') {
        words->to.count = 0;
    }
    if (more[0].count > 0 && more[0].bytes[0] == '#') {
        more[0].count = 0;
        more[1].count = 0;
    }
    if (words->to.count == 0) {
        parse->why = "a line needs a path and a target";
        return false;
    }
    if (more[1].count > 0 && more[1].bytes[0] != '#') {
        parse->why = "more than a path, a target and a status";
        return false;
    }
    words->status = more[0];
    if (words->status.count > 0 &&
        (!is_status(words->status) || words->status.bytes[words->status.count - 1] == '!')) {
        parse->why = "a status that is no number";
        return false;
    }
    return true;
}

static bool take_status(struct parse *parse, const struct words *words, struct redirect_rule *rule)
{
    static const unsigned netlify[] = {200, 301, 302, 303, 307, 308, 404, 410};
    static const unsigned cloudflare[] = {200, 301, 302, 303, 307, 308};
    bool is_netlify = parse->file->dialect == DIALECT_NETLIFY;
    rule->is_forced = !is_netlify;
    rule->status = is_netlify ? 301 : 302;
    if (words->status.count > 0) {
        rule->status = 0;
        for (size_t i = 0; i < words->status.count && i < 4; i++) {
            char byte = words->status.bytes[i];
            if (byte == '!') {
                rule->is_forced = true;
            } else {
                rule->status = rule->status * 10 + (unsigned)(byte - '0');
            }
        }
    }
    const unsigned *known = is_netlify ? netlify : cloudflare;
    size_t count = is_netlify ? ARRAY_COUNT(netlify) : ARRAY_COUNT(cloudflare);
    for (size_t i = 0; i < count; i++) {
        if (known[i] == rule->status) {
            return true;
        }
    }
    parse->why = "a status that is not served by a rule";
    return false;
}

/* The path and, in Netlify's dialect, the host of "from". */
static bool take_from(struct parse *parse, struct words *words, struct redirect_rule *rule,
                      struct rule_names *names)
{
    struct slice from = words->from;
    bool is_netlify = parse->file->dialect == DIALECT_NETLIFY;
    if (is_url(from)) {
        if (!is_netlify) {
            parse->why = "only a path can be redirected, not a URL";
            return false;
        }
        struct slice rest = slice_after(from, from.bytes[4] == 's' ? 8 : 7);
        const char *slash = rest.count == 0 ? NULL : memchr(rest.bytes, '/', rest.count);
        size_t host_bytes = slash == NULL ? rest.count : (size_t)(slash - rest.bytes);
        struct slice host = {rest.bytes, host_bytes};
        struct rule_names ignored;
        rule->host = host_bytes == 0 ? NULL
                                     : rule_compile_path(host, parse->file->dialect, false,
                                                         &ignored, &parse->why);
        from = slash == NULL ? SLICE("/") : slice_after(rest, host_bytes);
        if (rule->host == NULL) {
            parse->why = "a URL without a host";
            return false;
        }
    }
    /* What a request's path never holds. */
    for (size_t i = 0; i < from.count; i++) {
        if (from.bytes[i] == '?' || from.bytes[i] == '#') {
            from.count = i;
        }
    }
    words->path = from;
    char *with_slash = NULL;
    if (!is_netlify && (from.count == 0 || from.bytes[0] != '/')) {
        with_slash = mem_format("/%.*s", (int)from.count, from.bytes);
        from = slice_of_string(with_slash);
    }
    if (from.count == 0 || from.bytes[0] != '/') {
        parse->why = "a path has to start with '/'";
        return false;
    }
    if (is_netlify && slice_starts_with(from, SLICE("/.netlify"))) {
        parse->why = "paths below /.netlify are that service's own";
        return false;
    }
    rule->pattern = rule_compile_path(from, parse->file->dialect, !is_netlify, names, &parse->why);
    rule->pattern_flags = is_netlify ? PATTERN_OPTIONAL_SLASH : 0;
    for (unsigned i = 0; with_slash != NULL && i < names->count; i++) {
        /* names point into `from`: into the line instead, one byte earlier */
        size_t at = (size_t)(names->at[i].bytes - with_slash);
        if (!slice_equal(names->at[i], SLICE("splat"))) {
            names->at[i].bytes = rule->source + at - 1;
        }
    }
    free(with_slash);
    return rule->pattern != NULL;
}

/* As the server compares it: a query's text, decoded (application/x-www-form-urlencoded). */
static char *decoded(struct slice text)
{
    char *out = mem_zeroed(text.count + 1, 1);
    size_t count = 0;
    for (size_t i = 0; i < text.count; i++) {
        int high = i + 2 < text.count ? rule_hex_digit(text.bytes[i + 1]) : -1;
        int low = i + 2 < text.count ? rule_hex_digit(text.bytes[i + 2]) : -1;
        if (text.bytes[i] == '%' && high >= 0 && low >= 0) {
            out[count++] = (char)(high * 16 + low);
            i += 2;
        } else {
            out[count++] = text.bytes[i] == '+' ? ' ' : text.bytes[i];
        }
    }
    out[count] = '\0';
    return out;
}

/* key=value, or key=:name, which captures. */
static bool take_queries(struct parse *parse, const struct words *words, struct redirect_rule *rule,
                         struct rule_names *names)
{
    rule->queries = mem_zeroed(words->query_count, sizeof *rule->queries);
    for (unsigned i = 0; i < words->query_count; i++) {
        struct slice word = words->queries[i];
        const char *equals = memchr(word.bytes, '=', word.count);
        struct slice key = {word.bytes, (size_t)(equals - word.bytes)};
        struct slice value = slice_after(word, key.count + 1);
        if (memmem(word.bytes, word.count, "%00", 3) != NULL) {
            parse->why = "a query condition with a NUL";
            return false;
        }
        struct query_condition *query = &rule->queries[rule->query_count++];
        query->key = decoded(key);
        query->value = decoded(value);
        query->capture = -1;
        bool has_mark = strchr(query->key, '&') != NULL || strchr(query->value, '&') != NULL ||
                        strchr(query->key, '=') != NULL;
        if (*query->key == '\0' || has_mark) {
            parse->why = "a query condition that is not key=value";
            return false;
        }
        if (value.count > 1 && value.bytes[0] == ':') {
            if (names->count == PATTERN_CAPTURES_MAX) {
                parse->why = "more than 16 wildcards";
                return false;
            }
            query->capture = (int)names->count;
            names->at[names->count++] = slice_after(value, 1);
        }
    }
    return true;
}

static bool ends_in_splat(const struct redirect_rule *rule)
{
    size_t count = strlen(rule->pattern);
    char last = count == 0 ? '\0' : rule->pattern[count - 1];
    return last == PATTERN_SPLAT || last == PATTERN_SUBTREE;
}

static bool is_html_target(const char *target)
{
    size_t count = strlen(target);
    return (count > 5 && strcmp(target + count - 5, ".html") == 0) ||
           (count >= 6 && strcmp(target + count - 6, "/index") == 0) ||
           (count > 0 && target[count - 1] == '/');
}

/* "//host" would leave the site. */
static struct slice without_slashes(struct slice target)
{
    while (slice_starts_with(target, SLICE("//"))) {
        target = slice_after(target, 1);
    }
    return target;
}

static bool take_target(struct parse *parse, const struct words *words, struct redirect_rule *rule,
                        const struct rule_names *names)
{
    struct slice to = words->to;
    bool is_redirect = rule->status >= 300 && rule->status < 400;
    if (to.count == 0 && rule->status == 200 && ends_in_splat(rule)) {
        struct slice path = without_slashes(words->path);
        size_t stem = path.count - 1; /* "/x/" of "/x/[star]" */
        char *text = mem_format("%.*s:splat", (int)stem, path.bytes);
        rule->target = rule_compile_template(slice_of_string(text), names, true);
        free(text);
        return true;
    }
    if (to.count == 0) {
        if (rule->status == 404 || rule->status == 410) {
            return true;
        }
        parse->why = "there is no target";
        return false;
    }
    if (!is_target(to)) {
        parse->why = "a target has to start with '/', http:// or https://";
        return false;
    }
    if (!is_redirect && is_url(to)) {
        snprintf(parse->refusal, sizeof parse->refusal,
                 "a rewrite to another host (%.*s) would need a proxy", (int)to.count, to.bytes);
        return false;
    }
    to = without_slashes(to);
    rule->target = rule_compile_template(to, names, true);
    rule->target_has_query = memchr(to.bytes, '?', to.count) != NULL;
    bool uses_capture = strchr(rule->target, PATTERN_PLACEHOLDER) != NULL;
    rule->is_fallback =
        rule->status == 200 && ends_in_splat(rule) && !uses_capture && is_html_target(rule->target);
    if (rule->is_fallback && parse->file->dialect == DIALECT_CLOUDFLARE) {
        rule->is_forced = false; /* for what is missing: or it would hide the whole site */
    }
    return true;
}

/* A rule that leads to the very path it is for does nothing, or loops. */
static bool leads_to_itself(const struct redirect_rule *rule)
{
    if (rule->target == NULL || rule->host != NULL || rule->query_count > 0 ||
        !pattern_is_exact(slice_of_string(rule->pattern))) {
        return false;
    }
    return pattern_matches(slice_of_string(rule->pattern), rule->pattern_flags,
                           slice_of_string(rule->target), NULL);
}

/* "/a/[star]" to "/a/:splat", "/:x" to "/:x": what matches leads to where it is. */
static bool is_same_text(const struct words *words, const struct redirect_rule *rule)
{
    struct slice from = words->from;
    struct slice to = words->to;
    if (rule->host != NULL || rule->query_count > 0 || from.count == 0 || to.count == 0) {
        return false;
    }
    static const struct slice splat = {":splat", 6};
    for (; from.count > 0 && to.count > 0; from = slice_after(from, 1)) {
        if (from.bytes[0] == '*' && slice_starts_with(to, splat)) {
            to = slice_after(to, splat.count);
        } else if (from.bytes[0] == to.bytes[0]) {
            to = slice_after(to, 1);
        } else {
            return false;
        }
    }
    return from.count == 0 && to.count == 0;
}

static bool parse_rule(struct parse *parse, struct slice line, struct redirect_rule *rule)
{
    struct words words = {.to = {"", 0}, .status = {"", 0}};
    struct rule_names names;
    bool is_netlify = parse->file->dialect == DIALECT_NETLIFY;
    bool is_split =
        is_netlify ? split_netlify(parse, line, &words) : split_cloudflare(parse, line, &words);
    rule->source = mem_string(words.from.bytes, words.from.count);
    words.from.bytes = rule->source;
    if (!is_split || !take_status(parse, &words, rule) || !take_from(parse, &words, rule, &names) ||
        !take_queries(parse, &words, rule, &names) || !take_target(parse, &words, rule, &names)) {
        return false;
    }
    if (leads_to_itself(rule) || is_same_text(&words, rule)) {
        parse->why = "it leads to itself";
        return false;
    }
    return true;
}

static void parse_line(struct parse *parse, struct slice line)
{
    struct redirects_file *file = parse->file;
    struct redirect_rule rule = {.line = parse->line};
    parse->why = NULL;
    parse->refusal[0] = '\0';
    if (!parse_rule(parse, line, &rule)) {
        bool is_refused = parse->refusal[0] != '\0';
        rule_problem_add(&file->problems, parse->line, is_refused, "%s: %s", rule.source,
                         is_refused ? parse->refusal : parse->why);
        free_rule(&rule);
        return;
    }
    if (file->rule_count == file->rule_capacity) {
        file->rule_capacity = mem_capacity(file->rule_capacity, file->rule_count + 1);
        file->rules = mem_resize(file->rules, file->rule_capacity, sizeof *file->rules);
    }
    file->rules[file->rule_count++] = rule;
}

/* ---- the order ---- */

/* Both dialects ask in the order of the lines: Cloudflare says that static rules come first, but
 * counts those behind the first dynamic one as dynamic, so those that come first do so anyway. Of
 * two rules for the same, Netlify keeps the last one and Cloudflare the first. */
static bool same_condition(const struct redirect_rule *a, const struct redirect_rule *b)
{
    bool same_host = (a->host == NULL) == (b->host == NULL) &&
                     (a->host == NULL || strcmp(a->host, b->host) == 0);
    if (!same_host || strcmp(a->pattern, b->pattern) != 0 || a->query_count != b->query_count) {
        return false;
    }
    for (size_t i = 0; i < a->query_count; i++) {
        if (strcmp(a->queries[i].key, b->queries[i].key) != 0 ||
            strcmp(a->queries[i].value, b->queries[i].value) != 0) {
            return false;
        }
    }
    return true;
}

static size_t hash_of(const struct redirect_rule *rule)
{
    return (size_t)hash64(rule->pattern, strlen(rule->pattern), rule->query_count);
}

/* Marks every rule that another with the same "from" replaces, and says so. */
static void drop_duplicates(struct redirects_file *file)
{
    size_t capacity = mem_capacity(0, file->rule_count * 2 + 1);
    uint32_t *table = mem_zeroed(capacity, sizeof *table); /* 1 + row */
    bool *is_dropped = mem_zeroed(file->rule_count, sizeof *is_dropped);
    for (size_t i = 0; i < file->rule_count; i++) {
        const struct redirect_rule *rule = &file->rules[i];
        size_t at = hash_of(rule) & (capacity - 1);
        while (table[at] != 0 && !same_condition(&file->rules[table[at] - 1], rule)) {
            at = (at + 1) & (capacity - 1);
        }
        if (table[at] == 0) {
            table[at] = (uint32_t)i + 1;
            continue;
        }
        size_t first = table[at] - 1;
        bool keeps_last = file->dialect == DIALECT_NETLIFY;
        size_t dropped = keeps_last ? first : i;
        size_t kept = keeps_last ? i : first;
        is_dropped[dropped] = true;
        rule_problem_add(&file->problems, file->rules[dropped].line, false,
                         "%s: line %u is for the same path, and counts", rule->source,
                         file->rules[kept].line);
        table[at] = (uint32_t)kept + 1;
    }
    size_t count = 0;
    for (size_t i = 0; i < file->rule_count; i++) {
        if (is_dropped[i]) {
            free_rule(&file->rules[i]);
        } else {
            file->rules[count++] = file->rules[i];
        }
    }
    file->rule_count = count;
    free(is_dropped);
    free(table);
}

void redirects_file_parse(struct slice text, enum dialect dialect, struct redirects_file *out_file)
{
    *out_file = (struct redirects_file){.dialect = dialect};
    struct parse parse = {.file = out_file};
    struct slice line;
    while (rule_next_line(&text, &line, &parse.line)) {
        if (line.count > 0 && line.bytes[0] != '#') {
            parse_line(&parse, line);
        }
    }
    drop_duplicates(out_file);
}
