/* `cairn-pack extract`: the files of a release again. Read-only on the release. */
#ifndef CAIRN_PACKER_EXTRACT_H
#define CAIRN_PACKER_EXTRACT_H

#include "common/error.h"

#include <stdio.h>

/* Writes every file of the release, rule files included, below `directory`, which must be empty or
 * absent, with its published time; prints one line. `path`: an index, or an archive for its newest
 * release. Each content is checked on the way. */
int extract_release(const char *path, const char *directory, FILE *out,
                    struct error *error) CAIRN_MUST_CHECK;

#endif
