/* Is told by the system (inotify) of what changes in the folders of a tree. A folder is known by
 * the names under which the walk has come to it, more than one where links lead there. The walk
 * adds a folder before it reads it, so that nothing falls between. One thread. */
#ifndef CAIRN_PACKER_FOLDER_WATCH_H
#define CAIRN_PACKER_FOLDER_WATCH_H

#include "common/error.h"
#include "packer/site/change_set.h"

struct walk;
struct folder_watch;

/* Never fails: where the system has no more instances or watches, folder_watch_problem() says so.
 */
struct folder_watch *folder_watch_new(void);
void folder_watch_free(struct folder_watch *watch); /* takes NULL */

/* To be polled for reading; -1: there is none. */
int folder_watch_fd(const struct folder_watch *watch);

/* Why changes may not be told, a static string; NULL: all are. */
const char *folder_watch_problem(const struct folder_watch *watch);
size_t folder_watch_count(const struct folder_watch *watch); /* of folders */

/* From now on what happens in the folder at `path` is told, with `name` in front ("" for the root;
 * NULL: it lies outside of what is walked, and a link leads into it). Takes a NULL watch. */
void folder_watch_add(struct folder_watch *watch, const char *path, const char *name);

/* The tree's root itself, as it was named: that something else comes to stand there is told. */
void folder_watch_add_root(struct folder_watch *watch, const char *path);

/* Forgets the folders that the changes stand for: who walks them again adds what is there.
 * Takes a NULL watch. */
void folder_watch_forget(struct folder_watch *watch, const struct change_set *changes);

/* What the system has told since. */
struct folder_news {
    bool is_any;       /* something that concerns the tree */
    bool is_removal;   /* and it was only things that went away */
    bool is_root_lost; /* the root may be gone, or another */
};

/* Reads without waiting, and adds names to the changes; what the walk leaves out is no news. `walk`
 * NULL: everything will be looked at, and no names are needed. */
void folder_watch_read(struct folder_watch *watch, const struct walk *walk,
                       struct change_set *changes, struct folder_news *out_news);

#endif
