/* How a release ends in its archive: its signature, where there is a key, and the commit record.
 * An index tells the length that its archive has behind both, so that is asked for before. */
#ifndef CAIRN_PACKER_RELEASE_COMMIT_H
#define CAIRN_PACKER_RELEASE_COMMIT_H

#include "common/key.h"
#include "packer/archive/archive_writer.h"
#include "packer/release/index_writer.h"

/* The committed length if the release ends with what has been written. `key` NULL: not signed. */
uint64_t release_committed_bytes(const struct archive_writer *writer,
                                 const struct private_key *key);

/* Ends the release that this index is of, which must tell that length; durable when it returns. */
int release_commit(struct archive_writer *writer, const struct private_key *key, uint64_t release,
                   int64_t created_s, const struct index_image *image,
                   struct error *error) CAIRN_MUST_CHECK;

#endif
