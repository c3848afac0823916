#include "server/sandbox/folders.h"

#include "common/mem.h"

#include <errno.h>
#include <libgen.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static bool has(const struct folders *folders, const struct stat *status)
{
    for (size_t i = 0; i < folders->count; i++) {
        if (folders->at[i].inode == status->st_ino && folders->at[i].device == status->st_dev) {
            return true;
        }
    }
    return false;
}

int folders_add(struct folders *folders, const char *path, struct error *error)
{
    struct stat status;
    if (stat(path, &status) != 0) {
        return error_set(error, -errno, "%s: %s", path, strerror(errno));
    }
    if (!S_ISDIR(status.st_mode)) {
        return error_set(error, -ENOTDIR, "%s: not a folder", path);
    }
    if (!has(folders, &status)) {
        folders->at = mem_resize(folders->at, folders->count + 1, sizeof *folders->at);
        folders->at[folders->count++] = (struct folder){
            .path = mem_string(path, strlen(path)),
            .device = status.st_dev,
            .inode = status.st_ino,
        };
    }
    return 0;
}

int folders_add_file(struct folders *folders, const char *path, struct error *error)
{
    char *copy = mem_string(path, strlen(path));
    int status = folders_add(folders, dirname(copy), error);
    free(copy);
    char *real = status == 0 ? realpath(path, NULL) : NULL;
    if (real != NULL) {
        status = folders_add(folders, dirname(real), error);
        free(real);
    }
    return status;
}

bool folders_contain(const struct folders *folders, const char *path)
{
    char *real = realpath(path, NULL);
    bool is_found = false;
    bool is_over = real == NULL;
    while (!is_over && !is_found) {
        struct stat status;
        is_over = stat(real, &status) != 0 || strcmp(real, "/") == 0;
        is_found = !is_over && has(folders, &status);
        (void)dirname(real); /* cuts it in place */
    }
    free(real);
    return is_found;
}

void folders_fini(struct folders *folders)
{
    for (size_t i = 0; i < folders->count; i++) {
        free(folders->at[i].path);
    }
    free(folders->at);
    *folders = (struct folders){0};
}
