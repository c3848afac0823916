/* The admin address: HTTP for the person on call, for health checks and for collectors of metrics,
 * apart from the sites: sockets, thread and limits of its own, so that a busy site does not keep
 * them out, and nothing here costs a site anything. Started and ended by the main thread.
 * docs/admin.md. */
#ifndef CAIRN_ADMIN_ADMIN_H
#define CAIRN_ADMIN_ADMIN_H

#include "admin/hosts.h"
#include "server/control/refusals.h"
#include "server/listeners.h"
#include "server/metrics/metrics_snapshot.h"

#include <linux/filter.h>

struct admin;

struct admin_settings {
    struct metrics_sources metrics;
    struct admin_hosts hosts; /* the caller's, as all that follows */
    struct refusals *refusals;
    const char *token_file; /* NULL: no changes */
    const char *page;       /* the index of the status page; NULL: there is none */
    const char *sandbox;    /* what is in force, in a word */
    int command_fd;         /* control commands are carried out at its other end; taken over */
};

/* Makes it ready on the sockets, of which it makes duplicates; nothing is accepted yet. */
int admin_new(const struct admin_settings *settings, const struct listeners *listeners,
              struct admin **out_admin, struct error *error) CAIRN_MUST_CHECK;

/* Starts the thread (net/thread.h) under `filter`, which may be NULL. */
int admin_start(struct admin *admin, const struct sock_fprog *filter,
                struct error *error) CAIRN_MUST_CHECK;

/* The process is about to end: /readyz says so from here on. These two take NULL. */
void admin_drain(struct admin *admin);

/* Another process accepts on the sockets from here on. */
void admin_release(struct admin *admin);

/* Ends the thread and closes everything. Takes NULL. */
void admin_free(struct admin *admin);

#endif
