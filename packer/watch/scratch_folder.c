#include "packer/watch/scratch_folder.h"

#include "common/mem.h"
#include "common/slice.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define PREFIX    "cairn-dev-"
#define UNIQUE    "XXXXXX"
#define LOCK_FILE "lock"
#define LOCK_NEW  "lock.new"
#define CONTENT   "site" /* what all other names in it begin with */

/* Its own files alone: what somebody else has put there stays, and the folder with it. The lock
 * goes last. */
static void remove_files(const char *path, const char *kept)
{
    DIR *directory = opendir(path);
    const struct dirent *found;
    while (directory != NULL && (found = readdir(directory)) != NULL) {
        bool is_own =
            string_starts_with(found->d_name, CONTENT) || strcmp(found->d_name, LOCK_NEW) == 0;
        if (is_own && (kept == NULL || !string_starts_with(found->d_name, kept))) {
            char *name = mem_format("%s/%s", path, found->d_name);
            (void)unlink(name);
            free(name);
        }
    }
    if (directory != NULL) {
        closedir(directory);
    }
}

/* False: there is something in it. */
static bool remove_folder(const char *path)
{
    remove_files(path, NULL);
    char *lock = mem_format("%s/" LOCK_FILE, path);
    (void)unlink(lock);
    free(lock);
    return rmdir(path) == 0 || (errno != ENOTEMPTY && errno != EEXIST);
}

/* As mkdtemp() makes it. */
static bool is_own_folder(const char *path)
{
    struct stat status;
    return lstat(path, &status) == 0 && S_ISDIR(status.st_mode) && status.st_uid == geteuid() &&
           (status.st_mode & 07777) == 0700;
}

static bool is_own_lock(int fd)
{
    struct stat status;
    return fstat(fd, &status) == 0 && S_ISREG(status.st_mode) && status.st_uid == geteuid() &&
           status.st_size == 0;
}

/* What a run that was killed has left: it looks as one of ours does, and nobody holds its lock. */
static void remove_if_left(const char *path)
{
    char *lock = mem_format("%s/" LOCK_FILE, path);
    int fd = is_own_folder(path) ? open(lock, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK) : -1;
    if (fd >= 0 && is_own_lock(fd) && flock(fd, LOCK_EX | LOCK_NB) == 0) {
        (void)remove_folder(path);
    }
    if (fd >= 0) {
        close(fd);
    }
    free(lock);
}

static void remove_left(const char *parent)
{
    DIR *directory = opendir(parent);
    const struct dirent *found;
    while (directory != NULL && (found = readdir(directory)) != NULL) {
        if (string_starts_with(found->d_name, PREFIX) &&
            strlen(found->d_name) == strlen(PREFIX UNIQUE)) {
            char *path = mem_format("%s/%s", parent, found->d_name);
            remove_if_left(path);
            free(path);
        }
    }
    if (directory != NULL) {
        closedir(directory);
    }
}

/* The lock is held before it has its name: nobody finds it free. */
static int make_lock(struct scratch_folder *folder, struct error *error)
{
    char *temporary = mem_format("%s/" LOCK_NEW, folder->path);
    char *lock = mem_format("%s/" LOCK_FILE, folder->path);
    int status = 0;
    folder->lock_fd = open(temporary, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (folder->lock_fd < 0 || flock(folder->lock_fd, LOCK_EX | LOCK_NB) != 0 ||
        rename(temporary, lock) != 0) {
        status = error_set(error, -errno, "%s: %s", lock, strerror(errno));
    }
    free(lock);
    free(temporary);
    return status;
}

int scratch_folder_open(struct scratch_folder *folder, struct error *error)
{
    const char *named = getenv("TMPDIR");
    const char *parent = named == NULL || *named == '\0' ? "/tmp" : named;
    *folder = (struct scratch_folder){.lock_fd = -1};
    char *real = realpath(parent, NULL);
    if (real == NULL) {
        return error_set(error, -errno, "%s: %s", parent, strerror(errno));
    }
    remove_left(real);
    char *path = mem_format("%s/" PREFIX UNIQUE, real);
    free(real);
    if (mkdtemp(path) == NULL) {
        int status = error_set(error, -errno, "%s: %s", path, strerror(errno));
        free(path);
        return status;
    }
    folder->path = path;
    return make_lock(folder, error);
}

void scratch_folder_clear(const struct scratch_folder *folder, const char *kept)
{
    remove_files(folder->path, kept);
}

void scratch_folder_remove(struct scratch_folder *folder)
{
    if (folder->path == NULL) {
        return;
    }
    (void)remove_folder(folder->path);
    if (folder->lock_fd >= 0) {
        close(folder->lock_fd);
    }
    free(folder->path);
    *folder = (struct scratch_folder){.lock_fd = -1};
}

void scratch_folder_remove_used(const struct scratch_folder *folder)
{
    enum { TRIES = 100 }; /* a pack makes a handful of files */
    for (int i = 0; folder->path != NULL && i < TRIES; i++) {
        if (remove_folder(folder->path)) {
            return;
        }
    }
}
