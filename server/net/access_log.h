/* The access log: a line for each answer that has ended, in the Combined Log Format that Apache's
 * httpd made common. One per worker, its thread alone; lines are gathered and written at the end of
 * a loop turn. A reader that stopped, or a full disk, loses lines, which are counted, and never
 * holds up a request.
 */
#ifndef CAIRN_NET_ACCESS_LOG_H
#define CAIRN_NET_ACCESS_LOG_H

#include "common/error.h"
#include "net/exchange.h"

#include <stdatomic.h>

enum { ACCESS_LOG_BYTES = 65536 };

struct access_log {
    int fd; /* borrowed; -1: there is no log */
    size_t count;
    atomic_uint_fast64_t lost; /* lines; other threads may read it */
    char *bytes;               /* ACCESS_LOG_BYTES, or NULL without a log */
};

/* Opens a file to append to, or a FIFO or device that is there; "-" is standard error. *out_fd is
 * the caller's to close. */
int access_log_open(const char *path, int *out_fd, struct error *error) CAIRN_MUST_CHECK;

void access_log_init(struct access_log *log, int fd);
void access_log_fini(struct access_log *log); /* writes what it can */

static inline bool access_log_is_on(const struct access_log *log)
{
    return log->fd >= 0;
}

void access_log_add(struct access_log *log, const struct exchange *exchange);

/* Writes what the descriptor takes. */
void access_log_flush(struct access_log *log);

#endif
