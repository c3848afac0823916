/* Hashing what a release can answer with: found out which bytes are wrong, or not there at all. */
#include "server/content_check.h"

#include "common/fault_guard.h"
#include "common/mem.h"
#include "samples.h"
#include "scratch.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { FILES = 18, FILE_BYTES = 1 << 20 };

/* More than what one thread does alone; two paths share their bytes. */
static void enter_scratch(void)
{
    scratch_enter();
    fault_guard_install();
    unsetenv("SOURCE_DATE_EPOCH");
    uint8_t *bytes = mem_zeroed(FILE_BYTES, 1);
    uint64_t state = 1;
    for (int i = 0; i < FILES; i++) {
        char name[32];
        snprintf(name, sizeof name, "site/%02d.bin", i);
        for (size_t j = 0; j < FILE_BYTES && i % 2 == 0; j++) {
            state = state * 6364136223846793005 + 1442695040888963407; /* not worth compressing */
            bytes[j] = (uint8_t)(state >> 56);
        }
        scratch_bytes(name, bytes, FILE_BYTES);
    }
    free(bytes);
    sample_pack("site.cairn");
}

TestSuite(content_check, .init = enter_scratch, .fini = scratch_leave);

struct fixture {
    struct index *index;
    struct archive *archive;
    struct site_list *sites;
};

static struct fixture open_fixture(void)
{
    struct fixture fixture = {.sites = site_list_new()};
    struct error error = {""};
    cr_assert(index_open("site.idx", &fixture.index, &error) == 0, "%s", error.text);
    cr_assert(archive_open("site.cairn", 0, &fixture.archive, &error) == 0, "%s", error.text);
    return fixture;
}

static int check(const struct fixture *fixture, struct error *error)
{
    return content_check(fixture->sites, fixture->index, fixture->archive, error);
}

static void close_fixture(struct fixture *fixture)
{
    index_close(fixture->index);
    archive_unref(fixture->archive);
    site_list_free(fixture->sites);
}

/* Where the bytes of a path start. */
static uint64_t offset_of(const struct fixture *fixture, const char *path)
{
    struct slice key = slice_of_string(path);
    struct hash128 hash = hash128(key.bytes, key.count);
    const struct index_entry *entry = index_find(fixture->index, &hash, key);
    cr_assert(entry != NULL);
    return entry->first.payload_offset;
}

Test(content_check, whole)
{
    struct fixture fixture = open_fixture();
    struct error error = {""};
    for (int i = 0; i < 5; i++) {
        cr_expect(check(&fixture, &error) == 0, "%s", error.text);
    }
    close_fixture(&fixture);
}

/* The first one by its place, however many threads there are, and whoever finds one first. */
Test(content_check, other_bytes)
{
    struct fixture fixture = open_fixture();
    struct error error = {""};
    static const char *const paths[] = {"/16.bin", "/08.bin", "/00.bin"};
    for (size_t i = 0; i < ARRAY_COUNT(paths); i++) {
        uint64_t at = offset_of(&fixture, paths[i]) + FILE_BYTES - 1;
        scratch_patch("site.cairn", (off_t)at, "!", 1);
        for (int again = 0; again < 5; again++) {
            cr_expect(check(&fixture, &error) == ERR_TRUST);
            char wanted[32];
            snprintf(wanted, sizeof wanted, "/%c%c.bin: not the bytes", paths[i][1], paths[i][2]);
            char *other = mem_format("/%c%c.bin: not the bytes", paths[i][1], paths[i][2] + 1);
            cr_expect(strstr(error.text, wanted) != NULL || strstr(error.text, other) != NULL, "%s",
                      error.text);
            free(other);
        }
    }
    close_fixture(&fixture);
}

/* The archive is mapped, and cut: no signal ends the process. */
Test(content_check, bytes_that_are_not_there)
{
    struct fixture fixture = open_fixture();
    struct error error = {""};
    cr_assert(truncate("site.cairn", (off_t)offset_of(&fixture, "/06.bin")) == 0);
    cr_expect(check(&fixture, &error) == -EIO);
    cr_expect(strstr(error.text, "cut short, or not readable") != NULL &&
                  strstr(error.text, "site.cairn: /") != NULL,
              "%s", error.text);
    cr_assert(truncate("site.000001.idx", 0) == 0);
    cr_expect(check(&fixture, &error) == -EIO);
    cr_expect(strstr(error.text, "the index was cut short") != NULL, "%s", error.text);
    close_fixture(&fixture);
}
