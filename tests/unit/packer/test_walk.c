/* The files of a site directory: order, links, what is left out, and what fails the walk. */
#include "packer/site/walk.h"

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
    int status = walk_init(directory, &(struct walk_options){0}, &walk, &error);
    if (status != 0) {
        snprintf(text, sizeof text, "%d: %s", status, error.text);
        walk_fini(&walk);
        return text;
    }
    text[0] = '\0';
    for (size_t i = 0; i < walk.file_count; i++) {
        count += snprintf(text + count, sizeof text - (size_t)count, "%s%s", i > 0 ? " " : "",
                          walk.files[i].name);
    }
    for (size_t i = 0; i < walk.note_count; i++) {
        count += snprintf(text + count, sizeof text - (size_t)count, "; %s: %s", walk.notes[i].name,
                          walk.notes[i].reason);
    }
    if (walk.ignored_count > 0) {
        snprintf(text + count, sizeof text - (size_t)count, "; %d ignored",
                 (int)walk.ignored_count);
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
    static const char *const files[] = {"site/b", "site/a/z",   "site/a.html", "site/a-b",
                                        "site/A", "site/a/b/c", "site/a/B",    "site/\xc3\xa9"};
    for (size_t i = 0; i < ARRAY_COUNT(files); i++) {
        put_file(files[i]);
    }
    EXPECT_WALK("site", "A a-b a.html a/B a/b/c a/z b \xc3\xa9");
    EXPECT_WALK("site/", "A a-b a.html a/B a/b/c a/z b \xc3\xa9");
    EXPECT_WALK("site/../site/a", "B b/c z");
}

Test(walk, root_is_resolved)
{
    put_file("site/a");
    scratch_link("site", "link");
    struct walk walk;
    cr_assert(walk_init("link", &(struct walk_options){0}, &walk, NULL) == 0);
    char *wanted = realpath("site", NULL);
    cr_expect(strcmp(walk.root, wanted) == 0, "%s", walk.root);
    cr_expect(walk.file_count == 1 && walk.files[0].state.bytes == 6);
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

/* Names that start with a dot, but for what RFC 8615 puts at the root. */
Test(walk, dotfiles_are_left_out)
{
    static const char *const files[] = {
        "site/.well-known/security.txt",
        "site/.well-known/.x",
        "site/.env",
        "site/.cache/x",
        "site/a/.DS_Store",
        "site/a/.well-known/y",
        "site/index.html",
        "site/_headers",
    };
    for (size_t i = 0; i < ARRAY_COUNT(files); i++) {
        put_file(files[i]);
    }
#define HIDDEN ": its name starts with a dot (--dotfiles takes them too)"
    EXPECT_WALK("site", ".well-known/security.txt _headers index.html"
                        "; .cache" HIDDEN "; .env" HIDDEN "; .well-known/.x" HIDDEN
                        "; a/.DS_Store" HIDDEN "; a/.well-known" HIDDEN);
    struct walk walk;
    cr_assert(walk_init("site", &(struct walk_options){.dotfiles = true}, &walk, NULL) == 0);
    cr_expect(walk.file_count == ARRAY_COUNT(files) && walk.note_count == 0);
    walk_fini(&walk);
}

Test(walk, version_control_is_left_out)
{
    static const char *const files[] = {"site/.git/config", "site/a/.hg/x", "site/.svn/x",
                                        "site/b/_darcs/x", "site/git/x"};
    for (size_t i = 0; i < ARRAY_COUNT(files); i++) {
        put_file(files[i]);
    }
    EXPECT_WALK("site", "git/x; .git" HIDDEN "; .svn" HIDDEN "; a/.hg" HIDDEN
                        "; b/_darcs: version control");
    struct walk walk;
    cr_assert(walk_init("site", &(struct walk_options){.dotfiles = true}, &walk, NULL) == 0);
    cr_expect(walk.file_count == 1 && walk.note_count == 4);
    walk_fini(&walk);
}

Test(walk, roles)
{
    static const struct {
        const char *name;
        enum file_role role;
    } rows[] = {
        {"_headers", FILE_RULES},       {"_redirects", FILE_RULES}, {"_routes.json", FILE_RULES},
        {"docs/_headers", FILE_SERVED}, {"headers", FILE_SERVED},   {"_headers.txt", FILE_SERVED},
        {"_redirects/a", FILE_SERVED},
    };
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        cr_expect(walk_role_of(rows[i].name) == rows[i].role, "%s", rows[i].name);
    }
}

/* Each `.cairnignore` holds for its folder; later and deeper ones win. */
Test(walk, cairnignore)
{
    static const char *const files[] = {"site/a.log",         "site/keep.log", "site/docs/a.log",
                                        "site/docs/draft.md", "site/draft.md", "site/tmp/x",
                                        "site/docs/tmp/x"};
    for (size_t i = 0; i < ARRAY_COUNT(files); i++) {
        put_file(files[i]);
    }
    scratch_file("site/.cairnignore", "*.log\n!keep.log\n/tmp/\n[\n");
    scratch_file("site/docs/.cairnignore", "draft.md\n!a.log\n");
    const char *found = walked("site");
    cr_expect(strncmp(found, "docs/a.log docs/tmp/x draft.md keep.log; .cairnignore: ", 55) == 0,
              "%s", found);
    cr_expect(strstr(found, "; 3 ignored") != NULL, "%s", found);
}

static void expect_failure(const char *directory, int status, const char *names, const char *says)
{
    struct walk walk;
    struct error error = {""};
    int result = walk_init(directory, &(struct walk_options){0}, &walk, &error);
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
