#include "packer/release/publish.h"

#include "common/mem.h"
#include "common/release.h"
#include "packer/archive/atomic_file.h"

#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>

int publish_index(const char *stem, uint64_t release, const struct index_image *image,
                  struct error *error)
{
    char *path = release_numbered_path(stem, release);
    char *temporary = mem_format("%s.idx.tmp", stem);
    int status = atomic_file_write(path, temporary, image->bytes, image->count, error);
    if (status == 0) {
        status = directory_sync(path, error);
    }
    free(temporary);
    free(path);
    return status;
}

int publish_link(const char *stem, uint64_t release, char **out_index_path, struct error *error)
{
    char *path = release_numbered_path(stem, release);
    char *link = mem_format("%s.idx", stem);
    char *temporary = mem_format("%s.idx.tmp", stem);
    char *target = mem_string(path, strlen(path));
    int status = atomic_file_link(link, temporary, basename(target), error);
    if (status == 0) {
        struct error late = {""};
        if (directory_sync(path, &late) != 0) {
            fprintf(stderr, "cairn-pack: warning: published, but %s\n", late.text);
        }
        *out_index_path = path;
        path = NULL;
    }
    free(target);
    free(temporary);
    free(link);
    free(path);
    return status;
}
