/* The last steps of a release: its index, then the link to it; each appears whole. Fixed temporary
 * names, since the archive's lock is held: what a crash leaves is overwritten by the next run. */
#ifndef CAIRN_PACKER_PUBLISH_H
#define CAIRN_PACKER_PUBLISH_H

#include "packer/release/index_writer.h"

/* Writes STEM.NNNNNN.idx, durably. */
int publish_index(const char *stem, uint64_t release, const struct index_image *image,
                  struct error *error) CAIRN_MUST_CHECK;

/* Points STEM.idx at the release's index, and makes that durable where it can: after a crash the
 * link may still lead to the release before, which is whole. *out_index_path is the index, as
 * absolute as the stem; the caller frees. */
int publish_link(const char *stem, uint64_t release, char **out_index_path,
                 struct error *error) CAIRN_MUST_CHECK;

#endif
