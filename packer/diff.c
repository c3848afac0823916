#include "packer/diff.h"

#include "common/json_writer.h"
#include "common/opened_release.h"
#include "packer/release/overlay.h"

#include <inttypes.h>
#include <stdlib.h>

enum change { ADDED, REMOVED, CHANGED, CHANGE_COUNT };

static const char *const change_names[] = {"added", "removed", "changed"};

struct totals {
    uint64_t count[CHANGE_COUNT];
    uint64_t bytes[CHANGE_COUNT]; /* of the new files; of removed ones, the old */
};

struct output {
    FILE *out;
    struct json_writer *json; /* NULL: text */
    struct totals totals;
};

static uint64_t bytes_of(const struct index_entry *entry)
{
    return entry != NULL && entry->kind == ENTRY_FILE ? entry->first.stored_bytes : 0;
}

static void put_bytes(struct json_writer *json, const char *key, const struct index_entry *entry)
{
    if (entry != NULL) {
        json_key(json, key);
        json_u64(json, bytes_of(entry));
    }
}

static void put_change(struct output *output, enum change change, struct slice path,
                       const struct index_entry *old, const struct index_entry *new)
{
    output->totals.count[change]++;
    output->totals.bytes[change] += bytes_of(change == REMOVED ? old : new);
    if (output->json == NULL) {
        static const char marks[] = "+-~";
        fprintf(output->out, "%c %12" PRIu64 " %12" PRIu64 "  %.*s\n", marks[change], bytes_of(old),
                bytes_of(new), (int)path.count, path.bytes);
        return;
    }
    json_begin_object(output->json);
    json_key(output->json, "path");
    json_string(output->json, path);
    json_key(output->json, "change");
    json_string(output->json, slice_of_string(change_names[change]));
    put_bytes(output->json, "old_bytes", old);
    put_bytes(output->json, "new_bytes", new);
    json_end_object(output->json);
}

/* What a tombstone says is that there is nothing. */
static const struct index_entry *real(const struct index_entry *entry)
{
    return entry->kind == ENTRY_TOMBSTONE ? NULL : entry;
}

static void compare(struct output *output, const struct index *old_index,
                    const struct index_entry *old, const struct index *new_index,
                    const struct index_entry *new, struct slice path)
{
    if (old == NULL && new != NULL) {
        put_change(output, ADDED, path, NULL, new);
    } else if (old != NULL && new == NULL) {
        put_change(output, REMOVED, path, old, NULL);
    } else if (old != NULL && !entries_equal(old_index, old, new_index, new)) {
        put_change(output, CHANGED, path, old, new);
    }
}

static void merge(struct output *output, const struct index *old_index,
                  const struct index *new_index)
{
    struct entry_row *old = sorted_entries(old_index);
    struct entry_row *new = sorted_entries(new_index);
    bool is_overlay = (new_index->flags & INDEX_OVERLAY) != 0;
    uint32_t i = 0;
    uint32_t j = 0;
    while (i < old_index->entry_count || j < new_index->entry_count) {
        int order = i == old_index->entry_count   ? 1
                    : j == new_index->entry_count ? -1
                                                  : slice_compare(old[i].path, new[j].path);
        if (order < 0) {
            if (!is_overlay) {
                compare(output, old_index, real(old[i].entry), new_index, NULL, old[i].path);
            }
            i++;
        } else if (order > 0) {
            compare(output, old_index, NULL, new_index, real(new[j].entry), new[j].path);
            j++;
        } else {
            compare(output, old_index, real(old[i].entry), new_index, real(new[j].entry),
                    old[i].path);
            i++;
            j++;
        }
    }
    free(old);
    free(new);
}

static void print_text(struct output *output, const struct index *old, const struct index *new)
{
    merge(output, old, new);
    fprintf(output->out,
            "release %" PRIu64 " to %" PRIu64 ": %" PRIu64 " added (%" PRIu64 " bytes), %" PRIu64
            " changed (%" PRIu64 " bytes), %" PRIu64 " removed (%" PRIu64 " bytes)\n",
            old->release, new->release, output->totals.count[ADDED], output->totals.bytes[ADDED],
            output->totals.count[CHANGED], output->totals.bytes[CHANGED],
            output->totals.count[REMOVED], output->totals.bytes[REMOVED]);
}

static void print_json(struct output *output, const struct index *old, const struct index *new)
{
    struct json_writer json = json_writer(output->out);
    output->json = &json;
    json_begin_object(&json);
    json_key(&json, "old_release");
    json_u64(&json, old->release);
    json_key(&json, "new_release");
    json_u64(&json, new->release);
    json_key(&json, "paths");
    json_begin_array(&json, true);
    merge(output, old, new);
    json_end_array(&json);
    for (int change = 0; change < CHANGE_COUNT; change++) {
        json_key(&json, change_names[change]);
        json_begin_object(&json);
        json_key(&json, "paths");
        json_u64(&json, output->totals.count[change]);
        json_key(&json, "bytes");
        json_u64(&json, output->totals.bytes[change]);
        json_end_object(&json);
    }
    json_end_object(&json);
    json_end(&json);
    output->json = NULL;
}

int diff_releases(const char *old_path, const char *new_path, bool as_json, FILE *out,
                  struct error *error)
{
    struct opened_release old;
    struct opened_release new;
    int status = opened_release_init(&old, old_path, error);
    if (status != 0) {
        return status;
    }
    status = opened_release_init(&new, new_path, error);
    if (status == 0) {
        struct output output = {.out = out};
        if (as_json) {
            print_json(&output, old.index, new.index);
        } else {
            print_text(&output, old.index, new.index);
        }
        opened_release_fini(&new);
    }
    opened_release_fini(&old);
    return status;
}
