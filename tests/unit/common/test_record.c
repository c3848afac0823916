/* The codec of superblock, records and commits: round trips, and that damage is seen. */
#include "common/record.h"

#include "common/error.h"
#include "common/path.h"

#include <criterion/criterion.h>
#include <stdlib.h>

static const uint8_t uuid[UUID_BYTES] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16};

static void flip_bit(uint8_t *bytes, size_t bit)
{
    bytes[bit / 8] ^= (uint8_t)(1u << (bit % 8));
}

static void put_u64(uint8_t *at, uint64_t value)
{
    memcpy(at, &value, sizeof value);
}

/* ---- superblock ---- */

static void make_superblock(uint8_t out[SUPERBLOCK_BYTES])
{
    struct superblock superblock = {.created_s = 1700000000};
    memcpy(superblock.uuid, uuid, sizeof uuid);
    superblock_encode(&superblock, out);
}

Test(record, superblock_round_trip)
{
    uint8_t bytes[SUPERBLOCK_BYTES];
    make_superblock(bytes);
    struct superblock superblock;
    const char *why;
    cr_assert(superblock_decode(bytes, sizeof bytes, &superblock, &why) == 0, "%s", why);
    cr_expect(memcmp(superblock.uuid, uuid, sizeof uuid) == 0);
    cr_expect(superblock.created_s == 1700000000);
}

Test(record, superblock_refuses_every_flipped_bit)
{
    for (size_t bit = 0; bit < 8 * SUPERBLOCK_BYTES; bit++) {
        uint8_t bytes[SUPERBLOCK_BYTES];
        make_superblock(bytes);
        flip_bit(bytes, bit);
        struct superblock superblock = {.created_s = -1};
        const char *why = NULL;
        int status = superblock_decode(bytes, sizeof bytes, &superblock, &why);
        cr_expect(status == ERR_FORMAT || status == ERR_VERSION || status == ERR_DAMAGED,
                  "bit %zu: %d", bit, status);
        cr_expect(why != NULL && superblock.created_s == -1, "bit %zu", bit);
    }
}

Test(record, superblock_refuses_every_truncation)
{
    uint8_t bytes[SUPERBLOCK_BYTES];
    make_superblock(bytes);
    for (size_t count = 0; count < SUPERBLOCK_BYTES; count++) {
        struct superblock superblock;
        const char *why;
        cr_expect(superblock_decode(bytes, count, &superblock, &why) == ERR_FORMAT, "%zu", count);
        cr_expect((strcmp(why, "the file is empty") == 0) == (count == 0), "%zu: %s", count, why);
    }
}

/* A checksum that is right does not make a reserved byte or a version right. */
Test(record, superblock_checks_more_than_the_checksum)
{
    static const struct {
        size_t at;
        uint8_t value;
        int status;
    } rows[] = {
        {8, 2, ERR_VERSION},  {9, 1, ERR_VERSION},  {8, 0, ERR_VERSION},  {12, 1, ERR_DAMAGED},
        {15, 1, ERR_DAMAGED}, {40, 1, ERR_DAMAGED}, {55, 1, ERR_DAMAGED}, {10, 7, 0},
    };
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        uint8_t bytes[SUPERBLOCK_BYTES];
        make_superblock(bytes);
        bytes[rows[i].at] = rows[i].value;
        put_u64(bytes + 56, hash64(bytes, 56, 0));
        struct superblock superblock;
        const char *why;
        int status = superblock_decode(bytes, sizeof bytes, &superblock, &why);
        cr_expect(status == rows[i].status, "row %zu: %d", i, status);
    }
}

/* ---- records ---- */

enum { ARCHIVE_BYTES = 1024, RECORD_AT = 192 };

static const char payload[] = "Hello, record.";

