/* `cairn-pack list`: what a release holds. Read-only. */
#ifndef CAIRN_PACKER_LIST_H
#define CAIRN_PACKER_LIST_H

#include "common/error.h"

#include <stdbool.h>
#include <stdio.h>

/* A row for each path, sorted: what it is, status, media type, the sizes of its forms, entity tag
 * and policy; as a table or as JSON; and which key has signed the release, if one has. `path`: an
 * index, or an archive for its newest release. */
int list_release(const char *path, bool as_json, FILE *out, struct error *error) CAIRN_MUST_CHECK;

#endif
