#include "site/list_difference.h"

#include "common/mem.h"

#include <stdlib.h>

enum { BEFORE, AFTER, SIDES };

/* A stack that is not what it was. */
struct changed_stack {
    struct slice host;
    struct slice prefix;
    bool is_elsewhere; /* it came or went, so that others answer for what is below it */
};

struct search {
    const struct site_list *lists[SIDES];
    struct changed_stack *stacks;
    size_t stack_count;
    size_t stack_capacity;
    struct slice *prefixes; /* of one host, where something may have changed */
    size_t prefix_count;
    size_t prefix_capacity;
    struct list_difference *difference;
    size_t change_capacity;
    size_t hole_capacity;
};

/* ---- the stacks ---- */

static void note_stack(struct search *search, const struct site_stack *stack, bool is_elsewhere)
{
    if (search->stack_count == search->stack_capacity) {
        search->stack_capacity = mem_capacity(search->stack_capacity, search->stack_count + 1);
        search->stacks = mem_resize(search->stacks, search->stack_capacity, sizeof *search->stacks);
    }
    search->stacks[search->stack_count++] =
        (struct changed_stack){stack->host, stack->prefix, is_elsewhere};
}

static void find_stacks(struct search *search, int side)
{
    const struct site_list *list = search->lists[side];
    for (size_t i = 0; i < list->host_count; i++) {
        for (size_t j = 0; j < list->hosts[i].stack_count; j++) {
            const struct site_stack *stack = &list->hosts[i].stacks[j];
            const struct site_stack *other =
                site_list_stack_of(search->lists[1 - side], stack->host, stack->prefix);
            struct site_view view = {.stack = stack};
            struct site_view other_view = {.stack = other};
            if (other == NULL) {
                note_stack(search, stack, true);
            } else if (side == AFTER && !site_view_equal(view, other_view)) {
                note_stack(search, stack, false);
            }
        }
    }
}

/* ---- the hosts ---- */

static void find_hosts(struct search *search)
{
    struct list_difference *difference = search->difference;
    size_t most = search->lists[BEFORE]->host_count + search->lists[AFTER]->host_count;
    difference->hosts = mem_zeroed(most, sizeof *difference->hosts);
    size_t count = 0;
    for (int side = BEFORE; side < SIDES; side++) {
        for (size_t i = 0; i < search->lists[side]->host_count; i++) {
            difference->hosts[count++] = search->lists[side]->hosts[i].name;
        }
    }
    qsort(difference->hosts, count, sizeof *difference->hosts, slice_order);
    for (size_t i = 0; i < count; i++) {
        if (i == 0 || slice_order(&difference->hosts[i - 1], &difference->hosts[i]) != 0) {
            difference->hosts[difference->host_count++] = difference->hosts[i];
        }
    }
}

/* Is a stack of this pattern asked for the host, if no other answers before it? */
static bool is_in_chain(struct slice pattern, struct slice host)
{
    bool is_wide = pattern.count == 0 || pattern.bytes[0] == '.';
    return slice_equal(pattern, host) ||
           (is_wide && host.count > pattern.count &&
            slice_equal(slice_after(host, host.count - pattern.count), pattern));
}

/* ---- the regions ---- */

static bool is_below(struct slice path, struct slice prefix)
{
    return path.count > prefix.count && slice_starts_with(path, prefix) &&
           path.bytes[prefix.count] == '/';
}

static struct site_view view_at(const struct search *search, int side, struct slice host,
                                struct slice prefix)
{
    bool is_known;
    const struct site_stack *stack = site_list_stack(search->lists[side], host, prefix, &is_known);
    return (struct site_view){
        .stack = stack,
        .base = stack == NULL ? SLICE("") : slice_after(prefix, stack->prefix.count),
    };
}

/* Does a stack that answers begin there, on either side? Between such prefixes nothing changes
 * hands.
 */
static bool is_border(const struct search *search, struct slice host, struct slice prefix)
{
    for (int side = BEFORE; side < SIDES; side++) {
        struct site_view view = view_at(search, side, host, prefix);
        if (view.stack != NULL && view.base.count == 0) {
            return true;
        }
    }
    return false;
}

