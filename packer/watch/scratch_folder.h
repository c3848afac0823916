/* A folder of a run's own, for what nobody needs afterwards. It is locked while the run lives, so
 * that what a killed one has left is found and removed by the next. One thread. */
#ifndef CAIRN_PACKER_SCRATCH_FOLDER_H
#define CAIRN_PACKER_SCRATCH_FOLDER_H

#include "common/error.h"

struct scratch_folder {
    char *path; /* absolute, links followed; NULL: none */
    int lock_fd;
};

/* Makes one below TMPDIR, or /tmp, with mode 0700, after those are gone that nobody locks. */
int scratch_folder_open(struct scratch_folder *folder, struct error *error) CAIRN_MUST_CHECK;

/* All files that are made in it have names that begin with "site": no others are removed. */

/* Removes the files whose names do not begin with `kept`. */
void scratch_folder_clear(const struct scratch_folder *folder, const char *kept);

/* Removes it, with what was made in it. Takes one that was not opened ({0}). */
void scratch_folder_remove(struct scratch_folder *folder);

/* The same, while other threads may still make files in it: the process is about to end. */
void scratch_folder_remove_used(const struct scratch_folder *folder);

#endif
