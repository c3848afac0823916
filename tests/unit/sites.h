/* Loaded sites in memory, made from words, in a list to which one is added after the other. */
#ifndef CAIRN_TESTS_SITES_H
#define CAIRN_TESTS_SITES_H

#include "site/site_list.h"

struct sites {
    struct undertaker undertaker;
    struct site_list *list;
    uint64_t last_release;
};

void sites_init(struct sites *sites);
void sites_fini(struct sites *sites);

/* "S" for a snapshot or "O" for an overlay, then its entries (samples.h). A colon and a digit
 * behind one say which bytes it has (0 without); a letter behind that: 'h' other field lines, 't'
 * another time, 'o' other bytes elsewhere in the archive that are the same. The site is the
 * caller's. */
struct site *sites_make(struct sites *sites, const char *words, const char *hosts,
                        const char *prefix);

/* Makes the change, at this time, and returns the list before it, which is the caller's. */
struct site_list *sites_change(struct sites *sites, struct site_change change, size_t retain,
                               int64_t at_ms);

/* Puts one on top, at time 0. */
void sites_add(struct sites *sites, const char *words, const char *hosts, const char *prefix);

/* The newest site that is loaded from the release of this number, counted from 1 as they were made.
 */
struct site *sites_release(const struct sites *sites, uint64_t release);

#endif
