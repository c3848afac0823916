/* The text in which Prometheus and its like read what the server tells about itself. Pure.
 * docs/metrics.md has the list. */
#ifndef CAIRN_SERVER_METRICS_H
#define CAIRN_SERVER_METRICS_H

#include "server/metrics/exposition.h"
#include "server/metrics/metrics_snapshot.h"

/* Writes all metrics. Errors are the stream's. */
void metrics_write(const struct metrics_snapshot *snapshot, enum metrics_format format,
                   FILE *stream);

#endif