/* An archive's bytes with one record at RECORD_AT; the caller frees. */
static uint8_t *make_record(enum record_kind kind, struct slice path, struct record *out_record)
{
    uint8_t *archive = calloc(1, ARCHIVE_BYTES);
    cr_assert(archive != NULL);
    struct record record = {
        .offset = RECORD_AT,
        .kind = kind,
        .path = path,
        .stored_bytes = sizeof payload,
        .modified_s = 1234567890,
        .payload_hash = hash128(payload, sizeof payload),
    };
    record_place(&record);
    record_encode(&record, uuid, archive + RECORD_AT);
    memcpy(archive + RECORD_AT + RECORD_HEADER_BYTES, path.bytes, path.count);
    memcpy(archive + record.payload_offset, payload, sizeof payload);
    *out_record = record;
    return archive;
}

Test(record, placement)
{
    static const struct {
        size_t path_bytes;
        uint64_t stored_bytes, payload_offset, end_offset;
    } rows[] = {
        {0, 0, 64, 64},   {0, 1, 64, 128},    {0, 64, 64, 128},   {0, 65, 64, 192},
        {1, 0, 128, 128}, {64, 10, 128, 192}, {65, 10, 192, 256}, {4096, 1, 4160, 4224},
    };
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        static const char path[PATH_BYTES_MAX];
        struct record record = {.offset = RECORD_AT,
                                .path = {path, rows[i].path_bytes},
                                .stored_bytes = rows[i].stored_bytes};
        record_place(&record);
        cr_expect(record.payload_offset == RECORD_AT + rows[i].payload_offset, "row %zu", i);
        cr_expect(record.end_offset == RECORD_AT + rows[i].end_offset, "row %zu", i);
    }
}

Test(record, round_trip_of_every_kind)
{
    static const struct {
        enum record_kind kind;
        struct slice path;
    } rows[] = {
        {RECORD_CONTENT, {"docs/a.html", 11}}, {RECORD_CONTENT, {"", 0}}, {RECORD_ALIAS, {"b", 1}},
        {RECORD_GONE, {"caf\xc3\xa9", 5}},     {RECORD_COMMIT, {"", 0}},
    };
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        struct record wanted;
        struct record record;
        const char *why;
        uint8_t *archive = make_record(rows[i].kind, rows[i].path, &wanted);
        cr_assert(record_decode(archive, ARCHIVE_BYTES, RECORD_AT, uuid, &record, &why) == 0, "%s",
                  why);
        cr_expect(record.offset == RECORD_AT && record.kind == rows[i].kind, "row %zu", i);
        cr_expect(record.codec == CODEC_IDENTITY, "row %zu", i);
        cr_expect(slice_equal(record.path, rows[i].path), "row %zu", i);
        cr_expect(record.stored_bytes == sizeof payload, "row %zu", i);
        cr_expect(record.modified_s == 1234567890, "row %zu", i);
        cr_expect(memcmp(record.payload_hash.bytes, wanted.payload_hash.bytes, 16) == 0);
        cr_expect(record.payload_offset == wanted.payload_offset, "row %zu", i);
        cr_expect(record.end_offset == wanted.end_offset, "row %zu", i);
        free(archive);
    }
}

Test(record, refuses_every_flipped_bit_of_header_and_path)
{
    struct slice path = SLICE("docs/a.html");
    for (size_t bit = 0; bit < 8 * (RECORD_HEADER_BYTES + path.count); bit++) {
        struct record record;
        const char *why = NULL;
        uint8_t *archive = make_record(RECORD_CONTENT, path, &record);
        flip_bit(archive + RECORD_AT, bit);
        record.offset = 7;
        int status = record_decode(archive, ARCHIVE_BYTES, RECORD_AT, uuid, &record, &why);
        cr_expect(status == (bit < 32 ? ERR_FORMAT : ERR_DAMAGED), "bit %zu: %d", bit, status);
        cr_expect(why != NULL && record.offset == 7, "bit %zu", bit);
        free(archive);
    }
}

