/* Whole packs: what they append, that each content is stored once, and that a failure publishes
 * nothing. */
#include "packer/add.h"

#include "common/mem.h"
#include "common/release.h"
#include "scratch.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

static void enter_scratch(void)
{
    scratch_enter();
    scratch_folder("site");
    setenv("SOURCE_DATE_EPOCH", "1700000000", 1);
}

TestSuite(add, .init = enter_scratch, .fini = scratch_leave);

/* ---- files ---- */

static bool same_files(const char *a, const char *b)
{
    size_t a_count, b_count;
    uint8_t *a_bytes = scratch_read(a, &a_count);
    uint8_t *b_bytes = scratch_read(b, &b_count);
    bool same = a_count == b_count && memcmp(a_bytes, b_bytes, a_count) == 0;
    free(a_bytes);
    free(b_bytes);
    return same;
}

/* ---- packing ---- */

static struct error last_error;
static char *messages;

/* Packs and keeps the error and the messages; the index's path is checked and given up. */
static int add(struct add_options options)
{
    size_t count;
    free(messages);
    options.messages = open_memstream(&messages, &count);
    options.site_directory = options.site_directory == NULL ? "site" : options.site_directory;
    options.archive_path = options.archive_path == NULL ? "site.cairn" : options.archive_path;
    struct site_options site;
    site_options_init(&site);
    options.site = options.site == NULL ? &site : options.site;
    struct add_result result;
    last_error = (struct error){""};
    int status = add_release(&options, &result, &last_error);
    fclose(options.messages);
    const char *index_path = result.index_path;
    cr_expect((index_path != NULL) == (status == 0));
    cr_expect(index_path == NULL || (index_path[0] == '/' && scratch_exists(index_path)), "%s",
              index_path);
    add_result_fini(&result);
    site_options_fini(&site);
    return status;
}

static void add_ok(void)
{
    int status = add((struct add_options){0});
    cr_assert(status == 0, "%d: %s", status, last_error.text);
}

struct opened {
    struct index *index;
    struct archive *archive;
};

static struct opened open_release(const char *index_path)
{
    struct opened opened;
    struct error error = {""};
    char *archive_path;
    cr_assert(index_open(index_path, &opened.index, &error) == 0, "%s", error.text);
    cr_assert(release_archive_path(index_path, &archive_path, &error) == 0, "%s", error.text);
    cr_assert(archive_open(archive_path, 0, &opened.archive, &error) == 0, "%s", error.text);
    cr_assert(release_bind(opened.index, opened.archive, &error) == 0, "%s", error.text);
    cr_expect(index_check_deep(opened.index, &error) == 0, "%s", error.text);
    free(archive_path);
    return opened;
}

static void close_release(struct opened *opened)
{
    index_close(opened->index);
    archive_unref(opened->archive);
}

/* The bytes that a release serves at a path; empty if it has no file there. */
static struct slice served(const struct opened *opened, const char *path)
{
    struct slice key = slice_of_string(path);
    struct hash128 hash = hash128(key.bytes, key.count);
    const struct index_entry *entry = index_find(opened->index, &hash, key);
    if (entry == NULL || entry->kind != ENTRY_FILE) {
        return (struct slice){"", 0};
    }
    return (struct slice){(const char *)opened->archive->map + entry->first.payload_offset,
                          entry->first.stored_bytes};
}

/* "content a; alias b; gone c": the records of the release that an index belongs to. */
static const char *records(const char *index_path)
{
    static const char *const kinds[] = {"?", "content", "alias", "gone", "commit", "variant"};
    static char text[1024];
    struct opened opened = open_release(index_path);
    struct commit commit;
    struct record record;
    const char *why = "";
    int status = commit_decode(opened.archive->map, opened.index->committed_bytes,
                               opened.archive->superblock.uuid, &commit, &why);
    cr_assert(status == 0, "%s", why);
    uint64_t offset = commit.begin_offset;
    int count = 0;
    text[0] = '\0';
    while ((status = archive_next_record(opened.archive, &commit, &offset, &record, &why)) > 0) {
        if (record.kind == RECORD_OPTIONS) {
            continue; /* the same in all that is packed here */
        }
        count +=
            snprintf(text + count, sizeof text - (size_t)count, "%s%s %.*s", count > 0 ? "; " : "",
                     kinds[record.kind], (int)record.path.count, record.path.bytes);
    }
    cr_expect(status == 0, "%s", why);
    close_release(&opened);
    return text;
}

