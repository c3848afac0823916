/* Appending to an archive: the lock, the buffer, and what an end without a commit leaves. */
#include "packer/archive/archive_writer.h"

#include "common/mem.h"
#include "samples.h"
#include "scratch.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

TestSuite(archive_writer, .init = scratch_enter, .fini = scratch_leave);

static const struct superblock superblock = {.uuid = "0123456789abcde", .created_s = 5};

static struct archive_writer *open_writer(void)
{
    struct archive_writer *writer = NULL;
    struct error error = {""};
    int status = archive_writer_open("a.cairn", false, &superblock, &writer, &error);
    cr_assert(status == 0, "%s", error.text);
    return writer;
}

static struct record put_record(struct archive_writer *writer, const void *bytes, size_t count)
{
    struct record record = {.kind = RECORD_CONTENT, .path = SLICE("a")};
    return sample_record(writer, record, bytes, count);
}

static struct commit commit(struct archive_writer *writer, uint64_t release)
{
    struct commit commit = {.release = release};
    struct error error = {""};
    uint64_t expected = archive_writer_committed_bytes(writer);
    cr_assert(archive_writer_commit(writer, &commit, &error) == 0, "%s", error.text);
    cr_expect(commit.committed_bytes == expected);
    return commit;
}

Test(archive_writer, commits_form_a_chain)
{
    struct archive_writer *writer = open_writer();
    cr_expect(writer->is_new && !writer->has_commit && writer->offset == SUPERBLOCK_BYTES);
    put_record(writer, "one", 3);
    struct commit first = commit(writer, 1);
    put_record(writer, "two", 3);
    struct commit second = commit(writer, 2);
    archive_writer_close(writer);
    cr_expect(first.begin_offset == SUPERBLOCK_BYTES && first.previous_offset == 0);
    cr_expect(second.begin_offset == first.committed_bytes);
    cr_expect(second.previous_offset == first.committed_bytes - COMMIT_RECORD_BYTES);
    cr_expect((uint64_t)scratch_length("a.cairn") == second.committed_bytes);
    writer = open_writer();
    cr_expect(!writer->is_new && writer->has_commit && writer->last_commit.release == 2);
    cr_expect(writer->begin_offset == second.committed_bytes);
    archive_writer_close(writer);
    cr_expect((uint64_t)scratch_length("a.cairn") == second.committed_bytes,
              "nothing was appended");
}

Test(archive_writer, new_file_without_commit_is_removed)
{
    struct archive_writer *writer = open_writer();
    put_record(writer, "one", 3);
    archive_writer_close(writer);
    cr_expect(scratch_length("a.cairn") == -1);
    archive_writer_close(NULL);
}

/* A server may have the file mapped: it is never cut, and what is committed stays. */
Test(archive_writer, old_file_without_commit_keeps_its_bytes)
{
    size_t big = 3 << 20;
    uint8_t *bytes = mem_zeroed(big, 1);
    memset(bytes, 'x', big);
    struct archive_writer *writer = open_writer();
    struct record record = put_record(writer, "one", 3);
    struct commit first = commit(writer, 1);
    archive_writer_close(writer);
    writer = open_writer();
    put_record(writer, bytes, big);
    archive_writer_close(writer);
    cr_expect((uint64_t)scratch_length("a.cairn") >= first.committed_bytes);
    off_t torn = scratch_length("a.cairn");
    writer = open_writer();
    cr_expect(writer->last_commit.release == 1);
    cr_expect(writer->begin_offset % FORMAT_ALIGNMENT == 0);
    cr_expect((off_t)writer->begin_offset >= torn, "a torn tail is skipped, not written again");
    char text[3];
    cr_assert(archive_writer_read_back(writer, record.payload_offset, text, 3, NULL) == 0);
    cr_expect(memcmp(text, "one", 3) == 0);
    commit(writer, 2);
    archive_writer_close(writer);
    free(bytes);
}

/* Records of many sizes, each read back at once and all at the end. */
Test(archive_writer, reads_back_what_is_in_the_file_and_what_is_not)
{
    static const size_t sizes[] = {0, 1, 63, 64, 65, 1000000, 1 << 20, (1 << 20) + 1, 5, 2500000};
    enum { SIZES = sizeof sizes / sizeof sizes[0] };
    uint8_t *bytes = mem_zeroed(2500000, 1);
    uint8_t *again = mem_zeroed(2500000, 1);
    for (size_t i = 0; i < 2500000; i++) {
        bytes[i] = (uint8_t)(i * 7 + (i >> 8));
    }
    struct archive_writer *writer = open_writer();
    struct record records[SIZES];
    for (size_t i = 0; i < SIZES; i++) {
        records[i] = put_record(writer, bytes, sizes[i]);
        for (size_t j = 0; j <= i; j++) {
            cr_assert(archive_writer_read_back(writer, records[j].payload_offset, again, sizes[j],
                                               NULL) == 0);
            cr_expect(memcmp(again, bytes, sizes[j]) == 0, "record %zu after %zu", j, i);
        }
    }
    struct commit last = commit(writer, 1);
    archive_writer_close(writer);
    struct archive *archive = NULL;
    cr_assert(archive_open("a.cairn", 0, &archive, NULL) == 0);
    uint64_t offset = last.begin_offset;
    struct record record;
    const char *why = "";
    for (size_t i = 0; i < SIZES; i++) {
        cr_assert(archive_next_record(archive, &last, &offset, &record, &why) == 1, "%s", why);
        cr_expect(record.offset == records[i].offset && record.stored_bytes == sizes[i]);
        cr_expect(memcmp(archive->map + record.payload_offset, bytes, sizes[i]) == 0, "%zu", i);
    }
    archive_unref(archive);
    free(bytes);
    free(again);
}

Test(archive_writer, second_writer_is_refused)
{
    struct archive_writer *writer = open_writer();
    struct archive_writer *other = NULL;
    struct error error = {""};
    int status = archive_writer_open("a.cairn", false, &superblock, &other, &error);
    cr_expect(status == ERR_BUSY && other == NULL, "%d", status);
    cr_expect(strstr(error.text, "another cairn-pack") != NULL, "%s", error.text);
    commit(writer, 1);
    archive_writer_close(writer);
    archive_writer_close(open_writer());
}

Test(archive_writer, file_that_is_cut_under_it)
{
    struct archive_writer *writer = open_writer();
    struct record record = put_record(writer, "one", 3);
    commit(writer, 1);
    char text[3];
    struct error error = {""};
    cr_assert(truncate("a.cairn", SUPERBLOCK_BYTES) == 0);
    cr_expect(archive_writer_read_back(writer, record.payload_offset, text, 3, &error) ==
              ERR_CHANGED);
    cr_expect(strstr(error.text, "cut it short") != NULL, "%s", error.text);
    archive_writer_close(writer);
}
