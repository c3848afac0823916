/* Archives as files: opening, the last commit behind a torn tail, and walking a release. */
#include "common/archive.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

static const uint8_t uuid[UUID_BYTES] = "0123456789abcdef";

/* An archive being made, in memory and in a file without a name. */
struct draft {
    uint8_t bytes[8192];
    uint64_t count;
    uint64_t previous_offset;
    int fd;
};

static void draft_init(struct draft *draft)
{
    *draft = (struct draft){.count = SUPERBLOCK_BYTES, .fd = memfd_create("archive", MFD_CLOEXEC)};
    cr_assert(draft->fd >= 0);
    struct superblock superblock = {.created_s = 1};
    memcpy(superblock.uuid, uuid, sizeof uuid);
    superblock_encode(&superblock, draft->bytes);
}

static uint64_t draft_record(struct draft *draft, enum record_kind kind, struct slice path,
                             const void *payload, size_t payload_bytes)
{
    struct record record = {
        .offset = draft->count,
        .kind = kind,
        .path = path,
        .stored_bytes = payload_bytes,
        .payload_hash = hash128(payload, payload_bytes),
    };
    record_place(&record);
    cr_assert(record.end_offset <= sizeof draft->bytes);
    record_encode(&record, uuid, draft->bytes + record.offset);
    memcpy(draft->bytes + record.offset + RECORD_HEADER_BYTES, path.bytes, path.count);
    memcpy(draft->bytes + record.payload_offset, payload, payload_bytes);
    draft->count = record.end_offset;
    return record.offset;
}

static void draft_commit(struct draft *draft, uint64_t release, uint64_t begin_offset)
{
    struct commit commit = {
        .release = release,
        .begin_offset = begin_offset,
        .committed_bytes = draft->count + COMMIT_RECORD_BYTES,
        .previous_offset = draft->previous_offset,
    };
    uint8_t payload[COMMIT_PAYLOAD_BYTES];
    commit_encode(&commit, payload);
    draft->previous_offset =
        draft_record(draft, RECORD_COMMIT, (struct slice){"", 0}, payload, sizeof payload);
}

/* One release of two files. */
static void draft_release(struct draft *draft, uint64_t release)
{
    uint64_t begin = draft->count;
    draft_record(draft, RECORD_CONTENT, SLICE("a.html"), "<p>a", 4);
    draft_record(draft, RECORD_CONTENT, SLICE("b.html"), "", 0);
    draft_commit(draft, release, begin);
}

/* Writes the first `count` bytes, and opens them. */
static int draft_open_part(struct draft *draft, uint64_t count, struct archive **out_archive,
                           struct error *error)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/self/fd/%d", draft->fd);
    cr_assert(ftruncate(draft->fd, 0) == 0);
    cr_assert(pwrite(draft->fd, draft->bytes, count, 0) == (ssize_t)count);
    return archive_open(path, 0, out_archive, error);
}

static struct archive *draft_open(struct draft *draft)
{
    struct archive *archive = NULL;
    struct error error = {""};
    cr_assert(draft_open_part(draft, draft->count, &archive, &error) == 0, "%s", error.text);
    return archive;
}

Test(archive, open_reads_the_superblock)
{
    struct draft draft;
    draft_init(&draft);
    draft_release(&draft, 1);
    struct archive *archive = draft_open(&draft);
    cr_expect(memcmp(archive->superblock.uuid, uuid, sizeof uuid) == 0);
    uint64_t file_bytes;
    cr_assert(archive_file_bytes(archive, &file_bytes, NULL) == 0);
    cr_expect(file_bytes == draft.count);
    cr_expect(archive->map_bytes == draft.count);
    cr_expect(memcmp(archive->map, draft.bytes, draft.count) == 0);
    archive_unref(archive_ref(archive));
    cr_expect(archive->map[0] == 0x89, "one reference is left");
    archive_unref(archive);
    archive_unref(NULL);
}

Test(archive, reserve_lets_it_grow_in_place)
{
    struct draft draft;
    draft_init(&draft);
    draft_release(&draft, 1);
    char path[64];
    snprintf(path, sizeof path, "/proc/self/fd/%d", draft.fd);
    cr_assert(pwrite(draft.fd, draft.bytes, draft.count, 0) == (ssize_t)draft.count);
    struct archive *archive = NULL;
    cr_assert(archive_open(path, 1 << 20, &archive, NULL) == 0);
    cr_expect(archive->map_bytes == draft.count + (1 << 20));
    draft_release(&draft, 2);
    cr_assert(pwrite(draft.fd, draft.bytes, draft.count, 0) == (ssize_t)draft.count);
    struct commit commit;
    uint64_t end;
    uint64_t file_bytes;
    cr_assert(archive_file_bytes(archive, &file_bytes, NULL) == 0);
    cr_expect(file_bytes == draft.count);
    cr_assert(archive_last_commit(archive, draft.count, &commit, &end, NULL));
    cr_expect(commit.release == 2 && end == draft.count);
    archive_unref(archive);
}

