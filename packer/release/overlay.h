/* The index of a release: all of it, or only what differs from the releases before it, with
 * tombstones for what is gone. */
#ifndef CAIRN_PACKER_OVERLAY_H
#define CAIRN_PACKER_OVERLAY_H

#include "packer/release/layers.h"
#include "packer/release/site_index.h"

/* As site_index_build(). With the option `overlay`, what STEM's earlier indexes down to the first
 * whole one say already is left out; one that is missing is an error. */
int release_index_build(const struct site_plan *plan, const struct catalog *catalog,
                        const char *stem, const struct index_properties *properties,
                        struct index_image *out_image, struct site_savings *out_savings,
                        struct error *error) CAIRN_MUST_CHECK;

/* Where an overlay may differ from its layers. What is told too much costs time and nothing else:
 * the bytes are those of a comparison of everything. */
struct overlay_scope {
    const bool *routes; /* by row of the plan's routes; NULL: any. Pages for missing paths always */
    bool has_gone;      /* paths of the layers may be missing in the plan */
};

/* The index of what the plan's release has otherwise than the layers. The caller frees
 * out_image->bytes. `out_savings` (of what was compared) may be NULL. */
int overlay_build(const struct site_plan *plan, const struct catalog *catalog,
                  const struct layers *layers, const struct overlay_scope *scope,
                  const struct index_properties *properties, struct index_image *out_image,
                  struct site_savings *out_savings, struct error *error) CAIRN_MUST_CHECK;

/* Do two entries of two releases answer a request in the same way, to the byte? */
bool entries_equal(const struct index *a, const struct index_entry *x, const struct index *b,
                   const struct index_entry *y);

#endif
