#include "site/site_list.h"

#include "common/mem.h"
#include "common/path.h"
#include "site/site_state.h"

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

/* ---- building ---- */

/* In a list whose hosts are not sorted yet. */
static struct site_host *find_host(const struct site_list *list, struct slice name)
{
    for (size_t i = 0; i < list->host_count; i++) {
        if (slice_equal(list->hosts[i].name, name)) {
            return &list->hosts[i];
        }
    }
    return NULL;
}

static struct site_host *host_of(struct site_list *list, struct slice name)
{
    struct site_host *found = find_host(list, name);
    if (found != NULL) {
        return found;
    }
    list->hosts = mem_resize(list->hosts, list->host_count + 1, sizeof *list->hosts);
    list->hosts[list->host_count] = (struct site_host){.name = name};
    return &list->hosts[list->host_count++];
}

/* Of exactly this prefix. */
static struct site_stack *stack_at(const struct site_host *host, struct slice prefix)
{
    for (size_t i = 0; host != NULL && i < host->stack_count; i++) {
        if (slice_equal(host->stacks[i].prefix, prefix)) {
            return &host->stacks[i];
        }
    }
    return NULL;
}

static struct site_stack *stack_of(struct site_host *host, const struct mount *mount)
{
    struct slice prefix = slice_of_string(mount->prefix);
    struct site_stack *found = stack_at(host, prefix);
    if (found != NULL) {
        return found;
    }
    host->stacks = mem_resize(host->stacks, host->stack_count + 1, sizeof *host->stacks);
    host->stacks[host->stack_count] = (struct site_stack){
        .host = host->name, .prefix = prefix, .prefix_url = slice_of_string(mount->prefix_url)};
    return &host->stacks[host->stack_count++];
}

static bool is_overlay(const struct site *site)
{
    return (site->index->flags & INDEX_OVERLAY) != 0;
}

/* Does the stack end in an overlay, which is nothing without the releases below it? What is retired
 * answers for itself alone. */
static bool lacks_base(const struct site_stack *stack)
{
    return stack->count > 0 && stack->count == stack->active_count &&
           is_overlay(stack->sites[stack->count - 1]);
}

/* Puts a site under those of its hosts that have less than `room` above it, or need it; one that is
 * retired, or has no room, only where there is a newer one. The first site of a host and of a stack
 * is always kept, so that their names, which are its, live as long as they do. */
static bool add_to_stacks(struct site_list *list, struct site *site, bool is_retired, size_t room)
{
    bool is_kept = false;
    for (size_t i = 0; i < site->mount.host_count; i++) {
        struct slice name = slice_of_string(site->mount.hosts[i]);
        if ((is_retired || room == 0) &&
            stack_at(find_host(list, name), slice_of_string(site->mount.prefix)) == NULL) {
            continue;
        }
        struct site_stack *stack = stack_of(host_of(list, name), &site->mount);
        if (stack->count < room || (lacks_base(stack) && !is_retired)) {
            stack->sites = mem_resize(stack->sites, stack->count + 1, sizeof(struct site *));
            stack->sites[stack->count++] = site;
            stack->active_count += !is_retired;
            is_kept = true;
        }
    }
    return is_kept;
}

/* Takes over a reference. */
static void add_site(struct site_list *list, struct site *site, struct site_standing standing,
                     size_t room)
{
    if (add_to_stacks(list, site, standing.is_retired, room)) {
        list->standings[list->count] = standing;
        list->sites[list->count++] = site;
    } else {
        site_unref(site);
    }
}

static int by_name(const void *a, const void *b)
{
    return slice_compare(((const struct site_host *)a)->name, ((const struct site_host *)b)->name);
}

static int by_prefix_length(const void *a, const void *b)
{
    size_t x = ((const struct site_stack *)a)->prefix.count;
    size_t y = ((const struct site_stack *)b)->prefix.count;
    return (y > x) - (y < x);
}

static void finish(struct site_list *list)
{
    if (list->host_count == 0) {
        return;
    }
    qsort(list->hosts, list->host_count, sizeof *list->hosts, by_name);
    for (size_t i = 0; i < list->host_count; i++) {
        qsort(list->hosts[i].stacks, list->hosts[i].stack_count, sizeof *list->hosts[i].stacks,
              by_prefix_length);
    }
    if (list->host_count == 1 && list->hosts[0].name.count == 0 &&
        list->hosts[0].stack_count == 1 && list->hosts[0].stacks[0].prefix.count == 0) {
        list->only = &list->hosts[0].stacks[0];
    }
}

