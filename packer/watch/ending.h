/* The signals that ask a command which goes on to come to its end, as a descriptor. */
#ifndef CAIRN_PACKER_ENDING_H
#define CAIRN_PACKER_ENDING_H

#include "packer/watch/scratch_folder.h"

#include <pthread.h>

/* Holds INT, TERM and HUP back from now on; *out_fd gets readable by one of them. */
int ending_open(int *out_fd, struct error *error) CAIRN_MUST_CHECK;

/* While this thread is busy with something long and does not look: another one that does. */
struct ending_guard {
    int signals;
    const struct scratch_folder *folder;
    int stop_fd;
    pthread_t thread;
};

/* From here on one of the signals ends the process at once, with 0, after the folder is gone (which
 * may be one that was not opened, {0}). Whatever else is under way is left as it is. */
int ending_guard_begin(struct ending_guard *guard, int signals, const struct scratch_folder *folder,
                       struct error *error) CAIRN_MUST_CHECK;

/* From here on they are only told at the descriptor again. */
void ending_guard_end(struct ending_guard *guard);

#endif
