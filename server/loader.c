#include "server/loader.h"

#include "common/mem.h"

#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>

static double now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

const struct site_list *loader_sites(const struct loader *loader)
{
    return atomic_load_explicit(&loader->publication->current, memory_order_relaxed);
}

/* A release of an archive that is mapped already uses that mapping, which has room to grow: pages
 * that are warm stay so, and the descriptor is the one that was opened first. */
static struct archive *find_mapped(const struct loader *loader, const char *path,
                                   const struct index *index)
{
    struct stat status;
    if (stat(path, &status) != 0) {
        return NULL;
    }
    const struct site_list *sites = loader_sites(loader);
    for (size_t i = 0; i < sites->count; i++) {
        struct archive *archive = sites->sites[i]->archive;
        if (archive->device == status.st_dev && archive->inode == status.st_ino &&
            archive->map_bytes >= index->committed_bytes) {
            return archive_ref(archive);
        }
    }
    return NULL;
}

static int open_archive(const struct loader *loader, const char *index_path,
                        const struct index *index, struct archive **out_archive,
                        struct error *error)
{
    char *path;
    int status = release_archive_path(index_path, &path, error);
    if (status != 0) {
        return status;
    }
    struct archive *archive = find_mapped(loader, path, index);
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

static int open_site(struct loader *loader, const char *path, struct site **out_site,
                     struct error *error)
{
    struct index *index = NULL;
    struct archive *archive = NULL;
    char *index_path = NULL;
    int status = release_index_path(path, &index_path, error);
    if (status == 0) {
        status = index_open(index_path, &index, error);
    }
    if (status == 0) {
        status = open_archive(loader, index_path, index, &archive, error);
    }
    if (status != 0) {
        index_close(index);
        free(index_path);
        return status;
    }
    *out_site =
        site_new(loader->undertaker, index, archive, index_path, loader->last_id + 1, time(NULL));
    return 0;
}

int loader_load(struct loader *loader, const char *path, struct load_result *out_result,
                struct error *error)
{
    double started_ms = now_ms();
    struct site *site;
    int status = open_site(loader, path, &site, error);
    if (status != 0) {
        return status;
    }
    const struct site_list *sites = loader_sites(loader);
    bool was_on_top = sites->count > 0 && site_is_same_release(sites->sites[0], site);
    if (was_on_top) {
        site_unref(site);
    } else {
        loader->last_id = site->id;
        publication_publish(loader->publication, site_list_with(sites, site, loader->retain));
        sites = loader_sites(loader);
    }
    *out_result = (struct load_result){
        .id = sites->sites[0]->id,
        .release = sites->sites[0]->index->release,
        .paths = sites->sites[0]->index->entry_count,
        .layers = sites->count,
        .ms = now_ms() - started_ms,
        .was_on_top = was_on_top,
    };
    return 0;
}
