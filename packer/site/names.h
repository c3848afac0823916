/* Names of files, one behind the other in blocks: a million of them need no million allocations.
 * One thread. */
#ifndef CAIRN_PACKER_NAMES_H
#define CAIRN_PACKER_NAMES_H

#include <stddef.h>

struct names_block;

struct names {
    struct names_block *newest; /* NULL: none yet */
};

/* A copy, which lives as long as the names do. At most PATH_BYTES_MAX bytes. */
const char *names_keep(struct names *names, const char *name);

/* The place that the names have come to, and the way back to it: what was kept since is gone. */
struct names_mark {
    const struct names_block *block;
    size_t count;
};
struct names_mark names_mark(const struct names *names);
void names_rewind(struct names *names, const struct names_mark *mark);

void names_fini(struct names *names);

#endif
