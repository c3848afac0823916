#include "packer/walk.h"

#include "common/mem.h"
#include "common/path.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* A folder that the walk is in; the chain of them shows whether a link leads back. */
struct folder {
    const struct folder *parent;
    dev_t device;
    ino_t inode;
    const char *name; /* below the root; "" for the root itself */
};

static int walk_folder(struct walk *walk, const struct folder *folder, struct error *error);

static void add_file(struct walk *walk, const char *name, const struct stat *status)
{
    if (walk->file_count == walk->file_capacity) {
        walk->file_capacity = mem_capacity(walk->file_capacity, walk->file_count + 1);
        walk->files = mem_resize(walk->files, walk->file_capacity, sizeof *walk->files);
    }
    walk->files[walk->file_count++] = (struct walk_file){mem_string(name, strlen(name)), *status};
}

static void add_note(struct walk *walk, const char *name, const char *reason)
{
    if (walk->note_count == walk->note_capacity) {
        walk->note_capacity = mem_capacity(walk->note_capacity, walk->note_count + 1);
        walk->notes = mem_resize(walk->notes, walk->note_capacity, sizeof *walk->notes);
    }
    walk->notes[walk->note_count++] = (struct walk_note){mem_string(name, strlen(name)), reason};
}

static bool is_version_control(const char *base_name)
{
    static const char *const names[] = {".git", ".hg", ".svn", ".bzr", "_darcs"};
    for (size_t i = 0; i < ARRAY_COUNT(names); i++) {
        if (strcmp(base_name, names[i]) == 0) {
            return true;
        }
    }
    return false;
}

static bool is_inside(const char *root, const char *path)
{
    size_t count = strlen(root);
    if (strncmp(path, root, count) != 0) {
        return false;
    }
    return path[count] == '/' || path[count] == '\0' || strcmp(root, "/") == 0;
}

/* Why a link is left out, or NULL if it is to be followed. */
static const char *link_problem(const struct walk *walk, const char *path)
{
    char *target = realpath(path, NULL);
    if (target == NULL) {
        return errno == ELOOP ? "a link that leads to itself" : "a link that leads nowhere";
    }
    bool stays = is_inside(walk->root, target);
    free(target);
    return stays ? NULL : "a link that leads outside the site directory";
}

static bool leads_back(const struct folder *folder, const struct stat *status)
{
    for (; folder != NULL; folder = folder->parent) {
        if (folder->device == status->st_dev && folder->inode == status->st_ino) {
            return true;
        }
    }
    return false;
}

static int visit_folder(struct walk *walk, const struct folder *parent, const char *name,
                        const char *base_name, const struct stat *status, struct error *error)
{
    if (is_version_control(base_name)) {
        add_note(walk, name, "version control");
        return 0;
    }
    if (leads_back(parent, status)) {
        add_note(walk, name, "a link back to a folder that it is in");
        return 0;
    }
    struct folder folder = {parent, status->st_dev, status->st_ino, name};
    return walk_folder(walk, &folder, error);
}

static int visit(struct walk *walk, const struct folder *parent, const char *name,
                 const char *base_name, struct error *error)
{
    const char *problem = path_name_problem(slice_of_string(name));
    if (problem != NULL) {
        return error_set(error, ERR_NAME, "%s/%s: %s", walk->root, name, problem);
    }
    char *path = mem_format("%s/%s", walk->root, name);
    struct stat status;
    int result = 0;
    if (lstat(path, &status) != 0) {
        result = error_set(error, -errno, "%s: %s", path, strerror(errno));
    } else if (S_ISLNK(status.st_mode)) {
        const char *reason = link_problem(walk, path);
        if (reason != NULL) {
            add_note(walk, name, reason);
            free(path);
            return 0;
        }
        if (stat(path, &status) != 0) {
            result = error_set(error, -errno, "%s: %s", path, strerror(errno));
        }
    }
    if (result == 0 && S_ISDIR(status.st_mode)) {
        result = visit_folder(walk, parent, name, base_name, &status, error);
    } else if (result == 0 && S_ISREG(status.st_mode)) {
        add_file(walk, name, &status);
    } else if (result == 0) {
        result = error_set(error, ERR_FORMAT, "%s: neither a file nor a folder", path);
    }
    free(path);
    return result;
}

static int walk_folder(struct walk *walk, const struct folder *folder, struct error *error)
{
    bool is_root = folder->name[0] == '\0';
    char *path = is_root ? mem_string(walk->root, strlen(walk->root))
                         : mem_format("%s/%s", walk->root, folder->name);
    DIR *directory = opendir(path);
    if (directory == NULL) {
        int status = error_set(error, -errno, "%s: %s", path, strerror(errno));
        free(path);
        return status;
    }
    int status = 0;
    while (status == 0) {
        errno = 0;
        const struct dirent *found = readdir(directory);
        if (found == NULL) {
            if (errno != 0) {
                status = error_set(error, -errno, "%s: %s", path, strerror(errno));
            }
            break;
        }
        if (strcmp(found->d_name, ".") == 0 || strcmp(found->d_name, "..") == 0) {
            continue;
        }
        char *name = is_root ? mem_string(found->d_name, strlen(found->d_name))
                             : mem_format("%s/%s", folder->name, found->d_name);
        status = visit(walk, folder, name, found->d_name, error);
        free(name);
    }
    closedir(directory);
    free(path);
    return status;
}

static int compare_files(const void *a, const void *b)
{
    return strcmp(((const struct walk_file *)a)->name, ((const struct walk_file *)b)->name);
}

static int compare_notes(const void *a, const void *b)
{
    return strcmp(((const struct walk_note *)a)->name, ((const struct walk_note *)b)->name);
}

int walk_init(const char *directory, struct walk *out_walk, struct error *error)
{
    *out_walk = (struct walk){.root = realpath(directory, NULL)};
    struct stat status;
    if (out_walk->root == NULL || stat(out_walk->root, &status) != 0) {
        return error_set(error, -errno, "%s: %s", directory, strerror(errno));
    }
    if (!S_ISDIR(status.st_mode)) {
        return error_set(error, -ENOTDIR, "%s: not a directory", directory);
    }
    struct folder root = {NULL, status.st_dev, status.st_ino, ""};
    int result = walk_folder(out_walk, &root, error);
    if (out_walk->file_count > 0) {
        qsort(out_walk->files, out_walk->file_count, sizeof *out_walk->files, compare_files);
    }
    if (out_walk->note_count > 0) {
        qsort(out_walk->notes, out_walk->note_count, sizeof *out_walk->notes, compare_notes);
    }
    return result;
}

void walk_fini(struct walk *walk)
{
    for (size_t i = 0; i < walk->file_count; i++) {
        free(walk->files[i].name);
    }
    for (size_t i = 0; i < walk->note_count; i++) {
        free(walk->notes[i].name);
    }
    free(walk->files);
    free(walk->notes);
    free(walk->root);
    *walk = (struct walk){0};
}
