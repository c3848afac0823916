/* The indexes that lie in folders: what could be loaded. Main thread. */
#ifndef CAIRN_SERVER_INDEX_FILES_H
#define CAIRN_SERVER_INDEX_FILES_H

#include "server/sandbox/folders.h"

struct index_file {
    char *path;
    uint64_t release;
    int64_t created_s; /* Unix time */
    uint32_t paths;
};

struct index_files {
    struct index_file *at; /* the newest first */
    size_t count;
};

/* Finds the files NAME.idx that lie in the folders themselves, by their headers; what is not an
 * index is passed over, and so are links, which name one of the others, and folders that are gone
 * or may not be read. Any other failure is an error. The caller gives it back with
 * index_files_fini() in any case. */
int index_files_find(struct index_files *files, const struct folders *folders,
                     struct error *error) CAIRN_MUST_CHECK;
void index_files_fini(struct index_files *files);

#endif
