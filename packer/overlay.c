#include "packer/overlay.h"

#include "common/mem.h"
#include "common/release.h"

#include <inttypes.h>
#include <stdlib.h>

/* ---- what is there already ---- */

struct layers {
    struct index **indexes; /* newest first; the last one is whole */
    size_t count;
    size_t capacity;
};

static void layers_fini(struct layers *layers)
{
    for (size_t i = 0; i < layers->count; i++) {
        index_close(layers->indexes[i]);
    }
    free(layers->indexes);
}

static int layers_init(struct layers *layers, const char *stem,
                       const struct index_properties *properties, struct error *error)
{
    *layers = (struct layers){0};
    for (uint64_t release = properties->release - 1; release > 0; release--) {
        char *path = release_numbered_path(stem, release);
        struct index *index = NULL;
        int status = index_open(path, &index, error);
        free(path);
        if (status != 0) {
            return status;
        }
        if (layers->count == layers->capacity) {
            layers->capacity = mem_capacity(layers->capacity, layers->count + 1);
            layers->indexes = mem_resize(layers->indexes, layers->capacity, sizeof(struct index *));
        }
        layers->indexes[layers->count++] = index;
        if (memcmp(index->archive_uuid, properties->archive_uuid, UUID_BYTES) != 0) {
            return error_set(error, ERR_BINDING,
                             "%s.%06" PRIu64 ".idx: not an index of this archive", stem, release);
        }
        if ((index->flags & INDEX_OVERLAY) == 0) {
            return 0;
        }
    }
    return error_set(error, ERR_EMPTY, "there is no whole release to lay this one over");
}

/* The entry that answers now, and its index. NULL: none. */
static const struct index_entry *layers_find(const struct layers *layers, struct slice path,
                                             const struct index **out_index)
{
    struct hash128 hash = hash128(path.bytes, path.count);
    for (size_t i = 0; i < layers->count; i++) {
        const struct index_entry *entry = index_find(layers->indexes[i], &hash, path);
        if (entry != NULL) {
            *out_index = layers->indexes[i];
            return entry;
        }
    }
    return NULL;
}

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

struct difference {
    const struct index *whole; /* all of the new release */
    struct layers layers;
    struct index_writer *writer;
};

static uint32_t copy_head(struct difference *difference, uint32_t row)
{
    struct index_head_text head = index_head(difference->whole, row);
    return index_writer_head(difference->writer, head.entity, head.policy);
}

static uint32_t copy_entry(struct difference *difference, const struct index_entry *entry)
{
    const struct index *whole = difference->whole;
    struct slice path = index_path(whole, entry);
    if (entry->kind == ENTRY_TOMBSTONE) {
        return index_writer_tombstone(difference->writer, path, entry->status);
    }
    if (entry->kind == ENTRY_REDIRECT) {
        return index_writer_redirect(difference->writer, path, entry->status, entry->flags,
                                     index_text(whole, entry->target.text_at, entry->target.bytes),
                                     copy_head(difference, entry->target.head));
    }
    struct representation_input forms[UINT8_MAX];
    for (unsigned i = 0; i < entry->representation_count; i++) {
        const struct index_representation *form = index_representation(whole, entry, i);
        forms[i] = (struct representation_input){
            .payload_offset = form->payload_offset,
            .stored_bytes = form->stored_bytes,
            .modified_s = representation_modified_s(form),
            .codec = (enum codec)form->codec,
            .head = copy_head(difference, form->head),
            .digest = index_digest(whole, form),
        };
    }
    return index_writer_file(difference->writer, path, entry->status, entry->flags, forms,
                             entry->representation_count);
}

/* Pages for missing paths are always there: which one answers depends on the newest release. */
static bool is_not_found_page(struct slice path)
{
    static const struct slice name = {"/404.html", 9};
    return path.count >= name.count &&
           memcmp(path.bytes + path.count - name.count, name.bytes, name.count) == 0;
}

