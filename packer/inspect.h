/* `cairn-pack list`, `verify`, `extract`: what a release holds, whether it is whole, and its files
 * again. Each takes an index, or an archive for the newest release of it. Read-only on both. */
#ifndef CAIRN_PACKER_INSPECT_H
#define CAIRN_PACKER_INSPECT_H

#include "common/error.h"

#include <stdio.h>

/* One row a path, sorted: what it is, its length, entity tag and media type. */
int inspect_list(const char *path, FILE *out, struct error *error) CAIRN_MUST_CHECK;

/* Reads every byte that the release needs and checks it; prints one line if all is well. */
int inspect_verify(const char *path, FILE *out, struct error *error) CAIRN_MUST_CHECK;

/* Writes every file of the release below `directory`, which must be empty or absent, with its
 * published time; prints one line. */
int inspect_extract(const char *path, const char *directory, FILE *out,
                    struct error *error) CAIRN_MUST_CHECK;

#endif
