#include "packer/site/route_rules.h"

#include "common/mem.h"
#include "common/path.h"
#include "common/pattern.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

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
    const struct route *route = route_table_find(resolver->routes, path);
    if (route != NULL && route->kind == ROUTE_REDIRECT && route->line == 0) {
        char again[PATH_BYTES_MAX];
        if (path_canonical(slice_of_string(route->target), again, &path) == PATH_OK) {
            route = route_table_find(resolver->routes, path);
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
        route.target = route_table_keep(resolver->routes, text + start, count - start);
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
    struct route *present = route_table_find(routes, path);
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
    present = route_table_find(routes, path);
    route.asks_rules = asks;
    if (present != NULL) {
        route.path = present->path;
        *present = route;
    } else {
        route.path = route_table_keep_path(routes, path);
        route_table_add(routes, route);
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
            at = is_here ? route_table_find(routes, path) : NULL;
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

void route_rules_apply(struct routes *routes, const struct redirects_file *redirects,
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
