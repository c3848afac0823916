/* A new archive with what the newest releases need. */
#include "packer/compact.h"

#include "common/archive.h"
#include "packer/release/release_view.h"
#include "samples.h"
#include "scratch.h"

#include <criterion/criterion.h>
#include <stdlib.h>

static void enter_scratch(void)
{
    scratch_enter();
    setenv("SOURCE_DATE_EPOCH", "1700000000", 1);
}

TestSuite(compact, .init = enter_scratch, .fini = scratch_leave);

/* A file with `count` forms, as another program could write it. */
static void make_archive(uint32_t count)
{
    static const struct superblock superblock = {.uuid = {1}};
    struct archive_writer *writer;
    struct error error = {""};
    cr_assert(archive_writer_open("old.cairn", false, &superblock, &writer, &error) == 0, "%s",
              error.text);
    struct record content = sample_record(
        writer, (struct record){.kind = RECORD_CONTENT, .path = SLICE("a.txt")}, "text", 4);
    for (uint32_t i = 0; i < count; i++) {
        (void)sample_record(writer,
                            (struct record){.kind = RECORD_VARIANT,
                                            .codec = CODEC_BR,
                                            .effort = EFFORT_FAST,
                                            .path = SLICE(""),
                                            .source_offset = content.offset},
                            &i, sizeof i);
    }
    struct commit commit = {.release = 1};
    cr_assert(archive_writer_commit(writer, &commit, &error) == 0, "%s", error.text);
    archive_writer_close(writer);
}

/* The number stored in the newest form, and how many there are. */
static void look(const char *path, uint32_t *out_newest, uint32_t *out_count)
{
    struct archive *archive;
    struct commit commit;
    struct catalog catalog;
    struct error error = {""};
    cr_assert(archive_open(path, 0, &archive, &error) == 0, "%s", error.text);
    (void)sample_last_commit(archive, &commit);
    catalog_init(&catalog, archive, &commit);
    cr_assert(catalog.content_count == 1 && catalog.contents[1].first_variant != 0);
    const struct variant *newest = &catalog.variants[catalog.contents[1].first_variant];
    memcpy(out_newest, archive->map + newest->payload_offset, sizeof *out_newest);
    *out_count = catalog.variant_count;
    catalog_fini(&catalog);
    archive_unref(archive);
}

/* So many that a function which called itself for each would run out of stack; and their order. */
Test(compact, any_number_of_forms_of_one_content)
{
    enum { FORMS = 100000 };
    char *index = NULL;
    FILE *messages = fopen("/dev/null", "w");
    struct error error = {""};
    uint32_t newest, count;
    make_archive(FORMS);
    cr_assert(compact_archive("old.cairn", "new.cairn", 1, NULL, messages, &index, &error) == 0,
              "%s", error.text);
    look("new.cairn", &newest, &count);
    cr_expect(newest == FORMS - 1 && count == FORMS, "%u of %u", newest, count);
    free(index);
    fclose(messages);
}
