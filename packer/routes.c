#include "packer/routes.h"

#include "common/hash.h"
#include "common/mem.h"
#include "common/path.h"
#include "common/pattern.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

/* Texts, one behind the other in blocks. */
struct routes_text {
    struct routes_text *next;
    size_t count;
    size_t capacity;
    char bytes[];
};

static char *keep(struct routes *routes, const char *bytes, size_t count)
{
    struct routes_text *block = routes->text;
    if (block == NULL || block->capacity - block->count < count + 1) {
        size_t capacity = count + 1 > 65536 ? count + 1 : 65536;
        block = mem_zeroed(1, sizeof *block + capacity);
        block->capacity = capacity;
        block->next = routes->text;
        routes->text = block;
    }
    char *at = block->bytes + block->count;
    memcpy(at, bytes, count);
    at[count] = '\0';
    block->count += count + 1;
    return at;
}

/* ---- notes ---- */

void site_notes_add(struct site_notes *notes, struct site_note note)
{
    if (notes->count == notes->capacity) {
        notes->capacity = mem_capacity(notes->capacity, notes->count + 1);
        notes->rows = mem_resize(notes->rows, notes->capacity, sizeof *notes->rows);
    }
    notes->rows[notes->count++] = note;
}

void site_notes_fini(struct site_notes *notes)
{
    for (size_t i = 0; i < notes->count; i++) {
        free(notes->rows[i].text);
    }
    free(notes->rows);
    *notes = (struct site_notes){0};
}

/* ---- the table ---- */

static uint32_t *probe(const struct routes *routes, struct slice path)
{
    size_t mask = routes->table_capacity - 1;
    for (size_t i = (size_t)hash64(path.bytes, path.count, 0) & mask;; i = (i + 1) & mask) {
        uint32_t row = routes->table[i];
        if (row == 0 || slice_equal(routes->rows[row - 1].path, path)) {
            return &routes->table[i];
        }
    }
}

static struct route *find(const struct routes *routes, struct slice path)
{
    uint32_t row = routes->table_capacity == 0 ? 0 : *probe(routes, path);
    return row == 0 ? NULL : &routes->rows[row - 1];
}

const struct route *routes_find(const struct routes *routes, struct slice path)
{
    return find(routes, path);
}

static void grow(struct routes *routes)
{
    if (routes->count == routes->capacity) {
        routes->capacity = mem_capacity(routes->capacity, routes->count + 1);
        routes->rows = mem_resize(routes->rows, routes->capacity, sizeof *routes->rows);
    }
    if ((routes->count + 1) * 2 > routes->table_capacity) {
        routes->table_capacity = mem_capacity(routes->table_capacity, (routes->count + 1) * 2);
        free(routes->table);
        routes->table = mem_zeroed(routes->table_capacity, sizeof *routes->table);
        for (size_t i = 0; i < routes->count; i++) {
            *probe(routes, routes->rows[i].path) = (uint32_t)i + 1;
        }
    }
}

/* Adds a route whose path is free; the path must stay. */
static struct route *add(struct routes *routes, struct route route)
{
    grow(routes);
    routes->rows[routes->count++] = route;
    *probe(routes, route.path) = (uint32_t)routes->count;
    return &routes->rows[routes->count - 1];
}

/* ---- what follows from the files ---- */

static struct slice kept_slice(struct routes *routes, struct slice text)
{
    return (struct slice){keep(routes, text.bytes, text.count), text.count};
}

/* `path` answers with the file. Nothing happens if it has an answer. */
static void add_page(struct routes *routes, struct slice path, uint32_t file)
{
    if (find(routes, path) == NULL) {
        add(routes, (struct route){
                        .path = kept_slice(routes, path),
                        .file = file,
                        .status = 200,
                        .kind = ROUTE_FILE,
                        .is_derived = true,
                    });
    }
}

static const char *encoded(struct routes *routes, struct slice key)
{
    char buffer[PATH_ENCODED_BYTES_MAX];
    return keep(routes, buffer, path_encode(key, buffer));
}

/* `path` leads to another path, if that has an answer of its own and `path` has none. */
static void add_redirect(struct routes *routes, struct slice path, struct slice target)
{
    const struct route *there = find(routes, target);
    if (find(routes, path) == NULL && there != NULL && there->kind == ROUTE_FILE) {
        add(routes, (struct route){
                        .path = kept_slice(routes, path),
                        .target = encoded(routes, target),
                        .status = 301,
                        .kind = ROUTE_REDIRECT,
                        .is_derived = true,
                        .keeps_query = true,
                    });
    }
}

