#include "packer/archive/catalog.h"

#include "common/mem.h"

#include <stdlib.h>

static const struct hash128 *content_key(const struct catalog *catalog, uint32_t row)
{
    return &catalog->contents[row].hash;
}

static const struct hash128 *path_key(const struct catalog *catalog, uint32_t row)
{
    return &catalog->paths[row].key;
}

/* The place of the key, or the free place where it belongs. Keys are hashes: their bytes spread. */
static uint32_t *probe(const struct catalog *catalog, const struct row_table *table,
                       const struct hash128 *key,
                       const struct hash128 *(*key_of)(const struct catalog *, uint32_t))
{
    size_t mask = table->capacity - 1;
    uint64_t start;
    memcpy(&start, key->bytes, sizeof start);
    for (size_t i = (size_t)start & mask;; i = (i + 1) & mask) {
        uint32_t row = table->rows[i];
        if (row == 0 || memcmp(key_of(catalog, row)->bytes, key->bytes, HASH128_BYTES) == 0) {
            return &table->rows[i];
        }
    }
}

/* Makes room for one more of `count` rows, and puts rows 1 .. count back. */
static void table_reserve(const struct catalog *catalog, struct row_table *table, uint32_t count,
                          const struct hash128 *(*key_of)(const struct catalog *, uint32_t))
{
    if (((size_t)count + 1) * 2 <= table->capacity) {
        return;
    }
    table->capacity = mem_capacity(table->capacity, ((size_t)count + 1) * 2);
    free(table->rows);
    table->rows = mem_zeroed(table->capacity, sizeof *table->rows);
    for (uint32_t row = 1; row <= count; row++) {
        *probe(catalog, table, key_of(catalog, row), key_of) = row;
    }
}

void catalog_index_rows(struct catalog *catalog)
{
    table_reserve(catalog, &catalog->content_table, catalog->content_count, content_key);
    table_reserve(catalog, &catalog->path_table, catalog->path_count, path_key);
}

uint32_t catalog_find_content(const struct catalog *catalog, const struct hash128 *hash)
{
    const struct row_table *table = &catalog->content_table;
    return table->capacity == 0 ? 0 : *probe(catalog, table, hash, content_key);
}

uint32_t catalog_find_path(const struct catalog *catalog, struct slice path)
{
    const struct row_table *table = &catalog->path_table;
    struct hash128 key = hash128(path.bytes, path.count);
    return table->capacity == 0 ? 0 : *probe(catalog, table, &key, path_key);
}

/* Contents are in the order of their records. */
uint32_t catalog_find_content_at(const struct catalog *catalog, uint64_t record_offset)
{
    uint32_t low = 1;
    uint32_t high = catalog->content_count;
    while (low <= high) {
        uint32_t middle = low + (high - low) / 2;
        uint64_t offset = catalog->contents[middle].record_offset;
        if (offset == record_offset) {
            return middle;
        }
        if (offset < record_offset) {
            low = middle + 1;
        } else {
            high = middle - 1;
        }
    }
    return 0;
}

static void *reserve_row(void *rows, size_t *capacity, uint32_t count, size_t row_bytes)
{
    if ((size_t)count + 2 > *capacity) {
        *capacity = mem_capacity(*capacity, (size_t)count + 2);
        rows = mem_resize(rows, *capacity, row_bytes);
    }
    return rows;
}

uint32_t catalog_add_content(struct catalog *catalog, const struct record *record)
{
    catalog->contents = reserve_row(catalog->contents, &catalog->content_capacity,
                                    catalog->content_count, sizeof *catalog->contents);
    table_reserve(catalog, &catalog->content_table, catalog->content_count, content_key);
    uint32_t row = ++catalog->content_count;
    catalog->contents[row] = (struct content){
        .hash = record->payload_hash,
        .record_offset = record->offset,
        .payload_offset = record->payload_offset,
        .stored_bytes = record->stored_bytes,
    };
    /* Of two with one hash the newer is found: the other one is damaged, or has other bytes. */
    *probe(catalog, &catalog->content_table, &record->payload_hash, content_key) = row;
    catalog_bind_path(catalog, record, row);
    return row;
}

