/* Keeps a site packed while it changes: waits for changes in its tree and for quiet after them, and
 * publishes a release each time. Whoever uses it decides what becomes of the releases. One thread.
 */
#ifndef CAIRN_PACKER_WATCH_H
#define CAIRN_PACKER_WATCH_H

#include "packer/watch/update.h"

#include <poll.h>

enum watch_kind {
    WATCH_RELEASE, /* there is one */
    WATCH_PROBLEM, /* the site as it is cannot be packed: `problem` */
    WATCH_MENDED,  /* after a problem, the site is what was released last */
    WATCH_OTHER,   /* one of the other descriptors is ready, or the time is over */
};

struct watch_event {
    enum watch_kind kind;
    const char *index_path; /* until the next event */
    const char *problem;    /* the same */
    uint64_t release;
    struct update_result update; /* of the first release all zeros */
    double begun_ms;             /* of the release: when the quiet had ended, monotonic */
};

struct watch;

/* The options must outlive it. */
struct watch *watch_new(const struct add_options *options);

/* Records what the next run of `add` is faster with, and gives up the archive. Takes NULL. */
void watch_free(struct watch *watch);

/* Packs the whole site as the first release. A failure is final. */
int watch_begin(struct watch *watch, struct watch_event *out_event,
                struct error *error) CAIRN_MUST_CHECK;

/* Waits for the next event, also at up to WATCH_OTHERS_MAX other descriptors, whose `revents` it
 * sets, and no longer than until `until_ms` (monotonic; -1: for ever). */
enum { WATCH_OTHERS_MAX = 4 };
void watch_next(struct watch *watch, struct pollfd *others, size_t count, int64_t until_ms,
                struct watch_event *out_event);

/* How much the archive has grown since the first release was in it. */
uint64_t watch_grown_bytes(const struct watch *watch);
uint64_t watch_first_bytes(const struct watch *watch); /* its length then */

/* The next release is a whole one in another archive. The path must outlive the watch. */
void watch_change_archive(struct watch *watch, const char *archive_path);

#endif
