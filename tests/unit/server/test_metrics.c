/* The text of metrics: both forms to the letter, and what Accept makes of them. */
#include "server/metrics/metrics.h"

#include <criterion/criterion.h>
#include <inttypes.h>
#include <stdlib.h>

/* ---- forms ---- */

static char *expose(enum metrics_format format, void (*write)(struct exposition *exposition))
{
    char *text = NULL;
    size_t count;
    struct exposition exposition = {.stream = open_memstream(&text, &count), .format = format};
    write(&exposition);
    exposition_end(&exposition);
    fclose(exposition.stream);
    return text;
}

static void expect_text(enum metrics_format format, void (*write)(struct exposition *exposition),
                        const char *wanted)
{
    char *text = expose(format, write);
    cr_expect(strcmp(text, wanted) == 0, "wanted:\n%s\ngot:\n%s", wanted, text);
    free(text);
}

static void write_counter(struct exposition *to)
{
    exposition_family(to, &(struct metric){"x_bytes", METRIC_COUNTER, "bytes", "Of \"a\\b\"\nc."});
    exposition_number(to, UINT64_MAX);
    exposition_labels(to, (struct metric_label){"host", "a\"b\\c\nd"},
                      (struct metric_label){"status", "2xx"});
    exposition_number(to, 0);
}

static void write_info(struct exposition *to)
{
    exposition_family(to, &(struct metric){"x", METRIC_INFO, NULL, "An x."});
    exposition_label(to, "version", "1.2");
    exposition_number(to, 1);
}

static void write_histogram(struct exposition *to)
{
    exposition_family(to, &(struct metric){"x_seconds", METRIC_HISTOGRAM, "seconds", "An x."});
    exposition_label(to, "host", "");
    exposition_bucket(to, "0.5", 1);
    exposition_bucket(to, "+Inf", 3);
    exposition_count(to, 3, 12000034);
}

Test(metrics, openmetrics_to_the_letter)
{
    expect_text(
        METRICS_OPENMETRICS, write_counter,
        "# HELP x_bytes Of \\\"a\\\\b\\\"\\nc.\n# TYPE x_bytes counter\n# UNIT x_bytes bytes\n"
        "x_bytes_total 18446744073709551615\n"
        "x_bytes_total{host=\"a\\\"b\\\\c\\nd\",status=\"2xx\"} 0\n# EOF\n");
    expect_text(METRICS_OPENMETRICS, write_info,
                "# HELP x An x.\n# TYPE x info\nx_info{version=\"1.2\"} 1\n# EOF\n");
    expect_text(
        METRICS_OPENMETRICS, write_histogram,
        "# HELP x_seconds An x.\n# TYPE x_seconds histogram\n# UNIT x_seconds seconds\n"
        "x_seconds_bucket{host=\"\",le=\"0.5\"} 1\nx_seconds_bucket{host=\"\",le=\"+Inf\"} 3\n"
        "x_seconds_count{host=\"\"} 3\nx_seconds_sum{host=\"\"} 12.000034\n# EOF\n");
}

Test(metrics, the_older_form_to_the_letter)
{
    expect_text(METRICS_TEXT, write_counter,
                "# HELP x_bytes_total Of \"a\\\\b\"\\nc.\n# TYPE x_bytes_total counter\n"
                "x_bytes_total 18446744073709551615\n"
                "x_bytes_total{host=\"a\\\"b\\\\c\\nd\",status=\"2xx\"} 0\n");
    expect_text(METRICS_TEXT, write_info,
                "# HELP x_info An x.\n# TYPE x_info gauge\nx_info{version=\"1.2\"} 1\n");
}

Test(metrics, what_accept_asks_for)
{
#define OPEN "application/openmetrics-text"
    static const struct {
        const char *accept;
        enum metrics_format format;
    } rows[] = {
        {"", METRICS_TEXT},
        {"*/*", METRICS_TEXT},
        {"text/html,application/xhtml+xml,*/*;q=0.8", METRICS_TEXT},
        {OPEN, METRICS_OPENMETRICS},
        {"Application/OpenMetrics-Text; Version=1.0.0", METRICS_OPENMETRICS},
        {OPEN ";version=0.0.1", METRICS_TEXT},
        {OPEN ";version=2.0.0", METRICS_TEXT},
        {OPEN ";version=1.0.0;q=0", METRICS_TEXT},
        {OPEN ";version=1.0.0;q=2", METRICS_TEXT},
        {OPEN "x", METRICS_TEXT},
        {"text/plain;q=0.5, " OPEN " ; version=1.0.0 ; q=0.5", METRICS_OPENMETRICS},
        {"text/plain, " OPEN ";q=0.5", METRICS_TEXT},
        {"text/plain;version=1;q=1," OPEN ";q=0.5", METRICS_OPENMETRICS},
        {",;,;q=1,", METRICS_TEXT},
        /* Prometheus 2.42, and 3 */
        {OPEN ";version=1.0.0," OPEN
              ";version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
         METRICS_OPENMETRICS},
        {OPEN ";version=1.0.0;escaping=allow-utf-8;q=0.6," OPEN
              ";version=0.0.1;q=0.5,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,text/"
              "plain;version=0.0.4;q=0.3,*/*;q=0.2",
         METRICS_OPENMETRICS},
    };
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        cr_expect(metrics_select(slice_of_string(rows[i].accept)) == rows[i].format, "\"%s\"",
                  rows[i].accept);
    }
}

