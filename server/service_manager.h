/* What systemd gives and wants to know (sd_listen_fds(3), sd_notify(3)); nothing happens without
 * it. The one file that includes its library. Main thread. */
#ifndef CAIRN_SERVER_SERVICE_MANAGER_H
#define CAIRN_SERVER_SERVICE_MANAGER_H

#include "common/compiler.h"

#include <stddef.h>

/* The first of the sockets that were opened for this process, and how many there are. Says it once:
 * a process that is started from here gets none. */
size_t service_manager_sockets(int *out_first_fd);

/* Tells a state: "READY=1", "STATUS=...". */
void service_manager_tell(const char *format, ...) CAIRN_PRINTF(1, 2);

#endif
