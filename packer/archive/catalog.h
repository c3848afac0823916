/* What an archive holds already: every content, by the hash of its bytes, so that equal content is
 * stored once; its coded forms; and for every path the content that the last release bound it to,
 * so that only changes are written. Read from the records themselves, which are a log
 * (docs/format.md, "The records as a log"), or from the cache that an earlier run left
 * (catalog_cache.h). One thread. Holds offsets into the archive. */
#ifndef CAIRN_PACKER_CATALOG_H
#define CAIRN_PACKER_CATALOG_H

#include "common/archive.h"
#include "packer/site/file_state.h"

/* Bytes that are stored once. Referred to by row: 0 is none. */
struct content {
    struct hash128 hash;
    uint64_t record_offset;
    uint64_t payload_offset;
    uint64_t stored_bytes;
    uint8_t digest[DIGEST_BYTES]; /* SHA-256, if has_digest */
    uint32_t first_variant;       /* the newest; row, 0: none */
    uint8_t effort;               /* the greatest that was spent on coded forms, enum effort */
    bool has_digest;
};

/* A coded form of a content. Rows from 1. */
struct variant {
    uint64_t record_offset;
    uint64_t payload_offset;
    uint64_t stored_bytes;
    uint8_t digest[DIGEST_BYTES];
    uint32_t next; /* of the same content, older; 0: none */
    uint8_t codec;
    uint8_t effort;
    bool has_digest;
};

/* A path below the site directory. Rows from 1. */
struct bound_path {
    struct hash128 key;     /* of the path as recorded, "docs/a.html" */
    uint64_t record_offset; /* of the record that bound it */
    int64_t modified_s;     /* as published */
    struct file_state state;
    uint32_t content;
    bool has_state;  /* `state` is known: the file was read by this machine */
    bool is_gone;    /* no longer bound */
    bool is_seen;    /* the release being packed has it */
    bool is_rebound; /* it has had other bytes: its name does not tell its content */
};

/* Rows by key: open addressing, at most half full; 0 marks a free place. */
struct row_table {
    uint32_t *rows;
    size_t capacity; /* a power of two, or 0 */
};

struct catalog {
    struct content *contents; /* [0] is unused; in the order of their records */
    struct variant *variants; /* [0] is unused */
    struct bound_path *paths; /* [0] is unused */
    uint32_t content_count;   /* rows 1 .. count */
    uint32_t variant_count;
    uint32_t path_count;
    size_t content_capacity;
    size_t variant_capacity;
    size_t path_capacity;
    struct row_table content_table;
    struct row_table path_table;
    struct hash128 options_hash; /* of the payload of the last options record; zeros: none */
    uint64_t options_offset;     /* of that payload */
    uint64_t options_bytes;
    size_t damaged_count; /* commits whose records could not all be read; the rest is known */
};

/* Reads every release up to and including `last` (NULL: the archive is empty). Damage is counted
 * and skipped: it costs storing a content again, not a release. catalog_fini() in any case. */
void catalog_init(struct catalog *catalog, const struct archive *archive,
                  const struct commit *last);
void catalog_fini(struct catalog *catalog);

/* Takes one record into account, in the order of the log. False if it refers to what is not there.
 */
bool catalog_replay(struct catalog *catalog, const struct archive *archive,
                    const struct record *record);

/* Rows, or 0. */
uint32_t catalog_find_content(const struct catalog *catalog, const struct hash128 *hash);
uint32_t catalog_find_content_at(const struct catalog *catalog, uint64_t record_offset);
uint32_t catalog_find_path(const struct catalog *catalog, struct slice path);

/* Each returns the new row, or the path's. Pointers into the arrays are valid until the next. */
uint32_t catalog_add_content(struct catalog *catalog, const struct record *record);
uint32_t catalog_add_variant(struct catalog *catalog, uint32_t content,
                             const struct record *record);
uint32_t catalog_bind_path(struct catalog *catalog, const struct record *record, uint32_t content);

/* Makes room for `count` more variants: until they are there, rows of variants do not move, and
 * other threads may read those that exist. */
void catalog_reserve_variants(struct catalog *catalog, size_t count);

/* The best form of a content in this coding, or NULL: the smallest, the newest of equals. */
const struct variant *catalog_variant(const struct catalog *catalog, uint32_t content,
                                      enum codec codec);

/* Rebuilds the tables after the arrays were filled by other means. */
void catalog_index_rows(struct catalog *catalog);

#endif
