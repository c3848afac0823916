/* What systemd gives and wants to know (sd_listen_fds(3), sd_notify(3)); nothing happens without
 * it. The one file that includes its library. Main thread. */
#ifndef CAIRN_SERVER_SERVICE_MANAGER_H
#define CAIRN_SERVER_SERVICE_MANAGER_H

#include "common/compiler.h"

#include <stddef.h>

/* Sockets that were opened for this process, descriptors in a row. */
struct service_sockets {
    int first_fd;
    size_t count;
    char **names; /* of each: FileDescriptorName= (systemd.socket(5)), else that of its unit */
};

/* Says it once: a process that is started from here gets none. The caller gives it back with
 * service_sockets_fini(). */
void service_manager_sockets(struct service_sockets *out_sockets);
void service_sockets_fini(struct service_sockets *sockets);

/* Tells a state: "READY=1", "STATUS=...". */
void service_manager_tell(const char *format, ...) CAIRN_PRINTF(1, 2);

#endif
