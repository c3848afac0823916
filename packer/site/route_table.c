#include "packer/site/route_table.h"

#include "common/hash.h"
#include "common/mem.h"

#include <stdlib.h>

/* Texts, one behind the other in blocks. */
struct routes_text {
    struct routes_text *next;
    size_t count;
    size_t capacity;
    char bytes[];
};

char *route_table_keep(struct routes *routes, const char *bytes, size_t count)
{
    struct routes_text *block = routes->text;
    if (block == NULL || block->capacity - block->count < count + 1) {
        size_t capacity = count + 1 > 65536 ? count + 1 : 65536;
        block = mem_zeroed(1, sizeof *block + capacity);
        block->capacity = capacity;
        block->next = routes->text;
        routes->text = block;
    }
    char *at = block->bytes + block->count;
    memcpy(at, bytes, count);
    at[count] = '\0';
    block->count += count + 1;
    return at;
}

struct slice route_table_keep_path(struct routes *routes, struct slice path)
{
    return (struct slice){route_table_keep(routes, path.bytes, path.count), path.count};
}

static uint32_t *probe(const struct routes *routes, struct slice path)
{
    size_t mask = routes->table_capacity - 1;
    for (size_t i = (size_t)hash64(path.bytes, path.count, 0) & mask;; i = (i + 1) & mask) {
        uint32_t row = routes->table[i];
        if (row == 0 || slice_equal(routes->rows[row - 1].path, path)) {
            return &routes->table[i];
        }
    }
}

struct route *route_table_find(const struct routes *routes, struct slice path)
{
    uint32_t row = routes->table_capacity == 0 ? 0 : *probe(routes, path);
    return row == 0 ? NULL : &routes->rows[row - 1];
}

static void grow(struct routes *routes)
{
    if (routes->count == routes->capacity) {
        routes->capacity = mem_capacity(routes->capacity, routes->count + 1);
        routes->rows = mem_resize(routes->rows, routes->capacity, sizeof *routes->rows);
    }
    if ((routes->count + 1) * 2 > routes->table_capacity) {
        routes->table_capacity = mem_capacity(routes->table_capacity, (routes->count + 1) * 2);
        free(routes->table);
        routes->table = mem_zeroed(routes->table_capacity, sizeof *routes->table);
        for (size_t i = 0; i < routes->count; i++) {
            *probe(routes, routes->rows[i].path) = (uint32_t)i + 1;
        }
    }
}

struct route *route_table_add(struct routes *routes, struct route route)
{
    grow(routes);
    routes->rows[routes->count++] = route;
    *probe(routes, route.path) = (uint32_t)routes->count;
    return &routes->rows[routes->count - 1];
}

void route_table_fini(struct routes *routes)
{
    while (routes->text != NULL) {
        struct routes_text *next = routes->text->next;
        free(routes->text);
        routes->text = next;
    }
    free(routes->rows);
    free(routes->table);
    free(routes->rules);
    *routes = (struct routes){0};
}
