/* Coded forms that come with the site, such as app.js.br beside app.js: used as they are, once it
 * is sure that they are what they seem. */
#ifndef CAIRN_PACKER_SIDECARS_H
#define CAIRN_PACKER_SIDECARS_H

#include "packer/site/site_plan.h"

/* Decodes every sidecar that was read in this run, or whose file was, and compares. ERR_FORMAT
 * names one that does not decode to its file: it is stale or broken. */
int sidecars_check(struct content_store *store, const struct site_plan *plan,
                   struct error *error) CAIRN_MUST_CHECK;

#endif
