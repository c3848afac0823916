/* Are the files of the loaded releases still those that were checked when they were loaded? Nothing
 * that Cairn does writes to one that is there, but somebody may copy another file over it, and what
 * is mapped would answer from that. Such a release is damaged (site_set_damaged()). An index that
 * was written to is checked anew, all of it, wherever the write was; of an archive, the commit
 * record of the release: content that was altered is what `cairn-pack verify` finds. Control
 * thread. */
#ifndef CAIRN_SERVER_OVERWRITE_CHECK_H
#define CAIRN_SERVER_OVERWRITE_CHECK_H

#include "site/site_list.h"

enum { OVERWRITE_CHECK_MS = 60000 };

struct overwrite_check {
    int64_t due_ms; /* monotonic; 0: at once */
};

/* Looks at all of them now: two calls of the system for each, and what an index that was written to
 * takes to be read. */
void overwrite_check_run(const struct site_list *sites);

/* Does that if it is time. Returns how many milliseconds it is until then. */
int64_t overwrite_check_turn(struct overwrite_check *check, const struct site_list *sites,
                             int64_t now_ms);

#endif
