/* The parts of an archive as bytes: superblock, record headers, commit payloads. A pure codec,
 * shared by everything that reads or writes archives; docs/format.md, "Archive". */
#ifndef CAIRN_COMMON_RECORD_H
#define CAIRN_COMMON_RECORD_H

#include "common/format.h"
#include "common/slice.h"

struct superblock {
    uint8_t uuid[UUID_BYTES];
    int64_t created_s; /* Unix time */
};

void superblock_encode(const struct superblock *superblock, uint8_t out[SUPERBLOCK_BYTES]);

/* ERR_FORMAT, ERR_VERSION or ERR_DAMAGED, with *why a static string. */
int superblock_decode(const void *bytes, size_t count, struct superblock *out_superblock,
                      const char **why) CAIRN_MUST_CHECK;

struct record {
    uint64_t offset; /* of the header in the archive, a multiple of 64 */
    enum record_kind kind;
    enum codec codec;   /* of the payload; of a variant without one: identity */
    enum effort effort; /* of a variant: what was spent on it */
    struct slice path;  /* of the mapping, when decoded */
    uint64_t stored_bytes;
    int64_t modified_s; /* the file's time, as published */
    struct hash128 payload_hash;
    uint64_t source_offset;  /* of a variant: of the content record that it is a form of; else 0 */
    uint64_t payload_offset; /* computed */
    uint64_t end_offset;     /* computed: where the next record may start, a multiple of 64 */
};

/* Fills the computed fields from offset, path and stored_bytes. */
void record_place(struct record *record);

/* The header of a record at record->offset; its path follows, then zeros up to payload_offset. The
 * checksum binds it to the archive and to its place in it. */
void record_encode(const struct record *record, const uint8_t uuid[UUID_BYTES],
                   uint8_t out[RECORD_HEADER_BYTES]);

/* Decodes the header and path at `offset` of an archive that has `limit` bytes at `archive`. After
 * 0 the whole record, payload included, lies below limit. ERR_FORMAT where no record starts,
 * ERR_DAMAGED where one does but its checksum is wrong. Says nothing about the payload's bytes. */
int record_decode(const uint8_t *archive, uint64_t limit, uint64_t offset,
                  const uint8_t uuid[UUID_BYTES], struct record *out_record,
                  const char **why) CAIRN_MUST_CHECK;

struct commit {
    uint64_t release;
    uint64_t begin_offset;    /* this release's records start here */
    uint64_t committed_bytes; /* and end here, with the commit record */
    uint64_t previous_offset; /* of the commit record before this one; 0: it is the first */
    int64_t created_s;
    uint64_t index_bytes;
    struct hash128 index_checksum; /* struct index's checksum */
};

void commit_encode(const struct commit *commit, uint8_t out[COMMIT_PAYLOAD_BYTES]);

/* Decodes the commit record that ends at `end` (its committed length) of an archive of at least
 * that many bytes. Errors as record_decode(). */
int commit_decode(const uint8_t *archive, uint64_t end, const uint8_t uuid[UUID_BYTES],
                  struct commit *out_commit, const char **why) CAIRN_MUST_CHECK;

/* An alias record's payload is the offset of the content record that holds the path's bytes. */
void alias_encode(uint64_t content_offset, uint8_t out[ALIAS_PAYLOAD_BYTES]);
int alias_decode(const uint8_t *archive, const struct record *record, uint64_t *out_content_offset,
                 const char **why) CAIRN_MUST_CHECK;

/* Whose signature a release bears. What is signed: common/signature.h. */
struct signature {
    uint8_t key_id[KEY_ID_BYTES];
    uint8_t bytes[SIGNATURE_BYTES];
};

void signature_encode(const struct signature *signature, uint8_t out[SIGNATURE_PAYLOAD_BYTES]);

/* Decodes the signature record before this commit's record, of an archive of at least its committed
 * length. ERR_EMPTY if the release has none; other errors as record_decode(). */
int signature_decode(const uint8_t *archive, const struct commit *commit,
                     const uint8_t uuid[UUID_BYTES], struct signature *out_signature,
                     const char **why) CAIRN_MUST_CHECK;

#endif