static void copy_what_differs(struct difference *difference)
{
    const struct index *whole = difference->whole;
    for (uint32_t i = 0; i < whole->entry_count; i++) {
        const struct index_entry *entry = &whole->entries[i];
        struct slice path = index_path(whole, entry);
        const struct index *index = NULL;
        const struct index_entry *old = layers_find(&difference->layers, path, &index);
        if (old != NULL && entries_equal(whole, entry, index, old) && !is_not_found_page(path)) {
            continue;
        }
        uint32_t number = copy_entry(difference, entry);
        if (whole->not_found_entry == i + 1) {
            index_writer_not_found(difference->writer, number);
        }
    }
}

/* What answers now and is not part of the new release. What has a fingerprint in its name stays:
 * pages that are open still ask for it. */
static void put_tombstones(struct difference *difference)
{
    for (size_t i = 0; i < difference->layers.count; i++) {
        const struct index *layer = difference->layers.indexes[i];
        for (uint32_t j = 0; j < layer->entry_count; j++) {
            const struct index_entry *entry = &layer->entries[j];
            struct slice path = index_path(layer, entry);
            const struct index *index = NULL;
            if (entry->kind != ENTRY_TOMBSTONE && (entry->flags & ENTRY_IMMUTABLE) == 0 &&
                layers_find(&difference->layers, path, &index) == entry &&
                index_find(difference->whole, &entry->path_hash, path) == NULL) {
                index_writer_tombstone(difference->writer, path, 404);
            }
        }
    }
}

static void copy_rules(struct difference *difference)
{
    const struct index *whole = difference->whole;
    index_writer_not_found_depth(difference->writer, whole->not_found_depth);
    for (uint32_t i = 0; i < whole->rule_count; i++) {
        const struct index_rule *rule = &whole->rules[i];
        struct rule_input input = {
            .kind = (enum rule_kind)rule->kind,
            .flags = rule->flags,
            .status = rule->status,
            .pattern_flags = rule->pattern_flags,
            .pattern = index_text(whole, rule->pattern_at, rule->pattern_bytes),
            .host = index_text(whole, rule->host_at, rule->host_bytes),
            .query = index_text(whole, rule->query_at, rule->query_bytes),
            .target = index_text(whole, rule->target_at, rule->target_bytes),
            .head = rule->kind == RULE_ROUTE && rule->status >= 300 && rule->status < 400
                        ? copy_head(difference, rule->head)
                        : 0,
        };
        index_writer_rule(difference->writer, &input);
    }
}

static int build_difference(const struct index *whole, const char *stem,
                            const struct index_properties *properties,
                            struct index_image *out_image, struct error *error)
{
    struct difference difference = {.whole = whole, .writer = index_writer_new()};
    int status = layers_init(&difference.layers, stem, properties, error);
    if (status == 0) {
        copy_what_differs(&difference);
        put_tombstones(&difference);
        copy_rules(&difference);
        struct index_properties overlay = *properties;
        overlay.flags |= INDEX_OVERLAY;
        status = index_writer_finish(difference.writer, &overlay, out_image, error);
    }
    index_writer_free(difference.writer);
    layers_fini(&difference.layers);
    return status;
}

int release_index_build(const struct site_plan *plan, const struct catalog *catalog,
                        const char *stem, const struct index_properties *properties,
                        struct index_image *out_image, struct site_savings *out_savings,
                        struct error *error)
{
    struct index_image whole = {0};
    int status = site_index_build(plan, catalog, properties, &whole, out_savings, error);
    if (status != 0 || !plan->options->overlay) {
        *out_image = whole;
        return status;
    }
    struct index index;
    status = index_init(whole.bytes, whole.count, &index, error);
    if (status == 0) {
        status = build_difference(&index, stem, properties, out_image, error);
    }
    free(whole.bytes);
    return status;
}