/* ---- the whole ---- */

static char *write_all(const struct metrics_snapshot *snapshot, enum metrics_format format)
{
    char *text = NULL;
    size_t count;
    FILE *stream = open_memstream(&text, &count);
    metrics_write(snapshot, format, stream);
    fclose(stream);
    return text;
}

static char host_names[][24] = {"", "*", "*.example.com", "www.example.com"};
static char prefixes[][8] = {"/", "/docs"};

/* Every number is another one. */
static void make_snapshot(struct metrics_snapshot *snapshot, struct metrics_host hosts[4],
                          struct metrics_site sites[2])
{
    *snapshot = (struct metrics_snapshot){.started_s = 1700000000,
                                          .host_count = 4,
                                          .hosts = hosts,
                                          .site_count = 2,
                                          .sites = sites,
                                          .process = {.cpu_us = 1500000}};
    for (size_t i = 0; i < 4; i++) {
        hosts[i] = (struct metrics_host){.name = host_names[i],
                                         .body_bytes = 1000 + i,
                                         .answers = {[1] = {10 * i, 1, 2, 3, 4}, [3] = {[4] = i}}};
    }
    for (size_t i = 0; i < 2; i++) {
        sites[i] = (struct metrics_site){.host = host_names[2 + i],
                                         .prefix = prefixes[i],
                                         .release = 41 + i,
                                         .is_damaged = i == 1};
    }
    for (size_t i = 0; i <= DURATION_BOUNDS; i++) {
        snapshot->durations[i] = i + 1;
    }
    snapshot->duration_ns = 2500000000;
}

/* `line` with its end. */
static bool has_line(const char *text, const char *line)
{
    size_t count = strlen(line);
    while (strncmp(text, line, count) != 0) {
        text = strchr(text, '\n');
        if (text == NULL) {
            return false;
        }
        text++;
    }
    return true;
}

Test(metrics, numbers_are_where_they_belong)
{
    static const char *const lines[] = {
        "cairn_build_info{version=\"" CAIRN_VERSION "\"} 1\n",
        "cairn_http_requests_total{host=\"\",status=\"2xx\"} 10\n",
        "cairn_http_requests_total{host=\"*\",status=\"2xx\"} 20\n",
        "cairn_http_requests_total{host=\"www.example.com\",status=\"4xx\"} 3\n",
        "cairn_http_requests_total{host=\"www.example.com\",status=\"5xx\"} 0\n",
        "cairn_http_representations_total{host=\"*.example.com\",coding=\"identity\"} 20\n",
        "cairn_http_representations_total{host=\"*.example.com\",coding=\"br\"} 2\n",
        "cairn_http_response_body_bytes_total{host=\"*.example.com\"} 1002\n",
        "cairn_site_release{host=\"*.example.com\",prefix=\"/\"} 41\n",
        "cairn_site_damaged{host=\"www.example.com\",prefix=\"/docs\"} 1\n",
        "cairn_http_request_duration_seconds_sum 2.500000\n",
        "process_cpu_seconds_total 1.500000\n",
        "process_start_time_seconds 1700000000\n",
    };
    struct metrics_snapshot snapshot;
    struct metrics_host hosts[4];
    struct metrics_site sites[2];
    make_snapshot(&snapshot, hosts, sites);
    for (int format = METRICS_TEXT; format <= METRICS_OPENMETRICS; format++) {
        char *text = write_all(&snapshot, (enum metrics_format)format);
        for (size_t i = 0; i < ARRAY_COUNT(lines); i++) {
            cr_expect(has_line(text, lines[i]), "%s", lines[i]);
        }
        cr_expect(strstr(text, "process_open_fds") == NULL, "nobody knows how many");
        free(text);
    }
}

Test(metrics, buckets_are_cumulative)
{
    struct metrics_snapshot snapshot;
    struct metrics_host hosts[4];
    struct metrics_site sites[2];
    make_snapshot(&snapshot, hosts, sites);
    char *text = write_all(&snapshot, METRICS_OPENMETRICS);
    static const char name[] = "\ncairn_http_request_duration_seconds_bucket{le=\"";
    const char *at = text;
    uint64_t wanted = 0;
    size_t buckets = 0;
    double bound = 0;
    while ((at = strstr(at, name)) != NULL) {
        char *end;
        double next = strtod(at + sizeof name - 1, &end); /* takes +Inf */
        wanted += ++buckets;
        cr_expect(next > bound, "%s", end);
        cr_expect(strtoull(end + strlen("\"} "), NULL, 10) == wanted, "%.80s", at);
        bound = next;
        at = end;
    }
    char count[80];
    snprintf(count, sizeof count, "\ncairn_http_request_duration_seconds_count %" PRIu64 "\n",
             wanted);
    cr_expect(buckets == DURATION_BOUNDS + 1 && strstr(text, count) != NULL);
    free(text);
}
