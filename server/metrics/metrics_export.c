#include "server/metrics/metrics_export.h"

#include "net/limit_hit.h"

struct export
{
    const struct metrics_snapshot *snapshot;
    struct protobuf *items;
    struct otlp_period period;
    uint64_t count; /* metrics so far */
};

/* ---- points ---- */

struct attribute {
    const char *key;
    const char *value;
};

static void put_point(struct export *to, uint64_t value, const struct attribute *attributes,
                      size_t count)
{
    size_t begun = otlp_integer_begin(to->items, to->period, (int64_t)value);
    for (size_t i = 0; i < count; i++) {
        otlp_text(to->items, OTLP_NUMBER_POINT, attributes[i].key,
                  slice_of_string(attributes[i].value), SIZE_MAX);
    }
    otlp_item_end(to->items, begun);
}

static void put_point_of(struct export *to, uint64_t value, const char *key, const char *name)
{
    put_point(to, value, &(struct attribute){key, name}, 1);
}

static struct otlp_metric begin(struct export *to, enum otlp_metric_kind kind, const char *name,
                                const char *unit, const char *description)
{
    to->count++;
    return otlp_metric_begin(to->items, kind, name, unit, description);
}

static void put_alone(struct export *to, enum otlp_metric_kind kind, const char *name,
                      const char *unit, const char *description, uint64_t value)
{
    struct otlp_metric metric = begin(to, kind, name, unit, description);
    put_point(to, value, NULL, 0);
    otlp_metric_end(to->items, &metric);
}

/* ---- answers ---- */

/* error.type is for what the server has not managed (5xx), and is the status again. */
static void put_kind(struct export *to, const struct metrics_duration *kind)
{
    otlp_text(to->items, OTLP_HISTOGRAM_POINT, "http.request.method", slice_of_string(kind->method),
              SIZE_MAX);
    otlp_text(to->items, OTLP_HISTOGRAM_POINT, "url.scheme", SLICE("http"), SIZE_MAX);
    if (kind->status != 0) {
        otlp_number(to->items, OTLP_HISTOGRAM_POINT, "http.response.status_code", kind->status);
    }
    if (kind->status >= 500) {
        char text[16];
        int bytes = snprintf(text, sizeof text, "%u", kind->status);
        otlp_text(to->items, OTLP_HISTOGRAM_POINT, "error.type",
                  (struct slice){text, (size_t)bytes}, SIZE_MAX);
    }
}

static void put_durations(struct export *to)
{
    double bounds[DURATION_BOUNDS];
    for (size_t i = 0; i < DURATION_BOUNDS; i++) {
        bounds[i] = (double)duration_bounds[i].ns / 1e9;
    }
    struct otlp_metric metric =
        begin(to, OTLP_HISTOGRAM, "http.server.request.duration", "s",
              "From the end of a request's head to the last byte of its answer.");
    for (size_t i = 0; i < to->snapshot->duration_count; i++) {
        const struct metrics_duration *kind = &to->snapshot->duration_kinds[i];
        const struct otlp_histogram histogram = {
            .bounds = bounds,
            .bound_count = DURATION_BOUNDS,
            .counts = kind->buckets,
            .sum = (double)kind->sum_ns / 1e9,
        };
        size_t begun = otlp_histogram_begin(to->items, to->period, &histogram);
        put_kind(to, kind);
        otlp_item_end(to->items, begun);
    }
    otlp_metric_end(to->items, &metric);
}

static uint64_t answers_of(const struct metrics_host *host, size_t status_class)
{
    uint64_t count = 0;
    for (size_t coding = 0; coding < CODINGS; coding++) {
        count += host->answers[status_class][coding];
    }
    return count;
}

static void put_answers(struct export *to)
{
    static const char *const classes[STATUS_CLASSES] = {"1xx", "2xx", "3xx", "4xx", "5xx"};
    const struct metrics_snapshot *snapshot = to->snapshot;
    struct otlp_metric metric =
        begin(to, OTLP_SUM, "cairn.http.requests", "{request}", "Answers that ended.");
    for (size_t i = 0; i < snapshot->host_count; i++) {
        for (size_t j = 0; j < STATUS_CLASSES; j++) {
            const struct attribute attributes[] = {
                {"cairn.mount.host", snapshot->hosts[i].name},
                {"cairn.http.status_class", classes[j]},
            };
            uint64_t count = answers_of(&snapshot->hosts[i], j);
            if (count > 0) {
                put_point(to, count, attributes, ARRAY_COUNT(attributes));
            }
        }
    }
    otlp_metric_end(to->items, &metric);
    metric = begin(to, OTLP_SUM, "cairn.http.response.body.io", "By",
                   "Bytes of bodies handed to the system.");
    for (size_t i = 0; i < snapshot->host_count; i++) {
        put_point_of(to, snapshot->hosts[i].body_bytes, "cairn.mount.host",
                     snapshot->hosts[i].name);
    }
    otlp_metric_end(to->items, &metric);
}

/* ---- connections ---- */