Test(record, is_bound_to_its_place_and_its_archive)
{
    struct record record;
    const char *why;
    uint8_t *archive = make_record(RECORD_CONTENT, SLICE("a"), &record);
    for (uint64_t at = 0; at + 256 <= ARCHIVE_BYTES; at += 64) {
        uint8_t *moved = calloc(1, ARCHIVE_BYTES);
        cr_assert(moved != NULL);
        memcpy(moved + at, archive + RECORD_AT, 256);
        int status = record_decode(moved, ARCHIVE_BYTES, at, uuid, &record, &why);
        cr_expect(status == (at == RECORD_AT ? 0 : ERR_DAMAGED), "at %zu: %d", (size_t)at, status);
        free(moved);
    }
    for (size_t bit = 0; bit < 8 * UUID_BYTES; bit++) {
        uint8_t other[UUID_BYTES];
        memcpy(other, uuid, sizeof other);
        flip_bit(other, bit);
        int status = record_decode(archive, ARCHIVE_BYTES, RECORD_AT, other, &record, &why);
        cr_expect(status == ERR_DAMAGED, "bit %zu: %d", bit, status);
    }
    free(archive);
}

Test(record, refuses_offsets_that_hold_none)
{
    struct record record;
    const char *why;
    uint8_t *archive = make_record(RECORD_CONTENT, SLICE("a"), &record);
    static const uint64_t offsets[] = {0,    1,    64,   RECORD_AT - 1, RECORD_AT + 1,  960,
                                       1023, 1024, 1088, UINT64_MAX,    UINT64_MAX - 63};
    for (size_t i = 0; i < ARRAY_COUNT(offsets); i++) {
        int status = record_decode(archive, ARCHIVE_BYTES, offsets[i], uuid, &record, &why);
        cr_expect(status == ERR_FORMAT, "%zu: %d", (size_t)offsets[i], status);
    }
    free(archive);
}

/* Copies of exactly `limit` bytes, so that a read behind them is found. */
Test(record, refuses_every_limit_that_cuts_it)
{
    struct record whole;
    uint8_t *archive = make_record(RECORD_CONTENT, SLICE("docs/a.html"), &whole);
    uint64_t needed = whole.payload_offset + whole.stored_bytes;
    for (uint64_t limit = RECORD_AT; limit <= needed; limit++) {
        struct record record;
        const char *why;
        uint8_t *cut = malloc(limit);
        cr_assert(cut != NULL);
        memcpy(cut, archive, limit);
        int status = record_decode(cut, limit, RECORD_AT, uuid, &record, &why);
        bool has_header = limit >= RECORD_AT + RECORD_HEADER_BYTES;
        int wanted = limit == needed ? 0 : has_header ? ERR_DAMAGED : ERR_FORMAT;
        cr_expect(status == wanted, "limit %zu: %d", (size_t)limit, status);
        free(cut);
    }
    free(archive);
}

/* Encoded with a right checksum, so that only the rule itself can refuse it. */
static int decode_encoded(const struct record *record, size_t at, uint8_t value)
{
    uint8_t archive[ARCHIVE_BYTES] = {0};
    uint8_t *header = archive + RECORD_AT;
    record_encode(record, uuid, header);
    memcpy(header + RECORD_HEADER_BYTES, record->path.bytes, record->path.count);
    header[at] = value;
    uint64_t offset = RECORD_AT;
    uint64_t seed = hash64(&offset, sizeof offset, hash64(uuid, UUID_BYTES, 0));
    seed = hash64(header, 56, seed);
    put_u64(header + 56, hash64(record->path.bytes, record->path.count, seed));
    struct record out;
    const char *why;
    return record_decode(archive, ARCHIVE_BYTES, RECORD_AT, uuid, &out, &why);
}

