#include "server/overwrite_check.h"

#include <sys/stat.h>

/* What opening an index found; of one that cannot be opened any more, nothing is known. */
static bool is_another(int status, const struct index *found, const struct index *index)
{
    return status == 0 ? memcmp(found->checksum.bytes, index->checksum.bytes, HASH128_BYTES) != 0
                       : status == ERR_FORMAT || status == ERR_DAMAGED || status == ERR_VERSION;
}

/* A file that took the name is another one, which is nobody's fault: what is mapped stays as it
 * is. */
static void check_index(struct site *site)
{
    struct stat status;
    struct index *index = site->index;
    bool is_there = stat(site->index_path, &status) == 0 && status.st_dev == index->device &&
                    status.st_ino == index->inode;
    if (!is_there || (status.st_ctim.tv_sec == index->changed.tv_sec &&
                      status.st_ctim.tv_nsec == index->changed.tv_nsec)) {
        return;
    }
    struct index *found = NULL;
    int result = index_open(site->index_path, &found, NULL);
    if (is_another(result, found, index)) {
        site_set_damaged(site, "overwritten in its place");
    } else if (result == 0) {
        index->changed = status.st_ctim; /* its mode, its owner, or the same bytes again */
    }
    index_close(found);
}

static void check_archive(struct site *site)
{
    if (release_bind(site->index, site->archive, NULL) == ERR_BINDING) {
        site_set_damaged(site, "its archive was overwritten in its place, or cut");
    }
}

void overwrite_check_run(const struct site_list *sites)
{
    for (size_t i = 0; i < sites->count; i++) {
        if (!site_is_damaged(sites->sites[i])) {
            check_index(sites->sites[i]);
            check_archive(sites->sites[i]);
        }
    }
}

int64_t overwrite_check_turn(struct overwrite_check *check, const struct site_list *sites,
                             int64_t now_ms)
{
    if (now_ms >= check->due_ms) {
        overwrite_check_run(sites);
        check->due_ms = now_ms + OVERWRITE_CHECK_MS;
    }
    return check->due_ms - now_ms;
}
