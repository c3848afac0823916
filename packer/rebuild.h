/* `cairn-pack rebuild`: indexes that were lost, made again from the archive. */
#ifndef CAIRN_PACKER_REBUILD_H
#define CAIRN_PACKER_REBUILD_H

#include "common/key.h"

#include <stdio.h>

/* Makes the index of every release that has none, or a damaged one, and the link to the newest;
 * an index that is made again is the same to the byte, so that its signature holds, or it is
 * not written. Where records or bytes are damaged so that the newest release is not whole, its
 * surviving paths become a new release, signed by `sign_key` (NULL: not). Says on `messages` what
 * was done. *out_index_path is the newest index; the caller frees. */
int rebuild_indexes(const char *archive_path, const struct private_key *sign_key, FILE *messages,
                    char **out_index_path, struct error *error) CAIRN_MUST_CHECK;

#endif