Test(archive, open_refuses_what_is_no_archive)
{
    int pipe_fds[2];
    cr_assert(pipe(pipe_fds) == 0);
    char fifo[64];
    snprintf(fifo, sizeof fifo, "/proc/self/fd/%d", pipe_fds[0]);
    const struct {
        const char *path;
        int status;
        const char *says;
    } rows[] = {
        {"/nonexistent/site.cairn", -ENOENT, "No such file"},
        {"/", ERR_FORMAT, "not a regular file"},
        {fifo, ERR_FORMAT, "not a regular file"},
        {"/dev/null", ERR_FORMAT, "not a regular file"},
        {"/proc/self/exe", ERR_FORMAT, "not a Cairn archive"},
    };
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        struct archive *archive = NULL;
        struct error error = {""};
        int status = archive_open(rows[i].path, 0, &archive, &error);
        cr_expect(status == rows[i].status, "%s: %d", rows[i].path, status);
        cr_expect(archive == NULL && strstr(error.text, rows[i].says) != NULL, "%s", error.text);
        cr_expect(strncmp(error.text, rows[i].path, strlen(rows[i].path)) == 0, "%s", error.text);
    }
}

Test(archive, open_refuses_every_cut_superblock)
{
    struct draft draft;
    draft_init(&draft);
    for (uint64_t count = 0; count < SUPERBLOCK_BYTES; count++) {
        struct archive *archive;
        struct error error = {""};
        int status = draft_open_part(&draft, count, &archive, &error);
        cr_expect(status == ERR_FORMAT, "%zu bytes: %d", (size_t)count, status);
        cr_expect((strstr(error.text, "empty") != NULL) == (count == 0), "%s", error.text);
    }
    draft.bytes[20] ^= 1;
    struct archive *archive;
    cr_expect(draft_open_part(&draft, SUPERBLOCK_BYTES, &archive, NULL) == ERR_DAMAGED);
}

Test(archive, last_commit_of_an_empty_archive)
{
    struct draft draft;
    draft_init(&draft);
    struct archive *archive = draft_open(&draft);
    struct commit commit;
    uint64_t end = 0;
    cr_expect(!archive_last_commit(archive, draft.count, &commit, &end, NULL));
    cr_expect(end == SUPERBLOCK_BYTES);
    archive_unref(archive);
}

/* What a crash can leave behind the last commit. */
static void tail_nothing(struct draft *draft)
{
    (void)draft;
}

static void tail_garbage(struct draft *draft)
{
    for (size_t i = 0; i < 1000; i++) {
        draft->bytes[draft->count++] = (uint8_t)(i * 37 + 11);
    }
}

static void tail_zeros(struct draft *draft)
{
    draft->count += 777;
}

static void tail_one_byte(struct draft *draft)
{
    draft->bytes[draft->count++] = 0x43;
}

static void tail_half_record(struct draft *draft)
{
    uint64_t start = draft->count;
    draft_record(draft, RECORD_CONTENT, SLICE("c"), "half of this is missing", 23);
    draft->count = start + 40;
}

static void tail_whole_record(struct draft *draft)
{
    draft_record(draft, RECORD_CONTENT, SLICE("c"), "whole", 5);
}

static void tail_half_commit(struct draft *draft)
{
    uint64_t start = draft->count;
    draft_record(draft, RECORD_CONTENT, SLICE("c"), "whole", 5);
    draft_commit(draft, 99, start);
    draft->count -= 1;
}

static void tail_damaged_commit(struct draft *draft)
{
    uint64_t start = draft->count;
    draft_commit(draft, 99, start);
    draft->bytes[draft->count - 60] ^= 4;
}

static void tail_moved_commit(struct draft *draft)
{
    memcpy(draft->bytes + draft->count, draft->bytes + draft->previous_offset, COMMIT_RECORD_BYTES);
    draft->count += COMMIT_RECORD_BYTES;
}

