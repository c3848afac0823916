/* OpenTelemetry in the server: one thread takes what workers and the control thread have recorded,
 * and the metrics, to collectors (docs/telemetry.md). Nobody waits for it: its queues are bounded,
 * and at the end of the process it gets TELEMETRY_FLUSH_MS. */
#ifndef CAIRN_SERVER_TELEMETRY_H
#define CAIRN_SERVER_TELEMETRY_H

#include "net/tracer.h"
#include "server/metrics/metrics_snapshot.h"
#include "server/sandbox/sandbox.h"
#include "telemetry/operation.h"

struct telemetry;

enum { TELEMETRY_FLUSH_MS = 5000 };

/* As the environment asks for, for so many workers. NULL: it does not ask, or what it asks for
 * cannot be, which is said on standard error and keeps nobody from serving. Main thread, before the
 * sandbox. */
struct telemetry *telemetry_new(size_t worker_count);

const struct telemetry_settings *telemetry_settings_of(const struct telemetry *telemetry);

/* What workers record with, one for each. NULL for NULL, and where answers are not asked for. */
struct tracer *telemetry_tracers(struct telemetry *telemetry);

/* Starts the thread (net/thread.h) in its part of the sandbox. What
 * the sources of metrics name has to until telemetry_stop(); the process's files are the thread's
 * own. Takes NULL, as do the others. */
int telemetry_start(struct telemetry *telemetry, const struct sandbox *sandbox,
                    const struct metrics_sources *sources, struct error *error) CAIRN_MUST_CHECK;

/* Sends what is left, and ends the thread. Then workers may end, too. */
void telemetry_stop(struct telemetry *telemetry);
void telemetry_free(struct telemetry *telemetry);

/* Something that the control thread does, asked for with `traceparent`, which may be empty. */
void telemetry_begin(struct telemetry *telemetry, struct operation *operation, const char *name,
                     struct slice traceparent);
void telemetry_end(struct telemetry *telemetry, struct operation *operation, const char *failure);

#endif