#define EXPECT_RECORDS(index_path, wanted)                                                         \
    do {                                                                                           \
        const char *found = records(index_path);                                                   \
        cr_expect(strcmp(found, wanted) == 0, "%s", found);                                        \
    } while (0)

/* ---- what is published ---- */

Test(add, first_release)
{
    scratch_file("site/index.html", "<p>one");
    scratch_file("site/docs/a.html", "<p>two");
    add_ok();
    cr_expect(strcmp(scratch_target("site.idx"), "site.000001.idx") == 0, "%s",
              scratch_target("site.idx"));
    cr_expect(!scratch_exists("site.idx.tmp"));
    struct opened opened = open_release("site.idx");
    cr_expect(opened.index->release == 1 && opened.index->created_s == 1700000000);
    cr_expect((off_t)opened.index->committed_bytes == scratch_length("site.cairn"));
    cr_expect(slice_equal(served(&opened, "/"), SLICE("<p>one")));
    cr_expect(slice_equal(served(&opened, "/index.html"), SLICE("<p>one")));
    cr_expect(slice_equal(served(&opened, "/docs/a.html"), SLICE("<p>two")));
    close_release(&opened);
    cr_expect(strstr(messages, "5 paths, 2 new, 640 B appended, release 1, ") != NULL, "%s",
              messages);
    EXPECT_RECORDS("site.idx", "content docs/a.html; content index.html");
}

Test(add, next_releases_leave_the_old_ones_as_they_are)
{
    scratch_file("site/a", "one");
    add_ok();
    size_t count;
    uint8_t *first = scratch_read("site.cairn", &count);
    scratch_file("site/a", "two");
    add_ok();
    cr_expect(strcmp(scratch_target("site.idx"), "site.000002.idx") == 0);
    size_t longer;
    uint8_t *second = scratch_read("site.cairn", &longer);
    cr_expect(longer > count && memcmp(first, second, count) == 0, "bytes were rewritten");
    struct opened old = open_release("site.000001.idx");
    struct opened new = open_release("site.000002.idx");
    cr_expect(slice_equal(served(&old, "/a"), SLICE("one")));
    cr_expect(slice_equal(served(&new, "/a"), SLICE("two")));
    close_release(&old);
    close_release(&new);
    free(first);
    free(second);
}

Test(add, messages_and_quiet)
{
    scratch_file("site/a", "one");
    scratch_link("/etc/passwd", "site/out");
    cr_assert(add((struct add_options){.quiet = true}) == 0);
    cr_expect(strcmp(messages, "") == 0, "%s", messages);
    add_ok();
    cr_expect(strstr(messages, "cairn-pack: left out: out: a link that leads outside the site "
                               "directory\n") != NULL,
              "%s", messages);
    cr_expect(strstr(messages, "cairn-pack: 1 path, 0 new, 128 B appended, release 2, ") != NULL,
              "%s", messages);
}

Test(add, archive_behind_a_link)
{
    scratch_file("site/a", "one");
    scratch_folder("real");
    scratch_link("real/store.cairn", "site.cairn");
    cr_assert(add((struct add_options){.archive_path = "real/store.cairn"}) == 0);
    add_ok();
    cr_expect(strcmp(scratch_target("real/store.idx"), "store.000002.idx") == 0);
    cr_expect(!scratch_exists("site.idx"));
}

/* Refused, or followed: but every release is published at the same place. */
Test(add, archive_behind_a_link_that_leads_nowhere)
{
    scratch_file("site/a", "one");
    scratch_folder("real");
    scratch_link("real/store.cairn", "site.cairn");
    if (add((struct add_options){0}) == 0) {
        add_ok();
        cr_expect(strcmp(scratch_target("real/store.idx"), "store.000002.idx") == 0);
    }
    cr_expect(!scratch_exists("site.idx"), "it leads to %s, though there is a newer release",
              scratch_target("site.idx"));
}

Test(add, name_without_suffix)
{
    scratch_file("site/a", "one");
    cr_assert(add((struct add_options){.archive_path = "store"}) == 0, "%s", last_error.text);
    struct opened opened = open_release("store.idx");
    cr_expect(slice_equal(served(&opened, "/a"), SLICE("one")));
    close_release(&opened);
}

