/* Which requests are traced: the samplers of the OpenTelemetry specification. A pure function of
 * the trace's number, so that all programs that a request passes decide the same. */
#ifndef CAIRN_TELEMETRY_SAMPLER_H
#define CAIRN_TELEMETRY_SAMPLER_H

#include "telemetry/trace_context.h"

struct sampler {
    bool has_parent_rule; /* a span with a parent does as its parent did */
    uint64_t threshold;   /* of SAMPLER_RANGE: how many traces are taken */
};

/* A trace's last 56 bits are random (Trace Context Level 2, §3.2.2.3.1). */
#define SAMPLER_RANGE (UINT64_C(1) << 56)

/* By name, as in OTEL_TRACES_SAMPLER, and argument, which may be empty. False: there is no such
 * sampler, or no such argument: *out_why says which. */
bool sampler_parse(struct slice name, struct slice argument, struct sampler *out_sampler,
                   const char **out_why);

/* Is this span to be recorded? `parent` is NULL for the first of its trace. */
bool sampler_takes(const struct sampler *sampler, const struct trace_context *parent,
                   const uint8_t trace_id[TRACE_ID_BYTES]);

/* Can it take none at all, whatever comes? */
bool sampler_is_off(const struct sampler *sampler);

#endif
