/* The files of a site directory: order, links, what is left out, and what fails the walk. */
#include "packer/walk.h"

#include "scratch.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void enter_scratch(void)
{
    scratch_enter();
    scratch_folder("site");
    scratch_folder("outside");
}

TestSuite(walk, .init = enter_scratch, .fini = scratch_leave);

/* With its own path as its bytes. */
static void put_file(const char *path)
{
    scratch_file(path, path);
}

/* "a.html b/c.html; left out: d: why": what a walk found, as text. */
static const char *walked(const char *directory)
{
    static char text[4096];
    struct walk walk;
    struct error error = {""};
    int count = 0;
    int status = walk_init(directory, &walk, &error);
    if (status != 0) {
        snprintf(text, sizeof text, "%d: %s", status, error.text);
        walk_fini(&walk);
        return text;
    }
    text[0] = '\0';
    for (size_t i = 0; i < walk.file_count; i++) {
        count += snprintf(text + count, sizeof text - (size_t)count, "%s%s", i > 0 ? " " : "",
                          walk.files[i].name);
        cr_expect(S_ISREG(walk.files[i].status.st_mode), "%s", walk.files[i].name);
    }
    for (size_t i = 0; i < walk.note_count; i++) {
        count += snprintf(text + count, sizeof text - (size_t)count, "; %s: %s", walk.notes[i].name,
                          walk.notes[i].reason);
    }
    walk_fini(&walk);
    return text;
}

#define EXPECT_WALK(directory, wanted)                                                             \
    do {                                                                                           \
        const char *found = walked(directory);                                                     \
        cr_expect(strcmp(found, wanted) == 0, "%s", found);                                        \
    } while (0)

Test(walk, empty_folder)
{
    EXPECT_WALK("site", "");
    scratch_folder("site/a");
    scratch_folder("site/a/b");
    EXPECT_WALK("site", "");
}

Test(walk, sorted_by_bytes_of_the_name)
{
    static const char *const files[] = {"site/b",   "site/a/z",      "site/a.html",
                                        "site/a-b", "site/A",        "site/a/b/c",
                                        "site/a/B", "site/\xc3\xa9", "site/.hidden"};
    for (size_t i = 0; i < ARRAY_COUNT(files); i++) {
        put_file(files[i]);
    }
    EXPECT_WALK("site", ".hidden A a-b a.html a/B a/b/c a/z b \xc3\xa9");
    EXPECT_WALK("site/", ".hidden A a-b a.html a/B a/b/c a/z b \xc3\xa9");
    EXPECT_WALK("site/../site/a", "B b/c z");
}

Test(walk, root_is_resolved)
{
    put_file("site/a");
    scratch_link("site", "link");
    struct walk walk;
    cr_assert(walk_init("link", &walk, NULL) == 0);
    char *wanted = realpath("site", NULL);
    cr_expect(strcmp(walk.root, wanted) == 0, "%s", walk.root);
    cr_expect(walk.file_count == 1 && walk.files[0].status.st_size == 6);
    free(wanted);
    walk_fini(&walk);
}

Test(walk, links_inside_are_followed)
{
    put_file("site/real/a.html");
    scratch_link("real/a.html", "site/to-file");
    scratch_link("real", "site/to-folder");
    scratch_link("to-file", "site/to-link");
    char *target = realpath("site/real/a.html", NULL);
    scratch_link(target, "site/absolute");
    free(target);
    EXPECT_WALK("site", "absolute real/a.html to-file to-folder/a.html to-link");
}

Test(walk, links_that_lead_nowhere_good_are_left_out)
{
    put_file("site/a");
    put_file("outside/secret");
    put_file("site-b/near"); /* the name begins like the site's */
    scratch_link("../outside/secret", "site/out-file");
    scratch_link("../outside", "site/out-folder");
    scratch_link("../site-b/near", "site/out-near");
    scratch_link("/etc/passwd", "site/out-root");
    scratch_link("missing", "site/dangling");
    scratch_link("self", "site/self");
    scratch_link("pong", "site/ping");
    scratch_link("ping", "site/pong");
    EXPECT_WALK("site", "a; dangling: a link that leads nowhere"
                        "; out-file: a link that leads outside the site directory"
                        "; out-folder: a link that leads outside the site directory"
                        "; out-near: a link that leads outside the site directory"
                        "; out-root: a link that leads outside the site directory"
                        "; ping: a link that leads to itself"
                        "; pong: a link that leads to itself"
                        "; self: a link that leads to itself");
}

Test(walk, folder_loops_are_left_out)
{
    put_file("site/a/b/file");
    scratch_link(".", "site/a/here");
    scratch_link("..", "site/a/b/up");
    scratch_link("../..", "site/a/b/top");
    EXPECT_WALK("site", "a/b/file; a/b/top: a link back to a folder that it is in"
                        "; a/b/up: a link back to a folder that it is in"
                        "; a/here: a link back to a folder that it is in");
}

Test(walk, version_control_is_left_out)
{
    static const char *const files[] = {"site/.git/config", "site/a/.hg/x",    "site/.svn/x",
                                        "site/.bzr/x",      "site/b/_darcs/x", "site/.gitignore",
                                        "site/git/x",       "site/.github/x"};
    for (size_t i = 0; i < ARRAY_COUNT(files); i++) {
        put_file(files[i]);
    }
    scratch_folder("site/c");
    put_file("site/c/.git"); /* a file: that of a work tree */
    EXPECT_WALK("site", ".github/x .gitignore c/.git git/x; .bzr: version control"
                        "; .git: version control; .svn: version control; a/.hg: version control"
                        "; b/_darcs: version control");
}

static void expect_failure(const char *directory, int status, const char *names, const char *says)
{
    struct walk walk;
    struct error error = {""};
    int result = walk_init(directory, &walk, &error);
    walk_fini(&walk);
    cr_expect(result == status, "%s: %d", names, result);
    cr_expect(strstr(error.text, names) != NULL, "%s", error.text);
    cr_expect(strstr(error.text, says) != NULL, "%s", error.text);
}

Test(walk, names_that_are_no_paths_fail_it)
{
    static const struct {
        const char *path;
        const char *named;
        const char *says;
    } rows[] = {
        {"site/a/new\nline", "a/new?line", "control character"},
        {"site/a/\x7f", "a/?", "control character"},
        {"site/a/\xff", "a/\xff", "not UTF-8"},
        {"site/a/\xed\xa0\x80", "a/\xed", "not UTF-8"},
    };
    scratch_folder("site/a");
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        put_file(rows[i].path);
        expect_failure("site", ERR_NAME, rows[i].named, rows[i].says);
        unlink(rows[i].path);
    }
    EXPECT_WALK("site", "");
}

Test(walk, neither_file_nor_folder_fails_it)
{
    put_file("site/a");
    cr_assert(mkfifo("site/pipe", 0644) == 0);
    expect_failure("site", ERR_FORMAT, "site/pipe", "neither a file nor a folder");
    cr_assert(rename("site/pipe", "site/real") == 0);
    scratch_link("real", "site/by-link");
    expect_failure("site", ERR_FORMAT, "site/", "neither a file nor a folder");
}

Test(walk, no_directory)
{
    put_file("file");
    expect_failure("missing", -ENOENT, "missing", "No such file");
    expect_failure("file", -ENOTDIR, "file", "not a directory");
    expect_failure("file/x", -ENOTDIR, "file/x", "Not a directory");
}