Test(record, checks_more_than_the_checksum)
{
    static const struct {
        size_t at;
        uint8_t value;
        int status;
    } rows[] = {
        {4, RECORD_CONTENT, 0}, {4, RECORD_COMMIT, 0},
        {4, 0, ERR_VERSION},    {4, RECORD_SIGNATURE + 1, ERR_VERSION},
        {4, 255, ERR_VERSION},  {5, CODEC_GZIP, ERR_FORMAT}, /* only a variant is coded */
        {6, 1, ERR_FORMAT},     {7, 1, ERR_DAMAGED},
        {12, 1, ERR_DAMAGED},   {15, 1, ERR_DAMAGED},
        {48, 1, ERR_FORMAT},    {55, 1, ERR_FORMAT},
        {10, 1, ERR_DAMAGED},   {11, 255, ERR_DAMAGED},
    };
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        struct record record = {.offset = RECORD_AT, .kind = RECORD_CONTENT, .path = SLICE("a")};
        int status = decode_encoded(&record, rows[i].at, rows[i].value);
        cr_expect(status == rows[i].status, "row %zu: %d", i, status);
    }
}

/* A coded form says of which content, made with what effort; it stands behind that content. */
Test(record, variants)
{
    static const struct {
        enum codec codec;
        enum effort effort;
        uint64_t source_offset, stored_bytes;
        int status;
    } rows[] = {
        {CODEC_GZIP, EFFORT_FAST, 64, 0, 0},
        {CODEC_ZSTD, EFFORT_MAX, 64, 5, 0},
        {CODEC_BR, EFFORT_DEFAULT, RECORD_AT - 64, 5, 0},
        {CODEC_IDENTITY, EFFORT_MAX, 64, 0, 0},          /* none is worth it */
        {CODEC_IDENTITY, EFFORT_MAX, 64, 5, ERR_FORMAT}, /* and then there are no bytes */
        {CODEC_COUNT, EFFORT_MAX, 64, 5, ERR_FORMAT},
        {CODEC_GZIP, EFFORT_NONE, 64, 5, ERR_FORMAT},
        {CODEC_GZIP, EFFORT_COUNT, 64, 5, ERR_FORMAT},
        {CODEC_GZIP, EFFORT_MAX, 0, 5, ERR_FORMAT},
        {CODEC_GZIP, EFFORT_MAX, 65, 5, ERR_FORMAT},
        {CODEC_GZIP, EFFORT_MAX, RECORD_AT, 5, ERR_FORMAT},
        {CODEC_GZIP, EFFORT_MAX, UINT64_MAX - 63, 5, ERR_FORMAT},
    };
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        struct record record = {
            .offset = RECORD_AT,
            .kind = RECORD_VARIANT,
            .codec = rows[i].codec,
            .effort = rows[i].effort,
            .path = SLICE("a"),
            .stored_bytes = rows[i].stored_bytes,
            .source_offset = rows[i].source_offset,
        };
        int status = decode_encoded(&record, 4, RECORD_VARIANT);
        cr_expect(status == rows[i].status, "row %zu: %d", i, status);
    }
}

Test(record, lengths_that_overflow_are_refused)
{
    static const uint64_t lengths[] = {
        UINT64_MAX,       UINT64_MAX - 1,   UINT64_MAX - 63,          UINT64_MAX - 64,
        UINT64_MAX - 127, UINT64_MAX - 192, UINT64_MAX - 255,         UINT64_MAX - 256,
        UINT64_MAX - 319, UINT64_MAX - 320, UINT64_MAX - 383,         (uint64_t)1 << 63,
        INT64_MAX,        ARCHIVE_BYTES,    ARCHIVE_BYTES - 256 - 63, 1u << 31,
    };
    for (size_t i = 0; i < ARRAY_COUNT(lengths); i++) {
        struct record record = {.offset = RECORD_AT,
                                .kind = RECORD_CONTENT,
                                .path = SLICE("a"),
                                .stored_bytes = lengths[i]};
        int status = decode_encoded(&record, 4, RECORD_CONTENT);
        bool fits = lengths[i] <= ARCHIVE_BYTES - 320;
        cr_expect(status == (fits ? 0 : ERR_DAMAGED), "row %zu: %d", i, status);
    }
}

/* ---- commits ---- */

enum { COMMIT_AT = 256, COMMIT_END = COMMIT_AT + COMMIT_RECORD_BYTES };

