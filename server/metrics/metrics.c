#include "server/metrics/metrics.h"

#include "net/limit_hit.h"

enum { REDIRECTIONS = 2 }; /* the class of 304, which stands for a file that is not sent */

static const char *const class_names[STATUS_CLASSES] = {"1xx", "2xx", "3xx", "4xx", "5xx"};

/* ---- families of one sample ---- */

static void put_number(struct exposition *to, const struct metric *metric, uint64_t number)
{
    exposition_family(to, metric);
    exposition_number(to, number);
}

static void put_gauge(struct exposition *to, const char *name, const char *unit, uint64_t number,
                      const char *help)
{
    put_number(to, &(struct metric){name, METRIC_GAUGE, unit, help}, number);
}

static void put_counter(struct exposition *to, const char *name, const char *unit, uint64_t number,
                        const char *help)
{
    put_number(to, &(struct metric){name, METRIC_COUNTER, unit, help}, number);
}

/* ---- answers ---- */

/* 101 is the one answer of its class, and the path of events is no site's. */
static void put_requests(struct exposition *to, const struct metrics_snapshot *snapshot)
{
    static const struct metric metric = {
        "cairn_http_requests", METRIC_COUNTER, NULL,
        "Answers that ended, by host as configured and class of the status."};
    exposition_family(to, &metric);
    for (size_t i = 0; i < snapshot->host_count; i++) {
        const struct metrics_host *host = &snapshot->hosts[i];
        for (size_t range = i == 0 ? 0 : 1; range < STATUS_CLASSES; range++) {
            uint64_t count = 0;
            for (size_t coding = 0; coding < CODINGS; coding++) {
                count += host->answers[range][coding];
            }
            exposition_labels(to, (struct metric_label){"host", host->name},
                              (struct metric_label){"status", class_names[range]});
            exposition_number(to, count);
        }
    }
}

static void put_representations(struct exposition *to, const struct metrics_snapshot *snapshot)
{
    static const struct metric metric = {"cairn_http_representations", METRIC_COUNTER, NULL,
                                         "Answers made of a file of a release, by host and content "
                                         "coding; 304 and the like are none."};
    static const char *const codings[CODEC_COUNT] = {
        [CODEC_IDENTITY] = "identity",
        [CODEC_GZIP] = "gzip",
        [CODEC_BR] = "br",
        [CODEC_ZSTD] = "zstd",
    };
    exposition_family(to, &metric);
    for (size_t i = 1; i < snapshot->host_count; i++) {
        const struct metrics_host *host = &snapshot->hosts[i];
        for (size_t coding = 0; coding < CODEC_COUNT; coding++) {
            uint64_t count = 0;
            for (size_t range = 0; range < STATUS_CLASSES; range++) {
                count += range == REDIRECTIONS ? 0 : host->answers[range][coding];
            }
            exposition_labels(to, (struct metric_label){"host", host->name},
                              (struct metric_label){"coding", codings[coding]});
            exposition_number(to, count);
        }
    }
}

static void put_hosts(struct exposition *to, const struct metrics_snapshot *snapshot)
{
    static const struct metric bytes = {"cairn_http_response_body_bytes", METRIC_COUNTER, "bytes",
                                        "Bytes of bodies handed to the system, by host."};
    static const struct metric aborted = {
        "cairn_http_responses_aborted", METRIC_COUNTER, NULL,
        "Answers given up before their last byte, mostly because the client left, by host."};
    exposition_family(to, &bytes);
    for (size_t i = 0; i < snapshot->host_count; i++) {
        exposition_label(to, "host", snapshot->hosts[i].name);
        exposition_number(to, snapshot->hosts[i].body_bytes);
    }
    exposition_family(to, &aborted);
    for (size_t i = 0; i < snapshot->host_count; i++) {
        exposition_label(to, "host", snapshot->hosts[i].name);
        exposition_number(to, snapshot->hosts[i].aborted);
    }
}

