#include "server/overlay_base.h"

#include "common/mem.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static bool is_overlay(const struct index *index)
{
    return (index->flags & INDEX_OVERLAY) != 0;
}

/* Is this release of the site's archive directly below it in a stack, and below that all that it is
 * laid over, down to a whole one? Damaged ones are not what they were. */
static bool is_in(const struct site_stack *stack, const struct site *site, uint64_t release)
{
    size_t count = stack == NULL ? 0 : stack->active_count;
    for (size_t i = 0; i < count; i++) {
        const struct site *below = stack->sites[i];
        if (site_is_same_release(below, site)) {
            continue;
        }
        if (below->index->release != release || site_is_damaged(below) ||
            memcmp(below->index->archive_uuid, site->index->archive_uuid, UUID_BYTES) != 0) {
            return false;
        }
        if (!is_overlay(below->index)) {
            return true;
        }
        release--;
    }
    return false;
}

/* The same, wherever it goes. */
static bool is_below(const struct site_list *sites, const struct site *site, uint64_t release)
{
    for (size_t i = 0; i < site->mount.host_count; i++) {
        if (!is_in(site_list_stack_of(sites, slice_of_string(site->mount.hosts[i]),
                                      slice_of_string(site->mount.prefix)),
                   site, release)) {
            return false;
        }
    }
    return true;
}

bool overlay_base_is_there(const struct site_list *sites, const struct site *site)
{
    return !is_overlay(site->index) || is_below(sites, site, site->index->release - 1);
}

bool overlay_base_is_below(const struct site_stack *stack, size_t place)
{
    const struct site *site = stack->sites[place];
    struct site_stack rest = *stack;
    rest.sites += place;
    rest.count -= place;
    rest.active_count -= place;
    return !is_overlay(site->index) || is_in(&rest, site, site->index->release - 1);
}

static bool is_directly_over(const struct site *above, const struct site *site)
{
    return is_overlay(above->index) && above->index->release == site->index->release + 1 &&
           memcmp(above->index->archive_uuid, site->index->archive_uuid, UUID_BYTES) == 0;
}

const struct site *overlay_base_above(const struct site_list *sites, const struct site *site)
{
    for (size_t i = 0; i < sites->host_count; i++) {
        for (size_t j = 0; j < sites->hosts[i].stack_count; j++) {
            const struct site_stack *stack = &sites->hosts[i].stacks[j];
            for (size_t k = 1; k < stack->active_count; k++) {
                if (stack->sites[k] == site && is_directly_over(stack->sites[k - 1], site)) {
                    return stack->sites[k - 1];
                }
            }
        }
    }
    return NULL;
}

static int open_base(const struct site *site, const char *path, struct index **out_index,
                     struct error *error)
{
    struct error detail = {""};
    int status = index_open(path, out_index, &detail);
    if (status != 0) {
        return error_set(error, status, "%s: laid over a release that is not there: %s",
                         site->index_path, detail.text);
    }
    if (memcmp((*out_index)->archive_uuid, site->index->archive_uuid, UUID_BYTES) != 0) {
        return error_set(error, ERR_BINDING,
                         "%s: laid over a release that is not there: %s is of another archive",
                         site->index_path, path);
    }
    return 0;
}

/* What the indexes beside that of the site are called. Not by the archive's path: its mapping may
 * have been opened by another name, with other indexes beside it. */
static int stem_beside(const struct site *site, char **out_stem, struct error *error)
{
    char *path;
    int status = release_archive_path(site->index_path, &path, error);
    if (status == 0) {
        *out_stem = release_stem(path);
        free(path);
    }
    return status;
}

static void add(struct overlay_base *base, char *path)
{
    base->paths = mem_resize(base->paths, base->count + 1, sizeof *base->paths);
    base->paths[base->count++] = path;
}

static void turn_round(struct overlay_base *base)
{
    for (size_t i = 0; i < base->count / 2; i++) {
        char *other = base->paths[i];
        base->paths[i] = base->paths[base->count - 1 - i];
        base->paths[base->count - 1 - i] = other;
    }
}

int overlay_base_find(const struct site_list *sites, const struct site *site,
                      struct overlay_base *out_base, struct error *error)
{
    *out_base = (struct overlay_base){0};
    if (!is_overlay(site->index)) {
        return 0;
    }
    bool is_complete = false;
    char *stem;
    int status = stem_beside(site, &stem, error);
    if (status != 0) {
        return status;
    }
    for (uint64_t release = site->index->release - 1;
         status == 0 && !is_complete && !is_below(sites, site, release); release--) {
        char *path = release_numbered_path(stem, release);
        struct index *index = NULL;
        status = open_base(site, path, &index, error);
        is_complete = status == 0 && !is_overlay(index);
        index_close(index);
        add(out_base, path);
    }
    free(stem);
    turn_round(out_base);
    return status;
}

void overlay_base_fini(struct overlay_base *base)
{
    for (size_t i = 0; i < base->count; i++) {
        free(base->paths[i]);
    }
    free(base->paths);
    *base = (struct overlay_base){0};
}