/* ---- each content once ---- */

Test(add, same_content_is_stored_once)
{
    scratch_file("site/a", "the same bytes");
    scratch_file("site/b", "the same bytes");
    scratch_file("site/c", "other bytes");
    scratch_file("site/empty1", "");
    scratch_file("site/empty2", "");
    add_ok();
    EXPECT_RECORDS("site.idx", "content a; alias b; content c; content empty1; alias empty2");
    struct opened opened = open_release("site.idx");
    cr_expect(served(&opened, "/a").bytes == served(&opened, "/b").bytes);
    cr_expect(slice_equal(served(&opened, "/b"), SLICE("the same bytes")));
    close_release(&opened);
}

Test(add, unchanged_site_appends_a_commit_only)
{
    scratch_file("site/a", "one");
    scratch_file("site/b", "one");
    scratch_file("site/c/index.html", "two");
    add_ok();
    off_t before = scratch_length("site.cairn");
    add_ok();
    cr_expect(scratch_length("site.cairn") == before + COMMIT_RECORD_BYTES, "%ld bytes",
              (long)(scratch_length("site.cairn") - before));
    EXPECT_RECORDS("site.idx", "");
    add_ok();
    cr_expect(scratch_length("site.cairn") == before + 2 * COMMIT_RECORD_BYTES);
}

Test(add, records_are_a_log_of_changes)
{
    scratch_file("site/a", "one");
    scratch_file("site/b", "two");
    add_ok();
    EXPECT_RECORDS("site.idx", "content a; content b");
    cr_assert(rename("site/a", "site/c") == 0);
    add_ok();
    EXPECT_RECORDS("site.idx", "alias c; gone a");
    scratch_file("site/b", "three");
    add_ok();
    EXPECT_RECORDS("site.idx", "content b");
    scratch_file("site/b", "two"); /* as it was */
    add_ok();
    EXPECT_RECORDS("site.idx", "alias b");
    cr_assert(unlink("site/b") == 0 && unlink("site/c") == 0);
    scratch_file("site/a", "one"); /* back again */
    add_ok();
    EXPECT_RECORDS("site.idx", "alias a; gone c; gone b");
    add_ok();
    EXPECT_RECORDS("site.idx", "");
    scratch_file("site/b", "two");
    add_ok();
    EXPECT_RECORDS("site.idx", "alias b");
}

Test(add, new_time_is_an_alias)
{
    scratch_file("site/a", "one");
    add_ok();
    struct timespec times[2] = {{.tv_sec = 1650000000}, {.tv_sec = 1650000000}};
    cr_assert(utimensat(AT_FDCWD, "site/a", times, 0) == 0);
    add_ok();
    EXPECT_RECORDS("site.idx", "alias a");
    times[1].tv_sec = 1800000000; /* published as the epoch, twice the same */
    cr_assert(utimensat(AT_FDCWD, "site/a", times, 0) == 0);
    add_ok();
    EXPECT_RECORDS("site.idx", "alias a");
    times[1].tv_sec = 1900000000;
    cr_assert(utimensat(AT_FDCWD, "site/a", times, 0) == 0);
    add_ok();
    EXPECT_RECORDS("site.idx", "");
}

/* Sizes around the writer's buffer of 1 MiB and the reader's of 8 MiB. */
Test(add, large_files, .timeout = 120)
{
    static const size_t sizes[] = {(1 << 20) - 64, (1 << 20) - 1, 1 << 20, (1 << 20) + 1,
                                   8 << 20,        (8 << 20) + 1, 17000000};
    size_t largest = 17000000;
    uint8_t *bytes = mem_zeroed(largest, 1);
    uint64_t state = 88172645463325252;
    for (size_t i = 0; i < largest; i++) {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes[i] = (uint8_t)state;
    }
    char path[64];
    for (size_t i = 0; i < ARRAY_COUNT(sizes); i++) {
        for (size_t copy = 0; copy < 2; copy++) {
            snprintf(path, sizeof path, "site/%zu.%zu", sizes[i], copy);
            scratch_bytes(path, bytes, sizes[i]);
        }
    }
    add_ok();
    struct opened opened = open_release("site.idx");
    for (size_t i = 0; i < ARRAY_COUNT(sizes); i++) {
        snprintf(path, sizeof path, "/%zu.0", sizes[i]);
        struct slice stored = served(&opened, path);
        cr_expect(slice_equal(stored, (struct slice){(const char *)bytes, sizes[i]}), "%s", path);
        snprintf(path, sizeof path, "/%zu.1", sizes[i]);
        cr_expect(served(&opened, path).bytes == stored.bytes, "%s", path);
    }
    close_release(&opened);
    off_t before = scratch_length("site.cairn");
    add_ok();
    cr_expect(scratch_length("site.cairn") == before + COMMIT_RECORD_BYTES);
    free(bytes);
}

