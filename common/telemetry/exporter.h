/* Takes items (spans, log records, metrics) to their collectors: wraps them, posts them, tries
 * again as the OTLP specification says, gives up when their time is over, and says on standard
 * error when a collector cannot be reached and when it can again. For each signal one request is
 * under way at most; what waits meanwhile is the caller's. One thread. Times are of the monotonic
 * clock. */
#ifndef CAIRN_TELEMETRY_EXPORTER_H
#define CAIRN_TELEMETRY_EXPORTER_H

#include "telemetry/http_client.h"
#include "telemetry/otlp.h"

struct exporter;

/* `program` begins its lines on standard error. Both arguments have to stay. */
int exporter_open(const struct telemetry_settings *settings, const char *program,
                  struct exporter **out_exporter, struct error *error) CAIRN_MUST_CHECK;

/* Takes NULL. What is under way is lost. */
void exporter_close(struct exporter *exporter);

/* Is no request of this signal under way? */
bool exporter_is_idle(const struct exporter *exporter, enum telemetry_signal signal);

/* May the next request of this signal be given to it? Not as long as its collector wants to be left
 * alone, or does not answer: whatever became of the last request. */
bool exporter_is_free(const struct exporter *exporter, enum telemetry_signal signal);

/* Takes `items`, `count` of them, over by copying; until `until_ms` it tries. */
void exporter_send(struct exporter *exporter, enum telemetry_signal signal, struct slice items,
                   uint64_t count, int64_t until_ms);

/* Nothing is tried for longer than until then: the end of the process. What waits for another try
 * has it now, and who wanted to be left alone is asked. */
void exporter_hurry(struct exporter *exporter, int64_t until_ms);

/* Items that were dropped before they came here: for the line that tells how many were lost. */
void exporter_note_lost(struct exporter *exporter, enum telemetry_signal signal, uint64_t count);

/* Does what is due, and waits for more of it, for at most `timeout_ms`, or until `wake_fd` (-1:
 * none) is readable. */
void exporter_turn(struct exporter *exporter, int wake_fd, int64_t timeout_ms);

/* What became of a signal's items. */
struct exporter_totals {
    uint64_t sent;
    uint64_t lost; /* refused, given up, or dropped before */
};
struct exporter_totals exporter_totals(const struct exporter *exporter,
                                       enum telemetry_signal signal);

#endif
