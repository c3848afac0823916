/* What a server that is pushed to has still to be told by a watch: the newest release, which brings
 * what it is laid over (docs/control.md), and how the build stands. One thread. */
#ifndef CAIRN_PACKER_WATCH_OWED_H
#define CAIRN_PACKER_WATCH_OWED_H

#include "common/error.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

struct owed {
    const char *socket_path; /* NULL: there is no such server */
    bool quiet;
    FILE *messages;
    char *index;        /* of the newest release; NULL: there was none yet */
    bool is_index_told; /* the server has taken it */
    char *announcement; /* a command; NULL: none is owed */
    int64_t again_ms;   /* when to try again, monotonic; -1: not before there is something new */
    struct error told;  /* the failure that was told last */
};

void owed_init(struct owed *owed, const char *socket_path, bool quiet, FILE *messages);
void owed_fini(struct owed *owed);

/* A release, which takes the place of the one before and ends what was announced. */
void owed_add_release(struct owed *owed, const char *index_path);

/* A command that says how the build stands (announcement.h); it takes the place of the one before.
 */
void owed_announce(struct owed *owed, const char *command);

/* Tells the server what is owed. Where that fails it says so in `messages`, once for each reason,
 * and sets when to try again. A server that was away is told the release again: it may be another
 * one. */
void owed_tell(struct owed *owed);

#endif
