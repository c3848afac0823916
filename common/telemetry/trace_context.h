/* Who a span belongs to: W3C Trace Context (www.w3.org/TR/trace-context), read and written, and the
 * numbers of new traces and spans. Pure functions. */
#ifndef CAIRN_TELEMETRY_TRACE_CONTEXT_H
#define CAIRN_TELEMETRY_TRACE_CONTEXT_H

#include "common/error.h"
#include "common/slice.h"

enum {
    TRACE_ID_BYTES = 16,
    SPAN_ID_BYTES = 8,
    TRACEPARENT_BYTES = 55,
    TRACESTATE_BYTES_MAX = 512, /* what has to be passed on of a tracestate (§3.3.1.5) */
};

/* A span, in its trace. */
struct trace_context {
    uint8_t trace_id[TRACE_ID_BYTES];
    uint8_t span_id[SPAN_ID_BYTES];
    bool is_sampled;
};

/* Reads the value of a traceparent field (§3.2). False: it is void, and the trace begins here. A
 * version that came after this text is read as far as version 00 goes (§4.1). */
bool traceparent_parse(struct slice text, struct trace_context *out_context);

/* Writes it, of version 00, NUL-terminated. */
void traceparent_format(const struct trace_context *context, char out[TRACEPARENT_BYTES + 1]);

/* Is this a tracestate, of one field or of several joined by commas (§3.3.1)? It is void if not, or
 * if it has more than 32 members or TRACESTATE_BYTES_MAX. */
bool tracestate_is_valid(struct slice text);

/* Lower-case hexadecimal digits of `count` bytes, NUL-terminated. */
void hex_format(const uint8_t *bytes, size_t count, char *out);

/* Makes numbers for traces and spans: a generator of random numbers (xoshiro256++, by Blackman and
 * Vigna) that asks the system once. One thread. */
struct id_source {
    uint64_t state[4];
};

int id_source_init(struct id_source *source, struct error *error) CAIRN_MUST_CHECK;

/* For tests: the same numbers each time. */
struct id_source id_source_of(uint64_t seed);

/* A number that is not zero. */
uint64_t id_source_next(struct id_source *source);
void id_source_trace(struct id_source *source, uint8_t out_trace_id[TRACE_ID_BYTES]);
void id_source_span(struct id_source *source, uint8_t out_span_id[SPAN_ID_BYTES]);

#endif
