/* From a plan and what the archive holds to the index of a release. What the server would otherwise
 * decide per request is decided here. */
#ifndef CAIRN_PACKER_SITE_INDEX_H
#define CAIRN_PACKER_SITE_INDEX_H

#include "packer/release/index_writer.h"
#include "packer/site/site_plan.h"

/* What the coded forms of a release save, over all files that are served. */
struct site_savings {
    uint64_t identity_bytes[CODEC_COUNT]; /* of the files that have a form in this coding */
    uint64_t coded_bytes[CODEC_COUNT];
};

/* Builds the index; the content of every file is in the catalog, with its digest. The caller frees
 * out_image->bytes. `out_savings` may be NULL. */
int site_index_build(const struct site_plan *plan, const struct catalog *catalog,
                     const struct index_properties *properties, struct index_image *out_image,
                     struct site_savings *out_savings, struct error *error) CAIRN_MUST_CHECK;

/* The same with only the routes that are chosen, by their rows (NULL: all), the pages for missing
 * paths, and all rules: what an overlay is made from. */
int site_index_build_part(const struct site_plan *plan, const struct catalog *catalog,
                          const bool *chosen, const struct index_properties *properties,
                          struct index_image *out_image, struct site_savings *out_savings,
                          struct error *error) CAIRN_MUST_CHECK;

/* Is it the path of a page for missing paths? A part and an overlay hold all of them: which one
 * answers depends on the newest release. */
bool site_index_is_not_found_page(struct slice path);

#endif
