/* When to act on changes that come one after the other: as soon as there has been quiet for a
 * moment, and after a while in any case. Pure: time is a parameter, milliseconds of a clock that
 * does not go back. */
#ifndef CAIRN_PACKER_QUIET_H
#define CAIRN_PACKER_QUIET_H

#include <stdbool.h>
#include <stdint.h>

enum {
    /* An editor that writes beside and renames is done within 5 ms, a bundler writes its files
     * within 20 ms of each other (docs/watch.md). */
    QUIET_MS = 30,
    /* What was removed mostly comes back: a build empties its folder and fills it again. */
    QUIET_REMOVED_MS = 200,
    /* Who writes without a pause sees what there is by then. */
    QUIET_LONGEST_MS = 500,
};

struct quiet {
    bool is_waiting;
    int64_t first_ms; /* of the changes that are waited for */
    int64_t due_ms;
};

/* Something has changed; `is_removal`: something was taken away, and nothing put. */
void quiet_note(struct quiet *quiet, int64_t now_ms, bool is_removal);

/* How long to wait; 0: it is time; -1: there is nothing to wait for. */
int64_t quiet_wait_ms(const struct quiet *quiet, int64_t now_ms);

/* The changes are being acted upon: what comes now is waited for anew. */
void quiet_end(struct quiet *quiet);

#endif
