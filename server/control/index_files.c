#include "server/control/index_files.h"

#include "common/index.h"
#include "common/mem.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

static bool is_index_name(const char *name)
{
    size_t count = strlen(name);
    return count > 4 && strcmp(name + count - 4, ".idx") == 0;
}

/* One that somebody is about to write, or has damaged, is none that could be loaded. */
static void add(struct index_files *files, const char *folder, const char *name)
{
    struct index head;
    char *path = mem_format("%s/%s", folder, name);
    if (index_peek(path, &head, NULL) != 0) {
        free(path);
        return;
    }
    files->at = mem_resize(files->at, files->count + 1, sizeof *files->at);
    files->at[files->count++] = (struct index_file){
        .path = path,
        .release = head.release,
        .created_s = head.created_s,
        .paths = head.entry_count,
    };
}

/* From a folder that is gone, or not for this process, nothing could be loaded. */
static int find_in(struct index_files *files, const char *folder, struct error *error)
{
    DIR *stream = opendir(folder);
    if (stream == NULL && (errno == ENOENT || errno == ENOTDIR || errno == EACCES)) {
        return 0;
    }
    if (stream == NULL) {
        return error_set(error, -errno, "%s: %s", folder, strerror(errno));
    }
    const struct dirent *entry;
    errno = 0;
    while ((entry = readdir(stream)) != NULL) {
        bool may_be_file = entry->d_type == DT_REG || entry->d_type == DT_UNKNOWN;
        if (may_be_file && is_index_name(entry->d_name)) {
            add(files, folder, entry->d_name);
        }
        errno = 0;
    }
    int number = errno;
    closedir(stream);
    return number == 0 ? 0 : error_set(error, -number, "%s: %s", folder, strerror(number));
}

static int compare(const void *a, const void *b)
{
    const struct index_file *x = a;
    const struct index_file *y = b;
    if (x->created_s != y->created_s) {
        return x->created_s > y->created_s ? -1 : 1;
    }
    if (x->release != y->release) {
        return x->release > y->release ? -1 : 1;
    }
    return strcmp(x->path, y->path);
}

int index_files_find(struct index_files *files, const struct folders *folders, struct error *error)
{
    int status = 0;
    *files = (struct index_files){0};
    for (size_t i = 0; i < folders->count && status == 0; i++) {
        status = find_in(files, folders->at[i].path, error);
    }
    if (files->count > 0) {
        qsort(files->at, files->count, sizeof *files->at, compare);
    }
    return status;
}

void index_files_fini(struct index_files *files)
{
    for (size_t i = 0; i < files->count; i++) {
        free(files->at[i].path);
    }
    free(files->at);
    *files = (struct index_files){0};
}
