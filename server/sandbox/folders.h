/* The folders that indexes and archives may lie in, as they were when the server started: a folder
 * that was put in the place of one is another one. Main thread. */
#ifndef CAIRN_SERVER_FOLDERS_H
#define CAIRN_SERVER_FOLDERS_H

#include "common/error.h"

#include <stdbool.h>
#include <sys/types.h>

struct folders {
    struct folder {
        char *path;
        dev_t device;
        ino_t inode;
    } * at;
    size_t count;
};

/* Adds a folder, once. */
int folders_add(struct folders *folders, const char *path, struct error *error) CAIRN_MUST_CHECK;

/* Adds the folder that a file lies in, and that in which the file lies that it links to. */
int folders_add_file(struct folders *folders, const char *path,
                     struct error *error) CAIRN_MUST_CHECK;

/* Is the file, links followed, one of them or beneath one? False too for what is not there. */
bool folders_contain(const struct folders *folders, const char *path);

void folders_fini(struct folders *folders);

#endif
