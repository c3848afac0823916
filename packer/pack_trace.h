/* The spans of a cairn-pack command, and their way to the collector that the environment names
 * (docs/telemetry.md). Off unless it names one. Main thread. */
#ifndef CAIRN_PACKER_PACK_TRACE_H
#define CAIRN_PACKER_PACK_TRACE_H

#include "common/error.h"
#include "telemetry/operation.h"

struct pack_trace;

/* Begins the span of a command, below TRACEPARENT if that is set. NULL: it is not recorded. What
 * keeps it from being recorded is said on standard error, and keeps nothing else. */
struct pack_trace *pack_trace_begin(const char *name);

/* What the command tells its phases to. NULL for NULL. */
struct operation *pack_trace_operation(struct pack_trace *trace);

enum { PACK_TRACE_PATIENCE_MS = 5000 };

/* Ends it, sends it, and frees it; a collector that does not answer is waited for no longer than
 * PACK_TRACE_PATIENCE_MS. `error` is why the command failed; NULL: it did not. Takes NULL. */
void pack_trace_end(struct pack_trace *trace, const struct error *error);

#endif