Test(add, many_files)
{
    for (int i = 0; i < 600; i++) {
        char path[64], text[64];
        snprintf(path, sizeof path, "site/%d/%d", i % 7, i);
        snprintf(text, sizeof text, "content %d", i % 400);
        scratch_file(path, text);
    }
    add_ok();
    cr_expect(strstr(messages, "600 paths") != NULL && strstr(messages, "400 new") != NULL, "%s",
              messages);
    struct opened opened = open_release("site.idx");
    for (int i = 0; i < 600; i++) {
        char path[64], text[64];
        snprintf(path, sizeof path, "/%d/%d", i % 7, i);
        snprintf(text, sizeof text, "content %d", i % 400);
        cr_expect(slice_equal(served(&opened, path), slice_of_string(text)), "%s", path);
    }
    close_release(&opened);
    off_t before = scratch_length("site.cairn");
    add_ok();
    cr_expect(scratch_length("site.cairn") == before + COMMIT_RECORD_BYTES);
}

/* ---- the same input, the same bytes ---- */

static void make_tree(const char *folder)
{
    char path[64];
    snprintf(path, sizeof path, "%s/z.html", folder);
    scratch_file(path, "<p>z");
    snprintf(path, sizeof path, "%s/docs/index.html", folder);
    scratch_file(path, "<p>docs");
    snprintf(path, sizeof path, "%s/a.html", folder);
    scratch_file(path, "<p>z");
}

Test(add, same_tree_same_bytes)
{
    make_tree("one");
    make_tree("two");
    scratch_folder("x");
    scratch_folder("y");
    for (int release = 1; release <= 2; release++) {
        struct add_options x = {.site_directory = "one", .archive_path = "x/site.cairn"};
        struct add_options y = {.site_directory = "two", .archive_path = "y/site.cairn"};
        cr_assert(add(x) == 0, "%s", last_error.text);
        cr_assert(add(y) == 0, "%s", last_error.text);
        cr_expect(same_files("x/site.cairn", "y/site.cairn"));
        cr_expect(same_files("x/site.idx", "y/site.idx"));
        scratch_file("one/new", "new");
        scratch_file("two/new", "new");
    }
}

Test(add, times_after_the_epoch_are_published_as_the_epoch)
{
    scratch_file("site/a", "one");
    setenv("SOURCE_DATE_EPOCH", "784111777", 1);
    add_ok();
    struct opened opened = open_release("site.idx");
    const struct index_entry *entry = &opened.index->entries[0];
    cr_expect(representation_modified_s(&entry->first) == 784111777);
    cr_expect(opened.archive->superblock.created_s == 784111777);
    cr_expect(opened.archive->superblock.uuid[6] >> 4 == 8, "a UUID made of what was packed");
    close_release(&opened);
}

Test(add, without_an_epoch_each_archive_is_its_own)
{
    scratch_file("site/a", "one");
    unsetenv("SOURCE_DATE_EPOCH");
    cr_assert(add((struct add_options){.archive_path = "x.cairn"}) == 0);
    setenv("SOURCE_DATE_EPOCH", "", 1); /* as good as none */
    cr_assert(add((struct add_options){.archive_path = "y.cairn"}) == 0);
    struct opened x = open_release("x.idx");
    struct opened y = open_release("y.idx");
    const uint8_t *uuid = x.archive->superblock.uuid;
    cr_expect(memcmp(uuid, y.archive->superblock.uuid, UUID_BYTES) != 0);
    cr_expect(uuid[6] >> 4 == 4 && uuid[8] >> 6 == 2, "RFC 9562 section 5.4");
    close_release(&x);
    close_release(&y);
}

