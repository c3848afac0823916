/* Threads that wait for disks, so that no worker has to: they read a piece of an archive, which
 * brings it into the page cache, and tell the worker that asked. */
#ifndef CAIRN_NET_DISK_READERS_H
#define CAIRN_NET_DISK_READERS_H

#include "common/error.h"
#include "net/thread.h"
#include "site/site.h"

enum { DISK_READERS_MAX = 256, DISK_READERS_DEFAULT = 8 };

struct disk_readers;
struct conn;

/* One piece to read. The worker makes it, submits it, and gets it back; what is in it is the
 * reader's meanwhile, but for `conn`. */
struct disk_read {
    struct disk_read *next;
    struct disk_read *previous;   /* in the queue */
    struct disk_readers *readers; /* set by disk_readers_submit() */
    bool is_queued;               /* nobody has begun to read it */
    struct disk_mailbox *home;
    struct site *site; /* counted */
    uint64_t offset;
    uint64_t bytes;
    uint64_t ahead_bytes; /* behind them: to be begun, not to be waited for */
    struct conn *conn;    /* who waits; NULL: it is gone */
};

/* Where a worker finds what was read for it. */
struct disk_mailbox {
    _Alignas(64) _Atomic(struct disk_read *) done; /* a stack */
    _Alignas(64) int wake_fd; /* borrowed: an eventfd that wakes the worker's loop */
};

/* For at most `count` threads, of which none runs yet. */
struct disk_readers *disk_readers_new(size_t count);

/* Starts them (net/thread.h), each under `filter`, which may be NULL. */
int disk_readers_start(struct disk_readers *readers, const struct sock_fprog *filter,
                       struct error *error) CAIRN_MUST_CHECK;

/* Ends the threads; what they have not read comes back as it is. Before the mailboxes go. Takes
 * NULL. */
void disk_readers_stop(struct disk_readers *readers);

/* Stopped ones, after the last disk_read_abandon(). Takes NULL. */
void disk_readers_free(struct disk_readers *readers);

/* Takes the read over until it is in its mailbox. */
void disk_readers_submit(struct disk_readers *readers, struct disk_read *read);

/* The connection does not wait any more. A read that nobody has begun is taken out of the queue and
 * freed, so that there are never more of them than connections. The worker's thread. */
void disk_read_abandon(struct disk_read *read);

/* All that is in the mailbox, linked, or NULL. The worker's thread. */
struct disk_read *disk_mailbox_take(struct disk_mailbox *mailbox);

/* Frees all that is in the mailbox, of which nobody waits for any. */
void disk_mailbox_drop(struct disk_mailbox *mailbox);

/* Gives back the site, and frees. */
void disk_read_free(struct disk_read *read);

#endif
