/* The two text forms of metrics: OpenMetrics 1.0 (https://openmetrics.io) and the older one of
 * Prometheus ("Exposition formats" in its documentation). A family is begun, then its samples are
 * written. One thread. */
#ifndef CAIRN_SERVER_EXPOSITION_H
#define CAIRN_SERVER_EXPOSITION_H

#include "common/slice.h"

#include <stdio.h>

enum metrics_format {
    METRICS_TEXT,        /* of Prometheus, version 0.0.4 */
    METRICS_OPENMETRICS, /* 1.0 */
};

/* The form that a client prefers, by the value of its Accept field (RFC 9110 §12.5.1; empty: it has
 * none). Who does not ask for OpenMetrics 1.0 gets the older one. */
enum metrics_format metrics_select(struct slice accept);

/* For Content-Type. Static. */
const char *metrics_media_type(enum metrics_format format);

enum metric_type {
    METRIC_COUNTER,
    METRIC_GAUGE,
    METRIC_INFO,
    METRIC_HISTOGRAM,
    METRIC_SUMMARY,
};

struct metric {
    const char *name; /* with its unit, without "_total" or "_info" */
    enum metric_type type;
    const char *unit; /* the end of the name; NULL: it has none */
    const char *help; /* one line */
};

/* A value of NULL: the label is not there. */
struct metric_label {
    const char *name;
    const char *value;
};

enum { METRIC_LABELS_MAX = 2 };

struct exposition {
    FILE *stream;
    enum metrics_format format;
    const struct metric *metric;
    struct metric_label labels[METRIC_LABELS_MAX]; /* of the samples that follow */
};

/* Begins a family; samples have no labels. */
void exposition_family(struct exposition *exposition, const struct metric *metric);

/* The labels of the samples from here on. */
void exposition_label(struct exposition *exposition, const char *name, const char *value);
void exposition_labels(struct exposition *exposition, struct metric_label first,
                       struct metric_label second);

/* The sample of a counter, gauge or info. */
void exposition_number(struct exposition *exposition, uint64_t number);
void exposition_time(struct exposition *exposition, uint64_t microseconds);

/* The samples of a histogram or summary: of a histogram, each bucket from the first bound on, with
 * the number of observations up to it, then the rest. */
void exposition_bucket(struct exposition *exposition, const char *bound, uint64_t count_so_far);
void exposition_count(struct exposition *exposition, uint64_t count, uint64_t sum_microseconds);

/* What has to stand at the end. */
void exposition_end(struct exposition *exposition);

#endif
