#include "packer/release/layers.h"

#include "common/mem.h"
#include "common/release.h"

#include <inttypes.h>
#include <stdlib.h>

static bool is_whole(const struct index *index)
{
    return (index->flags & INDEX_OVERLAY) == 0;
}

static void append(struct layers *layers, struct index *index)
{
    if (layers->count == layers->capacity) {
        layers->capacity = mem_capacity(layers->capacity, layers->count + 1);
        layers->indexes = mem_resize(layers->indexes, layers->capacity, sizeof(struct index *));
    }
    layers->indexes[layers->count++] = index;
}

static void turn_round(struct layers *layers)
{
    for (size_t i = 0; i < layers->count / 2; i++) {
        struct index *other = layers->indexes[i];
        layers->indexes[i] = layers->indexes[layers->count - 1 - i];
        layers->indexes[layers->count - 1 - i] = other;
    }
}

int layers_init(struct layers *layers, const char *stem, uint64_t newest,
                const uint8_t archive_uuid[UUID_BYTES], struct error *error)
{
    *layers = (struct layers){0};
    for (uint64_t release = newest; release > 0; release--) {
        char *path = release_numbered_path(stem, release);
        struct index *index = NULL;
        int status = index_open(path, &index, error);
        if (status == 0) {
            append(layers, index);
            if (memcmp(index->archive_uuid, archive_uuid, UUID_BYTES) != 0) {
                status = error_set(error, ERR_BINDING, "%s: not an index of this archive", path);
            }
        }
        free(path);
        if (status != 0) {
            return status;
        }
        if (is_whole(index)) {
            turn_round(layers);
            return 0;
        }
    }
    return error_set(error, ERR_EMPTY, "there is no whole release to lay this one over");
}

static void drop_all(struct layers *layers)
{
    for (size_t i = 0; i < layers->count; i++) {
        index_close(layers->indexes[i]);
    }
    layers->count = 0;
}

void layers_fini(struct layers *layers)
{
    drop_all(layers);
    free(layers->indexes);
    *layers = (struct layers){0};
}

int layers_push(struct layers *layers, const char *index_path, struct error *error)
{
    struct index *index = NULL;
    int status = index_open(index_path, &index, error);
    if (status != 0) {
        return status;
    }
    if (is_whole(index)) {
        drop_all(layers);
    }
    append(layers, index);
    return 0;
}

const struct index_entry *layers_find(const struct layers *layers, struct slice path,
                                      const struct index **out_index)
{
    struct hash128 hash = hash128(path.bytes, path.count);
    for (size_t i = layers->count; i > 0; i--) {
        const struct index_entry *entry = index_find(layers->indexes[i - 1], &hash, path);
        if (entry != NULL) {
            *out_index = layers->indexes[i - 1];
            return entry;
        }
    }
    return NULL;
}
