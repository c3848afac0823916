#include "packer/release/overlay.h"

#include "common/mem.h"

#include <stdlib.h>

/* ---- equality ---- */

static bool heads_equal(const struct index *a, uint32_t x, const struct index *b, uint32_t y)
{
    struct index_head_text left = index_head(a, x);
    struct index_head_text right = index_head(b, y);
    return slice_equal(left.entity, right.entity) && slice_equal(left.policy, right.policy);
}

static bool forms_equal(const struct index *a, const struct index_representation *x,
                        const struct index *b, const struct index_representation *y)
{
    const uint8_t *left = index_digest(a, x);
    const uint8_t *right = index_digest(b, y);
    return x->stored_bytes == y->stored_bytes && x->codec == y->codec &&
           representation_modified_s(x) == representation_modified_s(y) && left != NULL &&
           right != NULL && memcmp(left, right, DIGEST_BYTES) == 0 &&
           heads_equal(a, x->head, b, y->head);
}

bool entries_equal(const struct index *a, const struct index_entry *x, const struct index *b,
                   const struct index_entry *y)
{
    if (x->kind != y->kind || x->status != y->status || x->flags != y->flags ||
        x->representation_count != y->representation_count) {
        return false;
    }
    if (x->kind == ENTRY_REDIRECT) {
        return slice_equal(index_text(a, x->target.text_at, x->target.bytes),
                           index_text(b, y->target.text_at, y->target.bytes)) &&
               heads_equal(a, x->target.head, b, y->target.head);
    }
    for (unsigned i = 0; i < x->representation_count; i++) {
        if (!forms_equal(a, index_representation(a, x, i), b, index_representation(b, y, i))) {
            return false;
        }
    }
    return true;
}

/* ---- the difference ---- */

/* Entries are put in the order of the hashes of their paths, so that the bytes do not depend on how
 * the difference was found. */
struct difference {
    const struct site_plan *plan;
    const struct index *part; /* what may differ of the new release, and all of its rules */
    const struct layers *layers;
    struct index_writer *writer;
    const struct index_entry **found;
    size_t found_count;
};

static uint32_t copy_head(struct difference *difference, uint32_t row)
{
    struct index_head_text head = index_head(difference->part, row);
    return index_writer_head(difference->writer, head.entity, head.policy);
}

static uint32_t copy_entry(struct difference *difference, const struct index_entry *entry)
{
    const struct index *part = difference->part;
    struct slice path = index_path(part, entry);
    if (entry->kind == ENTRY_TOMBSTONE) {
        return index_writer_tombstone(difference->writer, path, entry->status);
    }
    if (entry->kind == ENTRY_REDIRECT) {
        return index_writer_redirect(difference->writer, path, entry->status, entry->flags,
                                     index_text(part, entry->target.text_at, entry->target.bytes),
                                     copy_head(difference, entry->target.head));
    }
    struct representation_input forms[UINT8_MAX];
    for (unsigned i = 0; i < entry->representation_count; i++) {
        const struct index_representation *form = index_representation(part, entry, i);
        forms[i] = (struct representation_input){
            .payload_offset = form->payload_offset,
            .stored_bytes = form->stored_bytes,
            .modified_s = representation_modified_s(form),
            .codec = (enum codec)form->codec,
            .head = copy_head(difference, form->head),
            .digest = index_digest(part, form),
        };
    }
    return index_writer_file(difference->writer, path, entry->status, entry->flags, forms,
                             entry->representation_count);
}

static int compare_hashes(const void *a, const void *b)
{
    const struct index_entry *const *x = a;
    const struct index_entry *const *y = b;
    return memcmp((*x)->path_hash.bytes, (*y)->path_hash.bytes, HASH128_BYTES);
}

static void sort_found(struct difference *difference)
{
    if (difference->found_count > 0) {
        qsort(difference->found, difference->found_count, sizeof(const struct index_entry *),
              compare_hashes);
    }
}

static void copy_what_differs(struct difference *difference)
{
    const struct index *part = difference->part;
    difference->found = mem_zeroed(part->entry_count, sizeof(const struct index_entry *));
    for (uint32_t i = 0; i < part->entry_count; i++) {
        const struct index_entry *entry = &part->entries[i];
        struct slice path = index_path(part, entry);
        const struct index *index = NULL;
        const struct index_entry *old = layers_find(difference->layers, path, &index);
        if (old == NULL || !entries_equal(part, entry, index, old) ||
            site_index_is_not_found_page(path)) {
            difference->found[difference->found_count++] = entry;
        }
    }
    sort_found(difference);
    for (size_t i = 0; i < difference->found_count; i++) {
        const struct index_entry *entry = difference->found[i];
        uint32_t number = copy_entry(difference, entry);
        if (part->not_found_entry == (uint32_t)(entry - part->entries) + 1) {
            index_writer_not_found(difference->writer, number);
        }
    }
    free(difference->found);
    difference->found = NULL;
    difference->found_count = 0;
}

