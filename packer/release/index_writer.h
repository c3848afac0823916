/* Builds the bytes of an index from paths, representations and heads. The result depends on the
 * order of the calls and on nothing else. One thread; copies what it is given.
 * docs/format.md, "Index". */
#ifndef CAIRN_PACKER_INDEX_WRITER_H
#define CAIRN_PACKER_INDEX_WRITER_H

#include "common/error.h"
#include "common/format.h"
#include "common/slice.h"

struct index_writer;

struct index_writer *index_writer_new(void);
void index_writer_free(struct index_writer *writer); /* takes NULL */

/* The row of a shared head with these field lines; the same lines give the same row. */
uint32_t index_writer_head(struct index_writer *writer, struct slice entity, struct slice policy);

/* One stored form, as the caller knows it. */
struct representation_input {
    uint64_t payload_offset;
    uint64_t stored_bytes;
    int64_t modified_s; /* published as unknown if it is negative or does not fit 40 bits */
    enum codec codec;
    uint32_t head;         /* a row */
    const uint8_t *digest; /* SHA-256 of the stored bytes, DIGEST_BYTES */
};

/* What can stand at a path. Flags: enum entry_flag. Each returns the entry's number, which is not
 * its position. `representations[0]` is identity. `status`: 200, 404 or 410. */
uint32_t index_writer_file(struct index_writer *writer, struct slice path, unsigned status,
                           unsigned flags, const struct representation_input *representations,
                           unsigned count);
uint32_t index_writer_redirect(struct index_writer *writer, struct slice path, unsigned status,
                               unsigned flags, struct slice target, uint32_t head);
uint32_t index_writer_tombstone(struct index_writer *writer, struct slice path, unsigned status);

/* Names the file that answers for missing paths, and the depth of the folder of the deepest other
 * one, which answers for its folder ("/a/b/404.html": 2; 0: there is no other). */
void index_writer_not_found(struct index_writer *writer, uint32_t file);
void index_writer_not_found_depth(struct index_writer *writer, uint32_t depth);

/* A rule for the server (format.h: struct index_rule). */
struct rule_input {
    enum rule_kind kind;
    unsigned flags; /* enum rule_flag */
    unsigned status;
    unsigned pattern_flags;
    struct slice pattern, host, query, target;
    uint32_t head;
};
void index_writer_rule(struct index_writer *writer, const struct rule_input *rule);

struct index_properties {
    uint32_t flags; /* enum index_flag */
    uint8_t archive_uuid[UUID_BYTES];
    uint64_t release;
    uint64_t committed_bytes;
    int64_t created_s;
};

struct index_image {
    uint8_t *bytes; /* owned by the caller: free() */
    uint64_t count;
    struct hash128 checksum; /* what the commit record says of it */
};

/* Builds the file's bytes. ERR_FORMAT if two paths are the same or hash alike, ERR_LIMIT if
 * something cannot be numbered; *error names the path. The writer is used up either way. */
int index_writer_finish(struct index_writer *writer, const struct index_properties *properties,
                        struct index_image *out_image, struct error *error) CAIRN_MUST_CHECK;

/* Makes the checksums of sections and header right again after a change to the bytes: for tools
 * that make bad indexes on purpose. The section table must still be usable. */
void index_image_seal(uint8_t *bytes, uint64_t count);

#endif
