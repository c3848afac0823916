#include "telemetry/otlp.h"

#include "common/utf8.h"

/* ---- text ---- */

/* How many bytes at the start are UTF-8. */
static size_t good_bytes(struct slice text)
{
    size_t at = 0;
    while (at < text.count) {
        bool is_plain = (signed char)text.bytes[at] > 0; /* nearly all are */
        size_t bytes = is_plain ? 1 : utf8_sequence_bytes(text.bytes + at, text.count - at);
        if (bytes == 0) {
            break;
        }
        at += bytes;
    }
    return at;
}

/* No more than `bytes_max`, and no part of a character at the end. */
static struct slice cut(struct slice text, size_t bytes_max)
{
    if (text.count > bytes_max) {
        text.count = bytes_max;
        while (text.count > 0 && ((unsigned char)text.bytes[text.count] & 0xc0) == 0x80) {
            text.count--;
        }
    }
    return text;
}

static void put_text(struct protobuf *writer, unsigned field, struct slice text)
{
    size_t good = good_bytes(text);
    if (good == text.count) {
        protobuf_bytes(writer, field, text);
        return;
    }
    size_t begun = protobuf_begin(writer, field);
    while (text.count > 0) {
        protobuf_append(writer, (struct slice){text.bytes, good});
        text = slice_after(text, good);
        if (text.count > 0) {
            protobuf_append(writer, SLICE("\xef\xbf\xbd"));
            text = slice_after(text, 1);
        }
        good = good_bytes(text);
    }
    protobuf_end(writer, begun);
}

static void put_string(struct protobuf *writer, unsigned field, const char *text)
{
    protobuf_bytes(writer, field, slice_of_string(text));
}

static void put_id(struct protobuf *writer, unsigned field, const uint8_t *id, size_t count)
{
    protobuf_bytes(writer, field, (struct slice){(const char *)id, count});
}

/* ---- attributes ---- */

enum { KEY_VALUE_KEY = 1, KEY_VALUE_VALUE = 2 };
enum { ANY_STRING = 1, ANY_BOOL = 2, ANY_INT = 3 };

void otlp_text(struct protobuf *writer, enum otlp_owner owner, const char *key, struct slice value,
               size_t bytes_max)
{
    size_t attribute = protobuf_begin(writer, owner);
    put_string(writer, KEY_VALUE_KEY, key);
    size_t any = protobuf_begin(writer, KEY_VALUE_VALUE);
    put_text(writer, ANY_STRING, cut(value, bytes_max));
    protobuf_end(writer, any);
    protobuf_end(writer, attribute);
}

void otlp_number(struct protobuf *writer, enum otlp_owner owner, const char *key, int64_t value)
{
    size_t attribute = protobuf_begin(writer, owner);
    put_string(writer, KEY_VALUE_KEY, key);
    size_t any = protobuf_begin(writer, KEY_VALUE_VALUE);
    protobuf_varint(writer, ANY_INT, (uint64_t)value);
    protobuf_end(writer, any);
    protobuf_end(writer, attribute);
}

void otlp_flag(struct protobuf *writer, enum otlp_owner owner, const char *key, bool value)
{
    size_t attribute = protobuf_begin(writer, owner);
    put_string(writer, KEY_VALUE_KEY, key);
    size_t any = protobuf_begin(writer, KEY_VALUE_VALUE);
    protobuf_bool(writer, ANY_BOOL, value);
    protobuf_end(writer, any);
    protobuf_end(writer, attribute);
}

/* ---- items ---- */

enum { SCOPE_ITEMS = 2 }; /* of ScopeSpans, ScopeLogs, ScopeMetrics */

enum {
    SPAN_TRACE_ID = 1,
    SPAN_ID = 2,
    SPAN_TRACE_STATE = 3,
    SPAN_PARENT_ID = 4,
    SPAN_NAME = 5,
    SPAN_KIND = 6,
    SPAN_BEGIN = 7,
    SPAN_END = 8,
    SPAN_STATUS = 15,
    SPAN_FLAGS = 16,
    STATUS_MESSAGE = 2,
    STATUS_CODE = 3,
    STATUS_ERROR = 2,
};

/* SpanFlags: the trace's own, whether it is known that a parent is remote, and that it is. */
enum { FLAG_SAMPLED = 1, FLAG_KNOWS_REMOTE = 0x100, FLAG_IS_REMOTE = 0x200 };