/* Does the entry answer now, and for a path that the new release does not have? What has a
 * fingerprint in its name stays: pages that are open still ask for it. */
static bool is_gone(const struct difference *difference, const struct index *layer,
                    const struct index_entry *entry)
{
    struct slice path = index_path(layer, entry);
    const struct index *index = NULL;
    return entry->kind != ENTRY_TOMBSTONE && (entry->flags & ENTRY_IMMUTABLE) == 0 &&
           routes_find(&difference->plan->routes, path) == NULL &&
           layers_find(difference->layers, path, &index) == entry;
}

static void put_tombstones(struct difference *difference)
{
    const struct layers *layers = difference->layers;
    for (size_t i = 0; i < layers->count; i++) {
        const struct index *layer = layers->indexes[i];
        difference->found = mem_zeroed(layer->entry_count, sizeof(const struct index_entry *));
        difference->found_count = 0;
        for (uint32_t j = 0; j < layer->entry_count; j++) {
            if (is_gone(difference, layer, &layer->entries[j])) {
                difference->found[difference->found_count++] = &layer->entries[j];
            }
        }
        sort_found(difference);
        for (size_t j = 0; j < difference->found_count; j++) {
            index_writer_tombstone(difference->writer, index_path(layer, difference->found[j]),
                                   404);
        }
        free(difference->found);
        difference->found = NULL;
    }
}

static void copy_rules(struct difference *difference)
{
    const struct index *part = difference->part;
    index_writer_not_found_depth(difference->writer, part->not_found_depth);
    for (uint32_t i = 0; i < part->rule_count; i++) {
        const struct index_rule *rule = &part->rules[i];
        struct rule_input input = {
            .kind = (enum rule_kind)rule->kind,
            .flags = rule->flags,
            .status = rule->status,
            .pattern_flags = rule->pattern_flags,
            .pattern = index_text(part, rule->pattern_at, rule->pattern_bytes),
            .host = index_text(part, rule->host_at, rule->host_bytes),
            .query = index_text(part, rule->query_at, rule->query_bytes),
            .target = index_text(part, rule->target_at, rule->target_bytes),
            .head = rule->kind == RULE_ROUTE && rule->status >= 300 && rule->status < 400
                        ? copy_head(difference, rule->head)
                        : 0,
        };
        index_writer_rule(difference->writer, &input);
    }
}

int overlay_build(const struct site_plan *plan, const struct catalog *catalog,
                  const struct layers *layers, const struct overlay_scope *scope,
                  const struct index_properties *properties, struct index_image *out_image,
                  struct site_savings *out_savings, struct error *error)
{
    struct index_image image = {0};
    struct index part;
    int status =
        site_index_build_part(plan, catalog, scope->routes, properties, &image, out_savings, error);
    if (status == 0) {
        status = index_init(image.bytes, image.count, &part, error);
    }
    if (status == 0) {
        struct difference difference = {
            .plan = plan, .part = &part, .layers = layers, .writer = index_writer_new()};
        copy_what_differs(&difference);
        if (scope->has_gone) {
            put_tombstones(&difference);
        }
        copy_rules(&difference);
        struct index_properties overlay = *properties;
        overlay.flags |= INDEX_OVERLAY;
        status = index_writer_finish(difference.writer, &overlay, out_image, error);
        index_writer_free(difference.writer);
    }
    free(image.bytes);
    return status;
}

int release_index_build(const struct site_plan *plan, const struct catalog *catalog,
                        const char *stem, const struct index_properties *properties,
                        struct index_image *out_image, struct site_savings *out_savings,
                        struct error *error)
{
    if (!plan->options->overlay) {
        return site_index_build(plan, catalog, properties, out_image, out_savings, error);
    }
    struct layers layers;
    const struct overlay_scope everything = {.routes = NULL, .has_gone = true};
    int status =
        layers_init(&layers, stem, properties->release - 1, properties->archive_uuid, error);
    if (status == 0) {
        status = overlay_build(plan, catalog, &layers, &everything, properties, out_image,
                               out_savings, error);
    }
    layers_fini(&layers);
    return status;
}
