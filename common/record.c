#include "common/record.h"

#include "common/error.h"
#include "common/path.h"
#include "common/wire.h"

enum { CHECKED_BYTES = 56 }; /* of a 64-byte structure: all before its checksum */

void superblock_encode(const struct superblock *superblock, uint8_t out[SUPERBLOCK_BYTES])
{
    struct wire_writer writer = wire_writer(out, SUPERBLOCK_BYTES);
    wire_put(&writer, ARCHIVE_MAGIC, MAGIC_BYTES);
    wire_put_u16(&writer, ARCHIVE_VERSION_MAJOR);
    wire_put_u16(&writer, ARCHIVE_VERSION_MINOR);
    wire_put_u32(&writer, 0);
    wire_put(&writer, superblock->uuid, UUID_BYTES);
    wire_put_i64(&writer, superblock->created_s);
    wire_put_zeros(&writer, 16);
    wire_put_u64(&writer, hash64(out, CHECKED_BYTES, 0));
}

int superblock_decode(const void *bytes, size_t count, struct superblock *out_superblock,
                      const char **why)
{
    struct wire_reader reader = wire_reader(bytes, count);
    uint8_t magic[MAGIC_BYTES];
    wire_read(&reader, magic, sizeof magic);
    uint16_t major = wire_u16(&reader);
    wire_u16(&reader); /* a minor version adds, it does not change */
    wire_reserved(&reader, 4);
    struct superblock superblock;
    wire_read(&reader, superblock.uuid, UUID_BYTES);
    superblock.created_s = wire_i64(&reader);
    wire_reserved(&reader, 16);
    uint64_t checksum = wire_u64(&reader);
    *why = count == 0 ? "the file is empty" : "the file is not a Cairn archive";
    if (count < SUPERBLOCK_BYTES || memcmp(magic, ARCHIVE_MAGIC, MAGIC_BYTES) != 0) {
        return ERR_FORMAT;
    }
    *why = "the archive's format version is not known here";
    if (major != ARCHIVE_VERSION_MAJOR) {
        return ERR_VERSION;
    }
    *why = "the archive's superblock has a wrong checksum";
    if (!wire_ok(&reader) || checksum != hash64(bytes, CHECKED_BYTES, 0)) {
        return ERR_DAMAGED;
    }
    *out_superblock = superblock;
    return 0;
}

void record_place(struct record *record)
{
    record->payload_offset =
        format_align(record->offset + RECORD_HEADER_BYTES + record->path.count);
    record->end_offset = format_align(record->payload_offset + record->stored_bytes);
}

/* A record is valid at one offset of one archive only: an archive that was packed as a file of a
 * site, or bytes that were moved, are never taken for records. */
static uint64_t header_checksum(const uint8_t *header, struct slice path,
                                const uint8_t uuid[UUID_BYTES], uint64_t offset)
{
    uint64_t seed = hash64(&offset, sizeof offset, hash64(uuid, UUID_BYTES, 0));
    return hash64(path.bytes, path.count, hash64(header, CHECKED_BYTES, seed));
}

void record_encode(const struct record *record, const uint8_t uuid[UUID_BYTES],
                   uint8_t out[RECORD_HEADER_BYTES])
{
    struct wire_writer writer = wire_writer(out, RECORD_HEADER_BYTES);
    wire_put_u32(&writer, RECORD_MAGIC);
    wire_put_u8(&writer, (uint8_t)record->kind);
    wire_put_u8(&writer, (uint8_t)record->codec);
    wire_put_u8(&writer, (uint8_t)record->effort);
    wire_put_u8(&writer, 0);
    wire_put_u32(&writer, (uint32_t)record->path.count);
    wire_put_u32(&writer, 0);
    wire_put_u64(&writer, record->stored_bytes);
    wire_put_i64(&writer, record->modified_s);
    wire_put(&writer, record->payload_hash.bytes, HASH128_BYTES);
    wire_put_u64(&writer, record->source_offset);
    wire_put_u64(&writer, header_checksum(out, record->path, uuid, record->offset));
}

/* Only a variant has a coding, an effort and a source, and it stands behind its source. */
static bool is_consistent(const struct record *record)
{
    if (record->kind != RECORD_VARIANT) {
        return record->codec == CODEC_IDENTITY && record->effort == EFFORT_NONE &&
               record->source_offset == 0;
    }
    bool has_payload = record->codec != CODEC_IDENTITY;
    return record->codec < CODEC_COUNT && record->effort > EFFORT_NONE &&
           record->effort < EFFORT_COUNT && record->source_offset >= SUPERBLOCK_BYTES &&
           record->source_offset < record->offset &&
           record->source_offset % FORMAT_ALIGNMENT == 0 &&
           (has_payload || record->stored_bytes == 0);
}

