/* The server's numbers as metrics of OTLP (docs/telemetry.md has the list): those that
 * OpenTelemetry has names for under these, the others below "cairn.". */
#ifndef CAIRN_SERVER_METRICS_EXPORT_H
#define CAIRN_SERVER_METRICS_EXPORT_H

#include "server/metrics/metrics_snapshot.h"
#include "telemetry/otlp.h"

/* Appends the items; returns how many metrics they are. */
uint64_t metrics_export(const struct metrics_snapshot *snapshot, struct protobuf *items);

#endif
