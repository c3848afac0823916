/* From the stored files of a release to its index: paths, response heads, the pages of folders,
 * redirects, the 404 page. What the server would otherwise decide per request is decided here. */
#ifndef CAIRN_PACKER_SITE_INDEX_H
#define CAIRN_PACKER_SITE_INDEX_H

#include "packer/content_store.h"
#include "packer/index_writer.h"

/* Builds the index of `count` files, sorted by name. The caller frees out_image->bytes. */
int site_index_build(const struct stored_file *files, size_t count,
                     const struct index_properties *properties, struct index_image *out_image,
                     struct error *error) CAIRN_MUST_CHECK;

#endif