static void add_prefix(struct search *search, struct slice prefix)
{
    for (size_t i = 0; i < search->prefix_count; i++) {
        if (slice_equal(search->prefixes[i], prefix)) {
            return;
        }
    }
    if (search->prefix_count == search->prefix_capacity) {
        search->prefix_capacity = mem_capacity(search->prefix_capacity, search->prefix_count + 1);
        search->prefixes =
            mem_resize(search->prefixes, search->prefix_capacity, sizeof *search->prefixes);
    }
    search->prefixes[search->prefix_count++] = prefix;
}

/* The prefixes of stacks below one, as the host sees them on both sides. */
static void add_prefixes_below(struct search *search, struct slice host, struct slice prefix)
{
    const struct site_host *chain[SITE_CHAIN_MAX];
    for (int side = BEFORE; side < SIDES; side++) {
        size_t count = site_list_chain(search->lists[side], host, chain);
        for (size_t i = 0; i < count; i++) {
            for (size_t j = 0; j < chain[i]->stack_count; j++) {
                struct slice other = chain[i]->stacks[j].prefix;
                if (is_below(other, prefix) && is_border(search, host, other)) {
                    add_prefix(search, other);
                }
            }
        }
    }
}

/* What is below the region and another's: holes follow each other in one array, which may move. */
static size_t add_holes(struct search *search, struct slice host, struct slice prefix)
{
    struct list_difference *difference = search->difference;
    search->prefix_count = 0;
    add_prefixes_below(search, host, prefix);
    size_t needed = difference->hole_count + search->prefix_count;
    if (needed > search->hole_capacity) {
        search->hole_capacity = mem_capacity(search->hole_capacity, needed);
        difference->holes =
            mem_resize(difference->holes, search->hole_capacity, sizeof *difference->holes);
    }
    for (size_t i = 0; i < search->prefix_count; i++) {
        difference->holes[difference->hole_count++] = search->prefixes[i];
    }
    return search->prefix_count;
}

static void add_change(struct search *search, struct slice host, struct slice prefix)
{
    struct list_difference *difference = search->difference;
    const struct region_change change = {
        .host = host,
        .region = {.prefix = prefix},
        .before = view_at(search, BEFORE, host, prefix),
        .after = view_at(search, AFTER, host, prefix),
    };
    if (!is_border(search, host, prefix) || site_view_equal(change.before, change.after)) {
        return;
    }
    if (difference->change_count == search->change_capacity) {
        search->change_capacity =
            mem_capacity(search->change_capacity, difference->change_count + 1);
        difference->changes =
            mem_resize(difference->changes, search->change_capacity, sizeof *difference->changes);
    }
    difference->changes[difference->change_count++] = change;
}

static void find_changes(struct search *search, struct slice host)
{
    struct list_difference *difference = search->difference;
    size_t first = difference->change_count;
    search->prefix_count = 0;
    for (size_t i = 0; i < search->stack_count; i++) {
        const struct changed_stack *stack = &search->stacks[i];
        if (!is_in_chain(stack->host, host)) {
            continue;
        }
        add_prefix(search, stack->prefix);
        if (stack->is_elsewhere) {
            add_prefixes_below(search, host, stack->prefix);
        }
    }
    for (size_t i = 0; i < search->prefix_count; i++) {
        add_change(search, host, search->prefixes[i]);
    }
    for (size_t i = first; i < difference->change_count; i++) {
        struct site_region *region = &difference->changes[i].region;
        region->hole_count = add_holes(search, host, region->prefix);
    }
}

void list_difference_init(struct list_difference *difference, const struct site_list *before,
                          const struct site_list *after)
{
    *difference = (struct list_difference){.hosts = NULL};
    struct search search = {.lists = {before, after}, .difference = difference};
    find_stacks(&search, BEFORE);
    find_stacks(&search, AFTER);
    find_hosts(&search);
    for (size_t i = 0; i < difference->host_count; i++) {
        find_changes(&search, difference->hosts[i]);
    }
    size_t hole = 0;
    for (size_t i = 0; i < difference->change_count; i++) {
        difference->changes[i].region.holes = difference->holes + hole;
        hole += difference->changes[i].region.hole_count;
    }
    free(search.stacks);
    free(search.prefixes);
}

void list_difference_fini(struct list_difference *difference)
{
    free(difference->hosts);
    free(difference->changes);
    free(difference->holes);
    *difference = (struct list_difference){.hosts = NULL};
}
