/* Field lines that a site's `_headers` adds to answers that are no file's: pages for missing paths,
 * redirects by rules. (A file's lines were merged into its head when it was packed.) Pure. */
#ifndef CAIRN_HTTP_RULE_FIELDS_H
#define CAIRN_HTTP_RULE_FIELDS_H

#include "common/index.h"

/* Writes the field lines of all rules that match the canonical path, merged: a later rule replaces
 * (RULE_OVERRIDES), takes away, or adds to what an earlier one says. With
 * `vary`, Vary holds Accept-Encoding besides. Returns the length, or more than `capacity` if they
 * do not fit. */
size_t rule_fields_write(const struct index *index, struct slice path, bool vary, char *buffer,
                         size_t capacity);

#endif
