#include "server/service_manager.h"

#include <stdarg.h>
#include <stdio.h>
#include <systemd/sd-daemon.h>

size_t service_manager_sockets(int *out_first_fd)
{
    int count = sd_listen_fds(1);
    *out_first_fd = SD_LISTEN_FDS_START;
    return count > 0 ? (size_t)count : 0;
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
