#include "packer/check.h"

#include "common/json_writer.h"
#include "common/mem.h"
#include "packer/site/file_reader.h"

#include <inttypes.h>
#include <stdlib.h>

struct check {
    struct walk walk;
    struct stored_file *files;
    struct rule_texts texts;
    struct site_plan plan;
};

static int read_text(const struct check *check, const char *name, struct slice *out_text,
                     struct error *error)
{
    for (size_t i = 0; i < check->walk.file_count; i++) {
        const struct walk_file *file = &check->walk.files[i];
        if (file->role != FILE_RULES || strcmp(file->name, name) != 0) {
            continue;
        }
        struct file_reader reader;
        size_t count = (size_t)file->state.bytes;
        char *text = mem_zeroed(count + 1, 1);
        int status = file_reader_open(check->walk.root, name, &file->state, &reader, error);
        if (status == 0) {
            status = file_reader_read(&reader, 0, text, count, error);
        }
        file_reader_close(&reader);
        *out_text = (struct slice){text, count};
        return status;
    }
    return 0;
}

static int plan_site(struct check *check, const struct add_options *options, struct error *error)
{
    int status = walk_init(options->site_directory, &options->walk, &check->walk, error);
    if (status == 0) {
        status = read_text(check, "_headers", &check->texts.headers, error);
    }
    if (status == 0) {
        status = read_text(check, "_redirects", &check->texts.redirects, error);
    }
    if (status != 0) {
        return status;
    }
    check->files = mem_zeroed(check->walk.file_count, sizeof *check->files);
    for (size_t i = 0; i < check->walk.file_count; i++) {
        check->files[i] = (struct stored_file){
            .name = check->walk.files[i].name,
            .modified_s = check->walk.files[i].state.modified_s,
            .role = (uint8_t)check->walk.files[i].role,
        };
    }
    site_plan_init(&check->plan, check->files, check->walk.file_count, options->site,
                   &check->texts);
    return 0;
}

/* ---- text ---- */

static int compare_routes(const void *a, const void *b)
{
    const struct route *const *x = a;
    const struct route *const *y = b;
    return slice_compare((*x)->path, (*y)->path);
}

/* Sorted by path; the caller frees. */
static const struct route **sorted_routes(const struct routes *routes)
{
    const struct route **sorted = mem_zeroed(routes->count, sizeof(const struct route *));
    for (size_t i = 0; i < routes->count; i++) {
        sorted[i] = &routes->rows[i];
    }
    if (routes->count > 0) {
        qsort(sorted, routes->count, sizeof(const struct route *), compare_routes);
    }
    return sorted;
}

/* The policy that a route is sent with. */
static char *route_policy(const struct site_plan *plan, const struct route *route)
{
    struct route_head head;
    site_plan_head(plan, route, CODEC_IDENTITY, false, NULL, &head);
    static const char name[] = "Cache-Control: ";
    const char *start = strstr(head.policy, name);
    char *policy = mem_string("", 0);
    if (start != NULL) {
        start += sizeof name - 1;
        free(policy);
        policy = mem_string(start, strcspn(start, "\r"));
    }
    route_head_fini(&head);
    return policy;
}

static void print_route(const struct site_plan *plan, const struct route *route, FILE *out)
{
    fprintf(out, "%u  %.*s", route->status, (int)route->path.count, route->path.bytes);
    if (route->kind == ROUTE_REDIRECT) {
        fprintf(out, " -> %s", route->target);
    } else if (route->kind == ROUTE_FILE) {
        struct slice name = plan->names[route->file];
        char *policy = route_policy(plan, route);
        fprintf(out, " = %.*s  [%s]", (int)name.count, name.bytes, policy);
        free(policy);
    }
    if (route->line != 0) {
        fprintf(out, "  (_redirects:%u)", route->line);
    }
    fputs(route->asks_rules ? "  (unless a rule with a condition decides)\n" : "\n", out);
}

/* A compiled text as a person reads it. */
static char *readable(const char *compiled)
{
    char *text = mem_zeroed(strlen(compiled) * 3 + 1, 1);
    size_t count = 0;
    for (const char *at = compiled; *at != '\0'; at++) {
        if (*at == PATTERN_PLACEHOLDER && at[1] >= 0x20 && at[1] < 0x20 + PATTERN_CAPTURES_MAX) {
            text[count++] = '$';
            text[count++] = (char)('1' + (at[1] - 0x20) % 10);
            at++;
        } else {
            text[count++] = *at;
        }
    }
    return text;
}

static void print_rules(const struct site_plan *plan, FILE *out)
{
    for (size_t i = 0; i < plan->routes.rule_count; i++) {
        const struct redirect_rule *rule = plan->routes.rules[i];
        char *target = readable(rule->target == NULL ? "" : rule->target);
        fprintf(out, "rule %u%s  %s -> %s%s  (_redirects:%u)\n", rule->status,
                rule->is_forced ? "!" : "", rule->source, target,
                rule->is_fallback ? "  for navigations" : "", rule->line);
        free(target);
    }
    if (plan->options->spa != NULL) {
        fprintf(out, "rule 200  /* -> /%s  for navigations  (--spa)\n", plan->options->spa);
    }
    for (size_t i = 0; i < plan->headers.rule_count; i++) {
        const struct header_rule *rule = &plan->headers.rules[i];
        fprintf(out, "headers  %s  %zu field%s  (_headers:%u)\n", rule->source, rule->field_count,
                rule->field_count == 1 ? "" : "s", rule->line);
    }
}