/* Is it the newest of any stack? */
static bool is_on_top(const struct site_list *list, const struct site *site)
{
    for (size_t i = 0; i < list->host_count; i++) {
        for (size_t j = 0; j < list->hosts[i].stack_count; j++) {
            if (list->hosts[i].stacks[j].sites[0] == site) {
                return true;
            }
        }
    }
    return false;
}

/* May site i of the old list stay? */
static bool stays(const struct site_list *old, size_t i, const struct site_change *change)
{
    const struct site *site = old->sites[i];
    const struct site *added = change->added;
    bool is_same = added != NULL && site_is_same_release(site, added) &&
                   mount_equal(&site->mount, &added->mount);
    return site != change->removed && !is_same;
}

/* Below how many others it stays for its own sake. */
static size_t room_for(const struct site_standing *standing, const struct site_retention *retention,
                       int64_t now_s)
{
    bool is_over = retention->time_s > 0 && standing->superseded_s > 0 &&
                   now_s - standing->superseded_s >= retention->time_s;
    return is_over ? 0 : retention->count > 0 ? retention->count : 1;
}

struct site_list *site_list_next(const struct site_list *old, const struct site_change *change,
                                 const struct site_retention *retention, int64_t now_s)
{
    struct site_list *list = mem_zeroed(1, sizeof *list);
    list->generation = old->generation + 1;
    list->sites = mem_zeroed(old->count + 1, sizeof(struct site *));
    list->standings = mem_zeroed(old->count + 1, sizeof *list->standings);
    if (change->added != NULL) {
        const struct site_standing standing = {0};
        add_site(list, change->added, standing, room_for(&standing, retention, now_s));
    }
    for (int pass = 0; pass < 2; pass++) { /* those that are active, then those that are retired */
        for (size_t i = 0; i < old->count; i++) {
            struct site_standing standing = old->standings[i];
            standing.is_retired |= old->sites[i] == change->retired;
            if (standing.is_retired == (pass == 1) && stays(old, i, change)) {
                add_site(list, site_ref(old->sites[i]), standing,
                         room_for(&standing, retention, now_s));
            }
        }
    }
    finish(list);
    for (size_t i = 0; i < list->count; i++) {
        struct site_standing *standing = &list->standings[i];
        bool is_top = is_on_top(list, list->sites[i]);
        standing->superseded_s = is_top                       ? 0
                                 : standing->superseded_s > 0 ? standing->superseded_s
                                                              : now_s;
    }
    site_list_date(list, old, change->at_ms);
    return list;
}

/* Does a newer release need it, so that it stays whatever its time? */
static bool is_base(const struct site_list *list, const struct site *site)
{
    for (size_t i = 0; i < list->host_count; i++) {
        for (size_t j = 0; j < list->hosts[i].stack_count; j++) {
            const struct site_stack *stack = &list->hosts[i].stacks[j];
            for (size_t k = 1; k < stack->active_count; k++) {
                if (stack->sites[k] == site && is_overlay(stack->sites[k - 1])) {
                    return true;
                }
            }
        }
    }
    return false;
}

int64_t site_list_expiry_s(const struct site_list *list, const struct site_retention *retention)
{
    int64_t least = -1;
    for (size_t i = 0; retention->time_s > 0 && i < list->count; i++) {
        int64_t superseded_s = list->standings[i].superseded_s;
        if (superseded_s > 0 && !is_base(list, list->sites[i]) &&
            (least < 0 || superseded_s + retention->time_s < least)) {
            least = superseded_s + retention->time_s;
        }
    }
    return least;
}

void site_list_free(struct site_list *list)
{
    if (list == NULL) {
        return;
    }
    for (size_t i = 0; i < list->host_count; i++) {
        for (size_t j = 0; j < list->hosts[i].stack_count; j++) {
            free(list->hosts[i].stacks[j].sites);
        }
        free(list->hosts[i].stacks);
    }
    for (size_t i = 0; i < list->count; i++) {
        site_unref(list->sites[i]);
    }
    free(list->hosts);
    free(list->standings);
    free(list->sites);
    free(list);
}

