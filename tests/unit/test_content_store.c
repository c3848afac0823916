/* Files on their way into the archive: one that changes after the walk is refused. */
#include "packer/content_store.h"

#include "scratch.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static void enter_scratch(void)
{
    scratch_enter();
    scratch_file("site/a", "one");
}

TestSuite(content_store, .init = enter_scratch, .fini = scratch_leave);

struct fixture {
    struct walk walk;
    struct archive_writer *writer;
    struct content_store store;
};

static void fixture_init(struct fixture *fixture)
{
    struct superblock superblock = {.created_s = 1};
    cr_assert(walk_init("site", &fixture->walk, NULL) == 0);
    cr_assert(archive_writer_open("a.cairn", false, &superblock, &fixture->writer, NULL) == 0);
    content_store_init(&fixture->store, fixture->writer, 1700000000);
}

static void fixture_fini(struct fixture *fixture)
{
    content_store_fini(&fixture->store);
    archive_writer_close(fixture->writer);
    walk_fini(&fixture->walk);
}

static int store(struct fixture *fixture, size_t i, struct stored_file *out_file,
                 struct error *error)
{
    return content_store_add(&fixture->store, fixture->walk.root, &fixture->walk.files[i], out_file,
                             error);
}

Test(content_store, tells_where_the_bytes_are)
{
    scratch_file("site/b", "two");
    scratch_file("site/c", "one");
    struct fixture fixture;
    struct stored_file files[3];
    fixture_init(&fixture);
    for (size_t i = 0; i < 3; i++) {
        struct error error = {""};
        char text[3];
        cr_assert(store(&fixture, i, &files[i], &error) == 0, "%s", error.text);
        cr_expect(strcmp(files[i].name, fixture.walk.files[i].name) == 0);
        cr_expect(files[i].stored_bytes == 3 && files[i].modified_s == SCRATCH_MODIFIED_S);
        cr_assert(
            archive_writer_read_back(fixture.writer, files[i].payload_offset, text, 3, NULL) == 0);
        struct hash128 hash = hash128(text, 3);
        cr_expect(memcmp(&hash, &files[i].hash, HASH128_BYTES) == 0);
    }
    cr_expect(files[0].payload_offset == files[2].payload_offset);
    cr_expect(files[0].payload_offset != files[1].payload_offset);
    cr_expect(fixture.store.stored_count == 2 && fixture.store.file_bytes == 9);
    fixture_fini(&fixture);
}

/* What can happen to a file between the walk and the reading of it. */
static void change_length(void)
{
    scratch_file("site/a", "longer");
}

static void change_bytes(void)
{
    scratch_file("site/a", "two"); /* the same length and time: the inode's own time tells */
}

static void replace(void)
{
    scratch_file("site/new", "one");
    cr_assert(rename("site/new", "site/a") == 0);
}

static void change_time(void)
{
    struct timespec times[2] = {{.tv_sec = 1500000000}, {.tv_sec = 1500000000}};
    cr_assert(utimensat(AT_FDCWD, "site/a", times, 0) == 0);
}

static void make_fifo(void)
{
    cr_assert(unlink("site/a") == 0 && mkfifo("site/a", 0644) == 0);
}

static void make_folder(void)
{
    cr_assert(unlink("site/a") == 0 && mkdir("site/a", 0755) == 0);
}

static void delete (void)
{
    cr_assert(unlink("site/a") == 0);
}

static const struct {
    void (*change)(void);
    int status;
    const char *says;
} changes[] = {
    {change_length, ERR_CHANGED, "it changed while it was packed"},
    {change_bytes, ERR_CHANGED, "it changed while it was packed"},
    {replace, ERR_CHANGED, "it changed while it was packed"},
    {change_time, ERR_CHANGED, "it changed while it was packed"},
    {make_fifo, ERR_CHANGED, "it changed while it was packed"},
    {make_folder, ERR_CHANGED, "it changed while it was packed"},
    {delete, -ENOENT, "No such file"},
};

/* Waits until the clock of the file system has moved on, so that a change shows in its time. */
static void wait_for_new_time(const struct stat *status)
{
    struct stat now = *status;
    while (now.st_ctim.tv_sec == status->st_ctim.tv_sec &&
           now.st_ctim.tv_nsec == status->st_ctim.tv_nsec) {
        scratch_file("probe", "");
        cr_assert(stat("probe", &now) == 0);
    }
}

Test(content_store, file_that_changed_after_the_walk)
{
    for (size_t i = 0; i < ARRAY_COUNT(changes); i++) {
        remove("site/a");
        scratch_file("site/a", "one");
        struct fixture fixture;
        struct stored_file file;
        struct error error = {""};
        fixture_init(&fixture);
        wait_for_new_time(&fixture.walk.files[0].status);
        changes[i].change();
        int status = store(&fixture, 0, &file, &error);
        cr_expect(status == changes[i].status, "row %zu: %d", i, status);
        cr_expect(strstr(error.text, "site/a: ") != NULL, "%s", error.text);
        cr_expect(strstr(error.text, changes[i].says) != NULL, "%s", error.text);
        fixture_fini(&fixture);
    }
}