int record_decode(const uint8_t *archive, uint64_t limit, uint64_t offset,
                  const uint8_t uuid[UUID_BYTES], struct record *out_record, const char **why)
{
    *why = "no record starts here";
    if (offset % FORMAT_ALIGNMENT != 0 || offset > limit || limit - offset < RECORD_HEADER_BYTES) {
        return ERR_FORMAT;
    }
    const uint8_t *header = archive + offset;
    struct wire_reader reader = wire_reader(header, RECORD_HEADER_BYTES);
    uint32_t magic = wire_u32(&reader);
    uint8_t kind = wire_u8(&reader);
    uint8_t codec = wire_u8(&reader);
    uint8_t effort = wire_u8(&reader);
    wire_reserved(&reader, 1);
    uint32_t path_bytes = wire_u32(&reader);
    wire_reserved(&reader, 4);
    struct record record = {.offset = offset};
    record.stored_bytes = wire_u64(&reader);
    record.modified_s = wire_i64(&reader);
    wire_read(&reader, record.payload_hash.bytes, HASH128_BYTES);
    record.source_offset = wire_u64(&reader);
    uint64_t checksum = wire_u64(&reader);
    if (magic != RECORD_MAGIC) {
        return ERR_FORMAT;
    }
    *why = "a record reaches past the end";
    if (path_bytes > PATH_BYTES_MAX || limit - offset - RECORD_HEADER_BYTES < path_bytes) {
        return ERR_DAMAGED;
    }
    record.path = (struct slice){(const char *)header + RECORD_HEADER_BYTES, path_bytes};
    *why = "a record's header has a wrong checksum";
    if (!wire_ok(&reader) || checksum != header_checksum(header, record.path, uuid, offset)) {
        return ERR_DAMAGED;
    }
    *why = "a record is of a kind that is not known here";
    if (kind < RECORD_CONTENT || kind > RECORD_SIGNATURE) {
        return ERR_VERSION;
    }
    record.kind = (enum record_kind)kind;
    record.codec = (enum codec)codec;
    record.effort = (enum effort)effort;
    *why = "a record's fields contradict its kind";
    if (!is_consistent(&record)) {
        return ERR_FORMAT;
    }
    *why = "a record reaches past the end";
    if (record.stored_bytes > limit) {
        return ERR_DAMAGED;
    }
    record_place(&record);
    if (record.payload_offset > limit || record.stored_bytes > limit - record.payload_offset) {
        return ERR_DAMAGED;
    }
    *out_record = record;
    return 0;
}

void commit_encode(const struct commit *commit, uint8_t out[COMMIT_PAYLOAD_BYTES])
{
    struct wire_writer writer = wire_writer(out, COMMIT_PAYLOAD_BYTES);
    wire_put_u64(&writer, commit->release);
    wire_put_u64(&writer, commit->begin_offset);
    wire_put_u64(&writer, commit->committed_bytes);
    wire_put_u64(&writer, commit->previous_offset);
    wire_put_i64(&writer, commit->created_s);
    wire_put_u64(&writer, commit->index_bytes);
    wire_put(&writer, commit->index_checksum.bytes, HASH128_BYTES);
}

int commit_decode(const uint8_t *archive, uint64_t end, const uint8_t uuid[UUID_BYTES],
                  struct commit *out_commit, const char **why)
{
    *why = "the committed length is too short for a commit record";
    if (end % FORMAT_ALIGNMENT != 0 || end < SUPERBLOCK_BYTES + COMMIT_RECORD_BYTES) {
        return ERR_FORMAT;
    }
    struct record record;
    int status = record_decode(archive, end, end - COMMIT_RECORD_BYTES, uuid, &record, why);
    if (status != 0) {
        return status;
    }
    *why = "the record at the committed length is no commit record";
    if (record.kind != RECORD_COMMIT || record.path.count != 0 ||
        record.stored_bytes != COMMIT_PAYLOAD_BYTES) {
        return ERR_FORMAT;
    }
    const uint8_t *payload = archive + record.payload_offset;
    struct hash128 hash = hash128(payload, COMMIT_PAYLOAD_BYTES);
    *why = "the commit record has a wrong checksum";
    if (memcmp(hash.bytes, record.payload_hash.bytes, HASH128_BYTES) != 0) {
        return ERR_DAMAGED;
    }
    struct wire_reader reader = wire_reader(payload, COMMIT_PAYLOAD_BYTES);
    struct commit commit;
    commit.release = wire_u64(&reader);
    commit.begin_offset = wire_u64(&reader);
    commit.committed_bytes = wire_u64(&reader);
    commit.previous_offset = wire_u64(&reader);
    commit.created_s = wire_i64(&reader);
    commit.index_bytes = wire_u64(&reader);
    wire_read(&reader, commit.index_checksum.bytes, HASH128_BYTES);
    *why = "the commit record contradicts its place";
    if (commit.committed_bytes != end || commit.begin_offset > record.offset ||
        commit.begin_offset < SUPERBLOCK_BYTES || commit.begin_offset % FORMAT_ALIGNMENT != 0 ||
        (commit.previous_offset != 0 && commit.previous_offset >= commit.begin_offset)) {
        return ERR_FORMAT;
    }
    *out_commit = commit;
    return 0;
}

