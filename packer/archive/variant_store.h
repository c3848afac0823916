/* Makes the coded forms of a release's contents, on all cores, and puts those that are worth it
 * into the archive. What an earlier release has at the same effort or a greater one is not made
 * again: not even what was found to be not worth it. */
#ifndef CAIRN_PACKER_VARIANT_STORE_H
#define CAIRN_PACKER_VARIANT_STORE_H

#include "packer/archive/content_store.h"

struct variant_options {
    enum effort effort; /* EFFORT_NONE: makes nothing, but fills in digests that are not known */
};

/* For every content of these files. All records that were begun must be ended. */
int variant_store_add(struct content_store *store, const struct stored_file *files, size_t count,
                      const struct variant_options *options, struct error *error) CAIRN_MUST_CHECK;

#endif
