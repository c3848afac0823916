/* An index, validated: one release of a site, from path to stored bytes. index_open() checks
 * everything once; after that no look-up can read outside the mapping. What a look-up takes from
 * the mapping is bounded again where it is used (a comparison), so not even a file that somebody
 * overwrites in place makes it read elsewhere. Immutable after opening; any number of threads.
 * docs/format.md, "Index". */
#ifndef CAIRN_COMMON_INDEX_H
#define CAIRN_COMMON_INDEX_H

#include "common/error.h"
#include "common/format.h"
#include "common/mphf.h"
#include "common/slice.h"

#include <sys/types.h>
#include <time.h>

struct index {
    const uint8_t *map;
    uint64_t map_bytes;
    dev_t device;
    ino_t inode;
    struct timespec changed; /* the file, before it was validated (stat(2), ctime) */
    /* from the header */
    uint32_t flags; /* enum index_flag */
    uint8_t archive_uuid[UUID_BYTES];
    uint64_t release;
    uint64_t committed_bytes; /* of the archive */
    int64_t created_s;
    uint32_t entry_count;
    uint32_t more_count;
    uint32_t head_count;
    uint32_t immutable_count;
    uint32_t not_found_entry; /* 1 + position of the 404 page of the root; 0: none */
    uint32_t not_found_depth; /* folders above the deepest other 404.html; 0: there is no other */
    uint32_t rule_count;
    struct hash128 checksum; /* of header and section table, so of everything */
    /* sections */
    struct mphf mphf;
    const struct index_entry *entries;
    const struct index_representation *more;
    const struct index_head *heads;
    const struct index_rule *rules;
    const char *text;
    uint64_t text_bytes;
};

/* Maps and validates an index file. On failure a negative code and a sentence that names the file
 * and the rule it breaks; nothing stays open. */
int index_open(const char *path, struct index **out_index, struct error *error) CAIRN_MUST_CHECK;
void index_close(struct index *index); /* takes NULL */

/* What the header of an index file says, which is checked by itself: release, time and counts. The
 * rest of the file is not read, and nothing can be looked up. */
int index_peek(const char *path, struct index *out_head, struct error *error) CAIRN_MUST_CHECK;

/* Validates an index in memory that the caller keeps alive; *error names only the rule. */
int index_init(const void *bytes, uint64_t count, struct index *out_index,
               struct error *error) CAIRN_MUST_CHECK;

/* The entry of a canonical path whose hash128 is `hash`, or NULL. The path's bytes are compared. */
const struct index_entry *index_find(const struct index *index, const struct hash128 *hash,
                                     struct slice path);

/* The text at a reference of an entry, representation or head; empty if it lies outside. */
static inline struct slice index_text(const struct index *index, uint32_t at, size_t bytes)
{
    uint64_t offset = (uint64_t)at * INDEX_TEXT_UNIT;
    if (offset > index->text_bytes || bytes > index->text_bytes - offset) {
        return (struct slice){"", 0};
    }
    return (struct slice){index->text + offset, bytes};
}

static inline struct slice index_path(const struct index *index, const struct index_entry *entry)
{
    return index_text(index, entry->path_at, entry->path_bytes);
}

/* The i-th representation of a file's entry; 0 is identity. NULL if there are not so many. */
const struct index_representation *
index_representation(const struct index *index, const struct index_entry *entry, unsigned i);

/* The stored part of a response head, in two runs of complete field lines. ETag, Last-Modified and
 * Content-Length are written from the representation (validators.h). */
struct index_head_text {
    struct slice entity; /* Content-Type, Content-Encoding */
    struct slice policy; /* Vary, Accept-Ranges, Cache-Control */
};

/* Of a row of the heads section, as representations, targets and rules name it. */
struct index_head_text index_head(const struct index *index, uint32_t row);

/* SHA-256 of the representation's stored bytes: DIGEST_BYTES, or NULL if it lies outside. */
static inline const uint8_t *index_digest(const struct index *index,
                                          const struct index_representation *representation)
{
    struct slice digest = index_text(index, representation->digest_at, DIGEST_BYTES);
    return digest.count == DIGEST_BYTES ? (const uint8_t *)digest.bytes : NULL;
}

/* What `load` does not check because nothing depends on it: that every path is canonical and where
 * the hash function says, that hashes are those of the paths, and that heads are well-formed and
 * tell the stored length. ERR_DAMAGED with a sentence. For `cairn-pack verify`. */
int index_check_deep(const struct index *index, struct error *error) CAIRN_MUST_CHECK;

#endif
