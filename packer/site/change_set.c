#include "packer/site/change_set.h"

#include "common/hash.h"
#include "common/mem.h"

#include <stdlib.h>
#include <string.h>

/* The place of a name, or the free one where it belongs. */
static uint32_t *probe(const struct change_set *set, const char *name, size_t count)
{
    size_t mask = set->table_capacity - 1;
    for (size_t i = (size_t)hash64(name, count, 0) & mask;; i = (i + 1) & mask) {
        uint32_t number = set->table[i];
        if (number == 0 || (strncmp(set->names[number - 1], name, count) == 0 &&
                            set->names[number - 1][count] == '\0')) {
            return &set->table[i];
        }
    }
}

/* Room for `count` names; those that are there get their places anew. */
static void index_names(struct change_set *set, size_t count)
{
    if (set->table_capacity < count * 2) {
        set->table_capacity = mem_capacity(set->table_capacity, count * 2);
    }
    free(set->table);
    set->table = mem_zeroed(set->table_capacity, sizeof *set->table);
    for (size_t i = 0; i < set->count; i++) {
        *probe(set, set->names[i], strlen(set->names[i])) = (uint32_t)i + 1;
    }
}

static bool has(const struct change_set *set, const char *name, size_t count)
{
    return set->count > 0 && *probe(set, name, count) != 0;
}

void change_set_add(struct change_set *set, const char *name)
{
    size_t count = strlen(name);
    if (set->is_all || has(set, name, count)) {
        return;
    }
    if (set->count == set->capacity) {
        set->capacity = mem_capacity(set->capacity, set->count + 1);
        set->names = mem_resize(set->names, set->capacity, sizeof(char *));
    }
    if ((set->count + 1) * 2 > set->table_capacity) {
        index_names(set, set->count + 1);
    }
    *probe(set, name, count) = (uint32_t)set->count + 1;
    set->names[set->count++] = mem_string(name, count);
}

void change_set_add_all(struct change_set *set)
{
    change_set_clear(set);
    set->is_all = true;
}

bool change_set_is_empty(const struct change_set *set)
{
    return !set->is_all && set->count == 0;
}

static bool has_folder_of(const struct change_set *set, const char *name)
{
    for (const char *slash = strchr(name, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
        if (has(set, name, (size_t)(slash - name))) {
            return true;
        }
    }
    return false;
}

bool change_set_covers(const struct change_set *set, const char *name)
{
    return set->is_all || has(set, name, strlen(name)) || has_folder_of(set, name);
}

static int compare(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

void change_set_settle(struct change_set *set)
{
    if (set->count == 0) {
        return;
    }
    /* all are judged before any is moved: the table speaks of the places that they have */
    bool *is_covered = mem_zeroed(set->count, sizeof *is_covered);
    for (size_t i = 0; i < set->count; i++) {
        is_covered[i] = has_folder_of(set, set->names[i]);
    }
    size_t count = 0;
    for (size_t i = 0; i < set->count; i++) {
        if (is_covered[i]) {
            free(set->names[i]);
        } else {
            set->names[count++] = set->names[i];
        }
    }
    free(is_covered);
    set->count = count;
    qsort(set->names, set->count, sizeof(char *), compare);
    index_names(set, set->count);
}

void change_set_clear(struct change_set *set)
{
    for (size_t i = 0; i < set->count; i++) {
        free(set->names[i]);
    }
    free(set->names);
    free(set->table);
    *set = (struct change_set){0};
}