/* The file's own name leads elsewhere instead. */
static void turn_into_redirect(struct routes *routes, struct slice path, struct slice target)
{
    struct route *own = find(routes, path);
    const struct route *there = find(routes, target);
    if (there != NULL && there->kind == ROUTE_FILE && there->file == own->file) {
        own->target = encoded(routes, target);
        own->status = 301;
        own->kind = ROUTE_REDIRECT;
        own->is_derived = true;
        own->keeps_query = true;
    }
}

static bool ends_with(struct slice text, const char *end)
{
    size_t count = strlen(end);
    return text.count >= count && memcmp(text.bytes + text.count - count, end, count) == 0;
}

/* A page with a name of its own: "/docs/a.html", not an index and not what answers for missing
 * paths. */
static bool is_named_page(struct slice path)
{
    return ends_with(path, ".html") && !ends_with(path, "/index.html") &&
           !ends_with(path, "/404.html") && !ends_with(path, "/.html");
}

/* "/docs/" for "/docs/index.html"; of index.htm only where there is no index.html. */
static void add_folder_page(struct routes *routes, struct slice path, uint32_t file)
{
    static const char *const names[] = {"/index.html", "/index.htm"};
    for (size_t i = 0; i < ARRAY_COUNT(names); i++) {
        if (ends_with(path, names[i])) {
            add_page(routes, (struct slice){path.bytes, path.count - strlen(names[i]) + 1}, file);
        }
    }
}

/* The spellings of "/docs/a.html". `buffer` holds a copy of it with room for a slash. */
static void add_page_spellings(struct routes *routes, enum url_policy urls, struct slice path,
                               uint32_t file)
{
    char buffer[PATH_BYTES_MAX + 1];
    size_t stem = path.count - strlen(".html");
    memcpy(buffer, path.bytes, path.count);
    buffer[stem] = '/';
    struct slice clean = {path.bytes, stem};
    struct slice slashed = {buffer, stem + 1};
    if (urls == URLS_SLASH) {
        add_page(routes, slashed, file);
        add_redirect(routes, clean, slashed);
        turn_into_redirect(routes, path, slashed);
        return;
    }
    add_page(routes, clean, file);
    add_redirect(routes, slashed, clean);
    if (urls == URLS_DROP_HTML) {
        turn_into_redirect(routes, path, clean);
    }
}

static void add_folder_spellings(struct routes *routes, enum url_policy urls, struct slice path)
{
    static const struct slice name = {"index.html", 10};
    if (!ends_with(path, "/index.html")) {
        return;
    }
    struct slice folder = {path.bytes, path.count - name.count};
    if (urls == URLS_DROP_HTML || urls == URLS_SLASH) {
        turn_into_redirect(routes, path, folder);
        add_redirect(routes, (struct slice){path.bytes, path.count - strlen(".html")}, folder);
    }
}

static void add_bare_folder(struct routes *routes, struct slice path)
{
    const char *slash = memrchr(path.bytes, '/', path.count);
    struct slice folder = {path.bytes, (size_t)(slash - path.bytes) + 1};
    if (folder.count > 1 && (ends_with(path, "/index.html") || ends_with(path, "/index.htm"))) {
        add_redirect(routes, (struct slice){folder.bytes, folder.count - 1}, folder);
    }
}

static void note_not_found_page(struct routes *routes, struct slice path, uint32_t row)
{
    if (!ends_with(path, "/404.html")) {
        return;
    }
    uint32_t depth = 0;
    for (size_t i = 1; i < path.count; i++) {
        depth += path.bytes[i] == '/';
    }
    if (depth == 0) {
        routes->not_found = row + 1;
    }
    if (depth > routes->not_found_depth) {
        routes->not_found_depth = depth;
    }
}