static const struct commit good_commit = {
    .release = 42,
    .begin_offset = 192,
    .committed_bytes = COMMIT_END,
    .previous_offset = 64,
    .created_s = 1700000001,
    .index_bytes = 4096,
    .index_checksum = {{9, 8, 7, 6, 5, 4, 3, 2, 1}},
};

static void put_commit(uint8_t archive[COMMIT_END], const struct commit *commit,
                       enum record_kind kind, struct slice path)
{
    uint8_t bytes[COMMIT_PAYLOAD_BYTES];
    commit_encode(commit, bytes);
    struct record record = {
        .offset = COMMIT_AT,
        .kind = kind,
        .path = path,
        .stored_bytes = sizeof bytes,
        .payload_hash = hash128(bytes, sizeof bytes),
    };
    memset(archive, 0, COMMIT_END);
    record_encode(&record, uuid, archive + COMMIT_AT);
    memcpy(archive + COMMIT_AT + RECORD_HEADER_BYTES, bytes, sizeof bytes);
}

Test(record, commit_round_trip)
{
    uint8_t archive[COMMIT_END];
    put_commit(archive, &good_commit, RECORD_COMMIT, SLICE(""));
    struct commit commit;
    const char *why;
    cr_assert(commit_decode(archive, COMMIT_END, uuid, &commit, &why) == 0, "%s", why);
    cr_expect(commit.release == 42 && commit.begin_offset == 192);
    cr_expect(commit.committed_bytes == COMMIT_END && commit.previous_offset == 64);
    cr_expect(commit.created_s == 1700000001 && commit.index_bytes == 4096);
    cr_expect(memcmp(&commit.index_checksum, &good_commit.index_checksum, 16) == 0);
}

Test(record, commit_refuses_every_flipped_bit)
{
    for (size_t bit = 0; bit < 8 * COMMIT_RECORD_BYTES; bit++) {
        uint8_t archive[COMMIT_END];
        put_commit(archive, &good_commit, RECORD_COMMIT, SLICE(""));
        flip_bit(archive + COMMIT_AT, bit);
        struct commit commit = {.release = 7};
        const char *why = NULL;
        int status = commit_decode(archive, COMMIT_END, uuid, &commit, &why);
        cr_expect(status == ERR_FORMAT || status == ERR_DAMAGED, "bit %zu: %d", bit, status);
        cr_expect(why != NULL && commit.release == 7, "bit %zu", bit);
    }
}

Test(record, commit_must_agree_with_its_place)
{
    static const struct {
        uint64_t begin, committed, previous;
        int status;
    } rows[] = {
        {192, COMMIT_END, 64, 0},
        {192, COMMIT_END, 0, 0},
        {COMMIT_AT, COMMIT_END, 64, 0}, /* a release without new records */
        {64, COMMIT_END, 0, 0},
        {192, COMMIT_END - 64, 64, ERR_FORMAT},
        {192, COMMIT_END + 64, 64, ERR_FORMAT},
        {192, 0, 64, ERR_FORMAT},
        {COMMIT_AT + 64, COMMIT_END, 64, ERR_FORMAT},
        {UINT64_MAX - 63, COMMIT_END, 64, ERR_FORMAT},
        {0, COMMIT_END, 0, ERR_FORMAT},
        {191, COMMIT_END, 64, ERR_FORMAT},
        {192, COMMIT_END, 192, ERR_FORMAT},
        {192, COMMIT_END, COMMIT_AT, ERR_FORMAT},
        {192, COMMIT_END, UINT64_MAX, ERR_FORMAT},
    };
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        struct commit commit = good_commit;
        commit.begin_offset = rows[i].begin;
        commit.committed_bytes = rows[i].committed;
        commit.previous_offset = rows[i].previous;
        uint8_t archive[COMMIT_END];
        put_commit(archive, &commit, RECORD_COMMIT, SLICE(""));
        const char *why;
        int status = commit_decode(archive, COMMIT_END, uuid, &commit, &why);
        cr_expect(status == rows[i].status, "row %zu: %d", i, status);
    }
}