size_t otlp_span_begin(struct protobuf *writer, const struct otlp_span *span)
{
    size_t begun = protobuf_begin(writer, SCOPE_ITEMS);
    put_id(writer, SPAN_TRACE_ID, span->context.trace_id, TRACE_ID_BYTES);
    put_id(writer, SPAN_ID, span->context.span_id, SPAN_ID_BYTES);
    if (span->trace_state.count > 0) {
        put_text(writer, SPAN_TRACE_STATE, span->trace_state);
    }
    if (span->parent != NULL) {
        put_id(writer, SPAN_PARENT_ID, span->parent->span_id, SPAN_ID_BYTES);
    }
    put_text(writer, SPAN_NAME, span->name);
    protobuf_varint(writer, SPAN_KIND, span->kind);
    protobuf_fixed64(writer, SPAN_BEGIN, span->begin_ns);
    protobuf_fixed64(writer, SPAN_END, span->end_ns);
    protobuf_fixed32(writer, SPAN_FLAGS,
                     (span->context.is_sampled ? FLAG_SAMPLED : 0u) | FLAG_KNOWS_REMOTE |
                         (span->has_remote_parent ? FLAG_IS_REMOTE : 0u));
    if (span->has_failed) {
        size_t status = protobuf_begin(writer, SPAN_STATUS);
        if (span->failure.count > 0) {
            put_text(writer, STATUS_MESSAGE, span->failure);
        }
        protobuf_varint(writer, STATUS_CODE, STATUS_ERROR);
        protobuf_end(writer, status);
    }
    return begun;
}

enum {
    LOG_TIME = 1,
    LOG_SEVERITY = 2,
    LOG_SEVERITY_TEXT = 3,
    LOG_BODY = 5,
    LOG_FLAGS = 8,
    LOG_TRACE_ID = 9,
    LOG_SPAN_ID = 10,
    LOG_OBSERVED_TIME = 11,
    LOG_EVENT_NAME = 12,
};

size_t otlp_log_record_begin(struct protobuf *writer, const struct otlp_log_record *record)
{
    const char *severity = record->severity >= OTLP_ERROR  ? "ERROR"
                           : record->severity >= OTLP_WARN ? "WARN"
                                                           : "INFO";
    size_t begun = protobuf_begin(writer, SCOPE_ITEMS);
    protobuf_fixed64(writer, LOG_TIME, record->time_ns);
    protobuf_fixed64(writer, LOG_OBSERVED_TIME, record->time_ns);
    protobuf_varint(writer, LOG_SEVERITY, record->severity);
    put_string(writer, LOG_SEVERITY_TEXT, severity);
    if (record->body.count > 0) {
        size_t any = protobuf_begin(writer, LOG_BODY);
        put_text(writer, ANY_STRING, record->body);
        protobuf_end(writer, any);
    }
    if (record->context != NULL) {
        protobuf_fixed32(writer, LOG_FLAGS, record->context->is_sampled ? FLAG_SAMPLED : 0);
        put_id(writer, LOG_TRACE_ID, record->context->trace_id, TRACE_ID_BYTES);
        put_id(writer, LOG_SPAN_ID, record->context->span_id, SPAN_ID_BYTES);
    }
    if (record->event_name.count > 0) {
        put_text(writer, LOG_EVENT_NAME, record->event_name);
    }
    return begun;
}

void otlp_item_end(struct protobuf *writer, size_t begun)
{
    protobuf_end(writer, begun);
}

/* ---- metrics ---- */

enum {
    METRIC_NAME = 1,
    METRIC_DESCRIPTION = 2,
    METRIC_UNIT = 3,
    METRIC_GAUGE = 5,
    METRIC_SUM = 7,
    METRIC_HISTOGRAM = 9,
    DATA_POINTS = 1,
    DATA_TEMPORALITY = 2,
    DATA_IS_MONOTONIC = 3,
    CUMULATIVE = 2,
};

struct otlp_metric otlp_metric_begin(struct protobuf *writer, enum otlp_metric_kind kind,
                                     const char *name, const char *unit, const char *description)
{
    static const unsigned fields[] = {
        [OTLP_GAUGE] = METRIC_GAUGE,
        [OTLP_SUM] = METRIC_SUM,
        [OTLP_UP_DOWN_SUM] = METRIC_SUM,
        [OTLP_HISTOGRAM] = METRIC_HISTOGRAM,
    };
    struct otlp_metric metric = {.kind = kind, .metric = protobuf_begin(writer, SCOPE_ITEMS)};
    put_string(writer, METRIC_NAME, name);
    put_string(writer, METRIC_DESCRIPTION, description);
    put_string(writer, METRIC_UNIT, unit);
    metric.data = protobuf_begin(writer, fields[kind]);
    return metric;
}