Test(add, epoch_that_is_no_number)
{
    static const char *const values[] = {"x", "-1", "1x", "1.5", "99999999999999999999", " "};
    scratch_file("site/a", "one");
    for (size_t i = 0; i < ARRAY_COUNT(values); i++) {
        setenv("SOURCE_DATE_EPOCH", values[i], 1);
        cr_expect(add((struct add_options){0}) == ERR_USAGE, "\"%s\"", values[i]);
        cr_expect(strstr(last_error.text, "SOURCE_DATE_EPOCH") != NULL, "%s", last_error.text);
        cr_expect(!scratch_exists("site.cairn"), "\"%s\"", values[i]);
    }
}

/* ---- failures publish nothing ---- */

static const struct {
    const char *site, *archive; /* NULL: "site", "site.cairn" */
    int status;
    const char *says;
} failures[] = {
    {"newline", NULL, ERR_NAME, "control character"},
    {"fifo", NULL, ERR_FORMAT, "neither a file nor a folder"},
    {"empty", NULL, ERR_EMPTY, "--allow-empty"},
    {"missing", NULL, -ENOENT, "missing: No such file"},
    {"file", NULL, -ENOTDIR, "file: not a directory"},
    {NULL, "site/in.cairn", ERR_USAGE, "must not lie inside the site"},
    {NULL, "site/sub/in.cairn", ERR_USAGE, "must not lie inside the site"},
    {NULL, "sub-link/in.cairn", ERR_USAGE, "must not lie inside the site"},
    {NULL, "missing/new.cairn", -ENOENT, "missing/new.cairn: No such file"},
    {NULL, "file/new.cairn", -ENOTDIR, "file/new.cairn: Not a directory"},
    {NULL, "empty", -EISDIR, "Is a directory"},
    {NULL, "fifo/pipe", ERR_FORMAT, "not a regular file"},
    {NULL, "file", ERR_FORMAT, "not a Cairn archive"},
    {NULL, "long-file", ERR_FORMAT, "not a Cairn archive"},
};

static void make_bad_places(void)
{
    scratch_file("site/a", "one");
    scratch_file("site/sub/a", "two");
    scratch_file("newline/new\nline", "x");
    scratch_file("file", "no archive");
    char text[200];
    memset(text, 'x', sizeof text);
    scratch_bytes("long-file", text, sizeof text);
    scratch_folder("fifo");
    cr_assert(mkfifo("fifo/pipe", 0644) == 0);
    scratch_folder("empty");
    scratch_link("site/sub", "sub-link");
}

static void expect_failures(void)
{
    for (size_t i = 0; i < ARRAY_COUNT(failures); i++) {
        int status = add((struct add_options){.site_directory = failures[i].site,
                                              .archive_path = failures[i].archive});
        cr_expect(status == failures[i].status, "row %zu: %d, %s", i, status, last_error.text);
        cr_expect(strstr(last_error.text, failures[i].says) != NULL, "%s", last_error.text);
    }
    cr_expect(!scratch_exists("site/in.cairn") && !scratch_exists("site/sub/in.cairn"));
    cr_expect(scratch_length("file") == 10 && scratch_length("long-file") == 200, "left alone");
}

Test(add, failure_makes_no_archive)
{
    make_bad_places();
    expect_failures();
    cr_expect(!scratch_exists("site.cairn") && !scratch_exists("site.idx") &&
              !scratch_exists("site.000001.idx"));
}

Test(add, failure_changes_no_archive)
{
    make_bad_places();
    add_ok();
    size_t count, after;
    uint8_t *before = scratch_read("site.cairn", &count);
    expect_failures();
    uint8_t *bytes = scratch_read("site.cairn", &after);
    cr_expect(count == after && memcmp(before, bytes, count) == 0);
    cr_expect(!scratch_exists("site.000002.idx"));
    cr_expect(strcmp(scratch_target("site.idx"), "site.000001.idx") == 0);
    free(before);
    free(bytes);
}

Test(add, empty_site_if_allowed)
{
    cr_expect(add((struct add_options){.allow_empty = true}) == 0, "%s", last_error.text);
    struct opened opened = open_release("site.idx");
    cr_expect(opened.index->entry_count == 0);
    close_release(&opened);
}