static void add_files(struct routes *routes, const struct slice *names, size_t count,
                      enum url_policy urls)
{
    char path[PATH_BYTES_MAX + 1];
    path[0] = '/';
    for (size_t i = 0; i < count; i++) {
        memcpy(path + 1, names[i].bytes, names[i].count);
        struct slice key = kept_slice(routes, (struct slice){path, names[i].count + 1});
        add(routes, (struct route){.path = key, .file = (uint32_t)i, .status = 200});
        note_not_found_page(routes, key, (uint32_t)i);
    }
    /* Rows 0 .. count - 1 are the files; what follows from them is added behind, in passes, so that
     * what is a file's own name or a folder's page is known before anything yields to it. */
    for (size_t i = 0; i < count; i++) {
        add_folder_page(routes, routes->rows[i].path, (uint32_t)i);
    }
    for (size_t i = 0; i < count && urls != URLS_EXACT; i++) {
        struct slice key = routes->rows[i].path;
        if (is_named_page(key)) {
            add_page_spellings(routes, urls, key, (uint32_t)i);
        }
    }
    for (size_t i = 0; i < count; i++) {
        add_bare_folder(routes, routes->rows[i].path);
    }
    for (size_t i = 0; i < count; i++) {
        add_folder_spellings(routes, urls, routes->rows[i].path);
    }
}

/* ---- what `_redirects` says ---- */

struct resolver {
    struct routes *routes;
    const struct redirects_file *redirects;
    const struct redirect_rule **dynamic; /* all that are no exact path, in order */
    size_t dynamic_count;
    struct site_notes *notes;
};

static void remark(struct resolver *resolver, const struct redirect_rule *rule, bool is_remark,
                   const char *format, ...) CAIRN_PRINTF(4, 5);

static void remark(struct resolver *resolver, const struct redirect_rule *rule, bool is_remark,
                   const char *format, ...)
{
    char text[512];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    site_notes_add(resolver->notes, (struct site_note){
                                        .file = "_redirects",
                                        .line = rule->line,
                                        .is_remark = is_remark,
                                        .text = mem_format("%s: %s", rule->source, text),
                                    });
}

static bool is_conditional(const struct redirect_rule *rule)
{
    return rule->host != NULL || rule->query_count > 0;
}

static bool is_exact(const struct redirect_rule *rule)
{
    return !is_conditional(rule) && pattern_is_exact(slice_of_string(rule->pattern));
}

static bool matches(const struct redirect_rule *rule, struct slice path,
                    struct pattern_captures *captures)
{
    return pattern_matches(slice_of_string(rule->pattern), rule->pattern_flags, path, captures);
}

/* A path of this site, as a rule's target names it: canonical, without query. False for another
 * host's, or what is none. */
static bool target_path(const char *target, const struct pattern_captures *captures, char *buffer,
                        struct slice *out_path)
{
    char text[PATH_ENCODED_BYTES_MAX];
    size_t count = pattern_expand(slice_of_string(target), captures, true, text, sizeof text);
    if (count == SIZE_MAX || count == 0 || text[0] != '/') {
        return false;
    }
    size_t path_bytes = 0;
    while (path_bytes < count && text[path_bytes] != '?' && text[path_bytes] != '#') {
        path_bytes++;
    }
    struct slice found;
    if (path_canonical((struct slice){text, path_bytes}, buffer, &found) != PATH_OK) {
        return false;
    }
    memmove(buffer, found.bytes, found.count);
    *out_path = (struct slice){buffer, found.count};
    return true;
}

/* The file that a rewrite shows; a folder without its slash is followed once. NULL: there is none.
 */
static const struct route *rewritten(const struct resolver *resolver, const char *target,
                                     const struct pattern_captures *captures)
{
    char buffer[PATH_BYTES_MAX];
    struct slice path;
    if (target == NULL || !target_path(target, captures, buffer, &path)) {
        return NULL;
    }
    const struct route *route = find(resolver->routes, path);
    if (route != NULL && route->kind == ROUTE_REDIRECT && route->line == 0) {
        char again[PATH_BYTES_MAX];
        if (path_canonical(slice_of_string(route->target), again, &path) == PATH_OK) {
            route = find(resolver->routes, path);
        }
    }
    return route != NULL && route->kind == ROUTE_FILE ? route : NULL;
}

