#include "packer/verify.h"

#include "common/mem.h"
#include "common/opened_release.h"
#include "common/sha256.h"
#include "packer/release/release_view.h"

#include <inttypes.h>
#include <stdlib.h>

/* Where stored bytes are, and what they must hash to: from a record. */
struct stored {
    uint64_t payload_offset;
    uint64_t stored_bytes;
    struct hash128 hash;
    uint8_t digest[DIGEST_BYTES]; /* SHA-256 of the bytes, once they are checked */
    bool is_checked;
};

struct stored_list {
    struct stored *rows; /* by offset, ascending */
    size_t count;
    size_t capacity;
};

static void add_stored(struct stored_list *list, const struct record *record)
{
    bool has_bytes = record->kind == RECORD_CONTENT ||
                     (record->kind == RECORD_VARIANT && record->codec != CODEC_IDENTITY);
    if (!has_bytes) {
        return;
    }
    if (list->count == list->capacity) {
        list->capacity = mem_capacity(list->capacity, list->count + 1);
        list->rows = mem_resize(list->rows, list->capacity, sizeof *list->rows);
    }
    list->rows[list->count++] = (struct stored){
        record->payload_offset, record->stored_bytes, record->payload_hash, {0}, false};
}

/* Damaged records are passed over: they count only if the release needs what they held. */
static void read_commit_records(const struct archive *archive, const struct commit *commit,
                                struct stored_list *list)
{
    uint64_t offset = commit->begin_offset;
    struct record record;
    const char *why = "";
    for (;;) {
        int status = archive_next_record(archive, commit, &offset, &record, &why);
        if (status > 0) {
            add_stored(list, &record);
        } else if (status == 0 ||
                   !archive_resync(archive, commit->committed_bytes - COMMIT_RECORD_BYTES,
                                   &offset)) {
            return;
        }
    }
}

static int compare_stored(const void *a, const void *b)
{
    const struct stored *x = a;
    const struct stored *y = b;
    return (x->payload_offset > y->payload_offset) - (x->payload_offset < y->payload_offset);
}

/* All records with bytes of the releases up to this committed length, which may share them. */
static int read_stored(const struct archive *archive, uint64_t committed_bytes,
                       struct stored_list *list, struct error *error)
{
    struct commit *commits;
    size_t count;
    int status = release_commits(archive, &commits, &count, error);
    if (status != 0) {
        return status;
    }
    if (count > 0 && commits[0].previous_offset != 0) {
        struct commit unreachable = {.begin_offset = SUPERBLOCK_BYTES,
                                     .committed_bytes =
                                         commits[0].begin_offset + COMMIT_RECORD_BYTES};
        read_commit_records(archive, &unreachable, list);
    }
    for (size_t i = 0; i < count; i++) {
        if (commits[i].committed_bytes <= committed_bytes) {
            read_commit_records(archive, &commits[i], list);
        }
    }
    free(commits);
    if (list->count > 0) {
        qsort(list->rows, list->count, sizeof *list->rows, compare_stored);
    }
    return 0;
}

struct check {
    const struct opened_release *opened;
    struct stored_list list;
    struct sha256_stream *sha256;
    uint64_t bytes;
};

/* Once for all paths that share them. */
static bool check_bytes(struct check *check, struct stored *stored)
{
    const uint8_t *bytes = check->opened->archive->map + stored->payload_offset;
    struct hash128 hash = hash128(bytes, stored->stored_bytes);
    if (memcmp(hash.bytes, stored->hash.bytes, HASH128_BYTES) != 0) {
        return false;
    }
    sha256(check->sha256, bytes, (size_t)stored->stored_bytes, stored->digest);
    stored->is_checked = true;
    check->bytes += stored->stored_bytes;
    return true;
}

static const char *bytes_problem(struct check *check,
                                 const struct index_representation *representation)
{
    struct stored key = {.payload_offset = representation->payload_offset};
    struct stored *stored = check->list.count == 0
                                ? NULL
                                : bsearch(&key, check->list.rows, check->list.count,
                                          sizeof *check->list.rows, compare_stored);
    if (stored == NULL || stored->stored_bytes != representation->stored_bytes) {
        return "no record of the archive holds its bytes";
    }
    if (!stored->is_checked && !check_bytes(check, stored)) {
        return "its bytes are damaged";
    }
    const uint8_t *digest = index_digest(check->opened->index, representation);
    return digest != NULL && memcmp(digest, stored->digest, DIGEST_BYTES) == 0
               ? NULL
               : "its digest is not that of its bytes";
}

static int check_all(struct check *check, struct error *error)
{
    const struct index *index = check->opened->index;
    for (uint32_t i = 0; i < index->entry_count; i++) {
        const struct index_entry *entry = &index->entries[i];
        for (unsigned j = 0; j < entry->representation_count; j++) {
            const char *problem = bytes_problem(check, index_representation(index, entry, j));
            if (problem != NULL) {
                struct slice path = index_path(index, entry);
                return error_set(error, ERR_DAMAGED, "%s: %.*s: %s", check->opened->archive->path,
                                 (int)path.count, path.bytes, problem);
            }
        }
    }
    return 0;
}

/* Signed by one of these keys? *out_words says by which: nothing if nobody asks. */
static int check_signer(const struct opened_release *opened, const char *path,
                        const struct trust *trust, char out_words[8 + KEY_ID_TEXT_BYTES],
                        struct error *error)
{
    struct key_id id;
    char text[KEY_ID_TEXT_BYTES];
    struct error detail = {""};
    *out_words = '\0';
    if (trust->count == 0) {
        return 0;
    }
    int status = signature_check(opened->index, opened->archive, trust, &id, &detail);
    if (status != 0) {
        return error_set(error, status, "%s: %s", path, detail.text);
    }
    snprintf(out_words, 8 + KEY_ID_TEXT_BYTES, " key=%s", key_id_text(&id, text));
    return 0;
}

