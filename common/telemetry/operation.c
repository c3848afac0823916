#include "telemetry/operation.h"

#include "common/clock.h"

#include <time.h>

uint64_t operation_now_ns(void)
{
    return (uint64_t)clock_ns(CLOCK_REALTIME);
}

static bool is_recorded(const struct operation *operation)
{
    return operation != NULL && operation->is_recorded;
}

void operation_begin(struct operation *operation, const char *name, struct slice traceparent,
                     const struct sampler *sampler, struct id_source *ids)
{
    *operation = (struct operation){.name = name, .ids = ids};
    operation->attributes = protobuf_growing();
    operation->spans = protobuf_growing();
    operation->has_parent = traceparent_parse(traceparent, &operation->parent);
    struct trace_context *context = &operation->context;
    if (operation->has_parent) {
        *context = operation->parent;
    } else {
        id_source_trace(ids, context->trace_id);
    }
    id_source_span(ids, context->span_id);
    context->is_sampled = sampler_takes(sampler, operation->has_parent ? &operation->parent : NULL,
                                        context->trace_id);
    operation->is_recorded = context->is_sampled;
    operation->begin_ns = operation_now_ns();
}

static void end_phase(struct operation *operation, uint64_t now_ns, const char *failure)
{
    if (operation->phase == NULL) {
        return;
    }
    const struct otlp_span span = {
        .context = operation->phase_context,
        .parent = &operation->context,
        .name = slice_of_string(operation->phase),
        .kind = operation->phase_kind,
        .begin_ns = operation->phase_begin_ns,
        .end_ns = now_ns,
        .has_failed = failure != NULL,
        .failure = slice_of_string(failure == NULL ? "" : failure),
    };
    otlp_item_end(&operation->spans, otlp_span_begin(&operation->spans, &span));
    operation->span_count++;
    operation->phase = NULL;
}

static void begin_phase(struct operation *operation, const char *name, enum otlp_span_kind kind)
{
    uint64_t now_ns = operation_now_ns();
    end_phase(operation, now_ns, NULL);
    operation->phase = name;
    operation->phase_kind = kind;
    operation->phase_begin_ns = now_ns;
    operation->phase_context = operation->context;
    id_source_span(operation->ids, operation->phase_context.span_id);
}

void operation_phase(struct operation *operation, const char *name)
{
    if (is_recorded(operation)) {
        begin_phase(operation, name, OTLP_INTERNAL);
    }
}

void operation_call(struct operation *operation, const char *name,
                    char out_traceparent[TRACEPARENT_BYTES + 1])
{
    out_traceparent[0] = '\0';
    if (is_recorded(operation)) {
        begin_phase(operation, name, OTLP_CLIENT);
        traceparent_format(&operation->phase_context, out_traceparent);
    }
}

void operation_text(struct operation *operation, const char *key, struct slice value)
{
    if (is_recorded(operation)) {
        otlp_text(&operation->attributes, OTLP_SPAN, key, value, SIZE_MAX);
    }
}

void operation_number(struct operation *operation, const char *key, uint64_t value)
{
    if (is_recorded(operation)) {
        otlp_number(&operation->attributes, OTLP_SPAN, key, (int64_t)value);
    }
}

void operation_end(struct operation *operation, const char *failure)
{
    if (!is_recorded(operation)) {
        return;
    }
    uint64_t now_ns = operation_now_ns();
    end_phase(operation, now_ns, failure);
    const struct otlp_span span = {
        .context = operation->context,
        .parent = operation->has_parent ? &operation->parent : NULL,
        .has_remote_parent = operation->has_parent,
        .name = slice_of_string(operation->name),
        .kind = OTLP_INTERNAL,
        .begin_ns = operation->begin_ns,
        .end_ns = now_ns,
        .has_failed = failure != NULL,
        .failure = slice_of_string(failure == NULL ? "" : failure),
    };
    size_t begun = otlp_span_begin(&operation->spans, &span);
    protobuf_append(&operation->spans, (struct slice){(const char *)operation->attributes.bytes,
                                                      operation->attributes.count});
    otlp_item_end(&operation->spans, begun);
    operation->span_count++;
    operation->is_recorded = false;
}

void operation_fini(struct operation *operation)
{
    if (operation != NULL) {
        protobuf_fini(&operation->attributes);
        protobuf_fini(&operation->spans);
    }
}
