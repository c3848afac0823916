/* `cairn-pack compact`: a new archive with what the newest releases need and nothing else. */
#ifndef CAIRN_PACKER_COMPACT_H
#define CAIRN_PACKER_COMPACT_H

#include "common/key.h"

#include <stdint.h>
#include <stdio.h>

/* Writes the newest `keep` releases of an archive, with their numbers, times, contents and coded
 * forms, into a new archive, which must not exist, and makes their indexes beside it. Its offsets
 * are others, so signatures do not hold for it: each release is signed by `sign_key` (NULL: not).
 * The old archive and its indexes are only read: a server may go on serving them. *out_index_path
 * is the newest index; the caller frees. A failure leaves no new archive. */
int compact_archive(const char *archive_path, const char *new_path, uint64_t keep,
                    const struct private_key *sign_key, FILE *messages, char **out_index_path,
                    struct error *error) CAIRN_MUST_CHECK;

#endif
