/* Every path that a release answers, and what with: files, folder pages, clean URLs, redirects, and
 * what `_redirects` says. What depends on the request stays a rule. One thread. */
#ifndef CAIRN_PACKER_ROUTES_H
#define CAIRN_PACKER_ROUTES_H

#include "packer/site/route_table.h"
#include "packer/site/site_notes.h"
#include "packer/site/site_options.h"

/* The names of files that are served, sorted. `redirects` may hold no rules. Remarks go to
 * `notes`; an error there is for the caller to act upon. */
void routes_init(struct routes *routes, const struct slice *names, size_t count,
                 const struct site_options *options, const struct redirects_file *redirects,
                 struct site_notes *notes);
void routes_fini(struct routes *routes);

/* The row of a canonical path, or NULL. */
const struct route *routes_find(const struct routes *routes, struct slice path);

#endif
