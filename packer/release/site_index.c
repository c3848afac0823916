#include "packer/release/site_index.h"

#include "common/mem.h"
#include "common/path.h"
#include "common/pattern.h"
#include "packer/archive/compress.h"

#include <stdlib.h>
#include <strings.h>

enum { KNOWN_HEADS = 16 };

struct builder {
    const struct site_plan *plan;
    const struct catalog *catalog;
    struct index_writer *writer;
    struct site_savings savings;
    struct known_head {
        struct route_head_key key;
        uint32_t row;
    } known[KNOWN_HEADS]; /* the heads made last: most routes have one of few */
    size_t known_count;
};

/* A stored form, before it has a head. */
struct form {
    uint64_t payload_offset;
    uint64_t stored_bytes;
    const uint8_t *digest;
    enum codec codec;
};

/* The file beside this one that is its form in this coding, given with the site. */
static bool given_form(const struct builder *builder, uint32_t file, enum codec codec,
                       struct form *out_form)
{
    const struct site_plan *plan = builder->plan;
    uint32_t number = plan->sidecars == NULL ? 0 : plan->sidecars[file][codec];
    if (number == 0) {
        return false;
    }
    const struct content *content = &builder->catalog->contents[plan->files[number - 1].content];
    *out_form =
        (struct form){content->payload_offset, content->stored_bytes, content->digest, codec};
    return true;
}

static bool made_form(const struct builder *builder, uint32_t content, enum codec codec,
                      struct form *out_form)
{
    const struct variant *variant = catalog_variant(builder->catalog, content, codec);
    if (builder->plan->options->effort == EFFORT_NONE || variant == NULL) {
        return false;
    }
    *out_form =
        (struct form){variant->payload_offset, variant->stored_bytes, variant->digest, codec};
    return true;
}

/* Identity first, then the codings. Returns how many. */
static unsigned list_forms(const struct builder *builder, uint32_t file,
                           struct form out_forms[CODEC_COUNT])
{
    const struct site_plan *plan = builder->plan;
    uint32_t row = plan->files[plan->served[file]].content;
    const struct content *content = &builder->catalog->contents[row];
    out_forms[0] = (struct form){content->payload_offset, content->stored_bytes, content->digest,
                                 CODEC_IDENTITY};
    unsigned count = 1;
    struct slice name = plan->names[file];
    if (name.count > 5 && strcasecmp(name.bytes + name.count - 5, ".svgz") == 0) {
        return count; /* coded by its media type; never twice */
    }
    /* The same bytes may have forms for another file's sake. */
    bool may_be_coded =
        compress_type(slice_of_string(site_plan_type(plan, name.bytes))) != COMPRESS_NEVER;
    for (int codec = CODEC_IDENTITY + 1; codec < CODEC_COUNT; codec++) {
        if (given_form(builder, file, (enum codec)codec, &out_forms[count]) ||
            (may_be_coded && made_form(builder, row, (enum codec)codec, &out_forms[count]))) {
            count++;
        }
    }
    return count;
}

static bool keys_equal(const struct route_head_key *a, const struct route_head_key *b)
{
    return a->type == b->type && a->cache == b->cache && a->codec == b->codec &&
           a->has_variants == b->has_variants && a->is_coded_already == b->is_coded_already;
}

static uint32_t make_head(struct builder *builder, const struct route *route,
                          const struct form *form, unsigned form_count);

static uint32_t put_head(struct builder *builder, const struct route *route,
                         const struct form *form, unsigned form_count)
{
    struct route_head_key key;
    enum codec codec = form == NULL ? CODEC_IDENTITY : form->codec;
    if (!site_plan_head_key(builder->plan, route, codec, form_count > 1, &key)) {
        return make_head(builder, route, form, form_count);
    }
    size_t known = builder->known_count < KNOWN_HEADS ? builder->known_count : KNOWN_HEADS;
    for (size_t i = 0; i < known; i++) {
        if (keys_equal(&builder->known[i].key, &key)) {
            return builder->known[i].row;
        }
    }
    uint32_t row = make_head(builder, route, form, form_count);
    builder->known[builder->known_count++ % KNOWN_HEADS] = (struct known_head){key, row};
    return row;
}

