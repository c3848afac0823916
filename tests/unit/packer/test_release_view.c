/* A release as its records tell it: what is left out of it. */
#include "packer/release/release_view.h"

#include "common/index.h"
#include "samples.h"
#include "scratch.h"

#include <criterion/criterion.h>
#include <stdlib.h>

static void enter_scratch(void)
{
    scratch_enter();
    setenv("SOURCE_DATE_EPOCH", "1700000000", 1);
}

TestSuite(release_view, .init = enter_scratch, .fini = scratch_leave);

/* Records of these names in one release, as another program could write them. */
static struct archive *make_archive(const struct slice *names, size_t count)
{
    static const struct superblock superblock = {.uuid = {1}};
    struct archive_writer *writer;
    struct error error = {""};
    cr_assert(archive_writer_open("site.cairn", false, &superblock, &writer, &error) == 0, "%s",
              error.text);
    for (size_t i = 0; i < count; i++) {
        (void)sample_record(writer, (struct record){.kind = RECORD_CONTENT, .path = names[i]}, "x",
                            1);
    }
    struct commit commit = {.release = 1};
    cr_assert(archive_writer_commit(writer, &commit, &error) == 0, "%s", error.text);
    archive_writer_close(writer);
    struct archive *archive;
    cr_assert(archive_open("site.cairn", 0, &archive, &error) == 0, "%s", error.text);
    return archive;
}

/* Nothing made of an archive holds a key that verify would refuse, or a file elsewhere. */
Test(release_view, names_that_no_walk_takes_are_lost)
{
    static const struct slice names[] = {
        {"good.html", 9}, {"../up.html", 10}, {"/etc/x", 6}, {"a//b", 4},    {"nul\0x", 5},
        {"line\nend", 8}, {"\xff\xfe", 2},    {"", 0},       {"folder/", 7},
    };
    struct archive *archive = make_archive(names, ARRAY_COUNT(names));
    struct commit commit;
    struct release_view view;
    struct error error = {""};
    (void)sample_last_commit(archive, &commit);
    cr_assert(release_view_init(&view, archive, &commit, &error) == 0, "%s", error.text);
    cr_expect(view.file_count == 1 && view.lost_count == ARRAY_COUNT(names) - 1, "%zu files",
              view.file_count);
    cr_expect_str_eq(view.files[0].name, "good.html");
    struct index_image image;
    cr_assert(release_view_index(&view, "site", &image, &error) == 0, "%s", error.text);
    struct index index;
    cr_assert(index_init(image.bytes, image.count, &index, &error) == 0, "%s", error.text);
    cr_expect(index_check_deep(&index, &error) == 0, "%s", error.text);
    free(image.bytes);
    release_view_fini(&view);
    archive_unref(archive);
}
