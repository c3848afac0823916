/* `cairn-pack diff`: what changed from one release to another. Read-only. */
#ifndef CAIRN_PACKER_DIFF_H
#define CAIRN_PACKER_DIFF_H

#include "common/error.h"

#include <stdbool.h>
#include <stdio.h>

/* A row for each path that answers differently: added, removed, changed, with its lengths; as text
 * or as JSON. Each path is an index, or an archive for its newest release. Of an overlay, only what
 * it says itself. */
int diff_releases(const char *old_path, const char *new_path, bool as_json, FILE *out,
                  struct error *error) CAIRN_MUST_CHECK;

#endif