void otlp_metric_end(struct protobuf *writer, const struct otlp_metric *metric)
{
    if (metric->kind != OTLP_GAUGE) {
        protobuf_varint(writer, DATA_TEMPORALITY, CUMULATIVE);
    }
    if (metric->kind == OTLP_SUM) {
        protobuf_bool(writer, DATA_IS_MONOTONIC, true);
    }
    protobuf_end(writer, metric->data);
    protobuf_end(writer, metric->metric);
}

enum {
    POINT_BEGIN = 2,
    POINT_TIME = 3,
    NUMBER_DOUBLE = 4,
    NUMBER_INT = 6,
    HISTOGRAM_COUNT = 4,
    HISTOGRAM_SUM = 5,
    HISTOGRAM_BUCKETS = 6,
    HISTOGRAM_BOUNDS = 7,
};

static size_t begin_point(struct protobuf *writer, struct otlp_period period)
{
    size_t begun = protobuf_begin(writer, DATA_POINTS);
    protobuf_fixed64(writer, POINT_BEGIN, period.begin_ns);
    protobuf_fixed64(writer, POINT_TIME, period.end_ns);
    return begun;
}

size_t otlp_integer_begin(struct protobuf *writer, struct otlp_period period, int64_t value)
{
    size_t begun = begin_point(writer, period);
    protobuf_fixed64(writer, NUMBER_INT, (uint64_t)value);
    return begun;
}

size_t otlp_double_begin(struct protobuf *writer, struct otlp_period period, double value)
{
    size_t begun = begin_point(writer, period);
    protobuf_double(writer, NUMBER_DOUBLE, value);
    return begun;
}

size_t otlp_histogram_begin(struct protobuf *writer, struct otlp_period period,
                            const struct otlp_histogram *histogram)
{
    uint64_t count = 0;
    for (size_t i = 0; i <= histogram->bound_count; i++) {
        count += histogram->counts[i];
    }
    size_t begun = begin_point(writer, period);
    protobuf_fixed64(writer, HISTOGRAM_COUNT, count);
    protobuf_double(writer, HISTOGRAM_SUM, histogram->sum);
    protobuf_packed_fixed64(writer, HISTOGRAM_BUCKETS, histogram->counts,
                            histogram->bound_count + 1);
    protobuf_packed_double(writer, HISTOGRAM_BOUNDS, histogram->bounds, histogram->bound_count);
    return begun;
}

/* ---- requests ---- */

enum {
    REQUEST_RESOURCE_ITEMS = 1,
    RESOURCE_ITEMS_RESOURCE = 1,
    RESOURCE_ITEMS_SCOPE_ITEMS = 2,
    SCOPE_ITEMS_SCOPE = 1,
    SCOPE_NAME = 1,
    SCOPE_VERSION = 2,
};

void otlp_request(struct protobuf *writer, struct slice resource, struct slice items)
{
    size_t resource_items = protobuf_begin(writer, REQUEST_RESOURCE_ITEMS);
    protobuf_bytes(writer, RESOURCE_ITEMS_RESOURCE, resource);
    size_t scope_items = protobuf_begin(writer, RESOURCE_ITEMS_SCOPE_ITEMS);
    size_t scope = protobuf_begin(writer, SCOPE_ITEMS_SCOPE);
    put_string(writer, SCOPE_NAME, "cairn");
    put_string(writer, SCOPE_VERSION, CAIRN_VERSION);
    protobuf_end(writer, scope);
    protobuf_append(writer, items);
    protobuf_end(writer, scope_items);
    protobuf_end(writer, resource_items);
}

enum { RESPONSE_PARTIAL_SUCCESS = 1, PARTIAL_REJECTED = 1, PARTIAL_MESSAGE = 2 };

static bool parse_partial_success(struct slice bytes, struct otlp_response *response)
{
    struct protobuf_field field;
    enum protobuf_read read;
    while ((read = protobuf_next(&bytes, &field)) == PROTOBUF_FIELD) {
        if (field.number == PARTIAL_REJECTED && field.type == PROTOBUF_VARINT) {
            response->rejected = field.value;
        } else if (field.number == PARTIAL_MESSAGE && field.type == PROTOBUF_BYTES) {
            response->message = field.bytes;
        }
    }
    return read == PROTOBUF_END;
}

bool otlp_response_parse(struct slice bytes, struct otlp_response *out_response)
{
    struct otlp_response response = {.message = {"", 0}};
    struct protobuf_field field;
    enum protobuf_read read;
    while ((read = protobuf_next(&bytes, &field)) == PROTOBUF_FIELD) {
        if (field.number == RESPONSE_PARTIAL_SUCCESS && field.type == PROTOBUF_BYTES &&
            !parse_partial_success(field.bytes, &response)) {
            return false;
        }
    }
    if (read != PROTOBUF_END) {
        return false;
    }
    *out_response = response;
    return true;
}
