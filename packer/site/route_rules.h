/* What `_redirects` makes of the paths that follow from a site's files: rules that can be decided
 * now become routes, those that depend on the request stay rules for the server. docs/packing.md.
 */
#ifndef CAIRN_PACKER_ROUTE_RULES_H
#define CAIRN_PACKER_ROUTE_RULES_H

#include "packer/site/route_table.h"
#include "packer/site/site_notes.h"

/* `routes` holds what follows from the files. Remarks go to `notes`; an error there is for the
 * caller to act upon. */
void route_rules_apply(struct routes *routes, const struct redirects_file *redirects,
                       struct site_notes *notes);

#endif
