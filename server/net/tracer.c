#include "net/tracer.h"

#include "common/wake.h"
#include "http/method.h"
#include "telemetry/otlp.h"

#include <stdio.h>

uint64_t tracer_enough(const struct telemetry_batch *batch, size_t tracers)
{
    uint64_t share = batch->batch_items / tracers;
    return share > 0 ? share : 1;
}

int tracer_init(struct tracer *tracer, const struct telemetry_settings *settings, size_t tracers,
                int wake_fd, struct error *error)
{
    uint64_t spans = settings->spans.queue_items / tracers;
    uint64_t logs = settings->logs.queue_items / tracers;
    tracer->settings = settings;
    tracer->wake_fd = wake_fd;
    tracer->wake_at = tracer_enough(&settings->spans, tracers);
    tracer->logs_at = tracer_enough(&settings->logs, tracers);
    item_ring_init(&tracer->spans, spans > 0 ? spans : 1);
    item_ring_init(&tracer->logs, logs > 0 ? logs : 1);
    return id_source_init(&tracer->ids, error);
}

void tracer_fini(struct tracer *tracer)
{
    item_ring_fini(&tracer->spans);
    item_ring_fini(&tracer->logs);
}

/* ---- who the parent is ---- */

/* Fields of one name are one list (RFC 9110 §5.3). One that gets too long is void. */
static struct slice join_state(const struct request *request, char joined[TRACESTATE_BYTES_MAX])
{
    size_t count = 0;
    for (size_t i = 0; i < request->field_count; i++) {
        struct slice value = request->fields[i].value;
        if (!slice_equal_ignoring_case(request->fields[i].name, SLICE("tracestate"))) {
            continue;
        }
        if (count + 1 + value.count > TRACESTATE_BYTES_MAX) {
            return (struct slice){"", 0};
        }
        if (count > 0) {
            joined[count++] = ',';
        }
        memcpy(joined + count, value.bytes, value.count);
        count += value.count;
    }
    struct slice state = {joined, count};
    return tracestate_is_valid(state) ? state : (struct slice){"", 0};
}

/* One that comes twice is void, as is one that is no traceparent. */
static bool find_parent(const struct request *request, struct trace_context *out_parent)
{
    struct slice value;
    return request != NULL && request_has(request, FIELD_TRACEPARENT) &&
           request_field(request, FIELD_TRACEPARENT, &value) &&
           traceparent_parse(value, out_parent);
}

bool tracer_decide(struct tracer *tracer, const struct request *request)
{
    const struct telemetry_settings *settings = tracer->settings;
    struct trace_context *context = &tracer->context;
    tracer->has_parent = settings->reads_parents && find_parent(request, &tracer->parent);
    if (tracer->has_parent) {
        *context = tracer->parent;
    } else {
        id_source_trace(&tracer->ids, context->trace_id);
    }
    context->is_sampled =
        settings->targets[SIGNAL_TRACES].is_on &&
        sampler_takes(&settings->sampler, tracer->has_parent ? &tracer->parent : NULL,
                      context->trace_id);
    if (context->is_sampled) {
        id_source_span(&tracer->ids, context->span_id);
    }
    return context->is_sampled || settings->targets[SIGNAL_LOGS].is_on;
}

/* ---- attributes ---- */

struct attributes {
    struct protobuf *writer;
    enum otlp_owner owner;
    size_t bytes_max;
};

static void put(const struct attributes *to, const char *key, struct slice value)
{
    if (value.count > 0) {
        otlp_text(to->writer, to->owner, key, value, to->bytes_max);
    }
}

static void put_number(const struct attributes *to, const char *key, uint64_t value)
{
    otlp_number(to->writer, to->owner, key, (int64_t)value);
}

/* "example.org:8080", "[::1]:80": the name without brackets, and the port if there is one. */
static void put_host(const struct attributes *to, struct slice host)
{
    bool is_bracketed = slice_starts_with(host, SLICE("["));
    struct slice rest = is_bracketed ? slice_after(host, 1) : host;
    put(to, "server.address", slice_take(&rest, is_bracketed ? ']' : ':'));
    if (slice_starts_with(rest, SLICE(":"))) {
        rest = slice_after(rest, 1);
    }
    uint64_t port = 0;
    for (size_t i = 0; i < rest.count; i++) {
        bool is_digit = rest.bytes[i] >= '0' && rest.bytes[i] <= '9';
        port = is_digit && port <= UINT16_MAX ? port * 10 + (uint64_t)(rest.bytes[i] - '0') : 0;
    }
    if (port > 0 && port <= UINT16_MAX) {
        put_number(to, "server.port", port);
    }
}

static void put_address(const struct attributes *to, const char *key,
                        const struct ip_address *address)
{
    char text[IP_ADDRESS_TEXT_BYTES];
    ip_address_format(address, text);
    put(to, key, slice_of_string(text));
}

static void put_request(const struct attributes *to, const struct request *request)
{
    put(to, "url.path", request->path);
    put(to, "url.query", slice_after(request->query, 1));
    put(to, "network.protocol.version", request->version_minor == 0 ? SLICE("1.0") : SLICE("1.1"));
    put_host(to, request->host);
    for (size_t i = 0; i < request->field_count; i++) {
        if (slice_equal_ignoring_case(request->fields[i].name, SLICE("User-Agent"))) {
            put(to, "user_agent.original", request->fields[i].value);
            return;
        }
    }
}

