/* `cairn-pack rebuild`: indexes that were lost, made again from the archive. */
#ifndef CAIRN_PACKER_REBUILD_H
#define CAIRN_PACKER_REBUILD_H

#include "common/error.h"

#include <stdio.h>

/* Makes the index of every release that has none, or a damaged one, and the link to the newest;
 * an index that is made again is the same to the byte, or it is not written. Where records or
 * bytes are damaged so that the newest release is not whole, its surviving paths become a new
 * release. Says on `messages` what was done. *out_index_path is the newest index; the caller frees.
 */
int rebuild_indexes(const char *archive_path, FILE *messages, char **out_index_path,
                    struct error *error) CAIRN_MUST_CHECK;

#endif
