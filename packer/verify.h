/* `cairn-pack verify`: is a release whole, or a whole archive? Read-only. */
#ifndef CAIRN_PACKER_VERIFY_H
#define CAIRN_PACKER_VERIFY_H

#include "common/error.h"

#include <stdio.h>

/* Reads every byte that the release needs and checks it against its records and against the digests
 * in the index; prints one line if all is well. `path`: an index, or an archive for its newest. */
int verify_release(const char *path, FILE *out, struct error *error) CAIRN_MUST_CHECK;

/* Reads every record of every release of an archive; prints one line if all is well. Needs no
 * index. */
int verify_archive(const char *path, FILE *out, struct error *error) CAIRN_MUST_CHECK;

#endif
