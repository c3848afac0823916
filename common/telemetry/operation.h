/* Something that takes a while and has phases, such as packing a site or loading a release, as
 * spans: one for the whole, and one for each phase below it. One thread. An operation that is not
 * recorded costs a branch; NULL is one. */
#ifndef CAIRN_TELEMETRY_OPERATION_H
#define CAIRN_TELEMETRY_OPERATION_H

#include "telemetry/otlp.h"
#include "telemetry/sampler.h"

struct operation {
    bool is_recorded;
    bool has_parent;
    struct trace_context parent; /* in another process */
    struct trace_context context;
    const char *name;
    uint64_t begin_ns;
    const char *phase; /* NULL: none is going on */
    enum otlp_span_kind phase_kind;
    struct trace_context phase_context;
    uint64_t phase_begin_ns;
    struct id_source *ids;      /* borrowed */
    struct protobuf attributes; /* of the whole */
    struct protobuf spans;      /* of the phases that have ended; at the end, of all */
    uint64_t span_count;
};

/* Begins one; `traceparent` is that of whoever asked for it, and empty if nobody did. The sampler
 * decides whether it is recorded. `name` and those of phases have to stay. */
void operation_begin(struct operation *operation, const char *name, struct slice traceparent,
                     const struct sampler *sampler, struct id_source *ids);

/* Begins a phase, which ends the one before. */
void operation_phase(struct operation *operation, const char *name);

/* The same of one that another process carries out. What it has to be told, NUL-terminated; empty
 * if nothing is recorded. */
void operation_call(struct operation *operation, const char *name,
                    char out_traceparent[TRACEPARENT_BYTES + 1]);

/* Attributes of the whole. */
void operation_text(struct operation *operation, const char *key, struct slice value);
void operation_number(struct operation *operation, const char *key, uint64_t value);

/* Ends all of it; operation->spans then has the items for an exporter. `failure` is why it failed;
 * NULL: it did not. */
void operation_end(struct operation *operation, const char *failure);

void operation_fini(struct operation *operation);

/* Nanoseconds of Unix time. */
uint64_t operation_now_ns(void);

#endif
