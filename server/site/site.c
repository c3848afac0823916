#include "site/site.h"

#include "common/mem.h"
#include "common/wake.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <unistd.h>

int undertaker_init(struct undertaker *undertaker, struct error *error)
{
    atomic_init(&undertaker->dead, NULL);
    undertaker->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (undertaker->wake_fd < 0) {
        return error_set(error, -errno, "eventfd: %s", strerror(errno));
    }
    return 0;
}

static void site_free(struct site *site)
{
    index_close(site->index);
    archive_unref(site->archive);
    free(site->index_path);
    mount_fini(&site->mount);
    free(site);
}

void undertaker_bury(struct undertaker *undertaker)
{
    uint64_t ignored;
    ssize_t count = read(undertaker->wake_fd, &ignored, sizeof ignored);
    (void)count; /* nothing to read is fine: somebody asked to be sure */
    struct site *site = atomic_exchange_explicit(&undertaker->dead, NULL, memory_order_acquire);
    while (site != NULL) {
        struct site *next = site->next_dead;
        site_free(site);
        site = next;
    }
}

void undertaker_fini(struct undertaker *undertaker)
{
    undertaker_bury(undertaker);
    close(undertaker->wake_fd);
}

struct site *site_new(struct undertaker *undertaker, struct index *index, struct archive *archive,
                      char *index_path, struct mount mount, uint64_t id, int64_t loaded_s)
{
    struct site *site = mem_aligned(_Alignof(struct site), sizeof *site);
    atomic_init(&site->references, 1);
    atomic_init(&site->damage, NULL);
    site->id = id;
    site->index = index;
    site->archive = archive;
    site->index_path = index_path;
    site->mount = mount;
    site->loaded_s = loaded_s;
    site->undertaker = undertaker;
    return site;
}

struct site *site_ref(struct site *site)
{
    unsigned before = atomic_fetch_add_explicit(&site->references, 1, memory_order_relaxed);
    assert(before > 0);
    return site;
}

void site_unref(struct site *site)
{
    if (site == NULL) {
        return;
    }
    unsigned before = atomic_fetch_sub_explicit(&site->references, 1, memory_order_acq_rel);
    assert(before > 0);
    if (before > 1) {
        return;
    }
    struct undertaker *undertaker = site->undertaker;
    site->next_dead = atomic_load_explicit(&undertaker->dead, memory_order_relaxed);
    while (!atomic_compare_exchange_weak_explicit(&undertaker->dead, &site->next_dead, site,
                                                  memory_order_release, memory_order_relaxed)) {
    }
    wake_eventfd(undertaker->wake_fd); /* the site may be gone from here on */
}

void site_set_damaged(struct site *site, const char *what)
{
    const char *none = NULL;
    if (atomic_compare_exchange_strong(&site->damage, &none, what)) {
        wake_eventfd(site->undertaker->wake_fd);
    }
}

static bool is_inside(const void *address, const void *map, uint64_t bytes)
{
    return (uintptr_t)address - (uintptr_t)map < bytes;
}

bool site_has_address(const struct site *site, const void *address)
{
    return is_inside(address, site->index->map, site->index->map_bytes) ||
           is_inside(address, site->archive->map, site->archive->map_bytes);
}

bool site_is_cut(const struct site *site)
{
    struct stat status;
    return fstat(site->archive->fd, &status) != 0 ||
           (uint64_t)status.st_size < site->index->committed_bytes;
}

const uint8_t *site_body(const struct site *site, const struct index_representation *representation)
{
    uint64_t limit = site->index->committed_bytes;
    uint64_t offset = representation->payload_offset;
    if (offset > limit || representation->stored_bytes > limit - offset) {
        return NULL;
    }
    return site->archive->map + offset;
}
