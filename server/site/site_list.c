#include "site/site_list.h"

#include "common/mem.h"
#include "common/path.h"

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

static const struct index_entry *page_at(const struct index *index, struct slice path)
{
    struct hash128 hash = hash128(path.bytes, path.count);
    const struct index_entry *entry = index_find(index, &hash, path);
    return entry != NULL && entry->kind == ENTRY_FILE ? entry : NULL;
}

/* The length of the folder that is `depth` slashes below the root: "/a/" of "/a/b" is 1. */
static size_t folder_bytes(struct slice path, uint32_t depth)
{
    size_t count = 0;
    uint32_t seen = 0;
    for (size_t i = 1; i < path.count && seen < depth; i++) {
        if (path.bytes[i] == '/') {
            seen++;
            count = i + 1;
        }
    }
    return seen == depth ? count : 0;
}

/* The sites that may name the page: the newest ones down to the first snapshot, which describes the
 * whole site. */
static size_t visible_count(const struct site_list *list)
{
    size_t count = 0;
    while (count < list->count) {
        if ((list->sites[count++]->index->flags & INDEX_OVERLAY) == 0) {
            break;
        }
    }
    return count;
}

/* The nearest 404.html, walking up from the path; not the one of the root. */
static bool find_nested_page(const struct site_list *list, size_t visible, struct slice path,
                             struct site_match *match)
{
    static const char name[] = "404.html";
    uint32_t deepest = 0;
    for (size_t i = 0; i < visible; i++) {
        uint32_t depth = list->sites[i]->index->not_found_depth;
        deepest = depth > deepest ? depth : deepest;
    }
    char key[PATH_BYTES_MAX];
    for (uint32_t depth = deepest; depth > 0; depth--) {
        size_t count = folder_bytes(path, depth);
        if (count == 0 || count + sizeof name - 1 > sizeof key) {
            continue;
        }
        memcpy(key, path.bytes, count);
        memcpy(key + count, name, sizeof name - 1);
        for (size_t i = 0; i < visible; i++) {
            match->site = list->sites[i];
            match->not_found_page =
                page_at(match->site->index, (struct slice){key, count + sizeof name - 1});
            if (match->not_found_page != NULL) {
                return true;
            }
        }
    }
    return false;
}

static struct site_match missing(const struct site_list *list, struct slice path, unsigned status)
{
    struct site_match match = {.missing_status = status};
    size_t visible = visible_count(list);
    if (find_nested_page(list, visible, path, &match)) {
        return match;
    }
    for (size_t i = 0; i < visible && match.not_found_page == NULL; i++) {
        const struct index *index = list->sites[i]->index;
        match.site = list->sites[i];
        if (index->not_found_entry != 0) { /* 1 + position, checked at load */
            match.not_found_page = &index->entries[index->not_found_entry - 1];
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
            return missing(list, path, entry->status);
        }
        if (entry != NULL && (!is_hidden || (entry->flags & ENTRY_IMMUTABLE) != 0)) {
            return (struct site_match){.site = site, .entry = entry};
        }
        is_hidden |= (site->index->flags & INDEX_OVERLAY) == 0;
    }
    return missing(list, path, 404);
}