Test(record, commit_refuses_other_records_and_ends)
{
    uint8_t archive[COMMIT_END];
    struct commit commit;
    const char *why;
    put_commit(archive, &good_commit, RECORD_CONTENT, SLICE(""));
    cr_expect(commit_decode(archive, COMMIT_END, uuid, &commit, &why) == ERR_FORMAT);
    put_commit(archive, &good_commit, RECORD_COMMIT, SLICE(""));
    for (uint64_t end = 0; end < COMMIT_END; end++) {
        cr_expect(commit_decode(archive, end, uuid, &commit, &why) == ERR_FORMAT, "%zu",
                  (size_t)end);
    }
}

/* ---- aliases ---- */

static uint8_t *make_alias(uint64_t content_offset, struct record *out_record)
{
    uint8_t *archive = calloc(1, ARCHIVE_BYTES);
    cr_assert(archive != NULL);
    *out_record = (struct record){
        .offset = 512, .kind = RECORD_ALIAS, .path = {"b", 1}, .stored_bytes = ALIAS_PAYLOAD_BYTES};
    record_place(out_record);
    uint8_t bytes[ALIAS_PAYLOAD_BYTES];
    alias_encode(content_offset, bytes);
    memcpy(archive + out_record->payload_offset, bytes, sizeof bytes);
    out_record->payload_hash = hash128(bytes, sizeof bytes);
    return archive;
}

Test(record, alias_round_trip_and_rules)
{
    static const struct {
        uint64_t content_offset;
        int status;
    } rows[] = {
        {64, 0}, {448, 0}, {512, ERR_DAMAGED}, {576, ERR_DAMAGED}, {UINT64_MAX, ERR_DAMAGED}};
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        struct record record;
        uint64_t offset = 0;
        const char *why;
        uint8_t *archive = make_alias(rows[i].content_offset, &record);
        cr_expect(alias_decode(archive, &record, &offset, &why) == rows[i].status, "row %zu", i);
        cr_expect(offset == (rows[i].status == 0 ? rows[i].content_offset : 0), "row %zu", i);
        free(archive);
    }
}

Test(record, alias_refuses_damage)
{
    struct record record;
    uint64_t offset;
    const char *why;
    for (size_t bit = 0; bit < 8 * ALIAS_PAYLOAD_BYTES; bit++) {
        uint8_t *archive = make_alias(64, &record);
        flip_bit(archive + record.payload_offset, bit);
        cr_expect(alias_decode(archive, &record, &offset, &why) == ERR_DAMAGED, "bit %zu", bit);
        free(archive);
    }
    uint8_t *archive = make_alias(64, &record);
    record.kind = RECORD_CONTENT;
    cr_expect(alias_decode(archive, &record, &offset, &why) == ERR_FORMAT);
    record.kind = RECORD_ALIAS;
    record.stored_bytes = 63;
    cr_expect(alias_decode(archive, &record, &offset, &why) == ERR_FORMAT);
    free(archive);
}

/* ---- signatures ---- */

enum { SIGNED_BYTES = SUPERBLOCK_BYTES + SIGNATURE_RECORD_BYTES + COMMIT_RECORD_BYTES };

static struct signature sample_signature(void)
{
    struct signature signature;
    memset(signature.key_id, 0xab, sizeof signature.key_id);
    memset(signature.bytes, 0xcd, sizeof signature.bytes);
    return signature;
}

/* A record with this signed_payload where the signature belongs, of a release that has nothing
 * else. */
