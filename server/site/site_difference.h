/* What a browser would get otherwise: for which paths two stacks of releases give different
 * answers. One thread, which reads the mappings of both; sites that are cut meanwhile are put out
 * of use. */
#ifndef CAIRN_SITE_SITE_DIFFERENCE_H
#define CAIRN_SITE_SITE_DIFFERENCE_H

#include "site/site_list.h"

/* A part of a host's paths, that below a prefix, as a stack answers for it: the stack's own prefix
 * may be shorter. */
struct site_view {
    const struct site_stack *stack; /* NULL: nothing answers */
    struct slice base;              /* what the prefix has more than the stack's: "/docs", or "" */
};

/* The part, and what is left out of it. */
struct site_region {
    struct slice prefix;       /* canonical, "/docs"; empty: the root */
    const struct slice *holes; /* prefixes below it that others answer for */
    size_t hole_count;
};

enum site_change_kind { SITE_CHANGED, SITE_ADDED, SITE_REMOVED, SITE_CHANGE_KINDS };

struct site_difference {
    uint64_t counts[SITE_CHANGE_KINDS]; /* of paths */
    /* There is more than `paths` has: they did not fit, or rules or the page for missing paths
     * differ, which may concern any path, or files were not readable. */
    bool is_partial;
    char *paths; /* each: a byte, '0' + its kind, the path of its URL, a NUL */
    size_t path_bytes;
    size_t path_bytes_max;
};

/* Paths that take more than `path_bytes_max` are counted, and left out. */
void site_difference_init(struct site_difference *difference, size_t path_bytes_max);
void site_difference_fini(struct site_difference *difference);

/* Compares the view before with that after. A path counts as changed where its bytes, its field
 * lines, its status or the target of its redirect differ; not where only Last-Modified or the coded
 * forms do. What takes time follows the number of entries of the releases that came or went. */
void site_difference_find(struct site_difference *difference, const struct site_region *region,
                          struct site_view before, struct site_view after);

/* Would site_difference_find() find nothing, because it is the same releases that answer? */
bool site_view_equal(struct site_view a, struct site_view b);

static inline bool site_difference_is_empty(const struct site_difference *difference)
{
    return !difference->is_partial && difference->counts[SITE_CHANGED] == 0 &&
           difference->counts[SITE_ADDED] == 0 && difference->counts[SITE_REMOVED] == 0;
}

#endif