static void put_answer(const struct attributes *to, const struct exchange *exchange)
{
    static const struct slice codings[CODEC_COUNT] = {
        [CODEC_IDENTITY] = {"identity", 8},
        [CODEC_GZIP] = {"gzip", 4},
        [CODEC_BR] = {"br", 2},
        [CODEC_ZSTD] = {"zstd", 4},
    };
    put_number(to, "http.response.status_code", exchange->status);
    put_number(to, "http.response.body.size", exchange->body_bytes);
    if (exchange->status >= 500) {
        char status[24];
        int count = snprintf(status, sizeof status, "%u", exchange->status);
        put(to, "error.type", (struct slice){status, (size_t)count});
    }
    if (!exchange->is_whole) {
        otlp_flag(to->writer, to->owner, "cairn.response.aborted", true);
    }
    if (exchange->codec < CODEC_COUNT) {
        put(to, "cairn.content_coding", codings[exchange->codec]);
    }
    if (exchange->site_id > 0) {
        put_number(to, "cairn.site.id", exchange->site_id);
        put_number(to, "cairn.release", exchange->release);
        put(to, "cairn.mount.host", exchange->host.count > 0 ? exchange->host : SLICE("*"));
        put(to, "cairn.mount.prefix", exchange->prefix.count > 0 ? exchange->prefix : SLICE("/"));
    }
}

static void put_attributes(const struct attributes *to, const struct exchange *exchange)
{
    put(to, "http.request.method", method_names[exchange->method]);
    if (exchange->method == METHOD_NAMES - 1) {
        struct slice line = exchange->line;
        put(to, "http.request.method_original", slice_take(&line, ' '));
    }
    put(to, "url.scheme", SLICE("http"));
    put_address(to, "client.address", &exchange->client);
    put_address(to, "network.peer.address", &exchange->peer);
    if (exchange->request != NULL) {
        put_request(to, exchange->request);
    }
    put_answer(to, exchange);
}

/* ---- items ---- */

static void send_item(struct tracer *tracer, struct item_ring *ring, const struct protobuf *writer,
                      uint64_t enough)
{
    if (writer->is_overfull) {
        item_ring_note_dropped(ring);
        return;
    }
    uint64_t waiting =
        item_ring_put(ring, (struct slice){(const char *)writer->bytes, writer->count});
    if (waiting > 0 && waiting == enough) {
        wake_eventfd(tracer->wake_fd);
    }
}

static void add_span(struct tracer *tracer, const struct exchange *exchange)
{
    char state[TRACESTATE_BYTES_MAX];
    bool is_known = exchange->method < METHOD_NAMES - 1;
    struct protobuf writer = protobuf_fixed(tracer->scratch, sizeof tracer->scratch);
    const struct otlp_span span = {
        .context = tracer->context,
        .parent = tracer->has_parent ? &tracer->parent : NULL,
        .has_remote_parent = tracer->has_parent,
        .trace_state =
            tracer->has_parent ? join_state(exchange->request, state) : (struct slice){"", 0},
        .name = is_known ? method_names[exchange->method] : SLICE("HTTP"),
        .kind = OTLP_SERVER,
        .begin_ns = (uint64_t)exchange->begun_ns,
        .end_ns = (uint64_t)exchange->begun_ns + exchange->duration_ns,
        .has_failed = exchange->status >= 500,
    };
    size_t begun = otlp_span_begin(&writer, &span);
    put_attributes(&(struct attributes){&writer, OTLP_SPAN, tracer->settings->value_bytes_max},
                   exchange);
    otlp_item_end(&writer, begun);
    send_item(tracer, &tracer->spans, &writer, tracer->wake_at);
}

static void add_record(struct tracer *tracer, const struct exchange *exchange,
                       const struct trace_context *context)
{
    struct protobuf writer = protobuf_fixed(tracer->scratch, sizeof tracer->scratch);
    struct slice line = exchange->line;
    line.count = line.count < tracer->settings->value_bytes_max ? line.count
                                                                : tracer->settings->value_bytes_max;
    const struct otlp_log_record record = {
        .time_ns = (uint64_t)exchange->begun_ns + exchange->duration_ns,
        .severity = exchange->status >= 500 ? OTLP_ERROR : OTLP_INFO,
        .body = line,
        .event_name = SLICE("cairn.http.access"),
        .context = context,
    };
    size_t begun = otlp_log_record_begin(&writer, &record);
    const struct attributes to = {&writer, OTLP_LOG_RECORD, tracer->settings->value_bytes_max};
    put_attributes(&to, exchange);
    put_number(&to, "cairn.duration_us", exchange->duration_ns / 1000);
    otlp_item_end(&writer, begun);
    send_item(tracer, &tracer->logs, &writer, tracer->logs_at);
}

void tracer_add(struct tracer *tracer, struct exchange *exchange)
{
    const struct trace_context *context = &tracer->context;
    bool has_context = context->is_sampled || tracer->has_parent;
    if (has_context) {
        memcpy(exchange->trace_id, context->trace_id, TRACE_ID_BYTES);
        memcpy(exchange->span_id, context->span_id, SPAN_ID_BYTES);
    }
    if (context->is_sampled) {
        add_span(tracer, exchange);
    }
    if (tracer->settings->targets[SIGNAL_LOGS].is_on) {
        add_record(tracer, exchange, has_context ? context : NULL);
    }
}
