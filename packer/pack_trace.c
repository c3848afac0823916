#include "packer/pack_trace.h"

#include "common/clock.h"
#include "common/mem.h"
#include "telemetry/exporter.h"

#include <stdio.h>
#include <stdlib.h>

struct pack_trace {
    struct telemetry_settings settings;
    struct id_source ids;
    struct operation operation;
};

static const char program[] = "cairn-pack";

static void free_trace(struct pack_trace *trace)
{
    operation_fini(&trace->operation);
    telemetry_settings_fini(&trace->settings);
    free(trace);
}

struct pack_trace *pack_trace_begin(const char *name)
{
    struct error error = {""};
    struct pack_trace *trace = mem_zeroed(1, sizeof *trace);
    telemetry_settings_init(&trace->settings, program);
    int status = 0;
    if (trace->settings.targets[SIGNAL_TRACES].is_on) {
        const char *parent = trace->settings.reads_parents ? getenv("TRACEPARENT") : NULL;
        status = id_source_init(&trace->ids, &error);
        if (status == 0) {
            operation_begin(&trace->operation, name, slice_of_string(parent == NULL ? "" : parent),
                            &trace->settings.sampler, &trace->ids);
        }
    }
    if (status != 0) {
        fprintf(stderr, "%s: telemetry: %s\n", program, error.text);
    }
    if (!trace->operation.is_recorded) {
        free_trace(trace);
        return NULL;
    }
    return trace;
}

struct operation *pack_trace_operation(struct pack_trace *trace)
{
    return trace == NULL ? NULL : &trace->operation;
}

/* A command sends one signal alone, and once. */
static void send_spans(struct pack_trace *trace)
{
    struct exporter *exporter;
    struct error error = {""};
    const struct operation *operation = &trace->operation;
    trace->settings.targets[SIGNAL_METRICS].is_on = false;
    trace->settings.targets[SIGNAL_LOGS].is_on = false;
    if (exporter_open(&trace->settings, program, &exporter, &error) != 0) {
        fprintf(stderr, "%s: telemetry: %s\n", program, error.text);
        return;
    }
    int64_t until_ms = monotonic_ms() + PACK_TRACE_PATIENCE_MS;
    const struct slice spans = {(const char *)operation->spans.bytes, operation->spans.count};
    exporter_send(exporter, SIGNAL_TRACES, spans, operation->span_count, until_ms);
    while (!exporter_is_idle(exporter, SIGNAL_TRACES)) {
        exporter_turn(exporter, -1, PACK_TRACE_PATIENCE_MS);
    }
    exporter_close(exporter);
}

void pack_trace_end(struct pack_trace *trace, const struct error *error)
{
    if (trace == NULL) {
        return;
    }
    operation_end(&trace->operation, error == NULL ? NULL : error->text);
    send_spans(trace);
    free_trace(trace);
}
