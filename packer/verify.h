/* `cairn-pack verify`: is a release whole, or a whole archive? Read-only. */
#ifndef CAIRN_PACKER_VERIFY_H
#define CAIRN_PACKER_VERIFY_H

#include "common/signature.h"

#include <stdio.h>

/* Reads every byte that the release needs and checks it against its records and against the digests
 * in the index; prints one line if all is well. `path`: an index, or an archive for its newest.
 * With keys in `trust`, one of them must have signed it. */
int verify_release(const char *path, const struct trust *trust, FILE *out,
                   struct error *error) CAIRN_MUST_CHECK;

/* Reads every record of every release of an archive; prints one line if all is well. Needs no
 * index; but with keys in `trust` the indexes of all releases, each signed by one of them. */
int verify_archive(const char *path, const struct trust *trust, FILE *out,
                   struct error *error) CAIRN_MUST_CHECK;

#endif