static struct commit place_signature(uint8_t archive[SIGNED_BYTES], struct record record,
                                     const uint8_t signed_payload[SIGNATURE_PAYLOAD_BYTES])
{
    memset(archive, 0, SIGNED_BYTES);
    record.offset = SUPERBLOCK_BYTES;
    record.payload_hash = hash128(signed_payload, SIGNATURE_PAYLOAD_BYTES);
    record_encode(&record, uuid, archive + SUPERBLOCK_BYTES);
    memcpy(archive + SUPERBLOCK_BYTES + RECORD_HEADER_BYTES, signed_payload,
           SIGNATURE_PAYLOAD_BYTES);
    return (struct commit){.begin_offset = SUPERBLOCK_BYTES, .committed_bytes = SIGNED_BYTES};
}

static const struct record signature_record = {
    .kind = RECORD_SIGNATURE, .path = SLICE(""), .stored_bytes = SIGNATURE_PAYLOAD_BYTES};

Test(record, signature_round_trip)
{
    uint8_t archive[SIGNED_BYTES];
    uint8_t signed_payload[SIGNATURE_PAYLOAD_BYTES];
    struct signature signature = sample_signature();
    struct signature decoded;
    const char *why;
    signature_encode(&signature, signed_payload);
    struct commit commit = place_signature(archive, signature_record, signed_payload);
    cr_assert(signature_decode(archive, &commit, uuid, &decoded, &why) == 0, "%s", why);
    cr_expect(memcmp(&decoded, &signature, sizeof signature) == 0);
}

Test(record, signature_refuses_every_flipped_bit)
{
    uint8_t archive[SIGNED_BYTES];
    uint8_t signed_payload[SIGNATURE_PAYLOAD_BYTES];
    struct signature signature = sample_signature();
    signature_encode(&signature, signed_payload);
    for (size_t bit = 0; bit < 8 * SIGNATURE_RECORD_BYTES; bit++) {
        struct signature decoded = {{0}, {0}};
        const char *why = NULL;
        struct commit commit = place_signature(archive, signature_record, signed_payload);
        flip_bit(archive + SUPERBLOCK_BYTES, bit);
        int status = signature_decode(archive, &commit, uuid, &decoded, &why);
        cr_expect(status == ERR_EMPTY || status == ERR_DAMAGED, "bit %zu: %d", bit, status);
        cr_expect(why != NULL && decoded.key_id[0] == 0, "bit %zu", bit);
    }
}

/* What is no signature is no damage; what claims to be one has to be one. */
Test(record, signature_where_there_is_none)
{
    uint8_t archive[SIGNED_BYTES];
    uint8_t signed_payload[SIGNATURE_PAYLOAD_BYTES];
    struct signature signature = sample_signature();
    const char *why;
    signature_encode(&signature, signed_payload);
    struct record other = signature_record;
    other.kind = RECORD_CONTENT;
    struct commit commit = place_signature(archive, other, signed_payload);
    cr_expect(signature_decode(archive, &commit, uuid, &signature, &why) == ERR_EMPTY);
    memset(archive + SUPERBLOCK_BYTES, 0x55, SIGNATURE_RECORD_BYTES);
    cr_expect(signature_decode(archive, &commit, uuid, &signature, &why) == ERR_EMPTY);
    commit.begin_offset += FORMAT_ALIGNMENT; /* it would begin before the release does */
    cr_expect(signature_decode(archive, &commit, uuid, &signature, &why) == ERR_EMPTY);
    other = signature_record;
    other.stored_bytes = SIGNATURE_PAYLOAD_BYTES - 1;
    commit = place_signature(archive, other, signed_payload);
    cr_expect(signature_decode(archive, &commit, uuid, &signature, &why) == ERR_FORMAT);
    other.path = SLICE("a");
    other.stored_bytes = FORMAT_ALIGNMENT;
    commit = place_signature(archive, other, signed_payload);
    cr_expect(signature_decode(archive, &commit, uuid, &signature, &why) == ERR_DAMAGED,
              "the header's checksum is of another path");
    signed_payload[KEY_ID_BYTES] = 1; /* reserved */
    commit = place_signature(archive, signature_record, signed_payload);
    cr_expect(signature_decode(archive, &commit, uuid, &signature, &why) == ERR_DAMAGED);
}