static const struct {
    const char *name;
    void (*append)(struct draft *draft);
} tails[] = {
    {"nothing", tail_nothing},
    {"garbage", tail_garbage},
    {"zeros", tail_zeros},
    {"one byte", tail_one_byte},
    {"half a record", tail_half_record},
    {"a record", tail_whole_record},
    {"half a commit", tail_half_commit},
    {"a damaged commit", tail_damaged_commit},
    {"a moved commit", tail_moved_commit},
};

Test(archive, last_commit_is_found_behind_any_tail)
{
    for (size_t i = 0; i < ARRAY_COUNT(tails); i++) {
        struct draft draft;
        draft_init(&draft);
        draft_release(&draft, 1);
        draft_release(&draft, 2);
        uint64_t committed = draft.count;
        tails[i].append(&draft);
        struct archive *archive = draft_open(&draft);
        struct commit commit = {0};
        uint64_t end = 0;
        cr_expect(archive_last_commit(archive, draft.count, &commit, &end, NULL), "%s",
                  tails[i].name);
        cr_expect(end == committed && commit.release == 2, "%s: release %zu", tails[i].name,
                  (size_t)commit.release);
        archive_unref(archive);
        close(draft.fd);
    }
}

Test(archive, last_commit_of_every_length)
{
    struct draft draft;
    draft_init(&draft);
    draft_release(&draft, 1);
    uint64_t first = draft.count;
    draft_release(&draft, 2);
    struct archive *archive = draft_open(&draft);
    for (uint64_t count = SUPERBLOCK_BYTES; count <= draft.count; count++) {
        struct commit commit = {0};
        uint64_t end = 0;
        bool found = archive_last_commit(archive, count, &commit, &end, NULL) > 0;
        uint64_t release = count < first ? 0 : count < draft.count ? 1 : 2;
        cr_expect(found == (release > 0) && commit.release == release, "%zu", (size_t)count);
        uint64_t wanted = release == 0 ? SUPERBLOCK_BYTES : release == 1 ? first : draft.count;
        cr_expect(end == wanted, "%zu", (size_t)count);
    }
    archive_unref(archive);
}

/* An add that starts behind a torn tail leaves a gap between two commits. */
Test(archive, next_record_walks_one_release_only)
{
    struct draft draft;
    draft_init(&draft);
    draft_release(&draft, 1);
    tail_garbage(&draft);
    draft.count = format_align(draft.count);
    draft_release(&draft, 2);
    struct archive *archive = draft_open(&draft);
    struct commit commit;
    uint64_t end;
    cr_assert(archive_last_commit(archive, draft.count, &commit, &end, NULL));
    static const char *const names[] = {"a.html", "b.html"};
    for (uint64_t release = 2; release > 0; release--) {
        cr_assert(commit.release == release);
        uint64_t offset = commit.begin_offset;
        struct record record;
        const char *why;
        for (size_t i = 0; i < ARRAY_COUNT(names); i++) {
            cr_assert(archive_next_record(archive, &commit, &offset, &record, &why) == 1, "%s",
                      why);
            cr_expect(slice_equal(record.path, slice_of_string(names[i])));
            cr_expect(record.kind == RECORD_CONTENT && record.end_offset == offset);
        }
        cr_expect(archive_next_record(archive, &commit, &offset, &record, &why) == 0);
        cr_expect(archive_next_record(archive, &commit, &offset, &record, &why) == 0, "it stays");
        if (commit.previous_offset != 0) {
            cr_assert(commit_decode(archive->map, commit.previous_offset + COMMIT_RECORD_BYTES,
                                    uuid, &commit, &why) == 0);
        }
    }
    archive_unref(archive);
}

Test(archive, next_record_tells_damage)
{
    struct draft draft;
    draft_init(&draft);
    draft_release(&draft, 1);
    draft.bytes[SUPERBLOCK_BYTES + 128 + 64 + 10] ^= 1; /* in the second header */
    struct archive *archive = draft_open(&draft);
    struct commit commit;
    uint64_t offset;
    cr_assert(archive_last_commit(archive, draft.count, &commit, &offset, NULL));
    offset = commit.begin_offset;
    struct record record;
    const char *why = NULL;
    cr_expect(archive_next_record(archive, &commit, &offset, &record, &why) == 1);
    uint64_t before = offset;
    cr_expect(archive_next_record(archive, &commit, &offset, &record, &why) == ERR_DAMAGED);
    cr_expect(why != NULL && offset == before);
    archive_unref(archive);
}
