#include "server/metrics/exposition.h"

#include "http/accept.h"

#include <inttypes.h>

const char *metrics_media_type(enum metrics_format format)
{
    return format == METRICS_OPENMETRICS
               ? "application/openmetrics-text; version=1.0.0; charset=utf-8"
               : "text/plain; version=0.0.4; charset=utf-8";
}

/* One member of an Accept field, without its parameters; *out_version is one of them. Returns its
 * quality in thousandths. */
static int take_media_range(struct slice member, struct slice *out_type, struct slice *out_version)
{
    int quality = 1000;
    *out_version = (struct slice){"", 0};
    *out_type = slice_trim(slice_take(&member, ';'));
    while (member.count > 0) {
        struct slice value = slice_take(&member, ';');
        struct slice name = slice_trim(slice_take(&value, '='));
        value = slice_trim(value);
        if (slice_equal_ignoring_case(name, SLICE("q"))) {
            quality = accept_quality(value);
        } else if (slice_equal_ignoring_case(name, SLICE("version"))) {
            *out_version = value;
        }
    }
    return quality;
}

static bool is_one_of(struct slice text, struct slice a, struct slice b)
{
    return slice_equal_ignoring_case(text, a) || slice_equal_ignoring_case(text, b);
}

enum metrics_format metrics_select(struct slice accept)
{
    int open = 0;
    int plain = 0;
    while (accept.count > 0) {
        struct slice type, version;
        int quality = take_media_range(slice_take(&accept, ','), &type, &version);
        if (slice_equal_ignoring_case(type, SLICE("application/openmetrics-text")) &&
            is_one_of(version, SLICE(""), SLICE("1.0.0")) && quality > open) {
            open = quality;
        } else if (slice_equal_ignoring_case(type, SLICE("text/plain")) &&
                   is_one_of(version, SLICE(""), SLICE("0.0.4")) && quality > plain) {
            plain = quality;
        }
    }
    return open > 0 && open >= plain ? METRICS_OPENMETRICS : METRICS_TEXT;
}

static const char *type_name(enum metrics_format format, enum metric_type type)
{
    static const char *const names[] = {
        [METRIC_COUNTER] = "counter",     [METRIC_GAUGE] = "gauge",     [METRIC_INFO] = "info",
        [METRIC_HISTOGRAM] = "histogram", [METRIC_SUMMARY] = "summary",
    };
    /* the older form knows no info: it is a gauge that is always 1 */
    return names[type == METRIC_INFO && format == METRICS_TEXT ? METRIC_GAUGE : type];
}

/* What a sample's name has behind that of its family. */
static const char *sample_suffix(enum metric_type type)
{
    return type == METRIC_COUNTER ? "_total" : type == METRIC_INFO ? "_info" : "";
}

/* In HELP the older form leaves double quotes alone; in label values both forms have all three. */
static void put_escaped(FILE *stream, const char *text, bool with_quotes)
{
    for (; *text != '\0'; text++) {
        if (*text == '\n') {
            fputs("\\n", stream);
            continue;
        }
        if (*text == '\\' || (*text == '"' && with_quotes)) {
            fputc('\\', stream);
        }
        fputc(*text, stream);
    }
}

/* The family of a counter is called like its samples in the older form, and without their "_total"
 * in OpenMetrics. */
void exposition_family(struct exposition *exposition, const struct metric *metric)
{
    bool is_open = exposition->format == METRICS_OPENMETRICS;
    const char *suffix = is_open ? "" : sample_suffix(metric->type);
    FILE *stream = exposition->stream;
    exposition->metric = metric;
    memset(exposition->labels, 0, sizeof exposition->labels);
    fprintf(stream, "# HELP %s%s ", metric->name, suffix);
    put_escaped(stream, metric->help, is_open);
    fprintf(stream, "\n# TYPE %s%s %s\n", metric->name, suffix,
            type_name(exposition->format, metric->type));
    if (is_open && metric->unit != NULL) {
        fprintf(stream, "# UNIT %s %s\n", metric->name, metric->unit);
    }
}

void exposition_label(struct exposition *exposition, const char *name, const char *value)
{
    exposition_labels(exposition, (struct metric_label){name, value}, (struct metric_label){0});
}

void exposition_labels(struct exposition *exposition, struct metric_label first,
                       struct metric_label second)
{
    exposition->labels[0] = first;
    exposition->labels[1] = second;
}

/* Name and labels, up to the value. `bound`: of a bucket, or NULL. */
static void begin_sample(const struct exposition *exposition, const char *suffix, const char *bound)
{
    FILE *stream = exposition->stream;
    const char *before = "{";
    fprintf(stream, "%s%s", exposition->metric->name, suffix);
    for (size_t i = 0; i < METRIC_LABELS_MAX; i++) {
        const struct metric_label *label = &exposition->labels[i];
        if (label->value != NULL) {
            fprintf(stream, "%s%s=\"", before, label->name);
            put_escaped(stream, label->value, true);
            fputc('"', stream);
            before = ",";
        }
    }
    if (bound != NULL) {
        fprintf(stream, "%sle=\"%s\"", before, bound);
        before = ",";
    }
    fputs(*before == ',' ? "} " : " ", stream);
}

static void put_time(FILE *stream, uint64_t microseconds)
{
    fprintf(stream, "%" PRIu64 ".%06" PRIu64 "\n", microseconds / 1000000, microseconds % 1000000);
}

void exposition_number(struct exposition *exposition, uint64_t number)
{
    begin_sample(exposition, sample_suffix(exposition->metric->type), NULL);
    fprintf(exposition->stream, "%" PRIu64 "\n", number);
}

void exposition_time(struct exposition *exposition, uint64_t microseconds)
{
    begin_sample(exposition, sample_suffix(exposition->metric->type), NULL);
    put_time(exposition->stream, microseconds);
}

void exposition_bucket(struct exposition *exposition, const char *bound, uint64_t count_so_far)
{
    begin_sample(exposition, "_bucket", bound);
    fprintf(exposition->stream, "%" PRIu64 "\n", count_so_far);
}

void exposition_count(struct exposition *exposition, uint64_t count, uint64_t sum_microseconds)
{
    begin_sample(exposition, "_count", NULL);
    fprintf(exposition->stream, "%" PRIu64 "\n", count);
    begin_sample(exposition, "_sum", NULL);
    put_time(exposition->stream, sum_microseconds);
}

void exposition_end(struct exposition *exposition)
{
    if (exposition->format == METRICS_OPENMETRICS) {
        fputs("# EOF\n", exposition->stream);
    }
}
