#include "packer/walk.h"

#include "common/mem.h"
#include "common/path.h"
#include "packer/ignore.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Names, one behind the other in blocks: a million of them need no million allocations. */
struct walk_names {
    struct walk_names *next;
    size_t count;
    char bytes[65536];
};

/* A folder that the walk is in; the chain of them shows whether a link leads back. */
struct folder {
    const struct folder *parent;
    dev_t device;
    ino_t inode;
    const char *name; /* below the root; "" for the root itself */
};

static int walk_folder(struct walk *walk, const struct folder *folder, struct error *error);

static const char *keep_name(struct walk *walk, const char *name)
{
    size_t count = strlen(name) + 1; /* at most PATH_BYTES_MAX, or it is refused below */
    if (walk->names == NULL || sizeof walk->names->bytes - walk->names->count < count) {
        struct walk_names *block = mem_zeroed(1, sizeof *block);
        block->next = walk->names;
        walk->names = block;
    }
    char *at = walk->names->bytes + walk->names->count;
    memcpy(at, name, count);
    walk->names->count += count;
    return at;
}

/* What a hosting service reads of a site is not part of it. */
enum file_role walk_role_of(const char *name)
{
    static const char *const names[] = {"_headers", "_redirects", "_routes.json"};
    for (size_t i = 0; i < ARRAY_COUNT(names); i++) {
        if (strcmp(name, names[i]) == 0) {
            return FILE_RULES;
        }
    }
    return FILE_SERVED;
}

static void add_file(struct walk *walk, const char *name, const struct stat *status)
{
    if (walk->file_count == walk->file_capacity) {
        walk->file_capacity = mem_capacity(walk->file_capacity, walk->file_count + 1);
        walk->files = mem_resize(walk->files, walk->file_capacity, sizeof *walk->files);
    }
    walk->files[walk->file_count++] =
        (struct walk_file){keep_name(walk, name), file_state_of(status), walk_role_of(name)};
}

static void add_note(struct walk *walk, const char *name, const char *reason, unsigned line)
{
    if (walk->note_count == walk->note_capacity) {
        walk->note_capacity = mem_capacity(walk->note_capacity, walk->note_count + 1);
        walk->notes = mem_resize(walk->notes, walk->note_capacity, sizeof *walk->notes);
    }
    walk->notes[walk->note_count++] = (struct walk_note){keep_name(walk, name), reason, line};
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

/* Why a link is left out: *out_reason, NULL if it is to be followed. What keeps the system from
 * telling is a failure: nothing is left out for that. */
static int judge_link(const struct walk *walk, const char *path, const char **out_reason,
                      struct error *error)
{
    static const int nowhere[] = {ENOENT, ENOTDIR, EACCES, ENAMETOOLONG};
    char *target = realpath(path, NULL);
    if (target != NULL) {
        bool stays = is_inside(walk->root, target);
        free(target);
        *out_reason = stays ? NULL : "a link that leads outside the site directory";
        return 0;
    }
    *out_reason = errno == ELOOP ? "a link that leads to itself" : NULL;
    for (size_t i = 0; i < ARRAY_COUNT(nowhere); i++) {
        if (errno == nowhere[i]) {
            *out_reason = "a link that leads nowhere";
        }
    }
    return *out_reason != NULL ? 0 : error_set(error, -errno, "%s: %s", path, strerror(errno));
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
        add_note(walk, name, "version control", 0);
        return 0;
    }
    if (leads_back(parent, status)) {
        add_note(walk, name, "a link back to a folder that it is in", 0);
        return 0;
    }
    struct folder folder = {parent, status->st_dev, status->st_ino, name};
    return walk_folder(walk, &folder, error);
}

/* The rest of visit(): what is not ignored. */
static int take(struct walk *walk, const struct folder *parent, const char *name,
                const char *base_name, const char *path, struct stat *status, struct error *error)
{
    const char *problem = path_name_problem(slice_of_string(name));
    if (problem != NULL) {
        return error_set(error, ERR_NAME, "%s: %s", path, problem);
    }
    if (S_ISLNK(status->st_mode)) {
        const char *reason;
        int result = judge_link(walk, path, &reason, error);
        if (result != 0) {
            return result;
        }
        if (reason != NULL) {
            add_note(walk, name, reason, 0);
            return 0;
        }
        if (stat(path, status) != 0) {
            return error_set(error, -errno, "%s: %s", path, strerror(errno));
        }
    }
    if (S_ISDIR(status->st_mode)) {
        return visit_folder(walk, parent, name, base_name, status, error);
    }
    if (!S_ISREG(status->st_mode)) {
        return error_set(error, ERR_FORMAT, "%s: neither a file nor a folder", path);
    }
    add_file(walk, name, status);
    return 0;
}

/* RFC 8615: what is below /.well-known is meant to be found; other such names are not. */
static bool is_hidden(const struct walk *walk, const struct folder *parent, const char *base_name)
{
    if (walk->options.dotfiles || base_name[0] != '.') {
        return false;
    }
    return strcmp(base_name, ".well-known") != 0 || parent->parent != NULL;
}