uint32_t catalog_add_variant(struct catalog *catalog, uint32_t content, const struct record *record)
{
    struct content *of = &catalog->contents[content];
    if (record->effort > of->effort) {
        of->effort = (uint8_t)record->effort;
    }
    if (record->codec == CODEC_IDENTITY) {
        return 0;
    }
    catalog->variants = reserve_row(catalog->variants, &catalog->variant_capacity,
                                    catalog->variant_count, sizeof *catalog->variants);
    uint32_t row = ++catalog->variant_count;
    catalog->variants[row] = (struct variant){
        .record_offset = record->offset,
        .payload_offset = record->payload_offset,
        .stored_bytes = record->stored_bytes,
        .next = of->first_variant,
        .codec = (uint8_t)record->codec,
        .effort = (uint8_t)record->effort,
    };
    of->first_variant = row;
    return row;
}

void catalog_reserve_variants(struct catalog *catalog, size_t count)
{
    size_t needed = (size_t)catalog->variant_count + count + 2;
    if (needed > catalog->variant_capacity) {
        catalog->variant_capacity = needed;
        catalog->variants = mem_resize(catalog->variants, needed, sizeof *catalog->variants);
    }
}

uint32_t catalog_bind_path(struct catalog *catalog, const struct record *record, uint32_t content)
{
    uint32_t row = catalog_find_path(catalog, record->path);
    if (row == 0) {
        catalog->paths = reserve_row(catalog->paths, &catalog->path_capacity, catalog->path_count,
                                     sizeof *catalog->paths);
        table_reserve(catalog, &catalog->path_table, catalog->path_count, path_key);
        struct hash128 key = hash128(record->path.bytes, record->path.count);
        row = ++catalog->path_count;
        catalog->paths[row] = (struct bound_path){.key = key, .content = content};
        *probe(catalog, &catalog->path_table, &key, path_key) = row;
    }
    struct bound_path *path = &catalog->paths[row];
    path->is_rebound |= path->content != content;
    path->content = content;
    path->record_offset = record->offset;
    path->modified_s = record->modified_s;
    path->has_state = false;
    path->is_gone = false;
    return row;
}

const struct variant *catalog_variant(const struct catalog *catalog, uint32_t content,
                                      enum codec codec)
{
    const struct variant *best = NULL;
    for (uint32_t row = catalog->contents[content].first_variant; row != 0;
         row = catalog->variants[row].next) {
        const struct variant *variant = &catalog->variants[row];
        if (variant->codec == codec &&
            (best == NULL || variant->stored_bytes < best->stored_bytes)) {
            best = variant;
        }
    }
    return best;
}

static bool replay_alias(struct catalog *catalog, const struct archive *archive,
                         const struct record *record)
{
    uint64_t content_offset;
    const char *why;
    if (alias_decode(archive->map, record, &content_offset, &why) != 0) {
        return false;
    }
    uint32_t content = catalog_find_content_at(catalog, content_offset);
    if (content != 0) {
        catalog_bind_path(catalog, record, content);
    }
    return content != 0;
}

bool catalog_replay(struct catalog *catalog, const struct archive *archive,
                    const struct record *record)
{
    uint32_t row;
    switch (record->kind) {
    case RECORD_CONTENT:
        catalog_add_content(catalog, record);
        return true;
    case RECORD_ALIAS:
        return replay_alias(catalog, archive, record);
    case RECORD_GONE:
        row = catalog_find_path(catalog, record->path);
        if (row != 0) {
            catalog->paths[row].is_gone = true;
        }
        return row != 0;
    case RECORD_VARIANT:
        row = catalog_find_content_at(catalog, record->source_offset);
        if (row != 0) {
            catalog_add_variant(catalog, row, record);
        }
        return row != 0;
    case RECORD_OPTIONS:
        catalog->options_hash = record->payload_hash;
        catalog->options_offset = record->payload_offset;
        catalog->options_bytes = record->stored_bytes;
        return true;
    case RECORD_SIGNATURE:
        return true; /* of the index, which is not told here */
    default:
        return false;
    }
}

