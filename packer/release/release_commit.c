#include "packer/release/release_commit.h"

#include "common/signature.h"

uint64_t release_committed_bytes(const struct archive_writer *writer, const struct private_key *key)
{
    return archive_writer_committed_bytes(writer) + (key == NULL ? 0 : SIGNATURE_RECORD_BYTES);
}

static int sign(struct archive_writer *writer, const struct private_key *key, int64_t created_s,
                const struct index_image *image, struct error *error)
{
    struct signature signature = signature_make(key, image->bytes, (size_t)image->count);
    uint8_t payload[SIGNATURE_PAYLOAD_BYTES];
    signature_encode(&signature, payload);
    struct record record = {
        .kind = RECORD_SIGNATURE,
        .path = SLICE(""),
        .stored_bytes = sizeof payload,
        .modified_s = created_s,
        .payload_hash = hash128(payload, sizeof payload),
    };
    return archive_writer_record(writer, &record, payload, error);
}

int release_commit(struct archive_writer *writer, const struct private_key *key, uint64_t release,
                   int64_t created_s, const struct index_image *image, struct error *error)
{
    struct commit commit = {
        .release = release,
        .created_s = created_s,
        .index_bytes = image->count,
        .index_checksum = image->checksum,
    };
    int status = key == NULL ? 0 : sign(writer, key, created_s, image, error);
    return status == 0 ? archive_writer_commit(writer, &commit, error) : status;
}
