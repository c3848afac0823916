/* An index and its archive: found by name, and bound by what each says of the other. */
#include "common/release.h"

#include "samples.h"
#include "scratch.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

TestSuite(release, .init = scratch_enter, .fini = scratch_leave);

/* ---- names ---- */

static const struct {
    const char *index;    /* a file */
    const char *link;     /* to it; NULL: none */
    const char *archives; /* files, separated by spaces */
    const char *found;
} names[] = {
    {"site.idx", NULL, "site.cairn", "site.cairn"},
    {"site.000042.idx", NULL, "site.cairn", "site.cairn"},
    {"site.000001.idx", "site.idx", "site.cairn", "site.cairn"},
    {"site.1234567.idx", NULL, "site.cairn", "site.cairn"},
    {"site.000001.idx", "current", "site.cairn current.cairn", "site.cairn"},
    {"site.000001.idx", "folder/other.idx", "site.cairn folder/other.cairn", "site.cairn"},
    {"folder/site.000001.idx", "x.idx", "folder/site.cairn x.cairn", "folder/site.cairn"},
    /* NAME without .cairn */
    {"site.000001.idx", NULL, "site", "site"},
    {"site.000001.idx", "site.idx", "site", "site"},
    {"site.idx", NULL, "site", "site"},
    {"site.idx", NULL, "site site.cairn", "site.cairn"},
    /* nothing there: the name to complain about */
    {"site.000001.idx", NULL, "", "site.cairn"},
    /* names with dots and digits of their own */
    {"a.b.000001.idx", NULL, "a.b.cairn a.cairn", "a.b.cairn"},
    {"v1.2.000001.idx", NULL, "v1.2.cairn v1.cairn", "v1.2.cairn"},
    {"v1.2.000001.idx", "v1.2.idx", "v1.2.cairn v1.cairn", "v1.2.cairn"},
    {"42.idx", NULL, "42.cairn", "42.cairn"},
    {"42.000001.idx", NULL, "42.cairn", "42.cairn"},
    {"site.v2.idx", NULL, "site.v2.cairn site.cairn", "site.v2.cairn"},
    {"site.idx.000001.idx", NULL, "site.idx.cairn", "site.idx.cairn"},
    {"site", NULL, "site.cairn", "site.cairn"},
    {"a b.000001.idx", NULL, "a.cairn", "a b.cairn"},
};

/* In the working directory, `here`. */
static void make_names(size_t row, const char *here)
{
    char archives[128];
    scratch_folder("folder");
    scratch_file(names[row].index, "");
    snprintf(archives, sizeof archives, "%s", names[row].archives);
    for (char *name = strtok(archives, " "); name != NULL; name = strtok(NULL, " ")) {
        scratch_file(name, "");
    }
    if (names[row].link != NULL) {
        char target[512];
        snprintf(target, sizeof target, "%s/%s", here, names[row].index);
        scratch_link(target, names[row].link);
    }
}

Test(release, archive_is_found_by_name)
{
    for (size_t i = 0; i < ARRAY_COUNT(names); i++) {
        char folder[32];
        snprintf(folder, sizeof folder, "row%zu", i);
        scratch_folder(folder);
        cr_assert(chdir(folder) == 0);
        char *here = realpath(".", NULL);
        make_names(i, here);
        char *path = NULL;
        char wanted[512];
        struct error error = {""};
        const char *given = names[i].link != NULL ? names[i].link : names[i].index;
        cr_assert(release_archive_path(given, &path, &error) == 0, "%s", error.text);
        snprintf(wanted, sizeof wanted, "%s/%s", here, names[i].found);
        cr_expect(strcmp(path, wanted) == 0, "row %zu: %s", i, path);
        free(path);
        free(here);
        cr_assert(chdir(scratch_root()) == 0);
    }
}

Test(release, index_path_follows_links)
{
    scratch_file("site.000001.idx", "");
    scratch_link("site.000001.idx", "site.idx");
    char *path = NULL;
    char wanted[512];
    cr_assert(release_index_path("./site.idx", &path, NULL) == 0);
    snprintf(wanted, sizeof wanted, "%s/site.000001.idx", scratch_root());
    cr_expect(strcmp(path, wanted) == 0, "%s", path);
    free(path);
    path = NULL;
    struct error error = {""};
    cr_expect(release_index_path("missing.idx", &path, &error) == -ENOENT && path == NULL);
    cr_expect(strcmp(error.text, "missing.idx: No such file or directory") == 0, "%s", error.text);
    cr_expect(release_archive_path("missing.idx", &path, &error) == -ENOENT && path == NULL);
}

Test(release, stem)
{
    static const struct {
        const char *archive, *stem;
    } rows[] = {
        {"site.cairn", "site"},     {"/a/site.cairn", "/a/site"},       {"site", "site"},
        {"site.tar", "site.tar"},   {"site.cairn.cairn", "site.cairn"}, {".cairn", ".cairn"},
        {"a.cairn/b", "a.cairn/b"},
    };
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        char *stem = release_stem(rows[i].archive);
        cr_expect(strcmp(stem, rows[i].stem) == 0, "%s: %s", rows[i].archive, stem);
        free(stem);
    }
}

