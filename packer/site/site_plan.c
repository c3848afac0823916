#include "packer/site/site_plan.h"

#include "common/mem.h"
#include "common/mime.h"
#include "packer/archive/compress.h"
#include "packer/site/fingerprint.h"
#include "packer/site/ignore.h"

#include <stdlib.h>
#include <strings.h>

/* ---- which files are served ---- */

/* The coding that a file name ends in, and how long the rest is. */
static enum codec sidecar_codec(const char *name, size_t *out_base_bytes)
{
    static const struct {
        const char *suffix;
        enum codec codec;
    } suffixes[] = {{".gz", CODEC_GZIP}, {".br", CODEC_BR}, {".zst", CODEC_ZSTD}};
    size_t count = strlen(name);
    for (size_t i = 0; i < ARRAY_COUNT(suffixes); i++) {
        size_t suffix_bytes = strlen(suffixes[i].suffix);
        if (count > suffix_bytes && strcmp(name + count - suffix_bytes, suffixes[i].suffix) == 0) {
            *out_base_bytes = count - suffix_bytes;
            return suffixes[i].codec;
        }
    }
    return CODEC_IDENTITY;
}

/* The number of the served file of this name, or SIZE_MAX. */
static size_t find_served(const struct site_plan *plan, const char *name, size_t name_bytes)
{
    size_t low = 0;
    size_t high = plan->served_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        struct slice at = plan->names[middle];
        size_t shorter = at.count < name_bytes ? at.count : name_bytes;
        int order = memcmp(at.bytes, name, shorter);
        if (order == 0 && at.count == name_bytes) {
            return middle;
        }
        if (order < 0 || (order == 0 && at.count < name_bytes)) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return SIZE_MAX;
}

static void list_served(struct site_plan *plan)
{
    plan->served = mem_zeroed(plan->file_count, sizeof *plan->served);
    plan->names = mem_zeroed(plan->file_count, sizeof *plan->names);
    for (size_t i = 0; i < plan->file_count; i++) {
        if (plan->files[i].role == FILE_SERVED) {
            plan->names[plan->served_count] = slice_of_string(plan->files[i].name);
            plan->served[plan->served_count++] = (uint32_t)i;
        }
    }
}

/* A file beside another that is its coded form stops being served by its own name. */
static void take_sidecars(struct site_plan *plan)
{
    uint32_t(*by_file)[CODEC_COUNT] = mem_zeroed(plan->served_count, sizeof *by_file);
    bool *is_sidecar = mem_zeroed(plan->served_count, sizeof *is_sidecar);
    for (size_t i = 0; i < plan->served_count; i++) {
        size_t base_bytes = 0;
        const char *name = plan->names[i].bytes;
        enum codec codec = sidecar_codec(name, &base_bytes);
        size_t base = codec == CODEC_IDENTITY ? SIZE_MAX : find_served(plan, name, base_bytes);
        if (base != SIZE_MAX) {
            by_file[base][codec] = plan->served[i] + 1;
            is_sidecar[i] = true;
        }
    }
    size_t count = 0;
    for (size_t i = 0; i < plan->served_count; i++) {
        if (!is_sidecar[i]) {
            plan->names[count] = plan->names[i];
            plan->served[count] = plan->served[i];
            memcpy(by_file[count], by_file[i], sizeof by_file[i]);
            count++;
        }
    }
    plan->served_count = count;
    plan->sidecars = by_file;
    free(is_sidecar);
}

/* ---- which names tell their content ---- */

static bool matches_any(const struct word_list *patterns, struct slice name)
{
    for (size_t i = 0; i < patterns->count; i++) {
        if (glob_matches(slice_of_string(patterns->words[i]), name)) {
            return true;
        }
    }
    return false;
}

/* What the options say of a name that looks, or does not look, as if it told its content. */
static bool judge_name(const struct site_plan *plan, size_t served, bool looks_immutable)
{
    struct slice name = plan->names[served];
    bool is_immutable = looks_immutable && !plan->files[plan->served[served]].is_rebound;
    is_immutable |= matches_any(&plan->options->immutable, name);
    return is_immutable && !matches_any(&plan->options->revalidate, name);
}

static void judge_names(struct site_plan *plan)
{
    plan->is_immutable = mem_zeroed(plan->served_count, sizeof *plan->is_immutable);
    fingerprint_judge(plan->names, plan->served_count, plan->is_immutable);
    for (size_t i = 0; i < plan->served_count; i++) {
        plan->is_immutable[i] = judge_name(plan, i, plan->is_immutable[i]);
    }
}

void site_plan_take_files(struct site_plan *plan, const struct stored_file *files,
                          const bool *is_changed)
{
    plan->files = files;
    for (size_t i = 0; i < plan->served_count; i++) {
        if (is_changed[plan->served[i]]) { /* at most, a name turns out not to tell its content */
            plan->is_immutable[i] = judge_name(plan, i, plan->is_immutable[i]);
        }
    }
}

