/* The releases that an overlay is laid over, as their indexes tell them: the newest down to the
 * first whole one. One thread. */
#ifndef CAIRN_PACKER_LAYERS_H
#define CAIRN_PACKER_LAYERS_H

#include "common/index.h"

struct layers {
    struct index **indexes; /* oldest first; owned */
    size_t count;
    size_t capacity;
};

/* Opens the indexes STEM.NNNNNN.idx from `newest` down to the first whole one. One that is missing
 * or of another archive is an error, and so is that none is whole. layers_fini() in any case. */
int layers_init(struct layers *layers, const char *stem, uint64_t newest,
                const uint8_t archive_uuid[UUID_BYTES], struct error *error) CAIRN_MUST_CHECK;
void layers_fini(struct layers *layers);

/* A release came on top, and this is its index; a whole one needs no others. */
int layers_push(struct layers *layers, const char *index_path,
                struct error *error) CAIRN_MUST_CHECK;

/* The entry that answers now, a tombstone too, and its index. NULL: none. */
const struct index_entry *layers_find(const struct layers *layers, struct slice path,
                                      const struct index **out_index);

#endif
