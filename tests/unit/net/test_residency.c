/* What a worker knows of the page cache (server/net/residency.c): forgotten blocks are seen, found
 * ones are trusted for a while, the end of the file counts as there; as mincore() tells it,
 * and as reading without waiting does. */
#include "net/residency.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

enum {
    BLOCK = 65536,
    FILE_BYTES = 10 * BLOCK + 1000,
    PAGE_BYTES_LEAST = 4096,
    PERIOD_MS = 64,
    PERIODS_MAX = 61,
    PERIODS_SHORT = 16
};

struct fixture {
    char path[64];
    struct archive archive;
    struct residency residency;
};

static void fixture_init(struct fixture *fixture, bool is_told)
{
    static char bytes[FILE_BYTES];
    *fixture = (struct fixture){.path = "residency-XXXXXX"}; /* on a disk; /tmp may be memory */
    int fd = mkstemp(fixture->path);
    cr_assert(fd >= 0 && write(fd, bytes, sizeof bytes) == (ssize_t)sizeof bytes);
    cr_assert(fsync(fd) == 0);
    fixture->archive.fd = fd;
    fixture->archive.is_residency_told = is_told;
    fixture->archive.map_bytes = FILE_BYTES;
    fixture->archive.map = mmap(NULL, FILE_BYTES, PROT_READ, MAP_SHARED, fd, 0);
    cr_assert(fixture->archive.map != MAP_FAILED);
    cr_assert(residency_init(&fixture->residency));
    residency_set_time(&fixture->residency, 1);
}

static void fixture_fini(struct fixture *fixture)
{
    residency_fini(&fixture->residency);
    munmap((void *)(uintptr_t)fixture->archive.map, FILE_BYTES);
    close(fixture->archive.fd);
    unlink(fixture->path);
}

static uint64_t prefix(struct fixture *fixture, uint64_t offset, uint64_t bytes)
{
    return residency_prefix(&fixture->residency, &fixture->archive, offset, bytes);
}

/* How many of the file's pages are in memory. Not by reading: that may begin to bring them back. */
static size_t kept_pages(const struct fixture *fixture)
{
    unsigned char is_kept[FILE_BYTES / PAGE_BYTES_LEAST + 1] = {0};
    size_t count = 0;
    cr_assert(mincore((void *)(uintptr_t)fixture->archive.map, FILE_BYTES, is_kept) == 0);
    for (size_t i = 0; i < sizeof is_kept; i++) {
        count += is_kept[i] & 1;
    }
    return count;
}

/* A page that the system is still busy with stays: it is told again. Skips the test where the file
 * system keeps what it is told to forget. */
static void forget(const struct fixture *fixture)
{
    enum { TRIES = 200, PAUSE_US = 5000 };
    for (int i = 0; i < TRIES; i++) {
        cr_assert(fsync(fixture->archive.fd) == 0);
        cr_assert(posix_fadvise(fixture->archive.fd, 0, 0, POSIX_FADV_DONTNEED) == 0);
        if (kept_pages(fixture) == 0) {
            return;
        }
        usleep(PAUSE_US);
    }
    cr_skip_test("skipped 'this file system keeps what it is told to forget'");
}

static void read_bytes(const struct fixture *fixture, uint64_t offset, size_t count)
{
    char *bytes = malloc(count);
    cr_assert(bytes != NULL);
    cr_assert(pread(fixture->archive.fd, bytes, count, (off_t)offset) == (ssize_t)count);
    free(bytes);
}

static void check_what_was_written_is_there(bool is_told)
{
    struct fixture fixture;
    fixture_init(&fixture, is_told);
    cr_expect(prefix(&fixture, 0, FILE_BYTES) == FILE_BYTES);
    cr_expect(prefix(&fixture, 5, 0) == 0);
    fixture_fini(&fixture);
}

Test(residency, what_was_written_is_there)
{
    check_what_was_written_is_there(true);
    check_what_was_written_is_there(false);
}