/* ---- rules ---- */

static void take_problems(struct site_plan *plan, const char *file, struct rule_problems *problems)
{
    for (size_t i = 0; i < problems->count; i++) {
        const struct rule_problem *problem = &problems->rows[i];
        site_notes_add(&plan->notes, (struct site_note){
                                         .file = file,
                                         .line = problem->line,
                                         .is_error = problem->is_error,
                                         .text = mem_string(problem->text, strlen(problem->text)),
                                     });
    }
}

static void note_option(struct site_plan *plan, const char *option, char *text)
{
    site_notes_add(&plan->notes,
                   (struct site_note){.file = option, .is_error = true, .text = text});
}

/* Rules for a host can only be resolved if it is known which host this will be. */
static void check_hosts(struct site_plan *plan)
{
    for (size_t i = 0; i < plan->headers.rule_count && plan->options->host == NULL; i++) {
        const struct header_rule *rule = &plan->headers.rules[i];
        if (rule->host != NULL) {
            site_notes_add(&plan->notes,
                           (struct site_note){
                               .file = "_headers",
                               .line = rule->line,
                               .is_error = true,
                               .text = mem_format("%s: a rule for a host; --host NAME says which "
                                                  "host this release is for",
                                                  rule->source),
                           });
        }
    }
}

static void check_spa(struct site_plan *plan)
{
    const char *page = plan->options->spa;
    if (page != NULL && find_served(plan, page, strlen(page)) == SIZE_MAX) {
        note_option(plan, "--spa", mem_format("%s: the site has no such file", page));
    }
}

static int compare_notes(const void *a, const void *b)
{
    const struct site_note *x = a;
    const struct site_note *y = b;
    int order = strcmp(x->file, y->file);
    return order != 0 ? order : (x->line > y->line) - (x->line < y->line);
}

void site_plan_init(struct site_plan *plan, const struct stored_file *files, size_t count,
                    const struct site_options *options, const struct rule_texts *texts)
{
    *plan = (struct site_plan){.options = options, .files = files, .file_count = count};
    list_served(plan);
    if (options->sidecars) {
        take_sidecars(plan);
    }
    judge_names(plan);
    headers_file_parse(texts->headers, options->dialect, &plan->headers);
    redirects_file_parse(texts->redirects, options->dialect, &plan->redirects);
    take_problems(plan, "_headers", &plan->headers.problems);
    take_problems(plan, "_redirects", &plan->redirects.problems);
    check_hosts(plan);
    check_spa(plan);
    routes_init(&plan->routes, plan->names, plan->served_count, options, &plan->redirects,
                &plan->notes);
    if (plan->notes.count > 0) {
        qsort(plan->notes.rows, plan->notes.count, sizeof *plan->notes.rows, compare_notes);
    }
}

void site_plan_fini(struct site_plan *plan)
{
    routes_fini(&plan->routes);
    headers_file_fini(&plan->headers);
    redirects_file_fini(&plan->redirects);
    site_notes_fini(&plan->notes);
    free(plan->served);
    free(plan->names);
    free(plan->is_immutable);
    free(plan->sidecars);
    *plan = (struct site_plan){0};
}

int site_plan_problem(const struct site_plan *plan, bool strict, struct error *error)
{
    for (size_t i = 0; i < plan->notes.count; i++) {
        const struct site_note *note = &plan->notes.rows[i];
        if (note->is_error || (strict && !note->is_remark)) {
            return note->line == 0 ? error_set(error, ERR_FORMAT, "%s: %s", note->file, note->text)
                                   : error_set(error, ERR_FORMAT, "%s:%u: %s", note->file,
                                               note->line, note->text);
        }
    }
    return 0;
}

/* ---- heads ---- */

const char *site_plan_type(const struct site_plan *plan, const char *name)
{
    const char *dot = strrchr(name, '.');
    for (size_t i = plan->options->types.count; dot != NULL && i > 0; i--) {
        const char *word = plan->options->types.words[i - 1];
        size_t count = (size_t)(strchr(word, '=') - word);
        const char *extension = word[0] == '.' ? word + 1 : word;
        count -= (size_t)(extension - word);
        if (strlen(dot + 1) == count && strncasecmp(dot + 1, extension, count) == 0) {
            return extension + count + 1;
        }
    }
    return mime_type(name, strlen(name));
}

static bool is_html(const char *type)
{
    return strncmp(type, "text/html", 9) == 0 || strncmp(type, "application/xhtml+xml", 21) == 0;
}

static enum cache_kind cache_kind(const struct site_plan *plan, const struct route *route,
                                  const char *type)
{
    if (is_html(type)) {
        return CACHE_HTML;
    }
    return plan->is_immutable[route->file] ? CACHE_FINGERPRINTED : CACHE_OTHER;
}

