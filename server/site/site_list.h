/* The list of sites: an immutable array, newest first, and the rule by which a path is looked for
 * in it. Built by the control thread, read by all (publication.h says how it reaches them). */
#ifndef CAIRN_SITE_SITE_LIST_H
#define CAIRN_SITE_SITE_LIST_H

#include "site/site.h"

struct site_list {
    uint64_t generation; /* counts the lists of this process, from 1 */
    size_t count;
    struct site *sites[]; /* newest first; one reference to each */
};

/* What answers for a path. */
struct site_match {
    struct site *site;               /* NULL: there is nothing at all, not even a 404 page */
    const struct index_entry *entry; /* a file or redirect; NULL: missing */
    unsigned missing_status;         /* 404, or 410 where a tombstone says so */
    const struct index_entry *not_found_page; /* if missing: of `site`; NULL: there is none */
};

/* An empty list of generation 1. */
struct site_list *site_list_new(void);

/* A new list, the next generation: `site` (whose reference it takes over) on top of `old`, without
 * what is the same release as `site` further down, and without what exceeds `retain` releases. */
struct site_list *site_list_with(const struct site_list *old, struct site *site, size_t retain);

/* Gives back the references and the memory. Takes NULL. */
void site_list_free(struct site_list *list);

/* Are these the same release of the same archive? */
bool site_is_same_release(const struct site *a, const struct site *b);

/* Looks a canonical path up, newest site first. Its hash is computed once, whatever the number of
 * sites. An overlay that lacks the path falls through; a tombstone ends the search; so does a
 * snapshot, below which only files marked immutable still answer (an open tab gets the chunks of
 * its release, and a deleted page is gone). */
struct site_match site_list_find(const struct site_list *list, struct slice path);

#endif