/* ---- binding ---- */

struct pair {
    struct index *index;
    struct archive *archive;
};

static struct pair open_pair(const char *index_path, const char *archive_path)
{
    struct pair pair;
    struct error error = {""};
    cr_assert(index_open(index_path, &pair.index, &error) == 0, "%s", error.text);
    cr_assert(archive_open(archive_path, 0, &pair.archive, &error) == 0, "%s", error.text);
    return pair;
}

static void close_pair(struct pair *pair)
{
    index_close(pair->index);
    archive_unref(pair->archive);
}

static void make_archives(void)
{
    unsetenv("SOURCE_DATE_EPOCH");
    scratch_file("site/a", "one");
    sample_pack("a.cairn");
    sample_pack("b.cairn");
    scratch_file("site/a", "two");
    sample_pack("a.cairn");
}

static void expect_unbound(struct pair *pair, const char *says)
{
    struct error error = {""};
    cr_expect(release_bind(pair->index, pair->archive, &error) == ERR_BINDING, "%s", says);
    cr_expect(strncmp(error.text, pair->archive->path, strlen(pair->archive->path)) == 0, "%s",
              error.text);
    cr_expect(strstr(error.text, says) != NULL, "%s, not %s", error.text, says);
}

Test(release, every_release_of_an_archive_binds)
{
    make_archives();
    static const char *const indexes[] = {"a.000001.idx", "a.000002.idx", "a.idx"};
    for (size_t i = 0; i < ARRAY_COUNT(indexes); i++) {
        struct pair pair = open_pair(indexes[i], "a.cairn");
        struct error error = {""};
        cr_expect(release_bind(pair.index, pair.archive, &error) == 0, "%s", error.text);
        close_pair(&pair);
    }
}

Test(release, other_archive)
{
    make_archives();
    struct pair pair = open_pair("a.000001.idx", "b.cairn");
    expect_unbound(&pair, "not the archive that this index was made for");
    close_pair(&pair);
}

Test(release, archive_that_is_too_short)
{
    make_archives();
    struct pair pair = open_pair("a.000002.idx", "a.cairn");
    off_t needed = (off_t)pair.index->committed_bytes;
    static const off_t missing[] = {1, 64, 128};
    for (size_t i = 0; i < ARRAY_COUNT(missing); i++) {
        char says[128];
        cr_assert(truncate("a.cairn", needed - missing[i]) == 0);
        snprintf(says, sizeof says, "%ld bytes long, but this index needs %ld",
                 (long)(needed - missing[i]), (long)needed);
        expect_unbound(&pair, says);
    }
    struct pair first = open_pair("a.000001.idx", "a.cairn"); /* has all that it needs */
    cr_expect(release_bind(first.index, first.archive, NULL) == 0);
    cr_assert(truncate("a.cairn", needed) == 0); /* long enough, but the commit is gone */
    expect_unbound(&pair, "");
    close_pair(&first);
    close_pair(&pair);
}

Test(release, mapping_that_ends_before_what_was_added)
{
    make_archives();
    struct pair pair = open_pair("a.000001.idx", "a.cairn");
    struct pair next = open_pair("a.000002.idx", "a.cairn");
    next.archive->map_bytes = pair.index->committed_bytes; /* as it was mapped back then */
    uint64_t whole;
    cr_assert(archive_file_bytes(next.archive, &whole, NULL) == 0);
    expect_unbound(&next, "but this index needs");
    next.archive->map_bytes = whole;
    cr_expect(release_bind(next.index, next.archive, NULL) == 0);
    close_pair(&pair);
    close_pair(&next);
}

/* The commit record and the index must say the same of the index. */
Test(release, other_index)
{
    make_archives();
    struct pair pair = open_pair("a.000002.idx", "a.cairn");
    const struct index good = *pair.index;
    static const char other[] = "names another index";
    pair.index->release++;
    expect_unbound(&pair, other);
    *pair.index = good;
    pair.index->map_bytes += 64;
    expect_unbound(&pair, other);
    *pair.index = good;
    for (size_t i = 0; i < HASH128_BYTES; i++) {
        pair.index->checksum.bytes[i] ^= 1;
        expect_unbound(&pair, other);
        *pair.index = good;
    }
    pair.index->committed_bytes -= 64;
    expect_unbound(&pair, "no record starts here");
    pair.index->committed_bytes = 64;
    expect_unbound(&pair, "too short for a commit record");
    pair.index->committed_bytes = good.committed_bytes - 1;
    expect_unbound(&pair, "too short for a commit record");
    *pair.index = good;
    cr_expect(release_bind(pair.index, pair.archive, NULL) == 0);
    close_pair(&pair);
}
