/* `cairn-pack check`, and `add --dry-run`: what a site would answer, without packing it. */
#ifndef CAIRN_PACKER_CHECK_H
#define CAIRN_PACKER_CHECK_H

#include "packer/add.h"

/* Prints every route, every rule, what was left out, and every remark on a line of a rule file; as
 * text or as JSON. Fails as `add` would. */
int check_site(const struct add_options *options, bool as_json, FILE *out,
               struct error *error) CAIRN_MUST_CHECK;

#endif