static void put_durations(struct exposition *to, const struct metrics_snapshot *snapshot)
{
    static const struct metric metric = {
        "cairn_http_request_duration_seconds", METRIC_HISTOGRAM, "seconds",
        "From the end of a request's head to the last byte of its answer handed to the system."};
    uint64_t count = 0;
    exposition_family(to, &metric);
    for (size_t i = 0; i < DURATION_BOUNDS; i++) {
        count += snapshot->durations[i];
        exposition_bucket(to, duration_bounds[i].seconds, count);
    }
    count += snapshot->durations[DURATION_BOUNDS];
    exposition_bucket(to, "+Inf", count);
    exposition_count(to, count, snapshot->duration_ns / 1000);
}

/* ---- connections ---- */

static void put_connections(struct exposition *to, const struct metrics_snapshot *snapshot)
{
    static const struct metric states = {"cairn_connections", METRIC_GAUGE, NULL,
                                         "Open connections, by what they are at."};
    static const struct metric limits = {"cairn_limit_hits", METRIC_COUNTER, NULL,
                                         "Times that a limit of --limit was come up against."};
    static const struct metric listeners = {"cairn_event_listeners", METRIC_GAUGE, NULL,
                                            "Connections that listen for events."};
    const struct loop_totals *totals = &snapshot->totals;
    exposition_family(to, &states);
    for (size_t i = 0; i < CONN_STATES; i++) {
        exposition_label(to, "state", conn_state_name((enum conn_state)i));
        exposition_number(to, totals->connections[i]);
    }
    put_counter(to, "cairn_connections_accepted", NULL, totals->accepted, "Connections accepted.");
    put_counter(to, "cairn_connections_shed", NULL, totals->shed,
                "Connections given up to make room for others.");
    put_counter(to, "cairn_accept_pauses", NULL, totals->rests,
                "Times that a worker stopped accepting for a moment, for want of descriptors.");
    exposition_family(to, &limits);
    for (size_t i = 0; i < LIMITS_COUNT; i++) {
        if (limit_is_counted((enum limit_id)i)) {
            exposition_label(to, "limit", limits_name((enum limit_id)i));
            exposition_number(to, totals->limited[i]);
        }
    }
    exposition_family(to, &listeners);
    exposition_label(to, "kind", "websocket");
    exposition_number(to, snapshot->websockets);
    exposition_label(to, "kind", "stream");
    exposition_number(to, snapshot->streams);
    put_counter(to, "cairn_event_messages", NULL, snapshot->event_messages,
                "Messages that a listener was told, the last byte handed to the system.");
    put_counter(to, "cairn_sent_bytes", "bytes", totals->bytes,
                "Bytes handed to the system, heads and bodies.");
    put_counter(to, "cairn_disk_reads", NULL, totals->disk_reads,
                "Pieces of archives that were not in memory when they were wanted.");
    put_counter(to, "cairn_access_log_lines_lost", NULL, totals->log_lost,
                "Lines of the access log that could not be written.");
}

/* ---- loads and sites ---- */

static void put_loads(struct exposition *to, const struct metrics_snapshot *snapshot)
{
    static const struct metric loads = {"cairn_loads", METRIC_COUNTER, NULL,
                                        "Loads of indexes, by what became of them."};
    static const struct metric duration = {
        "cairn_load_duration_seconds", METRIC_SUMMARY, "seconds",
        "From the command to the last worker's use of the release, or to its refusal."};
    uint64_t count = 0;
    exposition_family(to, &loads);
    for (size_t i = 0; i < LOAD_OUTCOMES; i++) {
        count += snapshot->loads[i];
        exposition_label(to, "outcome", load_outcome_name((enum load_outcome)i));
        exposition_number(to, snapshot->loads[i]);
    }
    exposition_family(to, &duration);
    exposition_count(to, count, snapshot->load_us);
    put_gauge(to, "cairn_last_load_successful", NULL, !snapshot->is_last_load_refused,
              "1 if the last load was not refused.");
    put_gauge(to, "cairn_last_load_success_timestamp_seconds", "seconds",
              (uint64_t)snapshot->last_load_s,
              "Unix time of the last load that was not refused; 0: there was none.");
    put_counter(to, "cairn_rollbacks", NULL, snapshot->rollbacks, "Releases taken back.");
}

