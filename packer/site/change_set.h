/* What may have changed in a tree since it was looked at: names below it, each once however often
 * it was told. A name stands for all that is below it. Pure; one thread. */
#ifndef CAIRN_PACKER_CHANGE_SET_H
#define CAIRN_PACKER_CHANGE_SET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct change_set {
    bool is_all;  /* nobody knows: everything has to be looked at */
    char **names; /* "docs/a.html"; owned */
    size_t count;
    size_t capacity;
    uint32_t *table; /* 1 + number, by hash; at most half full */
    size_t table_capacity;
};

/* Copies the name. */
void change_set_add(struct change_set *set, const char *name);

/* From now on everything may have changed. */
void change_set_add_all(struct change_set *set);

bool change_set_is_empty(const struct change_set *set);

/* Is this name in it, or a folder that it is in? */
bool change_set_covers(const struct change_set *set, const char *name);

/* Sorts the names, and drops those that others stand for. */
void change_set_settle(struct change_set *set);

/* Empty again. */
void change_set_clear(struct change_set *set);

#endif
