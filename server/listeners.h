/* The sockets that HTTP is listened for on: opened here, or taken over from a service manager or
 * from the process before this one. Main thread. */
#ifndef CAIRN_SERVER_LISTENERS_H
#define CAIRN_SERVER_LISTENERS_H

#include "net/listener.h"

/* One address and its sockets. */
struct listening {
    struct listen_address address; /* with its real port */
    size_t fd_count;
    int *fds;
    bool is_ours; /* a Unix socket's name is ours to remove */
};

struct listeners {
    size_t count;
    struct listening *at;
};

/* Opens an address, one socket for each worker, and appends it; *address gets its real port. */
int listeners_open(struct listeners *listeners, struct listen_address *address, size_t worker_count,
                   struct error *error) CAIRN_MUST_CHECK;

/* Appends sockets that listen already on one address: `fds` are taken over. */
int listeners_adopt(struct listeners *listeners, const int *fds, size_t count, bool is_ours,
                    struct error *error) CAIRN_MUST_CHECK;

/* Refuses an address that other machines can connect to: for --live-reload, with words that say
 * what to do. */
int listeners_check_local(const struct listen_address *address,
                          struct error *error) CAIRN_MUST_CHECK;

/* What worker `worker` of `worker_count` shall accept from: duplicates, the caller's to close and
 * free. Every socket is somebody's, and every worker has one of each address. */
int listeners_share(const struct listeners *listeners, size_t worker, size_t worker_count,
                    int **out_fds, size_t *out_count, struct error *error) CAIRN_MUST_CHECK;

/* Gives the names of Unix sockets that are ours to a user and group. */
int listeners_give(const struct listeners *listeners, uid_t uid, gid_t gid,
                   struct error *error) CAIRN_MUST_CHECK;

/* From here on somebody else serves from these sockets: their names stay. */
void listeners_disown(struct listeners *listeners);

/* Closes them, and removes the names of Unix sockets that are ours. May be called twice. */
void listeners_close(struct listeners *listeners);

#endif