static int visit(struct walk *walk, const struct folder *parent, const char *name,
                 const char *base_name, struct error *error)
{
    char *path = mem_format("%s/%s", walk->root, name);
    struct stat status;
    int result = 0;
    if (lstat(path, &status) != 0) {
        result = error_set(error, -errno, "%s: %s", path, strerror(errno));
    } else if (strcmp(base_name, IGNORE_FILE) == 0) {
        /* it was read when its folder was entered */
    } else if (ignore_matches(walk->ignore, slice_of_string(name), S_ISDIR(status.st_mode))) {
        walk->ignored_count++;
    } else if (is_hidden(walk, parent, base_name)) {
        add_note(walk, name, "its name starts with a dot (--dotfiles takes them too)", 0);
    } else {
        result = take(walk, parent, name, base_name, path, &status, error);
    }
    free(path);
    return result;
}

static int read_text(int fd, const char *path, char **out_text, size_t *out_count,
                     struct error *error)
{
    char *text = NULL;
    size_t count = 0;
    size_t capacity = 0;
    for (;;) {
        if (count == capacity) {
            capacity = mem_capacity(capacity, count + 4096);
            text = mem_resize(text, capacity, 1);
        }
        ssize_t got = read(fd, text + count, capacity - count);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got < 0) {
            free(text);
            return error_set(error, -errno, "%s: %s", path, strerror(errno));
        }
        if (got == 0) {
            break;
        }
        count += (size_t)got;
    }
    *out_text = text;
    *out_count = count;
    return 0;
}

static void note_problems(struct walk *walk, const char *folder, struct slice text)
{
    struct ignore_problems problems = {0};
    ignore_add(walk->ignore, slice_of_string(folder), text, &problems);
    char *name = mem_format("%s%s" IGNORE_FILE, folder, *folder == '\0' ? "" : "/");
    for (size_t i = 0; i < problems.count; i++) {
        add_note(walk, name, problems.rows[i].why, problems.rows[i].line);
    }
    free(name);
    free(problems.rows);
}

/* The patterns of this folder, which hold below it. */
static int read_ignore_file(struct walk *walk, const struct folder *folder, const char *folder_path,
                            struct error *error)
{
    char *path = mem_format("%s/" IGNORE_FILE, folder_path);
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    int status = 0;
    if (fd >= 0) {
        char *text = NULL;
        size_t count = 0;
        status = read_text(fd, path, &text, &count, error);
        if (status == 0) {
            note_problems(walk, folder->name, (struct slice){text, count});
            free(text);
        }
        close(fd);
    } else if (errno != ENOENT) {
        status = error_set(error, -errno, "%s: %s", path, strerror(errno));
    }
    free(path);
    return status;
}

static int visit_all(struct walk *walk, const struct folder *folder, DIR *directory,
                     const char *path, struct error *error)
{
    for (;;) {
        errno = 0;
        const struct dirent *found = readdir(directory);
        if (found == NULL) {
            return errno == 0 ? 0 : error_set(error, -errno, "%s: %s", path, strerror(errno));
        }
        if (strcmp(found->d_name, ".") == 0 || strcmp(found->d_name, "..") == 0) {
            continue;
        }
        char *name = folder->name[0] == '\0' ? mem_string(found->d_name, strlen(found->d_name))
                                             : mem_format("%s/%s", folder->name, found->d_name);
        int status = visit(walk, folder, name, found->d_name, error);
        free(name);
        if (status != 0) {
            return status;
        }
    }
}

static int walk_folder(struct walk *walk, const struct folder *folder, struct error *error)
{
    char *path = folder->name[0] == '\0' ? mem_string(walk->root, strlen(walk->root))
                                         : mem_format("%s/%s", walk->root, folder->name);
    DIR *directory = opendir(path);
    int status = directory == NULL ? error_set(error, -errno, "%s: %s", path, strerror(errno))
                                   : read_ignore_file(walk, folder, path, error);
    if (status == 0) {
        status = visit_all(walk, folder, directory, path, error);
    }
    if (directory != NULL) {
        closedir(directory);
    }
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

int walk_init(const char *directory, const struct walk_options *options, struct walk *out_walk,
              struct error *error)
{
    *out_walk = (struct walk){
        .root = realpath(directory, NULL), .ignore = ignore_new(), .options = *options};
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

void walk_forget_states(struct walk *walk)
{
    free(walk->files);
    walk->files = NULL;
    walk->file_capacity = 0;
}

void walk_fini(struct walk *walk)
{
    while (walk->names != NULL) {
        struct walk_names *next = walk->names->next;
        free(walk->names);
        walk->names = next;
    }
    ignore_free(walk->ignore);
    free(walk->files);
    free(walk->notes);
    free(walk->root);
    *walk = (struct walk){0};
}