static uint32_t make_head(struct builder *builder, const struct route *route,
                          const struct form *form, unsigned form_count)
{
    struct route_head head;
    site_plan_head(builder->plan, route, form == NULL ? CODEC_IDENTITY : form->codec,
                   form_count > 1, form == NULL ? NULL : form->digest, &head);
    uint32_t row = index_writer_head(builder->writer, slice_of_string(head.entity),
                                     slice_of_string(head.policy));
    route_head_fini(&head);
    return row;
}

static unsigned entry_flags(const struct builder *builder, const struct route *route)
{
    unsigned flags = route->is_derived ? ENTRY_DERIVED : 0;
    if (route->kind == ROUTE_FILE && route->status == 200 && !route->is_derived &&
        builder->plan->is_immutable[route->file]) {
        flags |= ENTRY_IMMUTABLE;
    }
    flags |= route->asks_rules ? ENTRY_ASK_RULES : 0;
    flags |= route->line != 0 ? ENTRY_BY_RULE : 0;
    flags |= route->kind == ROUTE_REDIRECT && route->keeps_query ? ENTRY_KEEP_QUERY : 0;
    return flags;
}

static uint32_t put_file(struct builder *builder, const struct route *route)
{
    struct form forms[CODEC_COUNT];
    struct representation_input inputs[CODEC_COUNT];
    unsigned count = list_forms(builder, route->file, forms);
    const struct site_plan *plan = builder->plan;
    for (unsigned i = 0; i < count; i++) {
        inputs[i] = (struct representation_input){
            .payload_offset = forms[i].payload_offset,
            .stored_bytes = forms[i].stored_bytes,
            .modified_s = plan->files[plan->served[route->file]].modified_s,
            .codec = forms[i].codec,
            .head = put_head(builder, route, &forms[i], count),
            .digest = forms[i].digest,
        };
        if (i > 0 && !route->is_derived) {
            builder->savings.identity_bytes[forms[i].codec] += forms[0].stored_bytes;
            builder->savings.coded_bytes[forms[i].codec] += forms[i].stored_bytes;
        }
    }
    return index_writer_file(builder->writer, route->path, route->status,
                             entry_flags(builder, route), inputs, count);
}

static uint32_t put_route(struct builder *builder, const struct route *route)
{
    if (route->kind == ROUTE_FILE) {
        return put_file(builder, route);
    }
    if (route->kind == ROUTE_GONE) {
        return index_writer_tombstone(builder->writer, route->path, route->status);
    }
    return index_writer_redirect(builder->writer, route->path, route->status,
                                 entry_flags(builder, route), slice_of_string(route->target),
                                 put_head(builder, route, NULL, 1));
}

/* ---- rules ---- */

static char *query_text(const struct redirect_rule *rule)
{
    char *text = mem_string("", 0);
    for (size_t i = 0; i < rule->query_count; i++) {
        const struct query_condition *query = &rule->queries[i];
        char *longer = mem_format("%s%s%s=%s", text, i == 0 ? "" : "&", query->key,
                                  query->capture >= 0 ? "\x02" : query->value);
        free(text);
        text = longer;
    }
    return text;
}

static void put_redirect_rule(struct builder *builder, const struct redirect_rule *rule)
{
    char *query = query_text(rule);
    struct route none = {.kind = ROUTE_REDIRECT, .path = SLICE("")};
    struct rule_input input = {
        .kind = RULE_ROUTE,
        .status = rule->status,
        .pattern_flags = rule->pattern_flags,
        .pattern = slice_of_string(rule->pattern),
        .host = rule->host == NULL ? (struct slice){"", 0} : slice_of_string(rule->host),
        .query = slice_of_string(query),
        .target = rule->target == NULL ? (struct slice){"", 0} : slice_of_string(rule->target),
        .head = put_head(builder, &none, NULL, 1),
    };
    input.flags = (rule->is_forced ? RULE_FORCED : 0u) |
                  (rule->is_fallback ? RULE_NAVIGATION : 0u) |
                  (rule->target_has_query || rule->query_count > 0 ? 0u : RULE_KEEP_QUERY);
    index_writer_rule(builder->writer, &input);
    free(query);
}

/* A single-page application's page answers where nothing else does. */
static void put_spa_rule(struct builder *builder)
{
    char key[PATH_BYTES_MAX];
    char target[PATH_ENCODED_BYTES_MAX];
    int count = snprintf(key, sizeof key, "/%s", builder->plan->options->spa);
    size_t target_bytes = path_encode((struct slice){key, (size_t)count}, target);
    struct rule_input input = {
        .kind = RULE_ROUTE,
        .status = 200,
        .flags = RULE_NAVIGATION,
        .pattern = SLICE("/\x01"),
        .host = SLICE(""),
        .query = SLICE(""),
        .target = {target, target_bytes},
    };
    index_writer_rule(builder->writer, &input);
}

