#include "packer/catalog.h"

#include "common/mem.h"

#include <stdlib.h>

/* The row of the key, or the free row where it belongs. Keys are hashes: their bytes spread. */
static struct catalog_row *probe(const struct catalog_table *table, const struct hash128 *key)
{
    size_t mask = table->capacity - 1;
    uint64_t start;
    memcpy(&start, key->bytes, sizeof start);
    for (size_t i = (size_t)start & mask;; i = (i + 1) & mask) {
        struct catalog_row *row = &table->rows[i];
        if (row->content_offset == 0 || memcmp(row->key.bytes, key->bytes, HASH128_BYTES) == 0) {
            return row;
        }
    }
}

static void grow(struct catalog_table *table)
{
    struct catalog_table bigger = {.capacity = mem_capacity(0, table->capacity * 2)};
    bigger.rows = mem_zeroed(bigger.capacity, sizeof *bigger.rows);
    bigger.count = table->count;
    for (size_t i = 0; i < table->capacity; i++) {
        if (table->rows[i].content_offset != 0) {
            *probe(&bigger, &table->rows[i].key) = table->rows[i];
        }
    }
    free(table->rows);
    *table = bigger;
}

static void put(struct catalog_table *table, const struct catalog_row *row)
{
    if ((table->count + 1) * 2 > table->capacity) {
        grow(table);
    }
    struct catalog_row *at = probe(table, &row->key);
    table->count += at->content_offset == 0;
    *at = *row;
}

struct catalog_row *catalog_find(const struct catalog_table *table, const struct hash128 *key)
{
    if (table->capacity == 0) {
        return NULL;
    }
    struct catalog_row *row = probe(table, key);
    return row->content_offset != 0 ? row : NULL;
}

void catalog_add_content(struct catalog *catalog, const struct record *record)
{
    struct catalog_row row = {
        .key = record->payload_hash,
        .content_offset = record->offset,
        .record_offset = record->offset,
        .payload_offset = record->payload_offset,
        .stored_bytes = record->stored_bytes,
    };
    put(&catalog->contents, &row);
    catalog_bind_path(catalog, record, &row);
}

void catalog_bind_path(struct catalog *catalog, const struct record *record,
                       const struct catalog_row *content)
{
    struct catalog_row row = *content;
    row.key = hash128(record->path.bytes, record->path.count);
    row.record_offset = record->offset;
    row.modified_s = record->modified_s;
    row.is_gone = false;
    row.is_seen = false;
    put(&catalog->paths, &row);
}

/* An alias names a content record that stands before it. */
static bool bind_alias(struct catalog *catalog, const struct archive *archive,
                       const struct record *alias)
{
    uint64_t content_offset;
    struct record content;
    const char *why;
    if (alias_decode(archive->map, alias, &content_offset, &why) != 0 ||
        record_decode(archive->map, alias->offset, content_offset, archive->superblock.uuid,
                      &content, &why) != 0 ||
        content.kind != RECORD_CONTENT) {
        return false;
    }
    struct catalog_row row = {
        .content_offset = content.offset,
        .payload_offset = content.payload_offset,
        .stored_bytes = content.stored_bytes,
    };
    catalog_bind_path(catalog, alias, &row);
    return true;
}

static bool replay_record(struct catalog *catalog, const struct archive *archive,
                          const struct record *record)
{
    if (record->kind == RECORD_CONTENT) {
        catalog_add_content(catalog, record);
        return true;
    }
    if (record->kind == RECORD_ALIAS) {
        return bind_alias(catalog, archive, record);
    }
    struct hash128 key = hash128(record->path.bytes, record->path.count);
    struct catalog_row *row = catalog_find(&catalog->paths, &key);
    if (row != NULL) {
        row->is_gone = true;
    }
    return record->kind == RECORD_GONE;
}

static void replay_commit(struct catalog *catalog, const struct archive *archive,
                          const struct commit *commit)
{
    uint64_t offset = commit->begin_offset;
    struct record record;
    const char *why;
    int status;
    while ((status = archive_next_record(archive, commit, &offset, &record, &why)) > 0) {
        if (!replay_record(catalog, archive, &record)) {
            status = ERR_DAMAGED;
            break;
        }
    }
    catalog->damaged_count += status != 0;
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
    while (count > 0) {
        replay_commit(catalog, archive, &commits[--count]);
    }
    free(commits);
}

void catalog_fini(struct catalog *catalog)
{
    free(catalog->contents.rows);
    free(catalog->paths.rows);
    *catalog = (struct catalog){0};
}