const struct site *site_list_of_archive(const struct site_list *list, const struct archive *archive)
{
    for (size_t i = 0; i < list->count; i++) {
        if (!list->sites[i]->is_aside && list->sites[i]->archive->device == archive->device &&
            list->sites[i]->archive->inode == archive->inode) {
            return list->sites[i];
        }
    }
    return NULL;
}

/* ---- hosts and prefixes ---- */

const struct site_host *site_list_host(const struct site_list *list, struct slice name)
{
    const struct site_host key = {.name = name};
    if (list->host_count == 0) {
        return NULL;
    }
    return bsearch(&key, list->hosts, list->host_count, sizeof *list->hosts, by_name);
}

const struct site_stack *site_list_stack_of(const struct site_list *list, struct slice host,
                                            struct slice prefix)
{
    return stack_at(site_list_host(list, host), prefix);
}

static const struct site_stack *find_stack(const struct site_list *list, struct slice name,
                                           struct slice path, bool *is_host_known)
{
    const struct site_host *host = site_list_host(list, name);
    *is_host_known |= host != NULL;
    for (size_t i = 0; host != NULL && i < host->stack_count; i++) {
        if (mount_prefix_covers(host->stacks[i].prefix, path)) {
            return &host->stacks[i];
        }
    }
    return NULL;
}

const struct site_stack *site_list_stack(const struct site_list *list, struct slice host,
                                         struct slice path, bool *out_is_host_known)
{
    *out_is_host_known = false;
    const struct site_stack *stack = NULL;
    if (host.count > 0) {
        stack = find_stack(list, host, path, out_is_host_known);
    }
    for (size_t i = 1; stack == NULL && i < host.count; i++) {
        if (host.bytes[i] == '.') {
            stack = find_stack(list, slice_after(host, i), path, out_is_host_known);
        }
    }
    return stack != NULL ? stack : find_stack(list, SLICE(""), path, out_is_host_known);
}

size_t site_list_chain(const struct site_list *list, struct slice host,
                       const struct site_host *out_hosts[SITE_CHAIN_MAX])
{
    size_t count = 0;
    const struct site_host *found = host.count > 0 ? site_list_host(list, host) : NULL;
    if (found != NULL) {
        out_hosts[count++] = found;
    }
    for (size_t i = 1; i < host.count && count + 1 < SITE_CHAIN_MAX; i++) {
        found = host.bytes[i] == '.' ? site_list_host(list, slice_after(host, i)) : NULL;
        if (found != NULL) {
            out_hosts[count++] = found;
        }
    }
    found = site_list_host(list, SLICE(""));
    if (found != NULL) {
        out_hosts[count++] = found;
    }
    return count;
}

bool site_list_has_on_top(const struct site_list *list, const struct site *site)
{
    for (size_t i = 0; i < site->mount.host_count; i++) {
        const struct site_stack *stack = site_list_stack_of(
            list, slice_of_string(site->mount.hosts[i]), slice_of_string(site->mount.prefix));
        if (stack == NULL || !site_is_same_release(stack->sites[0], site)) {
            return false;
        }
    }
    return true;
}

/* ---- paths ---- */

/* The page at a path as the newest of these sites that has anything there says: NULL if that is no
 * page, such as the tombstone of an overlay. */
static const struct index_entry *page_at(const struct site_stack *stack, size_t visible,
                                         struct slice path, struct site **out_site)
{
    struct hash128 hash = hash128(path.bytes, path.count);
    for (size_t i = 0; i < visible; i++) {
        const struct index_entry *entry = index_find(stack->sites[i]->index, &hash, path);
        if (entry != NULL) {
            *out_site = stack->sites[i];
            return entry->kind == ENTRY_FILE ? entry : NULL;
        }
    }
    return NULL;
}

/* Where the folder above a folder of the path ends: of "/a/b/" 3, of "/a/" 1. */
static size_t folder_above(struct slice path, size_t count)
{
    const char *slash = memrchr(path.bytes, '/', count - 1);
    return slash == NULL ? 0 : (size_t)(slash - path.bytes) + 1;
}