/* "sha-256=:BASE64:" (RFC 9530 §3, RFC 8941 §3.3.5). */
static void digest_format(const uint8_t digest[DIGEST_BYTES], char out[64])
{
    static const char base64[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    char *at = out;
    memcpy(at, "sha-256=:", 9);
    at += 9;
    for (size_t i = 0; i < DIGEST_BYTES; i += 3) {
        uint32_t bits = (uint32_t)digest[i] << 16;
        bits |= i + 1 < DIGEST_BYTES ? (uint32_t)digest[i + 1] << 8 : 0;
        bits |= i + 2 < DIGEST_BYTES ? digest[i + 2] : 0;
        for (int shift = 18; shift >= 0; shift -= 6) {
            *at++ = base64[bits >> shift & 63];
        }
    }
    at[-1] = '='; /* 32 bytes leave one place over */
    memcpy(at, ":", 2);
}

static void put_file_fields(const struct site_plan *plan, const struct route *route,
                            struct field_list *fields)
{
    const char *name = plan->names[route->file].bytes;
    const char *type = site_plan_type(plan, name);
    field_list_set(fields, "Content-Type", type);
    field_list_set(fields, "X-Content-Type-Options", "nosniff");
    field_list_set(fields, "Accept-Ranges", "bytes");
    field_list_set(fields, "Cache-Control",
                   site_options_cache(plan->options, cache_kind(plan, route, type)));
}

bool site_plan_is_entity_field(const char *name)
{
    static const char *const names[] = {"Content-Type", "X-Content-Type-Options",
                                        "Content-Language", "Content-Disposition"};
    for (size_t i = 0; i < ARRAY_COUNT(names); i++) {
        if (strcasecmp(name, names[i]) == 0) {
            return true;
        }
    }
    return false;
}

static void put_line(char **text, const char *name, const char *value)
{
    char *longer = mem_format("%s%s: %s\r\n", *text, name, value);
    free(*text);
    *text = longer;
}

/* A cache must not give the form of one client to another, whatever the rules say. */
static void add_vary(struct field_list *fields)
{
    const char *others = field_list_get(fields, "Vary");
    if (others == NULL) {
        field_list_set(fields, "Vary", "Accept-Encoding");
    } else if (strcasestr(others, "Accept-Encoding") == NULL && strchr(others, '*') == NULL) {
        char *all = mem_format("Accept-Encoding, %s", others);
        field_list_set(fields, "Vary", all);
        free(all);
    }
}

/* The one media type that is always a coded form. */
static bool is_coded_already(const struct site_plan *plan, const struct route *route)
{
    struct slice name = plan->names[route->file];
    return name.count > 5 && strcasecmp(name.bytes + name.count - 5, ".svgz") == 0;
}

void site_plan_head(const struct site_plan *plan, const struct route *route, enum codec codec,
                    bool has_variants, const uint8_t *digest, struct route_head *out_head)
{
    struct field_list fields = {0};
    if (route->kind == ROUTE_FILE) {
        put_file_fields(plan, route, &fields);
    } else {
        field_list_set(&fields, "Cache-Control", site_options_cache(plan->options, CACHE_HTML));
    }
    struct slice host =
        plan->options->host == NULL ? (struct slice){"", 0} : slice_of_string(plan->options->host);
    headers_file_apply(&plan->headers, host, route->path, &fields);
    if (has_variants && route->kind == ROUTE_FILE) {
        add_vary(&fields);
    }
    out_head->entity = mem_string("", 0);
    out_head->policy = mem_string("", 0);
    for (size_t i = 0; i < fields.count; i++) {
        const struct field *field = &fields.rows[i];
        if (route->kind == ROUTE_FILE && site_plan_is_entity_field(field->name)) {
            put_line(&out_head->entity, field->name, field->value);
        } else {
            put_line(&out_head->policy, field->name, field->value);
        }
    }
    if (route->kind != ROUTE_FILE) {
        put_line(&out_head->entity, "Content-Length", "0");
    } else if (codec != CODEC_IDENTITY || is_coded_already(plan, route)) {
        put_line(&out_head->entity, "Content-Encoding",
                 codec != CODEC_IDENTITY ? codec_token(codec) : "gzip");
    }
    if (digest != NULL && plan->options->digest) {
        char text[64];
        digest_format(digest, text);
        put_line(&out_head->entity, "Repr-Digest", text);
    }
    field_list_fini(&fields);
}

bool site_plan_head_key(const struct site_plan *plan, const struct route *route, enum codec codec,
                        bool has_variants, struct route_head_key *out_key)
{
    if (plan->headers.rule_count > 0 || plan->options->digest) {
        return false;
    }
    *out_key = (struct route_head_key){.codec = codec, .has_variants = has_variants};
    if (route->kind == ROUTE_FILE) {
        out_key->type = site_plan_type(plan, plan->names[route->file].bytes);
        out_key->cache = cache_kind(plan, route, out_key->type);
        out_key->is_coded_already = is_coded_already(plan, route);
    }
    return true;
}

void route_head_fini(struct route_head *head)
{
    free(head->entity);
    free(head->policy);
}
