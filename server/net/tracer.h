/* Makes spans, and log records, of answers (OpenTelemetry's semantic conventions for HTTP servers;
 * docs/telemetry.md), for a thread that sends them. One per worker, its thread alone: whether an
 * answer is recorded is decided without a lock or a call of the system, and what is recorded is
 * written once, in the form in which it is sent. */
#ifndef CAIRN_NET_TRACER_H
#define CAIRN_NET_TRACER_H

#include "net/exchange.h"
#include "telemetry/item_ring.h"
#include "telemetry/settings.h"

enum { TRACER_SCRATCH_BYTES = 32768 };

struct tracer {
    const struct telemetry_settings *settings; /* borrowed */
    struct id_source ids;
    int wake_fd;      /* borrowed: an eventfd of the thread that sends */
    uint64_t wake_at; /* so many spans that wait are enough to send */
    uint64_t logs_at;
    bool has_parent; /* this and what follows: of the request that was decided on last */
    struct trace_context parent;
    struct trace_context context;
    struct item_ring spans;
    struct item_ring logs;
    char scratch[TRACER_SCRATCH_BYTES];
};

/* How many items in one of `tracers` are reason to send, so that all of them together are a batch;
 * at least 1. */
uint64_t tracer_enough(const struct telemetry_batch *batch, size_t tracers);

/* Room for its part of the queues of the settings, of which there are `tracers` parts. */
int tracer_init(struct tracer *tracer, const struct telemetry_settings *settings, size_t tracers,
                int wake_fd, struct error *error) CAIRN_MUST_CHECK;
void tracer_fini(struct tracer *tracer);

/* Is the answer to this request recorded? NULL: it could not be understood. Its exchange comes next
 * to tracer_add(). */
bool tracer_decide(struct tracer *tracer, const struct request *request);

/* The answer has ended. Fills in of which trace and span it is, for the access log. What was not to
 * be recorded needs no request, line or client. */
void tracer_add(struct tracer *tracer, struct exchange *exchange);

#endif
