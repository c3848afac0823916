/* What the server tells monitoring systems about itself: a snapshot of all its numbers, and the
 * text forms in which Prometheus and its like read them. docs/metrics.md has the list. Taken by one
 * thread that is no worker; no request waits for it. */
#ifndef CAIRN_SERVER_METRICS_H
#define CAIRN_SERVER_METRICS_H

#include "server/loader.h"
#include "server/workers.h"

#include <stdio.h>

/* Where the numbers come from. All of it is borrowed, and stays as long as somebody asks. */
struct metrics_sources {
    struct publication *publication;
    const struct workers *workers;
    const struct loader *loader;
    int64_t started_s; /* Unix time */
};

struct metrics_snapshot;

/* The numbers of this moment. The caller frees it. A load that ends meanwhile waits for it before
 * it lets go of the old list; nobody else does. */
struct metrics_snapshot *metrics_take(const struct metrics_sources *sources);
void metrics_free(struct metrics_snapshot *snapshot); /* takes NULL */

enum metrics_format {
    METRICS_TEXT,        /* what Prometheus calls its text format, version 0.0.4 */
    METRICS_OPENMETRICS, /* OpenMetrics 1.0 */
};

/* The form that a client prefers, by the value of its Accept field (RFC 9110 §12.5.1; empty: it has
 * none). Who does not ask for OpenMetrics gets the older one. */
enum metrics_format metrics_select(struct slice accept);

/* For Content-Type. Static. */
const char *metrics_media_type(enum metrics_format format);

/* Writes all metrics. Errors are the stream's. */
void metrics_write(const struct metrics_snapshot *snapshot, enum metrics_format format,
                   FILE *stream);

#endif
