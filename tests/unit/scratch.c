#include "scratch.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char *root;

void scratch_enter(void)
{
    const char *place = getenv("TMPDIR");
    char *made;
    cr_assert(asprintf(&made, "%s/cairn-test-XXXXXX", place == NULL ? "/tmp" : place) > 0);
    cr_assert(mkdtemp(made) != NULL && chdir(made) == 0, "%s: %s", made, strerror(errno));
    root = realpath(made, NULL);
    cr_assert(root != NULL, "%s: %s", made, strerror(errno));
    free(made);
}

static int remove_one(const char *path, const struct stat *status, int kind, struct FTW *where)
{
    (void)status;
    (void)kind;
    (void)where;
    return remove(path);
}

void scratch_leave(void)
{
    int status = nftw(root, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    cr_expect(status == 0, "%s: %s", root, strerror(errno));
    free(root);
    root = NULL;
}

const char *scratch_root(void)
{
    return root;
}

static void make_folder(const char *path)
{
    cr_assert(mkdir(path, 0755) == 0 || errno == EEXIST, "%s: %s", path, strerror(errno));
}

static void make_folders_above(const char *path)
{
    char folder[PATH_MAX];
    for (const char *at = strchr(path, '/'); at != NULL; at = strchr(at + 1, '/')) {
        if (at > path) {
            snprintf(folder, sizeof folder, "%.*s", (int)(at - path), path);
            make_folder(folder);
        }
    }
}

void scratch_folder(const char *path)
{
    make_folders_above(path);
    make_folder(path);
}

void scratch_bytes(const char *path, const void *bytes, size_t count)
{
    make_folders_above(path);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    cr_assert(fd >= 0, "%s: %s", path, strerror(errno));
    cr_assert(write(fd, bytes, count) == (ssize_t)count, "%s: %s", path, strerror(errno));
    struct timespec times[2] = {{.tv_sec = SCRATCH_MODIFIED_S}, {.tv_sec = SCRATCH_MODIFIED_S}};
    cr_assert(futimens(fd, times) == 0, "%s: %s", path, strerror(errno));
    close(fd);
}

void scratch_file(const char *path, const char *text)
{
    scratch_bytes(path, text, strlen(text));
}

void scratch_link(const char *target, const char *path)
{
    make_folders_above(path);
    cr_assert(symlink(target, path) == 0, "%s: %s", path, strerror(errno));
}

void scratch_patch(const char *path, off_t offset, const void *bytes, size_t count)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    cr_assert(fd >= 0, "%s: %s", path, strerror(errno));
    cr_assert(pwrite(fd, bytes, count, offset) == (ssize_t)count, "%s: %s", path, strerror(errno));
    close(fd);
}

bool scratch_exists(const char *path)
{
    struct stat status;
    return lstat(path, &status) == 0;
}

off_t scratch_length(const char *path)
{
    struct stat status;
    return stat(path, &status) == 0 ? status.st_size : -1;
}

uint8_t *scratch_read(const char *path, size_t *out_count)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct stat status;
    cr_assert(fd >= 0 && fstat(fd, &status) == 0, "%s: %s", path, strerror(errno));
    size_t count = (size_t)status.st_size;
    uint8_t *bytes = malloc(count + 1); /* never of no bytes */
    cr_assert(bytes != NULL);
    cr_assert(read(fd, bytes, count) == status.st_size, "%s: %s", path, strerror(errno));
    close(fd);
    *out_count = count;
    return bytes;
}

bool scratch_has(const char *path, const char *text)
{
    if (scratch_length(path) != (off_t)strlen(text)) {
        return false;
    }
    size_t count;
    uint8_t *bytes = scratch_read(path, &count);
    bool is_same = count == strlen(text) && memcmp(bytes, text, count) == 0;
    free(bytes);
    return is_same;
}

const char *scratch_target(const char *path)
{
    static char target[PATH_MAX];
    ssize_t count = readlink(path, target, sizeof target - 1);
    target[count < 0 ? 0 : count] = '\0';
    return target;
}
