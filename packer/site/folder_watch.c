#include "packer/site/folder_watch.h"

#include "common/mem.h"
#include "packer/site/ignore.h"
#include "packer/site/walk.h"

#include <errno.h>
#include <libgen.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

enum {
    CHANGES = IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO | IN_MODIFY | IN_CLOSE_WRITE |
              IN_ATTRIB,
    OWN_END = IN_DELETE_SELF | IN_MOVE_SELF | IN_UNMOUNT,
    REMOVALS = IN_DELETE | IN_MOVED_FROM,
};

struct watched {
    int number; /* the system's, of the folder */
    char *name; /* NULL: outside */
};

struct folder_watch {
    int fd;
    const char *problem;
    struct watched *rows; /* by number: the system gives rising ones, so most are added behind */
    size_t count;
    size_t capacity;
    int root_parent; /* the watch of the folder that the root lies in; -1: none */
    char *root_name; /* in there */
};

struct folder_watch *folder_watch_new(void)
{
    struct folder_watch *watch = mem_zeroed(1, sizeof *watch);
    watch->root_parent = -1;
    watch->fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    if (watch->fd < 0) {
        watch->problem = "no more inotify instances; raise fs.inotify.max_user_instances";
    }
    return watch;
}

void folder_watch_free(struct folder_watch *watch)
{
    if (watch == NULL) {
        return;
    }
    for (size_t i = 0; i < watch->count; i++) {
        free(watch->rows[i].name);
    }
    if (watch->fd >= 0) {
        close(watch->fd);
    }
    free(watch->rows);
    free(watch->root_name);
    free(watch);
}

int folder_watch_fd(const struct folder_watch *watch)
{
    return watch->fd;
}

const char *folder_watch_problem(const struct folder_watch *watch)
{
    return watch->problem;
}

size_t folder_watch_count(const struct folder_watch *watch)
{
    return watch->count;
}

