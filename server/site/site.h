/* One loaded release: its index and archive, counted. The list holds one reference; a response that
 * outlives its loop turn (a slow download) holds one more. The last reference hands the site to the
 * undertaker, whose thread unmaps it, so that no serving thread ever waits for munmap(). */
#ifndef CAIRN_SITE_SITE_H
#define CAIRN_SITE_SITE_H

#include "common/release.h"
#include "site/mount.h"

#include <stdatomic.h>

/* Collects sites that nobody refers to. site_unref() from any thread; the rest by one thread. */
struct undertaker {
    _Atomic(struct site *) dead; /* a stack */
    int wake_fd;                 /* eventfd: readable when there is something to bury */
};

struct site {
    /* On a cache line of its own, away from what every request reads: downloads write it. */
    _Alignas(64) atomic_uint references;
    _Alignas(64) uint64_t id; /* counts the loads of this process */
    struct index *index;
    struct archive *archive;
    char *index_path; /* absolute, links followed */
    struct mount mount;
    int64_t loaded_s; /* Unix time */
    bool is_aside;    /* its archive answered elsewhere before: a preview, or a second place */
    /* its files are not what they were, and how so: it answers nothing any more; NULL: they are */
    _Atomic(const char *) damage;
    bool is_damage_said; /* the control thread's */
    struct undertaker *undertaker;
    struct site *next_dead;
};

int undertaker_init(struct undertaker *undertaker, struct error *error) CAIRN_MUST_CHECK;
void undertaker_bury(struct undertaker *undertaker); /* unmaps and frees what is dead */
void undertaker_fini(struct undertaker *undertaker);

/* Takes over the index, one reference to the archive, the path, and the mount. One reference, the
 * caller's. */
struct site *site_new(struct undertaker *undertaker, struct index *index, struct archive *archive,
                      char *index_path, struct mount mount, uint64_t id, int64_t loaded_s);

struct site *site_ref(struct site *site);
void site_unref(struct site *site); /* takes NULL */

/* Somebody cut the index or the archive of this site: from here on it answers nothing (503). Any
 * thread; the undertaker's is woken, which says so (loader_say_damage()), so that no other one
 * waits for who reads standard error. `what` is static. */
void site_set_damaged(struct site *site, const char *what);

static inline bool site_is_damaged(const struct site *site)
{
    return atomic_load_explicit(&site->damage, memory_order_relaxed) != NULL;
}

/* Is this address in the mapping of its index or its archive? */
bool site_has_address(const struct site *site, const void *address);

/* Is its archive shorter than what the release committed? Asks the system. */
bool site_is_cut(const struct site *site);

/* A representation's stored bytes, or NULL if they do not lie inside what this release committed
 * (which was checked at load, and is asked again because the index is only mapped). */
const uint8_t *site_body(const struct site *site,
                         const struct index_representation *representation);

#endif
