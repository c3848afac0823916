#include "packer/site/names.h"

#include "common/mem.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

struct names_block {
    struct names_block *older;
    size_t count;
    char bytes[65536];
};

const char *names_keep(struct names *names, const char *name)
{
    size_t count = strlen(name) + 1;
    struct names_block *block = names->newest;
    assert(count <= sizeof block->bytes);
    if (block == NULL || sizeof block->bytes - block->count < count) {
        block = mem_zeroed(1, sizeof *block);
        block->older = names->newest;
        names->newest = block;
    }
    char *at = block->bytes + block->count;
    memcpy(at, name, count);
    block->count += count;
    return at;
}

struct names_mark names_mark(const struct names *names)
{
    return (struct names_mark){names->newest, names->newest == NULL ? 0 : names->newest->count};
}

void names_rewind(struct names *names, const struct names_mark *mark)
{
    while (names->newest != mark->block) {
        struct names_block *older = names->newest->older;
        free(names->newest);
        names->newest = older;
    }
    if (names->newest != NULL) {
        names->newest->count = mark->count;
    }
}

void names_fini(struct names *names)
{
    names_rewind(names, &(struct names_mark){NULL, 0});
}
