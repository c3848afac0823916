/* `cairn-pack keygen`: the keys that sign releases, and that servers trust. */
#ifndef CAIRN_PACKER_KEYGEN_H
#define CAIRN_PACKER_KEYGEN_H

#include "common/error.h"

#include <stdio.h>

/* Writes a new private key to `path` and its public half to `path`.pub; neither may be there yet.
 * Says on `out` what each is for. */
int keygen(const char *path, FILE *out, struct error *error) CAIRN_MUST_CHECK;

#endif