void alias_encode(uint64_t content_offset, uint8_t out[ALIAS_PAYLOAD_BYTES])
{
    struct wire_writer writer = wire_writer(out, ALIAS_PAYLOAD_BYTES);
    wire_put_u64(&writer, content_offset);
}

int alias_decode(const uint8_t *archive, const struct record *record, uint64_t *out_content_offset,
                 const char **why)
{
    *why = "an alias record's payload is damaged";
    if (record->kind != RECORD_ALIAS || record->stored_bytes != ALIAS_PAYLOAD_BYTES) {
        return ERR_FORMAT;
    }
    const uint8_t *payload = archive + record->payload_offset;
    struct hash128 hash = hash128(payload, ALIAS_PAYLOAD_BYTES);
    struct wire_reader reader = wire_reader(payload, ALIAS_PAYLOAD_BYTES);
    uint64_t content_offset = wire_u64(&reader);
    wire_reserved(&reader, ALIAS_PAYLOAD_BYTES - 8);
    if (memcmp(hash.bytes, record->payload_hash.bytes, HASH128_BYTES) != 0 || !wire_ok(&reader) ||
        content_offset >= record->offset) {
        return ERR_DAMAGED;
    }
    *out_content_offset = content_offset;
    return 0;
}

void signature_encode(const struct signature *signature, uint8_t out[SIGNATURE_PAYLOAD_BYTES])
{
    struct wire_writer writer = wire_writer(out, SIGNATURE_PAYLOAD_BYTES);
    wire_put(&writer, signature->key_id, KEY_ID_BYTES);
    wire_put_zeros(&writer, SIGNATURE_PAYLOAD_BYTES - KEY_ID_BYTES - SIGNATURE_BYTES);
    wire_put(&writer, signature->bytes, SIGNATURE_BYTES);
}

/* Where the record would be, an unsigned release has any other record, or the middle of one: that
 * is no damage. */
int signature_decode(const uint8_t *archive, const struct commit *commit,
                     const uint8_t uuid[UUID_BYTES], struct signature *out_signature,
                     const char **why)
{
    *why = "it is not signed";
    uint64_t end = commit->committed_bytes - COMMIT_RECORD_BYTES;
    if (end - commit->begin_offset < SIGNATURE_RECORD_BYTES) {
        return ERR_EMPTY;
    }
    struct record record;
    const char *problem;
    int status = record_decode(archive, end, end - SIGNATURE_RECORD_BYTES, uuid, &record, &problem);
    if (status == ERR_FORMAT || (status == 0 && record.kind != RECORD_SIGNATURE)) {
        return ERR_EMPTY;
    }
    *why = problem;
    if (status != 0) {
        return status;
    }
    *why = "the signature record is not as long as it has to be";
    if (record.path.count != 0 || record.stored_bytes != SIGNATURE_PAYLOAD_BYTES) {
        return ERR_FORMAT;
    }
    const uint8_t *payload = archive + record.payload_offset;
    struct hash128 hash = hash128(payload, SIGNATURE_PAYLOAD_BYTES);
    struct wire_reader reader = wire_reader(payload, SIGNATURE_PAYLOAD_BYTES);
    struct signature signature;
    wire_read(&reader, signature.key_id, KEY_ID_BYTES);
    wire_reserved(&reader, SIGNATURE_PAYLOAD_BYTES - KEY_ID_BYTES - SIGNATURE_BYTES);
    wire_read(&reader, signature.bytes, SIGNATURE_BYTES);
    *why = "the signature record is damaged";
    if (memcmp(hash.bytes, record.payload_hash.bytes, HASH128_BYTES) != 0 || !wire_ok(&reader)) {
        return ERR_DAMAGED;
    }
    *out_signature = signature;
    return 0;
}