static void replay_commit(struct catalog *catalog, const struct archive *archive,
                          const struct commit *commit)
{
    uint64_t offset = commit->begin_offset;
    struct record record;
    const char *why;
    bool is_damaged = false;
    for (;;) {
        int status = archive_next_record(archive, commit, &offset, &record, &why);
        if (status > 0) {
            is_damaged |= !catalog_replay(catalog, archive, &record);
        } else if (status == 0) {
            break;
        } else {
            is_damaged = true;
            if (!archive_resync(archive, commit->committed_bytes - COMMIT_RECORD_BYTES, &offset)) {
                break;
            }
        }
    }
    catalog->damaged_count += is_damaged;
}

/* Records before a commit that cannot be followed back further: those of the commits that are
 * found among them, and those before `known_end`, where a commit record is known to have been. */
static void scan(struct catalog *catalog, const struct archive *archive, uint64_t end,
                 uint64_t known_end)
{
    uint64_t offset = SUPERBLOCK_BYTES;
    uint64_t begin = offset; /* of what is not replayed yet */
    struct record record;
    const char *why;
    while (offset < end) {
        if (record_decode(archive->map, end, offset, archive->superblock.uuid, &record, &why) !=
            0) {
            if (!archive_resync(archive, end, &offset)) {
                break;
            }
            continue;
        }
        struct commit commit;
        if (record.kind == RECORD_COMMIT &&
            commit_decode(archive->map, record.end_offset, archive->superblock.uuid, &commit,
                          &why) == 0) {
            if (commit.previous_offset > begin) { /* another that is damaged lies between */
                struct commit lost = {.begin_offset = begin,
                                      .committed_bytes =
                                          commit.previous_offset + COMMIT_RECORD_BYTES};
                replay_commit(catalog, archive, &lost);
            }
            replay_commit(catalog, archive, &commit);
            begin = record.end_offset;
        }
        offset = record.end_offset;
    }
    if (known_end > begin) {
        struct commit lost = {.begin_offset = begin,
                              .committed_bytes = known_end + COMMIT_RECORD_BYTES};
        replay_commit(catalog, archive, &lost);
    }
}

/* The commits from the last back to the first that can be reached, newest first; the caller frees.
 */
static size_t commit_chain(struct catalog *catalog, const struct archive *archive,
                           const struct commit *last, struct commit **out_commits)
{
    struct commit *commits = NULL;
    size_t count = 0;
    size_t capacity = 0;
    struct commit commit = *last;
    for (;;) {
        if (count == capacity) {
            capacity = mem_capacity(capacity, count + 1);
            commits = mem_resize(commits, capacity, sizeof *commits);
        }
        commits[count++] = commit;
        const char *why;
        if (commit.previous_offset == 0) {
            break;
        }
        if (commit_decode(archive->map, commit.previous_offset + COMMIT_RECORD_BYTES,
                          archive->superblock.uuid, &commit, &why) != 0) {
            catalog->damaged_count++;
            break;
        }
    }
    *out_commits = commits;
    return count;
}

void catalog_init(struct catalog *catalog, const struct archive *archive, const struct commit *last)
{
    *catalog = (struct catalog){0};
    if (last == NULL) {
        return;
    }
    struct commit *commits;
    size_t count = commit_chain(catalog, archive, last, &commits);
    const struct commit *first = &commits[count - 1];
    if (first->previous_offset != 0) {
        scan(catalog, archive, first->begin_offset, first->previous_offset);
    }
    while (count > 0) {
        replay_commit(catalog, archive, &commits[--count]);
    }
    free(commits);
}

void catalog_fini(struct catalog *catalog)
{
    free(catalog->contents);
    free(catalog->variants);
    free(catalog->paths);
    free(catalog->content_table.rows);
    free(catalog->path_table.rows);
    *catalog = (struct catalog){0};
}
