/* A worker's side of the access log: makes the line of each answer that has ended, and puts it into
 * the ring that the log's thread takes lines from (net/log_writer.h). Never waits, and asks nothing
 * of the system. */
#ifndef CAIRN_NET_ACCESS_LOG_H
#define CAIRN_NET_ACCESS_LOG_H

#include "net/access_line.h"
#include "net/log_ring.h"

struct access_log {
    struct log_ring *ring; /* borrowed; NULL: there is no log */
    enum access_format format;
    struct access_line line;
};

void access_log_init(struct access_log *log, struct log_ring *ring, enum access_format format);
void access_log_fini(struct access_log *log);

static inline bool access_log_is_on(const struct access_log *log)
{
    return log->ring != NULL;
}

void access_log_add(struct access_log *log, const struct exchange *exchange);

/* The end of a turn: what was added may be written. */
void access_log_flush(struct access_log *log);

#endif
