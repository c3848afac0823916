/* What an archive holds, from its records: every release, and what is left when some are damaged.
 */
#include "packer/archive/catalog.h"

#include "samples.h"
#include "scratch.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

static void enter_scratch(void)
{
    scratch_enter();
    setenv("SOURCE_DATE_EPOCH", "1700000000", 1);
    scratch_file("site/a", "one");
    sample_pack("site.cairn");
    scratch_file("site/b", "two");
    scratch_file("site/same", "one");
    sample_pack("site.cairn");
    scratch_file("site/a", "three");
    remove("site/b");
    sample_pack("site.cairn");
}

TestSuite(catalog, .init = enter_scratch, .fini = scratch_leave);

struct fixture {
    struct archive *archive;
    struct commit last;
    struct catalog catalog;
};

static void fixture_init(struct fixture *fixture)
{
    uint64_t end;
    cr_assert(archive_open("site.cairn", 0, &fixture->archive, NULL) == 0);
    uint64_t file_bytes;
    cr_assert(archive_file_bytes(fixture->archive, &file_bytes, NULL) == 0);
    cr_assert(archive_last_commit(fixture->archive, file_bytes, &fixture->last, &end, NULL) == 1);
    catalog_init(&fixture->catalog, fixture->archive, &fixture->last);
}

static void fixture_fini(struct fixture *fixture)
{
    catalog_fini(&fixture->catalog);
    archive_unref(fixture->archive);
}

/* The bytes that a path is bound to; empty if it is not. */
static struct slice bytes_of(const struct fixture *fixture, const char *path)
{
    uint32_t row = catalog_find_path(&fixture->catalog, slice_of_string(path));
    if (row == 0 || fixture->catalog.paths[row].is_gone) {
        return (struct slice){"", 0};
    }
    const struct content *content = &fixture->catalog.contents[fixture->catalog.paths[row].content];
    return (struct slice){(const char *)fixture->archive->map + content->payload_offset,
                          content->stored_bytes};
}

Test(catalog, replays_the_log)
{
    struct fixture fixture;
    fixture_init(&fixture);
    cr_expect(fixture.catalog.content_count == 3 && fixture.catalog.path_count == 3);
    cr_expect(slice_equal(bytes_of(&fixture, "a"), SLICE("three")));
    cr_expect(slice_equal(bytes_of(&fixture, "same"), SLICE("one")));
    cr_expect(bytes_of(&fixture, "b").count == 0 && fixture.catalog.damaged_count == 0);
    uint32_t a = catalog_find_path(&fixture.catalog, SLICE("a"));
    uint32_t same = catalog_find_path(&fixture.catalog, SLICE("same"));
    cr_expect(fixture.catalog.paths[a].is_rebound && !fixture.catalog.paths[same].is_rebound);
    for (uint32_t row = 1; row <= fixture.catalog.content_count; row++) {
        const struct content *content = &fixture.catalog.contents[row];
        cr_expect(catalog_find_content(&fixture.catalog, &content->hash) == row);
        cr_expect(catalog_find_content_at(&fixture.catalog, content->record_offset) == row);
    }
    cr_expect(catalog_find_content_at(&fixture.catalog, 1) == 0);
    cr_expect(catalog_find_path(&fixture.catalog, SLICE("nothing")) == 0);
    cr_expect(fixture.catalog.options_bytes > 0);
    fixture_fini(&fixture);
}

/* The commit record of the second release is damaged: the first cannot be followed back to, and is
 * found by its records. */
Test(catalog, damaged_commit_record)
{
    struct fixture fixture;
    fixture_init(&fixture);
    off_t commit = (off_t)fixture.last.previous_offset;
    fixture_fini(&fixture);
    scratch_patch("site.cairn", commit + 40, "\xff", 1);
    fixture_init(&fixture);
    cr_expect(fixture.catalog.damaged_count > 0);
    cr_expect(fixture.catalog.content_count == 3);
    cr_expect(slice_equal(bytes_of(&fixture, "a"), SLICE("three")));
    cr_expect(slice_equal(bytes_of(&fixture, "same"), SLICE("one")));
    cr_expect(bytes_of(&fixture, "b").count == 0);
    fixture_fini(&fixture);
}

/* What stands behind a damaged record is found again. */
Test(catalog, damaged_record)
{
    scratch_patch("site.cairn", SUPERBLOCK_BYTES + 40, "\xff", 1); /* the header of "a" */
    struct fixture fixture;
    fixture_init(&fixture);
    cr_expect(fixture.catalog.damaged_count == 2, "%zu", fixture.catalog.damaged_count);
    cr_expect(slice_equal(bytes_of(&fixture, "a"), SLICE("three")));
    cr_expect(bytes_of(&fixture, "same").count == 0, "its content is not there any more");
    cr_expect(fixture.catalog.options_bytes > 0);
    fixture_fini(&fixture);
}

Test(catalog, many_rows)
{
    enum { ROWS = 5000 };
    struct catalog catalog = {.contents = NULL};
    for (uint64_t i = 1; i <= ROWS; i++) {
        struct record record = {
            .offset = i * 64,
            .path = {(const char *)&i, sizeof i},
            .payload_hash = hash128(&i, sizeof i),
            .stored_bytes = i,
        };
        cr_assert(catalog_add_content(&catalog, &record) == i);
        record.codec = i % 2 == 0 ? CODEC_BR : CODEC_IDENTITY;
        record.effort = EFFORT_FAST;
        cr_assert((catalog_add_variant(&catalog, (uint32_t)i, &record) != 0) == (i % 2 == 0));
    }
    for (uint64_t i = 1; i <= ROWS; i++) {
        struct hash128 hash = hash128(&i, sizeof i);
        uint32_t row = catalog_find_content(&catalog, &hash);
        cr_assert(row == i && catalog_find_content_at(&catalog, i * 64) == i);
        cr_assert(catalog_find_path(&catalog, (struct slice){(const char *)&i, sizeof i}) == i);
        cr_assert(catalog.contents[row].effort == EFFORT_FAST);
        cr_assert((catalog_variant(&catalog, row, CODEC_BR) != NULL) == (i % 2 == 0));
        cr_assert(catalog_variant(&catalog, row, CODEC_GZIP) == NULL);
    }
    catalog_fini(&catalog);
}