/* Answers to missing paths say themselves how long they may be kept and what they are. */
static bool is_for_missing_paths(const struct header_field *field)
{
    return strcasecmp(field->name, "Cache-Control") != 0 && !site_plan_is_entity_field(field->name);
}

static bool is_for_host(const struct site_plan *plan, const struct header_rule *rule)
{
    return rule->host == NULL || (plan->options->host != NULL &&
                                  pattern_matches(slice_of_string(rule->host), PATTERN_IGNORE_CASE,
                                                  slice_of_string(plan->options->host), NULL));
}

static void put_fields_rule(struct builder *builder, const struct header_rule *rule)
{
    char *lines = mem_string("", 0);
    for (size_t i = 0; i < rule->field_count; i++) {
        const struct header_field *field = &rule->fields[i];
        if (!is_for_missing_paths(field)) {
            continue;
        }
        char *longer = field->is_unset
                           ? mem_format("%s%s\r\n", lines, field->name)
                           : mem_format("%s%s: %s\r\n", lines, field->name, field->value);
        free(lines);
        lines = longer;
    }
    struct rule_input input = {
        .kind = RULE_FIELDS,
        .flags = builder->plan->options->dialect == DIALECT_NETLIFY ? RULE_OVERRIDES : 0,
        .pattern_flags = rule->pattern_flags,
        .pattern = slice_of_string(rule->pattern),
        .host = SLICE(""),
        .query = SLICE(""),
        .target = slice_of_string(lines),
    };
    if (*lines != '\0') {
        index_writer_rule(builder->writer, &input);
    }
    free(lines);
}

static void put_rules(struct builder *builder)
{
    const struct site_plan *plan = builder->plan;
    for (size_t i = 0; i < plan->routes.rule_count; i++) {
        put_redirect_rule(builder, plan->routes.rules[i]);
    }
    if (plan->options->spa != NULL) {
        put_spa_rule(builder);
    }
    for (size_t i = 0; i < plan->headers.rule_count; i++) {
        const struct header_rule *rule = &plan->headers.rules[i];
        if (!pattern_is_exact(slice_of_string(rule->pattern)) && is_for_host(plan, rule)) {
            put_fields_rule(builder, rule);
        }
    }
}

bool site_index_is_not_found_page(struct slice path)
{
    static const struct slice name = {"/404.html", 9};
    return path.count >= name.count &&
           memcmp(path.bytes + path.count - name.count, name.bytes, name.count) == 0;
}

static bool is_chosen(const struct site_plan *plan, const bool *chosen, size_t row)
{
    return chosen == NULL || chosen[row] ||
           site_index_is_not_found_page(plan->routes.rows[row].path);
}

int site_index_build_part(const struct site_plan *plan, const struct catalog *catalog,
                          const bool *chosen, const struct index_properties *properties,
                          struct index_image *out_image, struct site_savings *out_savings,
                          struct error *error)
{
    struct builder builder = {.plan = plan, .catalog = catalog, .writer = index_writer_new()};
    const struct routes *routes = &plan->routes;
    for (size_t i = 0; i < routes->count; i++) {
        if (!is_chosen(plan, chosen, i)) {
            continue;
        }
        uint32_t number = put_route(&builder, &routes->rows[i]);
        if (routes->not_found == i + 1 && routes->rows[i].kind == ROUTE_FILE) {
            index_writer_not_found(builder.writer, number);
        }
    }
    index_writer_not_found_depth(builder.writer, routes->not_found_depth);
    put_rules(&builder);
    int status = index_writer_finish(builder.writer, properties, out_image, error);
    index_writer_free(builder.writer);
    if (status == 0 && out_savings != NULL) {
        *out_savings = builder.savings;
    }
    return status;
}

int site_index_build(const struct site_plan *plan, const struct catalog *catalog,
                     const struct index_properties *properties, struct index_image *out_image,
                     struct site_savings *out_savings, struct error *error)
{
    return site_index_build_part(plan, catalog, NULL, properties, out_image, out_savings, error);
}