Test(add, lock_of_another)
{
    scratch_file("site/a", "one");
    add_ok();
    off_t before = scratch_length("site.cairn");
    int fd = open("site.cairn", O_RDONLY);
    cr_assert(fd >= 0 && flock(fd, LOCK_EX) == 0);
    cr_expect(add((struct add_options){0}) == ERR_BUSY, "%s", last_error.text);
    cr_expect(strstr(last_error.text, "site.cairn: another cairn-pack") != NULL, "%s",
              last_error.text);
    cr_expect(scratch_length("site.cairn") == before && !scratch_exists("site.000002.idx"));
    close(fd);
    add_ok();
}

/* The commit is in the archive, the index is not: the next add goes on behind it. */
Test(add, index_that_cannot_be_written)
{
    scratch_file("site/a", "one");
    scratch_folder("site.000001.idx");
    cr_expect(add((struct add_options){0}) < 0);
    cr_expect(strstr(last_error.text, "site.000001.idx") != NULL, "%s", last_error.text);
    cr_expect(!scratch_exists("site.idx") && !scratch_exists("site.idx.tmp"));
    add_ok();
    cr_expect(strcmp(scratch_target("site.idx"), "site.000002.idx") == 0);
    EXPECT_RECORDS("site.idx", "");
}

/* ---- after a crash ---- */

static void append_to(const char *path, const void *bytes, size_t count)
{
    scratch_patch(path, scratch_length(path), bytes, count);
}

Test(add, torn_tail_is_skipped)
{
    scratch_file("site/a", "one");
    add_ok();
    size_t count;
    uint8_t *bytes = scratch_read("site.cairn", &count);
    /* half a record; a whole one; a byte */
    append_to("site.cairn", bytes + SUPERBLOCK_BYTES, 100);
    append_to("site.cairn", bytes + SUPERBLOCK_BYTES, 192);
    append_to("site.cairn", "x", 1);
    scratch_file("site/b", "two");
    add_ok();
    EXPECT_RECORDS("site.idx", "content b");
    struct opened opened = open_release("site.idx");
    cr_expect(opened.index->release == 2 && opened.index->committed_bytes % 64 == 0);
    cr_expect(slice_equal(served(&opened, "/a"), SLICE("one")));
    cr_expect(slice_equal(served(&opened, "/b"), SLICE("two")));
    close_release(&opened);
    opened = open_release("site.000001.idx");
    close_release(&opened);
    free(bytes);
}

Test(add, unfinished_superblock_is_written_again)
{
    scratch_file("site/a", "one");
    add_ok();
    size_t count;
    uint8_t *bytes = scratch_read("site.cairn", &count);
    for (size_t cut = 0; cut < SUPERBLOCK_BYTES; cut += 7) {
        scratch_bytes("cut.cairn", bytes, cut);
        cr_expect(add((struct add_options){.archive_path = "cut.cairn"}) == 0, "%zu bytes: %s", cut,
                  last_error.text);
        cr_expect(same_files("cut.cairn", "site.cairn"), "%zu bytes", cut);
    }
    free(bytes);
}

Test(add, damaged_release_costs_storing_again)
{
    scratch_file("site/a", "one");
    scratch_file("site/b", "two");
    add_ok();
    scratch_patch("site.cairn", SUPERBLOCK_BYTES + 40, "\xff", 1); /* the first header */
    cr_assert(add((struct add_options){.read_all = true}) == 0);   /* and no trust in the cache */
    cr_expect(strstr(messages, "1 earlier release has damaged records") != NULL, "%s", messages);
    EXPECT_RECORDS("site.idx", "content a");
    struct opened opened = open_release("site.idx");
    cr_expect(slice_equal(served(&opened, "/a"), SLICE("one")));
    close_release(&opened);
}

/* Bytes that are damaged are not taken for the file's, though the record's hash says so. */
Test(add, damaged_content_is_stored_again)
{
    scratch_file("site/a", "one");
    add_ok();
    struct opened opened = open_release("site.idx");
    off_t offset = (off_t)opened.index->entries[0].first.payload_offset;
    close_release(&opened);
    scratch_patch("site.cairn", offset, "X", 1);
    add_ok();
    EXPECT_RECORDS("site.idx", "content a");
    opened = open_release("site.idx");
    cr_expect(slice_equal(served(&opened, "/a"), SLICE("one")));
    close_release(&opened);
}
