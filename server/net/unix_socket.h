/* Listening Unix sockets: for commands and for HTTP. */
#ifndef CAIRN_NET_UNIX_SOCKET_H
#define CAIRN_NET_UNIX_SOCKET_H

#include "common/error.h"

#include <stdbool.h>
#include <sys/types.h>

/* Makes the socket with this mode from its first moment on, listening, non-blocking. In the place
 * of one that nobody answers on any more; ERR_BUSY if somebody does, ERR_FORMAT if something else
 * than a socket is there. The caller closes *out_fd and unlinks the path. */
int unix_socket_listen(const char *path, mode_t mode, int backlog, int *out_fd,
                       struct error *error) CAIRN_MUST_CHECK;

/* Would it be made, as far as that can be told without making or asking anything? *out_is_there: a
 * socket is, on which somebody may answer. */
int unix_socket_check(const char *path, bool *out_is_there, struct error *error) CAIRN_MUST_CHECK;

#endif
