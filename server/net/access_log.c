#include "net/access_log.h"

void access_log_init(struct access_log *log, struct log_ring *ring, enum access_format format)
{
    *log = (struct access_log){.ring = ring, .format = format};
    access_line_init(&log->line);
}

void access_log_fini(struct access_log *log)
{
    access_line_fini(&log->line);
}

void access_log_add(struct access_log *log, const struct exchange *exchange)
{
    (void)log_ring_put(log->ring, access_line_make(&log->line, log->format, exchange));
}

void access_log_flush(struct access_log *log)
{
    if (log->ring != NULL) {
        log_ring_publish(log->ring);
    }
}
