/* What an overlay is laid over: it says nothing of the paths that it lacks, so the releases before
 * it, down to the first whole one, have to be below it. A server that has only just started, or
 * that was never told of them, finds their indexes beside its own. Control thread. */
#ifndef CAIRN_SERVER_OVERLAY_BASE_H
#define CAIRN_SERVER_OVERLAY_BASE_H

#include "site/site_list.h"

struct overlay_base {
    char **paths; /* of indexes to be loaded before it, the oldest first; owned, as the array is */
    size_t count;
};

/* Is all that a release is laid over below it, undamaged, wherever it goes? Of a whole one nothing
 * has to be. */
bool overlay_base_is_there(const struct site_list *sites, const struct site *site);

/* The same of one that may be the newest of its stack, or not: below its place there. */
bool overlay_base_is_below(const struct site_stack *stack, size_t place);

/* An overlay that is laid directly over this release somewhere, and not taken back; NULL: there is
 * none. */
const struct site *overlay_base_above(const struct site_list *sites, const struct site *site);

/* What has to be loaded so that this one, which is in no list yet, stands where it belongs: nothing
 * if it is whole, or if they are below it wherever it goes. An index that is not
 * there, or not readable, is an error that names it. overlay_base_fini() in any case. */
int overlay_base_find(const struct site_list *sites, const struct site *site,
                      struct overlay_base *out_base, struct error *error) CAIRN_MUST_CHECK;

void overlay_base_fini(struct overlay_base *base);

#endif
