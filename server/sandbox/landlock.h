/* What files a process may still reach: Landlock (landlock(7)), whose rights grew from version to
 * version; asked for is what the kernel knows. Before there are other threads. */
#ifndef CAIRN_SERVER_LANDLOCK_H
#define CAIRN_SERVER_LANDLOCK_H

#include "common/error.h"

#include <stdbool.h>

struct landlock {
    int version;      /* of the kernel's interface, from 1 on */
    int rules_fd;     /* what is allowed so far */
    uint64_t handled; /* rights that are refused where nothing allows them */
};

enum landlock_right {
    LANDLOCK_READ = 1,    /* files */
    LANDLOCK_LIST = 2,    /* folders */
    LANDLOCK_EXECUTE = 4, /* and read */
    LANDLOCK_SOCKETS = 8, /* to make and remove what is no folder; sockets alone can be made */
    LANDLOCK_WRITE = 16,
    LANDLOCK_MAKE = 32, /* files, and write them */
};

/* Begins a set of rules that allows nothing: no file, no TCP port (version 4), no signal to a
 * process outside, and unless `has_abstract_sockets`, no abstract socket of one (version 6).
 * -errno: the kernel has no Landlock, or it is not to be had. */
int landlock_open(struct landlock *landlock, bool has_abstract_sockets) CAIRN_MUST_CHECK;

/* Allows `rights` (enum landlock_right) for the file at `path` or all beneath the folder there, as
 * it is now: what is put in its place later is another file. What is not there is passed over. */
int landlock_allow(const struct landlock *landlock, const char *path, unsigned rights,
                   struct error *error) CAIRN_MUST_CHECK;

/* Allows to connect to this TCP port, wherever it is. */
int landlock_allow_port(const struct landlock *landlock, uint16_t port,
                        struct error *error) CAIRN_MUST_CHECK;

/* From here on, for this thread and all that it starts. Needs no_new_privs. */
int landlock_enter(const struct landlock *landlock) CAIRN_MUST_CHECK;

void landlock_close(struct landlock *landlock);

#endif
