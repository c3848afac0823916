/* Files on their way into the archive: one that changes after the walk is refused. */
#include "packer/archive/content_store.h"

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

static void fixture_init(struct fixture *fixture, unsigned thread_count)
{
    static const struct catalog empty;
    struct superblock superblock = {.created_s = 1};
    cr_assert(walk_init("site", &(struct walk_options){0}, &fixture->walk, NULL) == 0);
    cr_assert(archive_writer_open("a.cairn", false, &superblock, &fixture->writer, NULL) == 0);
    content_store_init(&fixture->store, fixture->writer, &empty, 1700000000);
    fixture->store.thread_count = thread_count;
}

static void fixture_fini(struct fixture *fixture)
{
    content_store_fini(&fixture->store);
    archive_writer_close(fixture->writer);
    walk_fini(&fixture->walk);
}

Test(content_store, tells_where_the_bytes_are)
{
    scratch_file("site/b", "two");
    scratch_file("site/c", "one");
    for (unsigned threads = 1; threads <= 4; threads++) {
        struct fixture fixture;
        struct stored_file files[3];
        struct error error = {""};
        fixture_init(&fixture, threads);
        int status = content_store_add(&fixture.store, &fixture.walk, files, &error);
        cr_assert(status == 0, "%s", error.text);
        for (size_t i = 0; i < 3; i++) {
            const struct content *content = &fixture.store.catalog.contents[files[i].content];
            char text[3];
            cr_expect(strcmp(files[i].name, fixture.walk.files[i].name) == 0);
            cr_expect(content->stored_bytes == 3 && files[i].modified_s == SCRATCH_MODIFIED_S);
            cr_assert(archive_writer_read_back(fixture.writer, content->payload_offset, text, 3,
                                               NULL) == 0);
            cr_expect(memcmp(text, i == 1 ? "two" : "one", 3) == 0, "file %zu", i);
            struct hash128 hash = hash128(text, 3);
            cr_expect(memcmp(&hash, &content->hash, HASH128_BYTES) == 0);
            cr_expect(content->has_digest && files[i].was_read && !files[i].is_rebound);
        }
        /* FIPS 180-4: SHA-256 of "one" */
        static const uint8_t start[] = {0x76, 0x92, 0xc3, 0xad};
        cr_expect(memcmp(fixture.store.catalog.contents[files[0].content].digest, start, 4) == 0);
        cr_expect(files[0].content == files[2].content && files[0].content != files[1].content);
        cr_expect(fixture.store.stored_count == 2 && fixture.store.file_bytes == 9);
        fixture_fini(&fixture);
    }
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
static void wait_for_new_time(const struct file_state *state)
{
    struct stat now;
    do {
        scratch_file("probe", "");
        cr_assert(stat("probe", &now) == 0);
    } while (now.st_ctim.tv_sec == state->changed_s &&
             now.st_ctim.tv_nsec == (long)state->changed_ns);
}

Test(content_store, file_that_changed_after_the_walk)
{
    for (size_t i = 0; i < ARRAY_COUNT(changes); i++) {
        remove("site/a");
        scratch_file("site/a", "one");
        struct fixture fixture;
        struct stored_file file;
        struct error error = {""};
        fixture_init(&fixture, 2);
        wait_for_new_time(&fixture.walk.files[0].state);
        changes[i].change();
        int status = content_store_add(&fixture.store, &fixture.walk, &file, &error);
        cr_expect(status == changes[i].status, "row %zu: %d", i, status);
        cr_expect(strstr(error.text, "site/a: ") != NULL, "%s", error.text);
        cr_expect(strstr(error.text, changes[i].says) != NULL, "%s", error.text);
        fixture_fini(&fixture);
    }
}