int verify_release(const char *path, const struct trust *trust, FILE *out, struct error *error)
{
    struct opened_release opened;
    int status = opened_release_init(&opened, path, error);
    if (status != 0) {
        return status;
    }
    struct check check = {.opened = &opened, .sha256 = sha256_stream_new()};
    char signer[8 + KEY_ID_TEXT_BYTES];
    status = check_signer(&opened, path, trust, signer, error);
    if (status == 0) {
        status = index_check_deep(opened.index, error);
    }
    if (status == 0) {
        status = read_stored(opened.archive, opened.index->committed_bytes, &check.list, error);
    }
    if (status == 0) {
        status = check_all(&check, error);
    }
    if (status == 0) {
        fprintf(out, "ok release=%" PRIu64 " paths=%" PRIu32 " bytes=%" PRIu64 "%s archive=%s\n",
                opened.index->release, opened.index->entry_count, check.bytes, signer,
                opened.archive->path);
    }
    free(check.list.rows);
    sha256_stream_free(check.sha256);
    opened_release_fini(&opened);
    return status;
}

/* ---- all records ---- */

struct totals {
    uint64_t records;
    uint64_t bytes;
};

static int check_commit(const struct archive *archive, const struct commit *commit,
                        struct totals *totals, struct error *error)
{
    uint64_t offset = commit->begin_offset;
    struct record record;
    const char *why = "";
    int status;
    while ((status = archive_next_record(archive, commit, &offset, &record, &why)) > 0) {
        struct hash128 hash = hash128(archive->map + record.payload_offset, record.stored_bytes);
        if (memcmp(hash.bytes, record.payload_hash.bytes, HASH128_BYTES) != 0) {
            return error_set(error, ERR_DAMAGED,
                             "%s: release %" PRIu64 ", record at byte %" PRIu64
                             " (%.*s): its bytes are damaged",
                             archive->path, commit->release, record.offset, (int)record.path.count,
                             record.path.bytes);
        }
        totals->records++;
        totals->bytes += record.stored_bytes;
    }
    return status == 0
               ? 0
               : error_set(error, status, "%s: release %" PRIu64 ", at byte %" PRIu64 ": %s",
                           archive->path, commit->release, offset, why);
}

/* A release of the archive at `path`, by its index, which names what is signed. */
static int check_signed(struct check *check, const char *stem, const struct commit *commit,
                        const struct trust *trust, struct error *error)
{
    struct opened_release opened;
    char signer[8 + KEY_ID_TEXT_BYTES];
    char *index_path = release_numbered_path(stem, commit->release);
    struct error detail = {""};
    int status = opened_release_init(&opened, index_path, &detail);
    if (status != 0) {
        error_set(error, status, "%s (cairn-pack rebuild makes lost indexes again)", detail.text);
        free(index_path);
        return status;
    }
    check->opened = &opened;
    if (opened.commit.committed_bytes != commit->committed_bytes) {
        status = error_set(error, ERR_BINDING, "%s: not the index of release %" PRIu64, index_path,
                           commit->release);
    }
    if (status == 0) {
        status = check_signer(&opened, index_path, trust, signer, error);
    }
    if (status == 0 && check->list.count == 0) {
        status = read_stored(opened.archive, UINT64_MAX, &check->list, error);
    }
    if (status == 0) {
        status = check_all(check, error);
    }
    check->opened = NULL;
    opened_release_fini(&opened);
    free(index_path);
    return status;
}

static int check_all_signed(const char *path, const struct commit *commits, size_t count,
                            const struct trust *trust, struct error *error)
{
    struct check check = {.sha256 = sha256_stream_new()};
    char *stem = release_stem(path);
    int status = 0;
    for (size_t i = 0; i < count && status == 0; i++) {
        status = check_signed(&check, stem, &commits[i], trust, error);
    }
    free(stem);
    free(check.list.rows);
    sha256_stream_free(check.sha256);
    return status;
}

int verify_archive(const char *path, const struct trust *trust, FILE *out, struct error *error)
{
    struct archive *archive;
    int status = archive_open(path, 0, &archive, error);
    if (status != 0) {
        return status;
    }
    struct commit *commits = NULL;
    size_t count = 0;
    struct totals totals = {0};
    status = release_commits(archive, &commits, &count, error);
    if (status == 0 && count == 0) {
        status = error_set(error, ERR_EMPTY, "%s: it holds no release", path);
    } else if (status == 0 && commits[0].previous_offset != 0) {
        status = error_set(error, ERR_DAMAGED,
                           "%s: the commit record at byte %" PRIu64
                           " is damaged: releases before %" PRIu64 " cannot be reached",
                           path, commits[0].previous_offset, commits[0].release);
    }
    for (size_t i = 0; i < count && status == 0; i++) {
        status = check_commit(archive, &commits[i], &totals, error);
    }
    if (status == 0 && trust->count > 0) {
        status = check_all_signed(path, commits, count, trust, error);
    }
    if (status == 0) {
        fprintf(out, "ok releases=%zu records=%" PRIu64 " bytes=%" PRIu64 "%s archive=%s\n", count,
                totals.records, totals.bytes, trust->count > 0 ? " signed=1" : "", path);
    }
    free(commits);
    archive_unref(archive);
    return status;
}