bool site_stack_equal(const struct site_stack *a, const struct site_stack *b)
{
    return slice_equal(a->prefix, b->prefix) && a->active_count == b->active_count &&
           a->count == b->count &&
           memcmp(a->sites, b->sites, a->count * sizeof(struct site *)) == 0;
}

/* A snapshot describes the whole site. */
size_t site_stack_visible_count(const struct site_stack *stack)
{
    size_t count = 0;
    while (count < stack->active_count) {
        if ((stack->sites[count++]->index->flags & INDEX_OVERLAY) == 0) {
            break;
        }
    }
    return count;
}

bool site_stack_is_damaged(const struct site_stack *stack)
{
    size_t visible = site_stack_visible_count(stack);
    for (size_t i = 0; i < visible; i++) {
        if (site_is_damaged(stack->sites[i])) {
            return true;
        }
    }
    return false;
}

struct site *site_list_at_address(const struct site_list *list, const void *address)
{
    for (size_t i = 0; i < list->count; i++) {
        if (site_has_address(list->sites[i], address)) {
            return list->sites[i];
        }
    }
    return NULL;
}

/* The nearest 404.html, walking up from the path; not the one of the root. */
static bool find_nested_page(const struct site_stack *stack, size_t visible, struct slice path,
                             struct site_match *match)
{
    static const char name[] = "404.html";
    uint32_t deepest = 0;
    for (size_t i = 0; i < visible; i++) {
        uint32_t depth = stack->sites[i]->index->not_found_depth;
        deepest = depth > deepest ? depth : deepest;
    }
    size_t depth =
        0; /* of the folder that the path lies in: what an index says may be any number */
    size_t count = 0;
    for (size_t i = 1; i < path.count && deepest > 0; i++) {
        if (path.bytes[i] == '/') {
            depth++;
            count = i + 1;
        }
    }
    char key[PATH_BYTES_MAX];
    for (; depth > 0; depth--, count = folder_above(path, count)) {
        if (depth > deepest || count + sizeof name - 1 > sizeof key) {
            continue;
        }
        memcpy(key, path.bytes, count);
        memcpy(key + count, name, sizeof name - 1);
        match->not_found_page =
            page_at(stack, visible, (struct slice){key, count + sizeof name - 1}, &match->site);
        if (match->not_found_page != NULL) {
            return true;
        }
    }
    return false;
}

/* Does it say that the page of the root is none, or is gone? */
static bool has_no_page(const struct index *index)
{
    static const struct slice path = {"/404.html", 9};
    struct hash128 hash = hash128(path.bytes, path.count);
    return index_find(index, &hash, path) != NULL;
}

static struct site_match missing(const struct site_stack *stack, struct slice path, unsigned status)
{
    struct site_match match = {.missing_status = status};
    size_t visible = site_stack_visible_count(stack);
    if (find_nested_page(stack, visible, path, &match)) {
        return match;
    }
    for (size_t i = 0; i < visible; i++) {
        const struct index *index = stack->sites[i]->index;
        match.site = stack->sites[i];
        if (index->not_found_entry != 0) { /* 1 + position, checked at load */
            match.not_found_page = &index->entries[index->not_found_entry - 1];
            break;
        }
        if (i + 1 < visible && has_no_page(index)) {
            break;
        }
    }
    return match;
}

struct site_match site_stack_find(const struct site_stack *stack, struct slice path)
{
    struct hash128 hash = hash128(path.bytes, path.count);
    bool is_hidden = false; /* a newer snapshot lacks the path */
    for (size_t i = 0; i < stack->count; i++) {
        struct site *site = stack->sites[i];
        is_hidden |= i >= stack->active_count;
        if (is_hidden && (site->index->immutable_count == 0 || site_is_damaged(site))) {
            continue;
        }
        const struct index_entry *entry = index_find(site->index, &hash, path);
        if (entry != NULL && entry->kind == ENTRY_TOMBSTONE) {
            return missing(stack, path, entry->status);
        }
        if (entry != NULL && (!is_hidden || (entry->flags & ENTRY_IMMUTABLE) != 0)) {
            return (struct site_match){.site = site, .entry = entry};
        }
        is_hidden |= (site->index->flags & INDEX_OVERLAY) == 0;
    }
    return missing(stack, path, 404);
}
