/* Whose file an access log is, and whose it becomes: root is led nowhere by whoever may write the
 * log's folder. */
#include "server/log_file.h"

#include "scratch.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

enum { SOMEBODY = 65534 };

TestSuite(log_file, .init = scratch_enter, .fini = scratch_leave);

static int open_log(const char *name)
{
    struct error error = {""};
    int fd = -1;
    cr_assert(log_file_open(name, &fd, &error) == 0, "%s", error.text);
    return fd;
}

static uid_t owner_of(const char *name)
{
    struct stat status;
    cr_assert(stat(name, &status) == 0);
    return status.st_uid;
}

Test(log_file, what_root_made_is_given_and_nothing_else)
{
    struct error error = {""};
    if (geteuid() != 0) {
        cr_skip_test("only root gives files away");
    }
    scratch_file("full.log", "a line\n");
    scratch_file("named.log", "");
    scratch_file("other.log", "");
    cr_assert(link("named.log", "second.name") == 0);
    cr_assert(chown("other.log", SOMEBODY - 1, SOMEBODY - 1) == 0);
    static const struct {
        const char *name;
        uid_t owner;
    } rows[] = {
        {"new.log", SOMEBODY},
        {"full.log", 0},
        {"named.log", 0}, /* it may be anybody's file, by another name */
        {"other.log", SOMEBODY - 1},
    };
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        int fd = open_log(rows[i].name);
        cr_assert(log_file_give(fd, rows[i].name, SOMEBODY, SOMEBODY, &error) == 0);
        cr_expect_eq(owner_of(rows[i].name), rows[i].owner, "%s", rows[i].name);
        close(fd);
    }
}

Test(log_file, links_are_followed_by_all_but_root)
{
    struct error error = {""};
    int fd = -1;
    scratch_folder("logs");
    scratch_link("logs", "through");
    scratch_link("logs/there.log", "link.log");
    if (geteuid() == 0) {
        cr_expect_eq(log_file_open("link.log", &fd, &error), -ELOOP);
        cr_expect_not(scratch_exists("logs/there.log"));
        close(open_log("through/folder.log"));
        close(open_log("/dev/stdout"));
        cr_assert(chmod(".", 0777) == 0 && chmod("logs", 0777) == 0 && seteuid(SOMEBODY) == 0);
    }
    close(open_log("link.log"));
    cr_expect(scratch_exists("logs/there.log"));
    if (getuid() == 0) {
        cr_assert(seteuid(0) == 0);
    }
}
