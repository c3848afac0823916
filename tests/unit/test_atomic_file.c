/* Files and links that appear whole or not at all. */
#include "packer/atomic_file.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char *root; /* of this test; also the working directory */

static void enter_scratch(void)
{
    const char *place = getenv("TMPDIR");
    cr_assert(asprintf(&root, "%s/cairn-atomic-XXXXXX", place == NULL ? "/tmp" : place) > 0);
    cr_assert(mkdtemp(root) != NULL && chdir(root) == 0);
}

static int remove_one(const char *path, const struct stat *status, int kind, struct FTW *where)
{
    (void)status;
    (void)kind;
    (void)where;
    return remove(path);
}

static void leave_scratch(void)
{
    nftw(root, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    free(root);
}

TestSuite(atomic_file, .init = enter_scratch, .fini = leave_scratch);

static bool exists(const char *path)
{
    struct stat status;
    return lstat(path, &status) == 0;
}

static bool has_content(const char *path, const char *wanted)
{
    char text[64] = "";
    int fd = open(path, O_RDONLY);
    ssize_t count = fd >= 0 ? read(fd, text, sizeof text) : -1;
    if (fd >= 0) {
        close(fd);
    }
    return count == (ssize_t)strlen(wanted) && memcmp(text, wanted, strlen(wanted)) == 0;
}

static bool leads_to(const char *path, const char *wanted)
{
    char text[64] = "";
    ssize_t count = readlink(path, text, sizeof text - 1);
    return count >= 0 && strcmp(text, wanted) == 0;
}

Test(atomic_file, writes_and_replaces)
{
    struct error error = {""};
    cr_expect(atomic_file_write("a", "a.tmp", "first", 5, &error) == 0, "%s", error.text);
    cr_expect(has_content("a", "first") && !exists("a.tmp"));
    cr_expect(atomic_file_write("a", "a.tmp", "2nd", 3, &error) == 0, "%s", error.text);
    cr_expect(has_content("a", "2nd") && !exists("a.tmp"));
    cr_expect(atomic_file_write("empty", "a.tmp", "", 0, &error) == 0);
    cr_expect(has_content("empty", ""));
    cr_expect(directory_sync("a", &error) == 0, "%s", error.text);
}

Test(atomic_file, replaces_the_link_and_not_what_it_leads_to)
{
    cr_assert(atomic_file_write("target", "tmp", "target", 6, NULL) == 0);
    cr_assert(symlink("target", "a") == 0);
    cr_expect(atomic_file_write("a", "tmp", "new", 3, NULL) == 0);
    cr_expect(has_content("target", "target") && has_content("a", "new"));
}

Test(atomic_file, overwrites_what_a_crash_left)
{
    cr_assert(atomic_file_write("tmp", "other", "half of a longer one", 20, NULL) == 0);
    cr_expect(atomic_file_write("a", "tmp", "new", 3, NULL) == 0);
    cr_expect(has_content("a", "new") && !exists("tmp"));
    cr_assert(atomic_file_write("tmp", "other", "x", 1, NULL) == 0);
    cr_expect(atomic_file_link("link", "tmp", "a", NULL) == 0);
    cr_expect(leads_to("link", "a") && !exists("tmp"));
}

Test(atomic_file, failure_leaves_the_old_file)
{
    struct error error = {""};
    cr_assert(atomic_file_write("a", "tmp", "old", 3, NULL) == 0);
    cr_assert(mkdir("folder", 0755) == 0 && mkdir("folder/x", 0755) == 0);
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
        cr_expect(has_content("a", "old") && !exists("tmp"), "row %zu", i);
    }
}

/* What a crash leaves in the temporary place may be a link: it is replaced, not followed. */
Test(atomic_file, a_link_in_the_temporary_place)
{
    struct error error = {""};
    cr_assert(atomic_file_write("elsewhere", "tmp", "old", 3, NULL) == 0);
    cr_assert(symlink("elsewhere", "tmp") == 0);
    cr_expect(atomic_file_write("a", "tmp", "new", 3, &error) == 0, "%s", error.text);
    cr_expect(has_content("a", "new") && has_content("elsewhere", "old") && !exists("tmp"));
}

Test(atomic_file, links_in_one_step)
{
    struct error error = {""};
    cr_expect(atomic_file_link("link", "tmp", "site.000001.idx", &error) == 0, "%s", error.text);
    cr_expect(leads_to("link", "site.000001.idx") && !exists("tmp"));
    cr_expect(atomic_file_link("link", "tmp", "site.000002.idx", &error) == 0, "%s", error.text);
    cr_expect(leads_to("link", "site.000002.idx") && !exists("tmp"));
    cr_assert(mkdir("folder", 0755) == 0);
    cr_expect(atomic_file_link("folder", "tmp", "x", &error) == -EISDIR);
    cr_expect(!exists("tmp"));
    cr_expect(atomic_file_link("link", "missing/tmp", "x", &error) == -ENOENT);
    cr_expect(leads_to("link", "site.000002.idx"));
}

Test(atomic_file, sync_of_a_folder_that_is_not_there)
{
    struct error error = {""};
    cr_expect(directory_sync("missing/a", &error) == -ENOENT);
    cr_expect(strncmp(error.text, "missing: ", 9) == 0, "%s", error.text);
}
