/* The list of sites: immutable, newest first, and the rules by which a host's site and a path are
 * looked for in it. Built by the control thread, read by all (publication.h says how it reaches
 * them). */
#ifndef CAIRN_SITE_SITE_LIST_H
#define CAIRN_SITE_SITE_LIST_H

#include "site/site.h"

struct host_meter;

/* The releases that answer for one host below one prefix, newest first; behind them those that were
 * taken back, of which only immutable files still answer. */
struct site_stack {
    struct slice host;       /* as in struct mount */
    struct slice prefix;     /* canonical, "/docs"; empty: the root */
    struct slice prefix_url; /* the same, percent-encoded */
    size_t active_count;     /* at least 1 */
    size_t count;
    struct site **sites; /* borrowed from the list */
    uint64_t state;      /* of what describes the site as it is now: site_state.h */
    struct host_meter
        *meter; /* what counts the host's answers: a layer above; NULL: nothing does */
};

/* What there is for one host. */
struct site_host {
    struct slice name; /* as in struct mount */
    size_t stack_count;
    struct site_stack *stacks; /* the longest prefix first */
    int64_t changed_ms;        /* since when they serve what they serve: site_change.at_ms */
};

/* What else there is to know of a site in a list. */
struct site_standing {
    int64_t superseded_s; /* Unix time since when it is on top nowhere; 0: it is somewhere */
    bool is_retired;      /* taken back */
};

struct site_list {
    uint64_t generation; /* counts the lists of this process, from 1 */
    size_t count;
    struct site **sites; /* all of them, newest first, then the retired; one reference to each */
    struct site_standing *standings; /* of each */
    size_t host_count;
    struct site_host *hosts; /* sorted by name */
    int64_t host_gone_ms;    /* when the last one went for which nothing is left */
    struct site_stack *only; /* set if one stack answers for every host at the root, and no other */
};

/* What answers for a path. */
struct site_match {
    struct site *site;               /* NULL: there is nothing at all, not even a 404 page */
    const struct index_entry *entry; /* a file or redirect; NULL: missing */
    unsigned missing_status;         /* 404, or 410 where a tombstone says so */
    const struct index_entry *not_found_page; /* if missing: of `site`; NULL: there is none */
};

enum { SITE_CHAIN_MAX = HOST_NAME_BYTES_MAX / 2 + 2 }; /* a dot and a byte for each pattern */

/* An empty list of generation 1. */
struct site_list *site_list_new(void);

/* How long releases stay. */
struct site_retention {
    size_t count;   /* of each stack at most; at least 1 */
    int64_t time_s; /* after something else was put on top; 0: no matter how long */
};

/* What the next list differs by; NULL: not by this. */
struct site_change {
    struct site *added;         /* goes on top for each of its hosts; its reference is taken over */
    const struct site *removed; /* of the old list */
    const struct site *retired; /* the same */
    int64_t at_ms;              /* when that is, by the clock that nobody sets */
};

/* A new list, the next generation: the old one with the change, without what is the same release as
 * the added one for the same hosts, and without what exceeds the retention in every stack. */
struct site_list *site_list_next(const struct site_list *old, const struct site_change *change,
                                 const struct site_retention *retention, int64_t now_s);

/* When the first of its releases falls off by time: Unix time; -1: none does. */
int64_t site_list_expiry_s(const struct site_list *list, const struct site_retention *retention);

/* Exactly this host (as in struct mount), or NULL. */
const struct site_host *site_list_host(const struct site_list *list, struct slice host);

/* The stack of exactly this host (as in struct mount) and prefix, or NULL. */
const struct site_stack *site_list_stack_of(const struct site_list *list, struct slice host,
                                            struct slice prefix);

/* Is this release on top already, damaged or not, wherever the site would go? */
bool site_list_has_on_top(const struct site_list *list, const struct site *site);

/* The newest site of an archive that is not aside (struct site), or NULL: a release without a mount
 * of its own goes there. */
const struct site *site_list_of_archive(const struct site_list *list,
                                        const struct archive *archive);

/* Gives back the references and the memory. Takes NULL. */
void site_list_free(struct site_list *list);

/* Are these the same release of the same archive? */
bool site_is_same_release(const struct site *a, const struct site *b);

/* Whose stack answers: of the hosts that match, a name goes before "*.x", the longest of those
 * before the shorter ones and before "*"; of a host's stacks, that with the longest prefix that
 * the canonical path begins with, at a '/'. NULL: none; *out_is_host_known tells whether any host
 * matched. `host` is as in host_name(). */
const struct site_stack *site_list_stack(const struct site_list *list, struct slice host,
                                         struct slice path, bool *out_is_host_known);

/* Where a host's site is looked for, in that order: what there is for the name itself, for the
 * patterns that it matches, the longest first, and for every other host. `host` is as in
 * host_name(), or a name of the list. Returns how many of them there are. */
size_t site_list_chain(const struct site_list *list, struct slice host,
                       const struct site_host *out_hosts[SITE_CHAIN_MAX]);

/* Do the same releases answer below the same prefix, whatever the host? */
bool site_stack_equal(const struct site_stack *a, const struct site_stack *b);

/* How many releases of the stack describe the site as it is now: the newest ones, down to the first
 * snapshot. */
size_t site_stack_visible_count(const struct site_stack *stack);

/* Is one of the releases that describe the site as it is now (down to the first snapshot) damaged?
 */
bool site_stack_is_damaged(const struct site_stack *stack);

/* The site whose mappings hold this address, or NULL. */
struct site *site_list_at_address(const struct site_list *list, const void *address);

/* Looks a canonical path (without the stack's prefix) up, newest site first. Its hash is computed
 * once, whatever the number of sites. An overlay that lacks the path falls through; a tombstone
 * ends the search; so does a snapshot, below which only files marked immutable still answer (an
 * open tab gets the chunks of its release, and a deleted page is gone). */
struct site_match site_stack_find(const struct site_stack *stack, struct slice path);

#endif
