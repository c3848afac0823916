/* Loads indexes: opens, validates, binds to the archive, builds the next list, publishes it. Used
 * by the control thread alone; a load either changes what every worker serves, or nothing. */
#ifndef CAIRN_SERVER_LOADER_H
#define CAIRN_SERVER_LOADER_H

#include "common/signature.h"
#include "events/announcer.h"
#include "net/meters.h"
#include "server/metrics/load_counts.h"
#include "server/sandbox/folders.h"
#include "site/publication.h"
#include "telemetry/operation.h"

struct load_request;

struct loader {
    struct publication *publication;
    struct site_list *draft; /* the next list, which nobody uses yet; NULL: none is being made */
    struct undertaker *undertaker;
    struct site_retention retention;
    bool is_preloading;        /* an archive is read into memory before a release of it is served */
    const struct trust *trust; /* whose signature a release must have; NULL: nobody asks */
    uint64_t last_id;          /* of a site */
    const struct folders *folders;      /* what may be read; NULL: anything */
    const struct load_request *awaited; /* of the start: an INDEX may come later; borrowed */
    size_t awaited_count;
    struct load_counts counts;
    struct host_meters host_meters; /* of the hosts of the list */
    struct announcer *announcer;    /* tells those who listen for releases; NULL: nobody can */
};

/* What a load did. */
struct load_result {
    uint64_t id; /* of the site that is live now; if nothing had to change, of the one before */
    uint64_t release;
    uint32_t paths;
    size_t layers;   /* releases of the same site in the list */
    double ms;       /* from the command to the last worker's use of it */
    bool was_on_top; /* nothing had to change */
};

/* What to load, and where it shall answer. */
struct load_request {
    const char *path;   /* of the index */
    const char *hosts;  /* as mount_parse() takes them; NULL with `prefix` NULL: where the newest
                           release of the same archive answers, else where it is awaited, else
                           everywhere */
    const char *prefix; /* NULL: the root */
    struct slice traceparent;    /* of who asked for it; may be empty, or void */
    struct operation *operation; /* is told of phases; NULL: nobody is */
    bool is_again;               /* by HUP: it may be in the list, where it belongs */
    bool is_handed; /* from the process before this one: what it says of `is_aside` counts */
    bool is_aside;
    /* The loader's: an overlay that was opened and goes on top of it at once; NULL: none does. */
    const struct site *above;
};

/* Returns when every worker serves the release. On failure nothing has changed, and *error says why
 * in one line that names the file. With keys to trust, a release that none of them has signed,
 * whose bytes are not those that were signed, or that is older than what its archive serves where
 * it would answer, is ERR_TRUST. */
int loader_load(struct loader *loader, const struct load_request *request,
                struct load_result *out_result, struct error *error) CAIRN_MUST_CHECK;

/* One of several loads. */
struct load {
    struct load_request request;
    int status; /* of it, or -ECANCELED: it could be loaded, but another one could not */
    struct load_result result; /* if that is 0 */
    struct error error;        /* if not: as of loader_load() */
    double started_ms;         /* the loader's */
};

/* The same for several, in their order, which become live at the same moment: no request meets one
 * of them without the next. If one cannot be loaded, nothing has changed. Returns the first status
 * that is not -ECANCELED or 0. */
int loader_load_all(struct loader *loader, struct load *loads, size_t count) CAIRN_MUST_CHECK;

/* The loaded site of this number, or whose index lies at this path; NULL: there is none. */
struct site *loader_find(const struct loader *loader, struct slice id_or_path);

/* Takes a site out of the list; what is below it answers again. -EBUSY, and nothing has changed, if
 * an overlay is laid over it. */
int loader_unload(struct loader *loader, const struct site *site,
                  struct error *error) CAIRN_MUST_CHECK;

/* Takes the newest release of a stack back: the one below it answers; of the one that is taken
 * back, only immutable files do, for tabs that are open. *out_result is of the release that is on
 * top now. ERR_EMPTY if there is none below it, or an overlay without what it is laid over; -EBUSY
 * if an overlay is laid over it elsewhere. */
int loader_rollback(struct loader *loader, const struct site_stack *stack,
                    struct load_result *out_result, struct error *error) CAIRN_MUST_CHECK;

/* Marks a site as taken back, as it was in the process before this one. */
void loader_retire(struct loader *loader, const struct site *site);

/* Says, once for each, which releases are damaged. Costs nothing when there is none. */
void loader_say_damage(struct loader *loader);

/* Lets go of what is over its time. Returns Unix time when that is to be asked again; -1: never. */
int64_t loader_expire(struct loader *loader);

/* Tells those who listen for releases what has changed since this was called last. Apart from the
 * changes themselves, which are answered first: comparing releases takes a moment where they are
 * large. */
void loader_announce(struct loader *loader);

/* After the process has become another user: who may ask what of a file has changed. */
void loader_user_changed(struct loader *loader);

/* The list that is current: for the control thread, until its next load. Inside of the loader the
 * one that is being made, if there is one. */
const struct site_list *loader_sites(const struct loader *loader);

#endif