/* What the rule makes of a path. False, with a note, if it leads nowhere. */
static bool resolve(struct resolver *resolver, const struct redirect_rule *rule,
                    const struct pattern_captures *captures, struct route *out_route)
{
    struct route route = {.status = (uint16_t)rule->status, .line = rule->line, .is_derived = true};
    if (rule->status >= 300 && rule->status < 400) {
        char text[PATH_ENCODED_BYTES_MAX];
        size_t count =
            pattern_expand(slice_of_string(rule->target), captures, true, text, sizeof text);
        if (count == SIZE_MAX) {
            remark(resolver, rule, false, "the target gets too long");
            return false;
        }
        size_t start = 0; /* two slashes would name another host */
        while (count - start > 1 && text[start] == '/' && text[start + 1] == '/') {
            start++;
        }
        route.kind = ROUTE_REDIRECT;
        route.target = keep(resolver->routes, text + start, count - start);
        route.keeps_query = !rule->target_has_query;
    } else {
        const struct route *there = rewritten(resolver, rule->target, captures);
        if (there == NULL && rule->target != NULL) {
            remark(resolver, rule, false, "its target is no file of the site: %s", rule->target);
        }
        if (there == NULL && rule->status == 200) {
            return false;
        }
        route.kind = there == NULL ? ROUTE_GONE : ROUTE_FILE;
        route.file = there == NULL ? 0 : there->file;
    }
    *out_route = route;
    return true;
}

/* Of the rules with patterns that come before `limit`, which decides about this path? NULL: none.
 * *out_asks: one that depends on the request may decide before. */
static const struct redirect_rule *first_dynamic(const struct resolver *resolver, struct slice path,
                                                 const struct redirect_rule *limit, bool is_present,
                                                 struct pattern_captures *captures, bool *out_asks)
{
    for (size_t i = 0; i < resolver->dynamic_count; i++) {
        const struct redirect_rule *rule = resolver->dynamic[i];
        if (limit != NULL && rule > limit) {
            break;
        }
        if (!matches(rule, path, captures)) {
            continue;
        }
        if (is_conditional(rule) || rule->is_fallback) {
            *out_asks |= rule->is_forced || !is_present;
        } else {
            return rule;
        }
    }
    return NULL;
}

/* ---- exact rules by path ---- */

/* With and without the slash at the end, where the dialect does not care. */
static size_t spellings(const struct redirect_rule *rule, char *buffer, struct slice out_paths[2])
{
    struct slice path = slice_of_string(rule->pattern);
    out_paths[0] = path;
    if ((rule->pattern_flags & PATTERN_OPTIONAL_SLASH) == 0 || path.count <= 1 ||
        path.count >= PATH_BYTES_MAX) {
        return 1;
    }
    memcpy(buffer, path.bytes, path.count);
    if (path.bytes[path.count - 1] == '/') {
        out_paths[1] = (struct slice){path.bytes, path.count - 1};
    } else {
        buffer[path.count] = '/';
        out_paths[1] = (struct slice){buffer, path.count + 1};
    }
    return 2;
}

static bool can_resolve(const struct resolver *resolver, const struct redirect_rule *rule)
{
    const struct pattern_captures none = {.count = 0};
    return rule->target == NULL || (rule->status >= 300 && rule->status < 400) ||
           rewritten(resolver, rule->target, &none) != NULL;
}

/* A rule for a path that has an answer, or none. */
static void apply_exact(struct resolver *resolver, const struct redirect_rule *rule,
                        struct slice path)
{
    bool is_own = slice_equal(path, slice_of_string(rule->pattern)); /* else the other spelling */
    struct routes *routes = resolver->routes;
    struct pattern_captures captures = {.count = 0};
    struct route *present = find(routes, path);
    bool asks = false;
    const struct redirect_rule *earlier =
        first_dynamic(resolver, path, rule, present != NULL, &captures, &asks);
    if (earlier == NULL && present != NULL && present->line != 0) {
        if (is_own) {
            remark(resolver, rule, true, "line %u decides before", present->line);
        }
        return;
    }
    if (earlier != NULL) {
        if (is_own) {
            remark(resolver, rule, true, "line %u decides before", earlier->line);
        }
        return;
    }
    if (present != NULL && !rule->is_forced) {
        present->is_decided = true;
        if (is_own) {
            remark(resolver, rule, true, "a file of the site is there (a status with ! wins)");
        }
        return;
    }
    struct route route;
    captures.count = 0;
    if ((!is_own && !can_resolve(resolver, rule)) || !resolve(resolver, rule, &captures, &route)) {
        return; /* said once */
    }
    present = find(routes, path);
    route.asks_rules = asks;
    if (present != NULL) {
        route.path = present->path;
        *present = route;
    } else {
        route.path = kept_slice(routes, path);
        add(routes, route);
    }
}