/* The first row of this number, or where it would be. */
static size_t find(const struct folder_watch *watch, int number)
{
    size_t low = 0;
    size_t high = watch->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (watch->rows[middle].number < number) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

static bool names_equal(const char *a, const char *b)
{
    return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

static void put_row(struct folder_watch *watch, int number, const char *name)
{
    size_t at = find(watch, number);
    for (; at < watch->count && watch->rows[at].number == number; at++) {
        if (names_equal(watch->rows[at].name, name)) {
            return;
        }
    }
    if (watch->count == watch->capacity) {
        watch->capacity = mem_capacity(watch->capacity, watch->count + 1);
        watch->rows = mem_resize(watch->rows, watch->capacity, sizeof *watch->rows);
    }
    memmove(watch->rows + at + 1, watch->rows + at, (watch->count - at) * sizeof *watch->rows);
    watch->rows[at] =
        (struct watched){number, name == NULL ? NULL : mem_string(name, strlen(name))};
    watch->count++;
}

/* A number, or -1. That the folder is gone already will be told by the one that it lay in. */
static int ask_system(struct folder_watch *watch, const char *path, uint32_t mask)
{
    if (watch->problem != NULL) {
        return -1;
    }
    int number = inotify_add_watch(watch->fd, path, mask | IN_ONLYDIR | IN_EXCL_UNLINK);
    if (number < 0 && errno == ENOSPC) {
        watch->problem = "no more inotify watches; raise fs.inotify.max_user_watches";
    } else if (number < 0 && errno != ENOENT && errno != ENOTDIR && errno != EACCES) {
        watch->problem = "inotify fails here";
    }
    return number;
}

void folder_watch_add(struct folder_watch *watch, const char *path, const char *name)
{
    if (watch != NULL) {
        int number = ask_system(watch, path, CHANGES | OWN_END);
        if (number >= 0) {
            put_row(watch, number, name);
        }
    }
}

void folder_watch_add_root(struct folder_watch *watch, const char *path)
{
    char *copy = mem_string(path, strlen(path));
    char *own = mem_string(path, strlen(path));
    free(watch->root_name);
    const char *name = basename(own);
    watch->root_name = mem_string(name, strlen(name));
    /* the same folder may be one of the tree, whose mask must not shrink */
    watch->root_parent = ask_system(watch, dirname(copy), CHANGES | OWN_END | IN_MASK_ADD);
    free(own);
    free(copy);
}

void folder_watch_forget(struct folder_watch *watch, const struct change_set *changes)
{
    if (watch == NULL) {
        return;
    }
    size_t kept = 0;
    for (size_t i = 0; i < watch->count; i++) {
        struct watched row = watch->rows[i];
        bool stays = row.name == NULL    ? !changes->is_all
                     : *row.name == '\0' ? !changes->is_all
                                         : !change_set_covers(changes, row.name);
        if (stays) {
            watch->rows[kept++] = row;
            continue;
        }
        bool is_shared = row.number == watch->root_parent ||
                         (kept > 0 && watch->rows[kept - 1].number == row.number) ||
                         (i + 1 < watch->count && watch->rows[i + 1].number == row.number);
        if (!is_shared) {
            (void)inotify_rm_watch(watch->fd, row.number); /* it may have gone by itself */
        }
        free(row.name);
    }
    watch->count = kept;
    if (changes->is_all && watch->fd >= 0) {
        watch->problem = NULL; /* there may be room again */
    }
}

/* The system has dropped a watch: its folder is gone. */
static void drop(struct folder_watch *watch, int number)
{
    size_t first = find(watch, number);
    size_t end = first;
    for (; end < watch->count && watch->rows[end].number == number; end++) {
        free(watch->rows[end].name);
    }
    memmove(watch->rows + first, watch->rows + end, (watch->count - end) * sizeof *watch->rows);
    watch->count -= end - first;
}

/* What happened in one of the folders, under one of its names. */
static bool note_name(const struct walk *walk, const char *folder,
                      const struct inotify_event *event, struct change_set *changes)
{
    if (folder == NULL || walk == NULL) {
        return true; /* a link's target, perhaps: the links are looked at; or everything is */
    }
    if (strcmp(event->name, IGNORE_FILE) == 0) {
        change_set_add_all(changes);
        return true;
    }
    char *name = mem_format("%s%s%s", folder, *folder == '\0' ? "" : "/", event->name);
    bool is_in = !walk_leaves_out(walk, name, (event->mask & IN_ISDIR) != 0);
    if (is_in) {
        change_set_add(changes, name);
    }
    free(name);
    return is_in;
}

static void note_root(const struct folder_watch *watch, const struct inotify_event *event,
                      struct folder_news *news)
{
    bool is_other = (event->mask & (IN_CREATE | IN_MOVED_TO | IN_DELETE | IN_MOVED_FROM)) != 0 &&
                    event->len > 0 && strcmp(event->name, watch->root_name) == 0;
    news->is_root_lost |= is_other || (event->mask & OWN_END) != 0;
}

static void note_event(struct folder_watch *watch, const struct walk *walk,
                       const struct inotify_event *event, struct change_set *changes,
                       struct folder_news *news)
{
    if ((event->mask & IN_Q_OVERFLOW) != 0) {
        change_set_add_all(changes);
        news->is_any = true;
        news->is_removal = false;
        return;
    }
    if (event->wd == watch->root_parent) {
        note_root(watch, event, news);
    }
    if ((event->mask & IN_IGNORED) != 0) {
        drop(watch, event->wd);
        return;
    }
    for (size_t i = find(watch, event->wd); i < watch->count && watch->rows[i].number == event->wd;
         i++) {
        const char *folder = watch->rows[i].name;
        if ((event->mask & OWN_END) != 0) {
            news->is_root_lost |= folder != NULL && *folder == '\0';
        } else if (event->len > 0 && note_name(walk, folder, event, changes)) {
            news->is_any = true;
            news->is_removal &= (event->mask & REMOVALS) != 0;
        }
    }
}

void folder_watch_read(struct folder_watch *watch, const struct walk *walk,
                       struct change_set *changes, struct folder_news *out_news)
{
    _Alignas(struct inotify_event) char buffer[65536];
    struct folder_news news = {.is_removal = true};
    for (;;) {
        ssize_t count = watch->fd < 0 ? -1 : read(watch->fd, buffer, sizeof buffer);
        if (count < 0 && watch->fd >= 0 && errno == EINTR) {
            continue;
        }
        if (count <= 0) {
            break;
        }
        for (ssize_t at = 0; at < count;) {
            const struct inotify_event *event = (const void *)(buffer + at);
            note_event(watch, walk, event, changes, &news);
            at += (ssize_t)(sizeof *event + event->len);
        }
    }
    news.is_removal &= news.is_any;
    *out_news = news;
}
