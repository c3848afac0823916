#include "packer/site/walk.h"

#include "common/mem.h"
#include "common/path.h"
#include "packer/site/ignore.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A folder that the walk is in; the chain of them shows whether a link leads back. */
struct folder {
    const struct folder *parent;
    dev_t device;
    ino_t inode;
    const char *name; /* below the root; "" for the root itself */
};

static int walk_folder(struct walk *walk, const struct folder *folder, struct error *error);

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
    walk->files[walk->file_count++] = (struct walk_file){names_keep(&walk->names, name),
                                                         file_state_of(status), walk_role_of(name)};
}

static void add_note(struct walk *walk, const char *name, const char *reason, unsigned line)
{
    if (walk->note_count == walk->note_capacity) {
        walk->note_capacity = mem_capacity(walk->note_capacity, walk->note_count + 1);
        walk->notes = mem_resize(walk->notes, walk->note_capacity, sizeof *walk->notes);
    }
    walk->notes[walk->note_count++] =
        (struct walk_note){names_keep(&walk->names, name), reason, line};
}

/* `status` NULL: it leads nowhere that is taken. */
static void add_link(struct walk *walk, const char *name, const struct stat *status)
{
    if (walk->options.watch == NULL) {
        return; /* nobody will ask whether it has changed */
    }
    if (walk->link_count == walk->link_capacity) {
        walk->link_capacity = mem_capacity(walk->link_capacity, walk->link_count + 1);
        walk->links = mem_resize(walk->links, walk->link_capacity, sizeof *walk->links);
    }
    struct walk_link link = {.name = mem_string(name, strlen(name))};
    if (status != NULL) {
        link.is_taken = true;
        link.is_folder = S_ISDIR(status->st_mode);
        link.state = file_state_of(status);
    }
    walk->links[walk->link_count++] = link;
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

/* Where a link leads may be no folder of the walk; what happens there concerns it. */
static void watch_target(const struct walk *walk, char *target)
{
    if (walk->options.watch != NULL) {
        folder_watch_add(walk->options.watch, dirname(target), NULL);
    }
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
        if (stays) {
            watch_target(walk, target);
        }
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

/* RFC 8615: what is below /.well-known is meant to be found; other such names are not. */
static bool is_hidden(const struct walk *walk, const char *base_name, bool is_at_root)
{
    if (walk->options.dotfiles || base_name[0] != '.') {
        return false;
    }
    return strcmp(base_name, ".well-known") != 0 || !is_at_root;
}

/* What the walk has come to. */
struct place {
    const struct folder *parent;
    const char *name;      /* below the root */
    const char *base_name; /* the end of it */
    const char *path;
    struct stat status; /* of what is there, links followed if it is taken */
};

/* What is left out for its name alone, with a note where a person might wonder. */
static bool is_left_out(struct walk *walk, const struct place *place)
{
    if (strcmp(place->base_name, IGNORE_FILE) == 0) {
        return true; /* it was read when its folder was entered */
    }
    if (ignore_matches(walk->ignore, slice_of_string(place->name),
                       S_ISDIR(place->status.st_mode))) {
        walk->ignored_count++;
        return true;
    }
    if (is_hidden(walk, place->base_name, place->parent->parent == NULL)) {
        add_note(walk, place->name, "its name starts with a dot (--dotfiles takes them too)", 0);
        return true;
    }
    return false;
}

static int follow_link(struct walk *walk, struct place *place, bool *out_is_taken,
                       struct error *error)
{
    const char *reason;
    int result = judge_link(walk, place->path, &reason, error);
    if (result != 0) {
        return result;
    }
    if (reason != NULL) {
        add_note(walk, place->name, reason, 0);
        *out_is_taken = false;
        return 0;
    }
    *out_is_taken = true;
    if (stat(place->path, &place->status) != 0) {
        return error_set(error, -errno, "%s: %s", place->path, strerror(errno));
    }
    return 0;
}

static bool is_folder_taken(struct walk *walk, const struct place *place)
{
    if (is_version_control(place->base_name)) {
        add_note(walk, place->name, "version control", 0);
        return false;
    }
    if (leads_back(place->parent, &place->status)) {
        add_note(walk, place->name, "a link back to a folder that it is in", 0);
        return false;
    }
    return true;
}

/* Is it a file or a folder of the site? What is there was asked by lstat(). */
static int judge(struct walk *walk, struct place *place, bool *out_is_taken, struct error *error)
{
    *out_is_taken = false;
    if (is_left_out(walk, place)) {
        return 0;
    }
    const char *problem = path_name_problem(slice_of_string(place->name));
    if (problem != NULL) {
        return error_set(error, ERR_NAME, "%s: %s", place->path, problem);
    }
    bool is_taken = true;
    if (S_ISLNK(place->status.st_mode)) {
        int status = follow_link(walk, place, &is_taken, error);
        add_link(walk, place->name, is_taken ? &place->status : NULL);
        if (status != 0 || !is_taken) {
            return status;
        }
    }
    if (S_ISDIR(place->status.st_mode)) {
        *out_is_taken = is_folder_taken(walk, place);
        return 0;
    }
    if (!S_ISREG(place->status.st_mode)) {
        return error_set(error, ERR_FORMAT, "%s: neither a file nor a folder", place->path);
    }
    *out_is_taken = true;
    return 0;
}

static struct folder folder_at(const struct place *place)
{
    return (struct folder){place->parent, place->status.st_dev, place->status.st_ino, place->name};
}

static int visit(struct walk *walk, const struct folder *parent, const char *name,
                 const char *base_name, struct error *error)
{
    char *path = mem_format("%s/%s", walk->root, name);
    struct place place = {parent, name, base_name, path, {0}};
    bool is_taken = false;
    int result = 0;
    if (lstat(path, &place.status) != 0) {
        result = error_set(error, -errno, "%s: %s", path, strerror(errno));
    } else {
        result = judge(walk, &place, &is_taken, error);
    }
    if (result == 0 && is_taken && S_ISDIR(place.status.st_mode)) {
        struct folder folder = folder_at(&place);
        result = walk_folder(walk, &folder, error);
    } else if (result == 0 && is_taken) {
        add_file(walk, name, &place.status);
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
        walk->ignore_folders = mem_resize(walk->ignore_folders, walk->ignore_folder_count + 1,
                                          sizeof *walk->ignore_folders);
        walk->ignore_folders[walk->ignore_folder_count++] = names_keep(&walk->names, folder->name);
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
    folder_watch_add(walk->options.watch, path, folder->name);
    DIR *directory = opendir(path);
    int status;
    if (directory == NULL) {
        status = error_set(error, -errno, "%s: %s", path, strerror(errno));
    } else {
        status = read_ignore_file(walk, folder, path, error);
        if (status == 0) {
            status = visit_all(walk, folder, directory, path, error);
        }
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

static void sort(struct walk *walk)
{
    if (walk->file_count > 0) {
        qsort(walk->files, walk->file_count, sizeof *walk->files, compare_files);
    }
    if (walk->note_count > 0) {
        qsort(walk->notes, walk->note_count, sizeof *walk->notes, compare_notes);
    }
}

/* The root's own place; links to it are followed. */
static int open_root(const char *path, struct folder *out_root, struct error *error)
{
    struct stat status;
    if (stat(path, &status) != 0) {
        return error_set(error, -errno, "%s: %s", path, strerror(errno));
    }
    if (!S_ISDIR(status.st_mode)) {
        return error_set(error, -ENOTDIR, "%s: not a directory", path);
    }
    *out_root = (struct folder){NULL, status.st_dev, status.st_ino, ""};
    return 0;
}

int walk_init(const char *directory, const struct walk_options *options, struct walk *out_walk,
              struct error *error)
{
    *out_walk = (struct walk){
        .root = realpath(directory, NULL), .ignore = ignore_new(), .options = *options};
    if (out_walk->root == NULL) {
        return error_set(error, -errno, "%s: %s", directory, strerror(errno));
    }
    struct folder root;
    int status = open_root(directory, &root, error);
    if (status == 0) {
        status = walk_folder(out_walk, &root, error);
    }
    sort(out_walk);
    return status;
}

/* ---- again, in part ---- */

bool walk_leaves_out(const struct walk *walk, const char *name, bool is_folder)
{
    const char *slash = strrchr(name, '/');
    const char *base_name = slash == NULL ? name : slash + 1;
    return ignore_matches(walk->ignore, slice_of_string(name), is_folder) ||
           is_hidden(walk, base_name, slash == NULL) ||
           (is_folder && is_version_control(base_name));
}

/* Nothing there, or no folder on the way: that is a change like others. */
static bool is_absence(int status)
{
    return status == -ENOENT || status == -ENOTDIR;
}

/* Walks what is at `name`, of which `folder` is a part that is walked; every folder on the way has
 * to be one of the site still. */
static int visit_below(struct walk *walk, const struct folder *folder, const char *name,
                       struct error *error)
{
    size_t done = strlen(folder->name);
    const char *rest = name + done + (done > 0);
    const char *slash = strchr(rest, '/');
    size_t count = slash == NULL ? strlen(name) : (size_t)(slash - name);
    char *part = mem_string(name, count);
    char *path = mem_format("%s/%s", walk->root, part);
    struct place place = {folder, part, part + (rest - name), path, {0}};
    bool is_taken = false;
    int status = lstat(path, &place.status) == 0 ? 0 : -errno;
    if (is_absence(status)) {
        status = 0;
    } else if (status != 0) {
        error_set(error, status, "%s: %s", path, error_name(status));
    } else if (slash == NULL) {
        status = visit(walk, folder, part, place.base_name, error);
    } else {
        size_t links = walk->link_count; /* the way is known already */
        status = judge(walk, &place, &is_taken, error);
        while (walk->link_count > links) {
            free(walk->links[--walk->link_count].name);
        }
    }
    if (status == 0 && is_taken && S_ISDIR(place.status.st_mode)) {
        struct folder below = folder_at(&place);
        status = visit_below(walk, &below, name, error);
    }
    free(path);
    free(part);
    return status;
}

static void forget_links(struct walk *walk, const struct change_set *changes)
{
    size_t kept = 0;
    for (size_t i = 0; i < walk->link_count; i++) {
        if (change_set_covers(changes, walk->links[i].name)) {
            free(walk->links[i].name);
        } else {
            walk->links[kept++] = walk->links[i];
        }
    }
    walk->link_count = kept;
}

bool walk_needs_all(const struct walk *walk, const struct change_set *changes)
{
    for (size_t i = 0; i < walk->ignore_folder_count; i++) {
        if (change_set_covers(changes, walk->ignore_folders[i])) {
            return true;
        }
    }
    return changes->is_all;
}

int walk_again(struct walk *walk, const struct change_set *changes, struct error *error)
{
    struct folder root = {.name = ""};
    walk->file_count = 0;
    walk->note_count = 0;
    walk->ignored_count = 0;
    forget_links(walk, changes);
    int status = open_root(walk->root, &root, error);
    for (size_t i = 0; i < changes->count && status == 0; i++) {
        status = visit_below(walk, &root, changes->names[i], error);
    }
    sort(walk);
    return status;
}

void walk_find_changed_links(const struct walk *walk, struct change_set *changes)
{
    for (size_t i = 0; i < walk->link_count; i++) {
        const struct walk_link *link = &walk->links[i];
        char *path = mem_format("%s/%s", walk->root, link->name);
        struct stat status = {0};
        struct file_state state = {0};
        bool is_there = stat(path, &status) == 0;
        if (is_there) {
            state = file_state_of(&status);
        }
        bool is_same = is_there == link->is_taken && S_ISDIR(status.st_mode) == link->is_folder &&
                       (link->is_folder
                            ? state.device == link->state.device && state.inode == link->state.inode
                            : file_state_equal(&state, &link->state));
        /* one that is left out may be for where it leads, which is asked anew each time */
        if (!is_same && (is_there || link->is_taken)) {
            change_set_add(changes, link->name);
        }
        free(path);
    }
}

void walk_forget_states(struct walk *walk)
{
    free(walk->files);
    walk->files = NULL;
    walk->file_count = 0;
    walk->file_capacity = 0;
}

void walk_fini(struct walk *walk)
{
    for (size_t i = 0; i < walk->link_count; i++) {
        free(walk->links[i].name);
    }
    free(walk->links);
    free(walk->ignore_folders);
    names_fini(&walk->names);
    ignore_free(walk->ignore);
    free(walk->files);
    free(walk->notes);
    free(walk->root);
    *walk = (struct walk){0};
}