static void apply_rules(struct resolver *resolver)
{
    for (size_t i = 0; i < resolver->redirects->rule_count; i++) {
        const struct redirect_rule *rule = &resolver->redirects->rules[i];
        if (!is_exact(rule)) {
            continue;
        }
        char buffer[PATH_BYTES_MAX];
        struct slice paths[2];
        size_t count = spellings(rule, buffer, paths);
        for (size_t j = 0; j < count; j++) {
            apply_exact(resolver, rule, paths[j]);
        }
    }
}

/* A rule with a pattern wins over a file if it is forced and the first that matches. */
static void apply_dynamic(struct resolver *resolver, uint32_t row)
{
    struct routes *routes = resolver->routes;
    bool may_keep = false;
    for (size_t i = 0; i < resolver->dynamic_count; i++) {
        const struct redirect_rule *rule = resolver->dynamic[i];
        struct pattern_captures captures = {.count = 0};
        if (!matches(rule, routes->rows[row].path, &captures)) {
            continue;
        }
        if (is_conditional(rule) || rule->is_fallback) {
            routes->rows[row].asks_rules |= rule->is_forced;
            may_keep |= !rule->is_forced; /* the file, if the condition holds */
            continue;
        }
        struct route route;
        if (!rule->is_forced || routes->rows[row].asks_rules) {
            return;
        }
        if (may_keep) {
            routes->rows[row].asks_rules = true;
            return;
        }
        if (!resolve(resolver, rule, &captures, &route)) {
            return;
        }
        route.path = routes->rows[row].path;
        routes->rows[row] = route;
        return;
    }
}

static void apply_all_dynamic(struct resolver *resolver)
{
    bool has_forced = false;
    for (size_t i = 0; i < resolver->dynamic_count; i++) {
        has_forced |= resolver->dynamic[i]->is_forced;
    }
    for (uint32_t row = 0; has_forced && row < resolver->routes->count; row++) {
        const struct route *route = &resolver->routes->rows[row];
        if (route->line == 0 && !route->is_decided) {
            apply_dynamic(resolver, row);
        }
    }
}

/* Redirects that lead back to where they start. */
static void check_loops(struct resolver *resolver)
{
    struct routes *routes = resolver->routes;
    const struct pattern_captures none = {.count = 0};
    for (size_t i = 0; i < routes->count; i++) {
        const struct route *at = &routes->rows[i];
        for (int hops = 0; hops < 32 && at != NULL && at->kind == ROUTE_REDIRECT; hops++) {
            char buffer[PATH_BYTES_MAX];
            struct slice path;
            bool is_here = target_path(at->target, &none, buffer, &path);
            at = is_here ? find(routes, path) : NULL;
            if (at != NULL && at == &routes->rows[i] && at->line != 0) {
                site_notes_add(resolver->notes,
                               (struct site_note){
                                   .file = "_redirects",
                                   .line = at->line,
                                   .is_error = true,
                                   .text = mem_format("%.*s: it leads back to itself",
                                                      (int)at->path.count, at->path.bytes),
                               });
                break;
            }
        }
    }
}

static void resolve_rules(struct routes *routes, const struct redirects_file *redirects,
                          struct site_notes *notes)
{
    struct resolver resolver = {.routes = routes, .redirects = redirects, .notes = notes};
    resolver.dynamic = mem_zeroed(redirects->rule_count, sizeof(const struct redirect_rule *));
    for (size_t i = 0; i < redirects->rule_count; i++) {
        if (!is_exact(&redirects->rules[i])) {
            resolver.dynamic[resolver.dynamic_count++] = &redirects->rules[i];
        }
    }
    apply_rules(&resolver);
    apply_all_dynamic(&resolver);
    check_loops(&resolver);
    routes->rules = resolver.dynamic;
    routes->rule_count = resolver.dynamic_count;
}

void routes_init(struct routes *routes, const struct slice *names, size_t count,
                 const struct site_options *options, const struct redirects_file *redirects,
                 struct site_notes *notes)
{
    *routes = (struct routes){0};
    add_files(routes, names, count, options->urls);
    resolve_rules(routes, redirects, notes);
}

void routes_fini(struct routes *routes)
{
    while (routes->text != NULL) {
        struct routes_text *next = routes->text->next;
        free(routes->text);
        routes->text = next;
    }
    free(routes->rows);
    free(routes->table);
    free(routes->rules);
    *routes = (struct routes){0};
}