static const char *severity(const struct site_note *note)
{
    return note->is_error ? "error" : note->is_remark ? "note" : "warning";
}

static void print_notes(const struct check *check, FILE *out)
{
    for (size_t i = 0; i < check->walk.note_count; i++) {
        const struct walk_note *note = &check->walk.notes[i];
        if (note->line == 0) {
            fprintf(out, "left out  %s: %s\n", note->name, note->reason);
        } else {
            fprintf(out, "warning  %s:%u: %s\n", note->name, note->line, note->reason);
        }
    }
    if (check->walk.ignored_count > 0) {
        fprintf(out, "left out  %" PRIu64 " by .cairnignore\n", check->walk.ignored_count);
    }
    for (size_t i = 0; i < check->plan.notes.count; i++) {
        const struct site_note *note = &check->plan.notes.rows[i];
        if (note->line == 0) {
            fprintf(out, "%s  %s: %s\n", severity(note), note->file, note->text);
        } else {
            fprintf(out, "%s  %s:%u: %s\n", severity(note), note->file, note->line, note->text);
        }
    }
}

static void print_text(const struct check *check, FILE *out)
{
    const struct routes *routes = &check->plan.routes;
    const struct route **sorted = sorted_routes(routes);
    for (size_t i = 0; i < routes->count; i++) {
        print_route(&check->plan, sorted[i], out);
    }
    free(sorted);
    print_rules(&check->plan, out);
    print_notes(check, out);
}

/* ---- JSON ---- */

static void put_string(struct json_writer *json, const char *key, struct slice text)
{
    json_key(json, key);
    json_string(json, text);
}

static void put_route(struct json_writer *json, const struct site_plan *plan,
                      const struct route *route)
{
    json_begin_object(json);
    put_string(json, "path", route->path);
    json_key(json, "status");
    json_u64(json, route->status);
    if (route->kind == ROUTE_REDIRECT) {
        put_string(json, "target", slice_of_string(route->target));
    } else if (route->kind == ROUTE_FILE) {
        char *policy = route_policy(plan, route);
        put_string(json, "file", plan->names[route->file]);
        put_string(json, "cache_control", slice_of_string(policy));
        json_key(json, "immutable");
        json_bool(json, plan->is_immutable[route->file]);
        free(policy);
    }
    if (route->line != 0) {
        json_key(json, "line");
        json_u64(json, route->line);
    }
    json_end_object(json);
}

static void put_rules(struct json_writer *json, const struct site_plan *plan)
{
    json_key(json, "rules");
    json_begin_array(json, true);
    for (size_t i = 0; i < plan->routes.rule_count; i++) {
        const struct redirect_rule *rule = plan->routes.rules[i];
        json_begin_object(json);
        put_string(json, "file", SLICE("_redirects"));
        json_key(json, "line");
        json_u64(json, rule->line);
        put_string(json, "from", slice_of_string(rule->source));
        json_key(json, "status");
        json_u64(json, rule->status);
        json_key(json, "forced");
        json_bool(json, rule->is_forced);
        json_end_object(json);
    }
    for (size_t i = 0; i < plan->headers.rule_count; i++) {
        json_begin_object(json);
        put_string(json, "file", SLICE("_headers"));
        json_key(json, "line");
        json_u64(json, plan->headers.rules[i].line);
        put_string(json, "path", slice_of_string(plan->headers.rules[i].source));
        json_end_object(json);
    }
    json_end_array(json);
}

static void put_notes(struct json_writer *json, const struct check *check)
{
    json_key(json, "left_out");
    json_begin_array(json, true);
    for (size_t i = 0; i < check->walk.note_count; i++) {
        json_begin_object(json);
        put_string(json, "name", slice_of_string(check->walk.notes[i].name));
        put_string(json, "reason", slice_of_string(check->walk.notes[i].reason));
        json_end_object(json);
    }
    json_end_array(json);
    json_key(json, "notes");
    json_begin_array(json, true);
    for (size_t i = 0; i < check->plan.notes.count; i++) {
        const struct site_note *note = &check->plan.notes.rows[i];
        json_begin_object(json);
        put_string(json, "severity", slice_of_string(severity(note)));
        put_string(json, "file", slice_of_string(note->file));
        json_key(json, "line");
        json_u64(json, note->line);
        put_string(json, "text", slice_of_string(note->text));
        json_end_object(json);
    }
    json_end_array(json);
}

static void print_json(const struct check *check, FILE *out)
{
    const struct routes *routes = &check->plan.routes;
    const struct route **sorted = sorted_routes(routes);
    struct json_writer json = json_writer(out);
    json_begin_object(&json);
    json_key(&json, "routes");
    json_begin_array(&json, true);
    for (size_t i = 0; i < routes->count; i++) {
        put_route(&json, &check->plan, sorted[i]);
    }
    json_end_array(&json);
    put_rules(&json, &check->plan);
    put_notes(&json, check);
    json_end_object(&json);
    json_end(&json);
    free(sorted);
}

int check_site(const struct add_options *options, bool as_json, FILE *out, struct error *error)
{
    struct check check = {0};
    int status = plan_site(&check, options, error);
    if (status == 0) {
        if (as_json) {
            print_json(&check, out);
        } else {
            print_text(&check, out);
        }
        status = site_plan_problem(&check.plan, options->strict, error);
    }
    site_plan_fini(&check.plan);
    free((char *)(uintptr_t)check.texts.headers.bytes);
    free((char *)(uintptr_t)check.texts.redirects.bytes);
    free(check.files);
    walk_fini(&check.walk);
    return status;
}
