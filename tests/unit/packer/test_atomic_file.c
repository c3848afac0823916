/* Files and links that appear whole or not at all. */
#include "packer/archive/atomic_file.h"

#include "scratch.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

TestSuite(atomic_file, .init = scratch_enter, .fini = scratch_leave);

static bool leads_to(const char *path, const char *wanted)
{
    return strcmp(scratch_target(path), wanted) == 0;
}

Test(atomic_file, writes_and_replaces)
{
    struct error error = {""};
    cr_expect(atomic_file_write("a", "a.tmp", "first", 5, &error) == 0, "%s", error.text);
    cr_expect(scratch_has("a", "first") && !scratch_exists("a.tmp"));
    cr_expect(atomic_file_write("a", "a.tmp", "2nd", 3, &error) == 0, "%s", error.text);
    cr_expect(scratch_has("a", "2nd") && !scratch_exists("a.tmp"));
    cr_expect(atomic_file_write("empty", "a.tmp", "", 0, &error) == 0);
    cr_expect(scratch_has("empty", ""));
    cr_expect(directory_sync("a", &error) == 0, "%s", error.text);
}

Test(atomic_file, replaces_the_link_and_not_what_it_leads_to)
{
    cr_assert(atomic_file_write("target", "tmp", "target", 6, NULL) == 0);
    scratch_link("target", "a");
    cr_expect(atomic_file_write("a", "tmp", "new", 3, NULL) == 0);
    cr_expect(scratch_has("target", "target") && scratch_has("a", "new"));
}

Test(atomic_file, overwrites_what_a_crash_left)
{
    cr_assert(atomic_file_write("tmp", "other", "half of a longer one", 20, NULL) == 0);
    cr_expect(atomic_file_write("a", "tmp", "new", 3, NULL) == 0);
    cr_expect(scratch_has("a", "new") && !scratch_exists("tmp"));
    cr_assert(atomic_file_write("tmp", "other", "x", 1, NULL) == 0);
    cr_expect(atomic_file_link("link", "tmp", "a", NULL) == 0);
    cr_expect(leads_to("link", "a") && !scratch_exists("tmp"));
}

Test(atomic_file, failure_leaves_the_old_file)
{
    struct error error = {""};
    cr_assert(atomic_file_write("a", "tmp", "old", 3, NULL) == 0);
    scratch_folder("folder/x");
    const struct {
        const char *path, *temporary;
        int status;
        const char *named;
    } rows[] = {
        {"a", "missing/tmp", -ENOENT, "missing/tmp: "},
        {"a", "folder", -EISDIR, "folder: "},
        {"folder", "tmp", -EISDIR, "folder: "},
        {"missing/a", "tmp", -ENOENT, "missing/a: "},
    };
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        int status = atomic_file_write(rows[i].path, rows[i].temporary, "new", 3, &error);
        cr_expect(status == rows[i].status, "row %zu: %d", i, status);
        cr_expect(strncmp(error.text, rows[i].named, strlen(rows[i].named)) == 0, "%s", error.text);
        cr_expect(scratch_has("a", "old") && !scratch_exists("tmp"), "row %zu", i);
    }
}

/* What a crash leaves in the temporary place may be a link: it is replaced, not followed. */
Test(atomic_file, a_link_in_the_temporary_place)
{
    struct error error = {""};
    cr_assert(atomic_file_write("elsewhere", "tmp", "old", 3, NULL) == 0);
    scratch_link("elsewhere", "tmp");
    cr_expect(atomic_file_write("a", "tmp", "new", 3, &error) == 0, "%s", error.text);
    cr_expect(scratch_has("a", "new") && scratch_has("elsewhere", "old") && !scratch_exists("tmp"));
}

Test(atomic_file, links_in_one_step)
{
    struct error error = {""};
    cr_expect(atomic_file_link("link", "tmp", "site.000001.idx", &error) == 0, "%s", error.text);
    cr_expect(leads_to("link", "site.000001.idx") && !scratch_exists("tmp"));
    cr_expect(atomic_file_link("link", "tmp", "site.000002.idx", &error) == 0, "%s", error.text);
    cr_expect(leads_to("link", "site.000002.idx") && !scratch_exists("tmp"));
    scratch_folder("folder");
    cr_expect(atomic_file_link("folder", "tmp", "x", &error) == -EISDIR);
    cr_expect(!scratch_exists("tmp"));
    cr_expect(atomic_file_link("link", "missing/tmp", "x", &error) == -ENOENT);
    cr_expect(leads_to("link", "site.000002.idx"));
}

Test(atomic_file, sync_of_a_folder_that_is_not_there)
{
    struct error error = {""};
    cr_expect(directory_sync("missing/a", &error) == -ENOENT);
    cr_expect(strncmp(error.text, "missing: ", 9) == 0, "%s", error.text);
}
