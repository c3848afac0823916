/* What a server that is pushed to has still to be told by a watch: releases, in their order, since
 * an overlay is nothing without those below it; and how the build stands. One thread. */
#ifndef CAIRN_PACKER_WATCH_OWED_H
#define CAIRN_PACKER_WATCH_OWED_H

#include "common/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

struct owed {
    const char *socket_path; /* NULL: there is no such server */
    bool quiet;
    FILE *messages;
    char **indexes; /* of the last whole release and those over it, the oldest first */
    size_t count;
    size_t capacity;
    size_t told_count;  /* of them: the server has taken them */
    char *announcement; /* a command; NULL: none is owed */
    int64_t again_ms;   /* when to try again, monotonic; -1: not before there is something new */
    struct error told;  /* the failure that was told last */
};

void owed_init(struct owed *owed, const char *socket_path, bool quiet, FILE *messages);
void owed_fini(struct owed *owed);

/* A release, which ends what was announced. A whole one needs none of those before it. */
void owed_add_release(struct owed *owed, const char *index_path, bool is_whole);

/* A command that says how the build stands (announcement.h); it takes the place of the one before.
 */
void owed_announce(struct owed *owed, const char *command);

/* Tells the server what is owed. Where that fails it says so in `messages`, once for each reason,
 * and sets when to try again. A server that was away is told everything: it may be another one. */
void owed_tell(struct owed *owed);

#endif