static void put_connections(struct export *to)
{
    const struct loop_totals *totals = &to->snapshot->totals;
    struct otlp_metric metric = begin(to, OTLP_UP_DOWN_SUM, "cairn.connections", "{connection}",
                                      "Open connections, by what they are at.");
    for (size_t i = 0; i < CONN_STATES; i++) {
        put_point_of(to, totals->connections[i], "cairn.connection.state",
                     conn_state_name((enum conn_state)i));
    }
    otlp_metric_end(to->items, &metric);
    put_alone(to, OTLP_SUM, "cairn.connections.accepted", "{connection}", "Connections accepted.",
              totals->accepted);
    metric = begin(to, OTLP_SUM, "cairn.limit.hits", "{hit}", "Times that a limit was reached.");
    for (size_t i = 0; i < LIMITS_COUNT; i++) {
        if (limit_is_counted((enum limit_id)i)) {
            put_point_of(to, totals->limited[i], "cairn.limit", limits_name((enum limit_id)i));
        }
    }
    otlp_metric_end(to->items, &metric);
    metric = begin(to, OTLP_UP_DOWN_SUM, "cairn.event.listeners", "{connection}",
                   "Connections that listen for events.");
    put_point_of(to, to->snapshot->websockets, "cairn.event.kind", "websocket");
    put_point_of(to, to->snapshot->streams, "cairn.event.kind", "stream");
    otlp_metric_end(to->items, &metric);
    put_alone(to, OTLP_SUM, "cairn.event.messages", "{message}",
              "Messages that a listener was told.", to->snapshot->event_messages);
    put_alone(to, OTLP_SUM, "cairn.disk.reads", "{read}",
              "Pieces of archives that were not in memory when they were wanted.",
              totals->disk_reads);
    put_alone(to, OTLP_SUM, "cairn.access_log.lost", "{line}",
              "Lines of the access log that could not be written.", totals->log_lost);
}

/* ---- releases ---- */

static void put_loads(struct export *to)
{
    const struct metrics_snapshot *snapshot = to->snapshot;
    struct otlp_metric metric =
        begin(to, OTLP_SUM, "cairn.loads", "{load}", "Loads of indexes, by what became of them.");
    for (size_t i = 0; i < LOAD_OUTCOMES; i++) {
        put_point_of(to, snapshot->loads[i], "cairn.load.outcome",
                     load_outcome_name((enum load_outcome)i));
    }
    otlp_metric_end(to->items, &metric);
    put_alone(to, OTLP_SUM, "cairn.rollbacks", "{rollback}", "Releases taken back.",
              snapshot->rollbacks);
}

static void put_sites(struct export *to)
{
    static const struct {
        const char *name, *unit, *description;
    } rows[] = {
        {"cairn.site.release", "1", "Number of the release on top."},
        {"cairn.site.releases", "{release}", "Releases that can answer."},
        {"cairn.site.paths", "{path}", "Paths of the release on top."},
        {"cairn.site.archive.size", "By", "Length of the archive, up to the release on top."},
        {"cairn.site.damaged", "1", "1 if the files are not what they were."},
    };
    const struct metrics_snapshot *snapshot = to->snapshot;
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        struct otlp_metric metric =
            begin(to, OTLP_GAUGE, rows[i].name, rows[i].unit, rows[i].description);
        for (size_t j = 0; j < snapshot->site_count; j++) {
            const struct metrics_site *site = &snapshot->sites[j];
            const uint64_t values[ARRAY_COUNT(rows)] = {
                site->release, site->releases, site->paths, site->archive_bytes, site->is_damaged,
            };
            const struct attribute attributes[] = {
                {"cairn.mount.host", site->host},
                {"cairn.mount.prefix", site->prefix},
            };
            put_point(to, values[i], attributes, ARRAY_COUNT(attributes));
        }
        otlp_metric_end(to->items, &metric);
    }
}

/* ---- the process ---- */

static void put_process(struct export *to)
{
    const struct process_numbers *process = &to->snapshot->process;
    struct otlp_metric metric =
        begin(to, OTLP_SUM, "process.cpu.time", "s", "Time of processors used.");
    otlp_item_end(to->items,
                  otlp_double_begin(to->items, to->period, (double)process->cpu_us / 1e6));
    otlp_metric_end(to->items, &metric);
    if (process->has_memory) {
        put_alone(to, OTLP_UP_DOWN_SUM, "process.memory.usage", "By", "Memory in use.",
                  process->resident_bytes);
    }
    put_alone(to, OTLP_UP_DOWN_SUM, "cairn.workers", "{thread}", "Threads that serve.",
              to->snapshot->workers);
}

uint64_t metrics_export(const struct metrics_snapshot *snapshot, struct protobuf *items)
{
    enum { NS_PER_S = 1000000000 };
    struct export to = {
        .snapshot = snapshot,
        .items = items,
        .period = {(uint64_t)snapshot->started_s * NS_PER_S,
                   (uint64_t)snapshot->taken_s * NS_PER_S},
    };
    put_durations(&to);
    put_answers(&to);
    put_connections(&to);
    put_loads(&to);
    put_sites(&to);
    put_process(&to);
    return to.count;
}
