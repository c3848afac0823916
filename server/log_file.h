/* The file, FIFO or descriptor that the access log goes to. Main thread. */
#ifndef CAIRN_SERVER_LOG_FILE_H
#define CAIRN_SERVER_LOG_FILE_H

#include "common/error.h"

#include <stdbool.h>
#include <sys/types.h>

/* "-" is standard error, "fd:N" a descriptor that the process was given; everything else a path,
 * opened to append to: a file, which is made, or a FIFO or device that is there. *out_fd is the
 * caller's to close. */
int log_file_open(const char *name, int *out_fd, struct error *error) CAIRN_MUST_CHECK;

/* Is there something to open anew? */
bool log_file_is_path(const char *name);

/* The path's owner becomes that of a file that is ours alone: root's, and empty. So that who goes
 * on as another user can open it again. */
int log_file_give(int fd, const char *name, uid_t uid, gid_t gid,
                  struct error *error) CAIRN_MUST_CHECK;

#endif
