#include "server/service_manager.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <systemd/sd-daemon.h>

void service_manager_sockets(struct service_sockets *out_sockets)
{
    char **names = NULL;
    int count = sd_listen_fds_with_names(1, &names);
    *out_sockets = (struct service_sockets){
        .first_fd = SD_LISTEN_FDS_START,
        .count = count > 0 ? (size_t)count : 0,
        .names = names,
    };
}

void service_sockets_fini(struct service_sockets *sockets)
{
    for (size_t i = 0; i < sockets->count; i++) {
        free(sockets->names[i]);
    }
    free(sockets->names);
    *sockets = (struct service_sockets){0};
}

void service_manager_tell(const char *format, ...)
{
    char state[512];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(state, sizeof state, format, arguments);
    va_end(arguments);
    (void)sd_notify(0, state); /* nobody may be listening */
}
