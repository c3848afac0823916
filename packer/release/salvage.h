/* A new release out of what survived when records of an archive are damaged. */
#ifndef CAIRN_PACKER_SALVAGE_H
#define CAIRN_PACKER_SALVAGE_H

#include "common/key.h"
#include "packer/archive/archive_writer.h"

#include <stdio.h>

/* Reads every content of the newest release, names on `messages` those paths that are lost, and
 * commits the others as the next release, with its index, signed by `sign_key` (NULL: not).
 * ERR_EMPTY if nothing survived. */
int salvage_release(struct archive_writer *writer, const char *stem,
                    const struct private_key *sign_key, FILE *messages, uint64_t *out_release,
                    struct error *error) CAIRN_MUST_CHECK;

#endif
