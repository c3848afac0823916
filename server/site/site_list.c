#include "site/site_list.h"

#include "common/mem.h"

#include <stdlib.h>

struct site_list *site_list_new(void)
{
    struct site_list *list = mem_zeroed(1, sizeof *list);
    list->generation = 1;
    return list;
}

bool site_is_same_release(const struct site *a, const struct site *b)
{
    return memcmp(a->index->checksum.bytes, b->index->checksum.bytes, HASH128_BYTES) == 0 &&
           a->archive->device == b->archive->device && a->archive->inode == b->archive->inode;
}

struct site_list *site_list_with(const struct site_list *old, struct site *site, size_t retain)
{
    struct site_list *list = mem_zeroed(1, sizeof *list + (old->count + 1) * sizeof(struct site *));
    list->generation = old->generation + 1;
    list->sites[list->count++] = site;
    for (size_t i = 0; i < old->count && list->count < retain; i++) {
        if (!site_is_same_release(old->sites[i], site)) {
            list->sites[list->count++] = site_ref(old->sites[i]);
        }
    }
    return list;
}

void site_list_free(struct site_list *list)
{
    if (list != NULL) {
        for (size_t i = 0; i < list->count; i++) {
            site_unref(list->sites[i]);
        }
        free(list);
    }
}

static const struct index_entry *not_found_page(const struct index *index)
{
    uint32_t entry = index->not_found_entry; /* 1 + position, checked at load */
    return entry == 0 ? NULL : &index->entries[entry - 1];
}

/* The page for missing paths is that of the newest site which has one, no older than the newest
 * snapshot: that one describes the whole site. */
static struct site_match missing(const struct site_list *list, unsigned status)
{
    struct site_match match = {.missing_status = status};
    for (size_t i = 0; i < list->count; i++) {
        const struct index *index = list->sites[i]->index;
        match.site = list->sites[i];
        match.not_found_page = not_found_page(index);
        if (match.not_found_page != NULL || (index->flags & INDEX_OVERLAY) == 0) {
            break;
        }
    }
    return match;
}

struct site_match site_list_find(const struct site_list *list, struct slice path)
{
    struct hash128 hash = hash128(path.bytes, path.count);
    bool is_hidden = false; /* a newer snapshot lacks the path */
    for (size_t i = 0; i < list->count; i++) {
        struct site *site = list->sites[i];
        if (is_hidden && site->index->immutable_count == 0) {
            continue;
        }
        const struct index_entry *entry = index_find(site->index, &hash, path);
        if (entry != NULL && entry->kind == ENTRY_TOMBSTONE) {
            return missing(list, entry->status);
        }
        if (entry != NULL && (!is_hidden || (entry->flags & ENTRY_IMMUTABLE) != 0)) {
            return (struct site_match){.site = site, .entry = entry};
        }
        is_hidden |= (site->index->flags & INDEX_OVERLAY) == 0;
    }
    return missing(list, 404);
}