static void check_the_prefix_ends_where_a_block_is_missing(bool is_told)
{
    struct fixture fixture;
    fixture_init(&fixture, is_told);
    forget(&fixture);
    (void)posix_fadvise(fixture.archive.fd, 0, 0,
                        POSIX_FADV_RANDOM); /* no more than is asked for */
    cr_expect(prefix(&fixture, 0, 1) == 0);
    read_bytes(&fixture, 2 * BLOCK, 3 * BLOCK);
    cr_expect(prefix(&fixture, 2 * BLOCK, 3 * BLOCK) == 3 * BLOCK);
    cr_expect(prefix(&fixture, 3 * BLOCK + 7, 5 * BLOCK) == 2 * BLOCK - 7);
    cr_expect(prefix(&fixture, 6 * BLOCK, 1) == 0);
    fixture_fini(&fixture);
}

Test(residency, the_prefix_ends_where_a_block_is_missing)
{
    check_the_prefix_ends_where_a_block_is_missing(true);
    check_the_prefix_ends_where_a_block_is_missing(false);
}

static void check_what_was_found_is_trusted_for_a_while(bool is_told)
{
    struct fixture fixture;
    fixture_init(&fixture, is_told);
    cr_assert(prefix(&fixture, 0, 2 * BLOCK) == 2 * BLOCK);
    forget(&fixture);
    cr_expect(prefix(&fixture, 0, 2 * BLOCK) == 2 * BLOCK, "not asked again at once");
    cr_expect(prefix(&fixture, 0, 3 * BLOCK) == 2 * BLOCK, "but others are");
    residency_set_time(&fixture.residency, (1 + PERIODS_MAX) * PERIOD_MS);
    cr_expect(prefix(&fixture, 0, 2 * BLOCK) == 0);
    fixture_fini(&fixture);
}

Test(residency, what_was_found_is_trusted_for_a_while)
{
    check_what_was_found_is_trusted_for_a_while(true);
    check_what_was_found_is_trusted_for_a_while(false);
}

/* Memory may be short then: what was found just now may be gone already. */
Test(residency, after_a_miss_everything_is_asked_about_again)
{
    struct fixture fixture;
    fixture_init(&fixture, true);
    cr_assert(prefix(&fixture, 0, 2 * BLOCK) == 2 * BLOCK);
    forget(&fixture);
    cr_assert(prefix(&fixture, 0, 3 * BLOCK) == 2 * BLOCK);
    cr_expect(prefix(&fixture, 0, 2 * BLOCK) == 0);
    read_bytes(&fixture, 0, 2 * BLOCK);
    cr_expect(prefix(&fixture, 0, 2 * BLOCK) == 2 * BLOCK);
    forget(&fixture);
    cr_expect(prefix(&fixture, 0, 2 * BLOCK) == 0);
    read_bytes(&fixture, 0, 2 * BLOCK);
    residency_set_time(&fixture.residency, (1 + PERIODS_SHORT) * PERIOD_MS + 1);
    cr_assert(prefix(&fixture, 0, 2 * BLOCK) == 2 * BLOCK);
    forget(&fixture);
    cr_expect(prefix(&fixture, 0, 2 * BLOCK) == 2 * BLOCK, "nothing was missed for a second");
    fixture_fini(&fixture);
}

/* Who sends finds out that they are not there; waiting for a disk would not bring them. */
static void check_bytes_behind_the_end_count_as_there(bool is_told)
{
    struct fixture fixture;
    fixture_init(&fixture, is_told);
    cr_expect(prefix(&fixture, FILE_BYTES - 1, 100) == 100);
    cr_expect(prefix(&fixture, 20 * BLOCK, BLOCK) == BLOCK);
    cr_assert(ftruncate(fixture.archive.fd, BLOCK) == 0);
    cr_expect(prefix(&fixture, 3 * BLOCK, BLOCK) == BLOCK);
    fixture_fini(&fixture);
}

Test(residency, bytes_behind_the_end_count_as_there)
{
    check_bytes_behind_the_end_count_as_there(true);
    check_bytes_behind_the_end_count_as_there(false);
}

static void check_without_a_table_everything_is_there(bool is_told)
{
    struct fixture fixture;
    fixture_init(&fixture, is_told);
    forget(&fixture);
    struct residency none = {0};
    cr_expect(residency_prefix(&none, &fixture.archive, 0, FILE_BYTES) == FILE_BYTES);
    residency_fini(&none);
    fixture_fini(&fixture);
}

Test(residency, without_a_table_everything_is_there)
{
    check_without_a_table_everything_is_there(true);
    check_without_a_table_everything_is_there(false);
}
