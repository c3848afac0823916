#include "server/site_opening.h"

#include "common/mem.h"

#include <errno.h>
#include <libgen.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

/* Can an index whose archive is this file use the mapping? By the UUID as well: a file that another
 * archive was written into is the same file. */
static bool fits(const struct archive *archive, const struct stat *file, const struct index *index)
{
    return archive->device == file->st_dev && archive->inode == file->st_ino &&
           archive->map_bytes >= index->committed_bytes &&
           memcmp(archive->superblock.uuid, index->archive_uuid, UUID_BYTES) == 0;
}

/* A release of an archive that is mapped already uses that mapping, which has room to grow: pages
 * that are warm stay so, and the descriptor is the one that was opened first. */
static struct archive *find_mapped(const struct loader *loader, const struct site *above,
                                   const char *path, const struct index *index)
{
    struct stat status;
    if (stat(path, &status) != 0) {
        return NULL;
    }
    if (above != NULL && fits(above->archive, &status, index)) {
        return archive_ref(above->archive);
    }
    const struct site_list *sites = loader_sites(loader);
    for (size_t i = 0; i < sites->count; i++) {
        struct archive *archive = sites->sites[i]->archive;
        if (fits(archive, &status, index)) {
            return archive_ref(archive);
        }
    }
    return NULL;
}

static int open_archive(const struct loader *loader, const struct site *above,
                        const char *index_path, const struct index *index,
                        struct archive **out_archive, struct error *error)
{
    char *path;
    int status = release_archive_path(index_path, &path, error);
    if (status != 0) {
        return status;
    }
    struct archive *archive = find_mapped(loader, above, path, index);
    if (archive == NULL) {
        struct error detail = {""};
        status = archive_open(path, ARCHIVE_RESERVE_BYTES, &archive, &detail);
        if (status != 0) {
            error_set(error, status, "%s: its archive %s", index_path, detail.text);
        }
    }
    if (status == 0) {
        struct error detail = {""};
        status = release_bind(index, archive, &detail);
        if (status != 0) {
            error_set(error, status, "%s: its archive %s", index_path, detail.text);
            archive_unref(archive);
        }
    }
    free(path);
    if (status == 0) {
        *out_archive = archive;
    }
    return status;
}

/* What the start said of an index that was not there then; else the request itself. */
static const struct load_request *awaited_request(const struct loader *loader,
                                                  const struct load_request *request,
                                                  const char *index_path)
{
    for (size_t i = 0; i < loader->awaited_count; i++) {
        char *path = realpath(loader->awaited[i].path, NULL); /* a link to the newest, mostly */
        bool is_this = path != NULL && strcmp(path, index_path) == 0;
        free(path);
        if (is_this) {
            return &loader->awaited[i];
        }
    }
    return request;
}

/* Where the release shall answer. */
static int choose_mount(const struct loader *loader, const struct load_request *request,
                        const char *index_path, const struct archive *archive,
                        struct mount *out_mount, bool *out_is_aside, struct error *error)
{
    const struct site *before = site_list_of_archive(loader_sites(loader), archive);
    *out_is_aside = false;
    if (request->hosts == NULL && request->prefix == NULL && before != NULL) {
        *out_mount = mount_copy(&before->mount);
        return 0;
    }
    if (request->hosts == NULL && request->prefix == NULL && !request->is_handed) {
        request = awaited_request(loader, request, index_path);
    }
    int status = mount_parse(request->hosts, request->prefix, out_mount, error);
    *out_is_aside = status == 0 && before != NULL && !mount_equal(&before->mount, out_mount);
    return status;
}

/* The system says of what the sandbox keeps from this process what it says of any file that is not
 * for it; a person has to know which of the two it is. */
static void explain_refusal(const struct loader *loader, const char *index_path,
                            struct error *error)
{
    char *archive_path = NULL;
    if (loader->folders == NULL || release_archive_path(index_path, &archive_path, NULL) != 0) {
        return;
    }
    bool is_index_in = folders_contain(loader->folders, index_path);
    const char *path = is_index_in ? archive_path : index_path;
    char *real = realpath(path, NULL);
    if (real != NULL && !folders_contain(loader->folders, path)) {
        error_set(error, -EACCES,
                  "%s: outside of the folders that this server reads; start it with --archives %s",
                  path, dirname(real));
    }
    free(real);
    free(archive_path);
}

int site_opening(const struct loader *loader, const struct load_request *request,
                 struct site **out_site, struct error *error)
{
    struct index *index = NULL;
    struct archive *archive = NULL;
    char *index_path = NULL;
    struct mount mount;
    bool is_aside = false;
    int status = release_index_path(request->path, &index_path, error);
    if (status == 0) {
        status = index_open(index_path, &index, error);
    }
    if (status == 0) {
        status = open_archive(loader, request->above, index_path, index, &archive, error);
    }
    if (status == 0) {
        status = choose_mount(loader, request, index_path, archive, &mount, &is_aside, error);
    }
    if (status == -EACCES && index_path != NULL) {
        explain_refusal(loader, index_path, error);
    }
    if (status != 0) {
        archive_unref(archive);
        index_close(index);
        free(index_path);
        return status;
    }
    *out_site = site_new(loader->undertaker, index, archive, index_path, mount, 0, time(NULL));
    (*out_site)->is_aside = request->is_handed ? request->is_aside : is_aside;
    return 0;
}
