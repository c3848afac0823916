/* The messages of OTLP (opentelemetry-proto 1.x) that are sent: spans, log records, metrics, and
 * the request around them. Each item is written as a field of the message that holds it, so that
 * items that were made apart, on any thread, are put together by copying. Text that is not UTF-8
 * would make a receiver refuse all of a request: each byte of it becomes U+FFFD. */
#ifndef CAIRN_TELEMETRY_OTLP_H
#define CAIRN_TELEMETRY_OTLP_H

#include "telemetry/protobuf.h"
#include "telemetry/trace_context.h"

/* Which field of a message its attributes are. */
enum otlp_owner {
    OTLP_RESOURCE = 1,
    OTLP_SPAN = 9,
    OTLP_LOG_RECORD = 6,
    OTLP_NUMBER_POINT = 7,
    OTLP_HISTOGRAM_POINT = 9,
};

/* An attribute, with the value's text cut to `bytes_max` at a character's end; without a limit,
 * SIZE_MAX. */
void otlp_text(struct protobuf *writer, enum otlp_owner owner, const char *key, struct slice value,
               size_t bytes_max);
void otlp_number(struct protobuf *writer, enum otlp_owner owner, const char *key, int64_t value);
void otlp_flag(struct protobuf *writer, enum otlp_owner owner, const char *key, bool value);

/* ---- spans ---- */

enum otlp_span_kind { OTLP_INTERNAL = 1, OTLP_SERVER = 2, OTLP_CLIENT = 3 };

struct otlp_span {
    struct trace_context context;
    const struct trace_context *parent; /* NULL: it begins the trace */
    bool has_remote_parent;             /* that is in another process */
    struct slice trace_state;
    struct slice name;
    enum otlp_span_kind kind;
    uint64_t begin_ns; /* Unix time */
    uint64_t end_ns;
    bool has_failed;
    struct slice failure; /* why, in words; may be empty */
};

/* Begins a span; its attributes follow, and otlp_item_end() with what is returned. */
size_t otlp_span_begin(struct protobuf *writer, const struct otlp_span *span);

/* ---- log records ---- */

/* Of the specification's ranges, their first numbers. */
enum otlp_severity { OTLP_INFO = 9, OTLP_WARN = 13, OTLP_ERROR = 17 };

struct otlp_log_record {
    uint64_t time_ns;
    enum otlp_severity severity;
    struct slice body;                   /* a sentence; may be empty */
    struct slice event_name;             /* what the attributes are those of; may be empty */
    const struct trace_context *context; /* NULL: it belongs to no span */
};

size_t otlp_log_record_begin(struct protobuf *writer, const struct otlp_log_record *record);

void otlp_item_end(struct protobuf *writer, size_t begun);

/* ---- metrics ---- */

enum otlp_metric_kind { OTLP_GAUGE, OTLP_SUM, OTLP_UP_DOWN_SUM, OTLP_HISTOGRAM };

/* A metric, begun; its points follow. Sums and histograms are cumulative. */
struct otlp_metric {
    enum otlp_metric_kind kind;
    size_t metric, data; /* of protobuf_end() */
};

struct otlp_metric otlp_metric_begin(struct protobuf *writer, enum otlp_metric_kind kind,
                                     const char *name, const char *unit, const char *description);
void otlp_metric_end(struct protobuf *writer, const struct otlp_metric *metric);

/* From when to when; Unix time. */
struct otlp_period {
    uint64_t begin_ns;
    uint64_t end_ns;
};

/* A point, whose attributes (OTLP_NUMBER_POINT, OTLP_HISTOGRAM_POINT) and otlp_item_end() follow.
 */
size_t otlp_integer_begin(struct protobuf *writer, struct otlp_period period, int64_t value);
size_t otlp_double_begin(struct protobuf *writer, struct otlp_period period, double value);

struct otlp_histogram {
    const double *bounds; /* upper ones, included; ascending */
    size_t bound_count;
    const uint64_t *counts; /* of each bucket, one more than bounds */
    double sum;
};
size_t otlp_histogram_begin(struct protobuf *writer, struct otlp_period period,
                            const struct otlp_histogram *histogram);

/* ---- requests ---- */

/* The request that carries `items`, whichever signal they are of, from the resource whose
 * attributes are `resource`. */
void otlp_request(struct protobuf *writer, struct slice resource, struct slice items);

/* What a receiver that took the request says of it. */
struct otlp_response {
    uint64_t rejected;    /* items that it did not take */
    struct slice message; /* why, or something to be told; may be empty */
};

/* Reads it. False: it is none. */
bool otlp_response_parse(struct slice bytes, struct otlp_response *out_response);

#endif
