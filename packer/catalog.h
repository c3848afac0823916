/* What an archive holds already: every content, by the hash of its bytes, so that equal content is
 * stored once; and for every path the content that the last release bound it to, so that only
 * changes are written. Read from the records themselves, which are a log: a content record binds
 * its own path, an alias another one, a gone record none (docs/format.md, "The records as a log").
 * One thread. Holds offsets into the archive; the archive must outlive it. */
#ifndef CAIRN_PACKER_CATALOG_H
#define CAIRN_PACKER_CATALOG_H

#include "common/archive.h"

struct catalog_row {
    struct hash128 key;
    uint64_t content_offset; /* of the content record; 0 marks a free row */
    uint64_t record_offset;  /* of the record that bound the path */
    uint64_t payload_offset; /* of the content */
    uint64_t stored_bytes;
    int64_t modified_s;
    bool is_gone; /* paths: no longer bound */
    bool is_seen; /* paths: the release being packed has it */
};

/* Open addressing, at most half full. */
struct catalog_table {
    struct catalog_row *rows;
    size_t capacity; /* a power of two, or 0 */
    size_t count;
};

struct catalog {
    struct catalog_table contents; /* by the hash of the payload */
    struct catalog_table paths;    /* by the hash of the path as recorded, "docs/a.html" */
    size_t damaged_count; /* commits whose records could not all be read; the rest is known */
};

/* Reads every release up to and including `last` (NULL: the archive is empty). Damage is counted
 * and skipped: it costs storing a content again, not a release. */
void catalog_init(struct catalog *catalog, const struct archive *archive,
                  const struct commit *last);
void catalog_fini(struct catalog *catalog);

/* The row of a key, or NULL. Valid until the next catalog_bind...(). */
struct catalog_row *catalog_find(const struct catalog_table *table, const struct hash128 *key);

/* Records a content record, which also binds its path; or an alias of a content to another path. */
void catalog_add_content(struct catalog *catalog, const struct record *record);
void catalog_bind_path(struct catalog *catalog, const struct record *record,
                       const struct catalog_row *content);

#endif