/* One after the other, as OpenMetrics has it: all samples of a family stand together. */
static const struct metric site_metrics[] = {
    {"cairn_site_releases", METRIC_GAUGE, NULL, "Releases of a site that can answer."},
    {"cairn_site_release", METRIC_GAUGE, NULL, "Number of a site's release on top."},
    {"cairn_site_loaded_timestamp_seconds", METRIC_GAUGE, "seconds",
     "Unix time when a site's release on top was loaded."},
    {"cairn_site_paths", METRIC_GAUGE, NULL, "Paths in the index of a site's release on top."},
    {"cairn_site_archive_bytes", METRIC_GAUGE, "bytes",
     "Length of a site's archive, up to the end of the release on top."},
    {"cairn_site_index_bytes", METRIC_GAUGE, "bytes",
     "Length of the index of a site's release on top."},
    {"cairn_site_damaged", METRIC_GAUGE, NULL,
     "1 if a site's files are not what they were: it is answered with 503."},
};

static uint64_t site_value(const struct metrics_site *site, size_t metric)
{
    const uint64_t values[ARRAY_COUNT(site_metrics)] = {
        site->releases,      site->release,     (uint64_t)site->loaded_s, site->paths,
        site->archive_bytes, site->index_bytes, site->is_damaged,
    };
    return values[metric];
}

static void put_sites(struct exposition *to, const struct metrics_snapshot *snapshot)
{
    for (size_t i = 0; i < ARRAY_COUNT(site_metrics); i++) {
        exposition_family(to, &site_metrics[i]);
        for (size_t j = 0; j < snapshot->site_count; j++) {
            const struct metrics_site *site = &snapshot->sites[j];
            exposition_labels(to, (struct metric_label){"host", site->host},
                              (struct metric_label){"prefix", site->prefix});
            exposition_number(to, site_value(site, i));
        }
    }
}

/* ---- the process ---- */

static void put_process(struct exposition *to, const struct metrics_snapshot *snapshot)
{
    static const struct metric cpu = {"process_cpu_seconds", METRIC_COUNTER, "seconds",
                                      "Time of processors used, in user and kernel mode."};
    const struct process_numbers *process = &snapshot->process;
    exposition_family(to, &cpu);
    exposition_time(to, process->cpu_us);
    put_gauge(to, "process_start_time_seconds", "seconds", (uint64_t)snapshot->started_s,
              "Unix time when the process started.");
    if (process->has_memory) {
        put_gauge(
            to, "process_resident_memory_bytes", "bytes", process->resident_bytes,
            "Memory in use; pages of archives that are shared with the system count as well.");
        put_gauge(to, "process_virtual_memory_bytes", "bytes", process->virtual_bytes,
                  "Address space in use; of each archive 64 GiB are reserved.");
    }
    if (process->has_open_fds) {
        put_gauge(to, "process_open_fds", NULL, process->open_fds, "Open descriptors.");
    }
    if (process->has_max_fds) {
        put_gauge(to, "process_max_fds", NULL, process->max_fds,
                  "Descriptors that may be open at a time.");
    }
}

void metrics_write(const struct metrics_snapshot *snapshot, enum metrics_format format,
                   FILE *stream)
{
    static const struct metric build = {"cairn_build", METRIC_INFO, NULL,
                                        "What program this is; the value is always 1."};
    struct exposition to = {.stream = stream, .format = format};
    exposition_family(&to, &build);
    exposition_label(&to, "version", CAIRN_VERSION);
    exposition_number(&to, 1);
    put_gauge(&to, "cairn_workers", NULL, snapshot->workers, "Threads that serve.");
    put_requests(&to, snapshot);
    put_representations(&to, snapshot);
    put_hosts(&to, snapshot);
    put_durations(&to, snapshot);
    put_connections(&to, snapshot);
    put_loads(&to, snapshot);
    put_sites(&to, snapshot);
    put_process(&to, snapshot);
    exposition_end(&to);
}
