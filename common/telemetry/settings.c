#include "telemetry/settings.h"

#include "common/mem.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* What is being read, and for whom mistakes are said. */
struct reading {
    struct telemetry_settings *settings;
    const char *program;
};

static void complain(const struct reading *reading, const char *name, const char *value,
                     const char *why)
{
    fprintf(stderr, "%s: %s=%s: %s; it counts as not set\n", reading->program, name, value, why);
}

/* An empty variable counts as one that is not there. */
static const char *variable(const char *name)
{
    const char *value = getenv(name);
    return value != NULL && *value != '\0' ? value : NULL;
}

/* ---- one value ---- */

static void read_number(const struct reading *reading, const char *name, uint64_t least,
                        uint64_t *io_number)
{
    const char *value = variable(name);
    uint64_t number = 0;
    if (value == NULL) {
        return;
    }
    for (const char *at = value; *at != '\0'; at++) {
        if (*at < '0' || *at > '9' || number > UINT32_MAX) {
            complain(reading, name, value, "not a number, or too large");
            return;
        }
        number = number * 10 + (uint64_t)(*at - '0');
    }
    if (number < least || number > UINT32_MAX) {
        complain(reading, name, value, number < least ? "too small" : "too large");
        return;
    }
    *io_number = number;
}

static bool read_flag(const struct reading *reading, const char *name)
{
    const char *value = variable(name);
    if (value == NULL || slice_equal_ignoring_case(slice_of_string(value), SLICE("false"))) {
        return false;
    }
    if (slice_equal_ignoring_case(slice_of_string(value), SLICE("true"))) {
        return true;
    }
    complain(reading, name, value, "neither true nor false");
    return false;
}

static const char *const signal_names[TELEMETRY_SIGNALS] = {
    [SIGNAL_TRACES] = "TRACES", [SIGNAL_METRICS] = "METRICS", [SIGNAL_LOGS] = "LOGS"};

/* A variable of the exporter, for a signal or, where that is not set, for all. *out_name is the
 * caller's to free; NULL: neither is set. */
static const char *exporter_variable(enum telemetry_signal signal, const char *what,
                                     char **out_name)
{
    char *name = mem_format("OTEL_EXPORTER_OTLP_%s_%s", signal_names[signal], what);
    const char *value = variable(name);
    if (value == NULL) {
        free(name);
        name = mem_format("OTEL_EXPORTER_OTLP_%s", what);
        value = variable(name);
    }
    if (value == NULL) {
        free(name);
        name = NULL;
    }
    *out_name = name;
    return value;
}

/* ---- where to ---- */

static bool parse_port(struct slice text, uint16_t *out_port)
{
    unsigned port = 0;
    for (size_t i = 0; i < text.count; i++) {
        if (text.bytes[i] < '0' || text.bytes[i] > '9' || port > UINT16_MAX) {
            return false;
        }
        port = port * 10 + (unsigned)(text.bytes[i] - '0');
    }
    if (port == 0 || port > UINT16_MAX) {
        return false;
    }
    *out_port = (uint16_t)port;
    return true;
}

bool telemetry_url_parse(struct slice url, char **out_host, uint16_t *out_port)
{
    static const struct slice http = {"http://", 7};
    static const struct slice https = {"https://", 8};
    bool is_secure = slice_starts_with(url, https);
    if (!is_secure && !slice_starts_with(url, http)) {
        return false;
    }
    for (size_t i = 0; i < url.count; i++) {
        if ((unsigned char)url.bytes[i] <= 0x20 || url.bytes[i] == 0x7f) {
            return false;
        }
    }
    struct slice rest = slice_after(url, is_secure ? https.count : http.count);
    size_t end = 0;
    while (end < rest.count && strchr("/?#", rest.bytes[end]) == NULL) {
        end++;
    }
    rest.count = end;
    struct slice host = rest;
    const char *at_sign = rest.count == 0 ? NULL : memrchr(rest.bytes, '@', rest.count);
    if (at_sign != NULL) {
        host = slice_after(rest, (size_t)(at_sign - rest.bytes) + 1);
    }
    bool is_bracketed = slice_starts_with(host, SLICE("["));
    rest = is_bracketed ? slice_after(host, 1) : host;
    host = slice_take(&rest, is_bracketed ? ']' : ':');
    uint16_t port = is_secure ? 443 : 80;
    if (is_bracketed && rest.count > 0 && *rest.bytes == ':') {
        rest = slice_after(rest, 1);
    }
    if (host.count == 0 || (rest.count > 0 && !parse_port(rest, &port))) {
        return false;
    }
    *out_host = mem_string(host.bytes, host.count);
    *out_port = port;
    return true;
}

char *telemetry_url_shown(struct slice url)
{
    static const struct slice mark = {"://", 3};
    const char *found = memmem(url.bytes, url.count, mark.bytes, mark.count);
    size_t scheme = found == NULL ? 0 : (size_t)(found - url.bytes) + mark.count;
    size_t end = scheme; /* of user, host and port */
    while (end < url.count && strchr("/?#", url.bytes[end]) == NULL) {
        end++;
    }
    size_t host = end;
    while (host > scheme && url.bytes[host - 1] != '@') {
        host--;
    }
    size_t path = end;
    while (path < url.count && url.bytes[path] != '?' && url.bytes[path] != '#') {
        path++;
    }
    return mem_format("%.*s%.*s", (int)scheme, url.bytes, (int)(path - host), url.bytes + host);
}

static const char *const paths[TELEMETRY_SIGNALS] = {
    [SIGNAL_TRACES] = "v1/traces", [SIGNAL_METRICS] = "v1/metrics", [SIGNAL_LOGS] = "v1/logs"};

/* The endpoint for all signals is the beginning of a URL, one for a signal is all of it. False: the
 * signal has none. */
static bool read_endpoint(const struct reading *reading, enum telemetry_signal signal)
{
    struct telemetry_target *target = &reading->settings->targets[signal];
    char *name;
    const char *value = exporter_variable(signal, "ENDPOINT", &name);
    if (value == NULL) {
        return false;
    }
    struct slice base = slice_of_string(value);
    bool is_whole = strcmp(name, "OTEL_EXPORTER_OTLP_ENDPOINT") != 0;
    bool is_good = telemetry_url_parse(base, &target->host, &target->port);
    if (!is_good) {
        bool may_be_secret = strchr(value, '@') != NULL;
        complain(reading, name, may_be_secret ? "..." : value, "not a URL of http or https");
    } else if (is_whole) {
        target->url = mem_string(base.bytes, base.count);
    } else {
        bool has_slash = base.bytes[base.count - 1] == '/';
        target->url = mem_format("%s%s%s", value, has_slash ? "" : "/", paths[signal]);
    }
    if (is_good) {
        target->shown_url = telemetry_url_shown(slice_of_string(target->url));
    }
    free(name);
    return is_good;
}

/* OTEL_TRACES_EXPORTER and so on. What is set to nothing known is not sent. */
static bool is_exported(const struct reading *reading, enum telemetry_signal signal)
{
    char *name = mem_format("OTEL_%s_EXPORTER", signal_names[signal]);
    const char *value = variable(name);
    /* a record for each request is asked for by its name */
    char *own = mem_format("OTEL_EXPORTER_OTLP_%s_ENDPOINT", signal_names[signal]);
    bool is_on =
        value == NULL ? signal != SIGNAL_LOGS || variable(own) != NULL : strcmp(value, "otlp") == 0;
    if (value != NULL && !is_on && strcmp(value, "none") != 0) {
        fprintf(stderr, "%s: %s=%s: neither otlp nor none; this signal is not exported\n",
                reading->program, name, value);
    }
    free(own);
    free(name);
    return is_on;
}

/* What a receiver of another protocol would not understand is not sent to it. */
static bool is_protocol_known(const struct reading *reading, enum telemetry_signal signal)
{
    char *name;
    const char *value = exporter_variable(signal, "PROTOCOL", &name);
    bool is_known = value == NULL || strcmp(value, "http/protobuf") == 0;
    if (!is_known) {
        fprintf(stderr, "%s: %s=%s: only http/protobuf is spoken; this signal is not exported\n",
                reading->program, name, value);
    }
    free(name);
    return is_known;
}

/* ---- what goes with it ---- */

static bool is_token(const char *text)
{
    for (const char *at = text; *at != '\0'; at++) {
        bool is_plain = (*at >= '0' && *at <= '9') || ((*at | 0x20) >= 'a' && (*at | 0x20) <= 'z');
        if (!is_plain && strchr("!#$%&'*+-.^_`|~", *at) == NULL) {
            return false;
        }
    }
    return *text != '\0';
}

static bool is_field_value(const char *text)
{
    for (const char *at = text; *at != '\0'; at++) {
        if (((unsigned char)*at < 0x20 && *at != '\t') || *at == 0x7f) {
            return false;
        }
    }
    return true;
}

static void read_headers(const struct reading *reading, enum telemetry_signal signal)
{
    struct telemetry_target *target = &reading->settings->targets[signal];
    char *name;
    const char *value = exporter_variable(signal, "HEADERS", &name);
    const char *why = NULL;
    if (value != NULL && key_values_parse(&target->headers, slice_of_string(value), &why)) {
        for (size_t i = 0; i < target->headers.count && why == NULL; i++) {
            bool is_good =
                is_token(target->headers.at[i].key) && is_field_value(target->headers.at[i].value);
            why = is_good ? NULL : "not a field of HTTP";
        }
    }
    if (why != NULL) {
        complain(reading, name, "...", why); /* it may be a secret */
        key_values_fini(&target->headers);
    }
    free(name);
}

static void read_compression(const struct reading *reading, enum telemetry_signal signal)
{
    char *name;
    const char *value = exporter_variable(signal, "COMPRESSION", &name);
    if (value != NULL && strcmp(value, "gzip") == 0) {
        reading->settings->targets[signal].is_compressed = true;
    } else if (value != NULL && strcmp(value, "none") != 0) {
        complain(reading, name, value, "neither gzip nor none");
    }
    free(name);
}

static char *read_file_name(enum telemetry_signal signal, const char *what)
{
    char *name;
    const char *value = exporter_variable(signal, what, &name);
    free(name);
    return value == NULL ? NULL : mem_string(value, strlen(value));
}

static void read_target(const struct reading *reading, enum telemetry_signal signal)
{
    struct telemetry_target *target = &reading->settings->targets[signal];
    enum { TIMEOUT_MS = 10000 };
    char *name;
    target->timeout_ms = TIMEOUT_MS;
    if (!is_exported(reading, signal) || !read_endpoint(reading, signal) ||
        !is_protocol_known(reading, signal)) {
        return;
    }
    target->is_on = true;
    read_headers(reading, signal);
    read_compression(reading, signal);
    if (exporter_variable(signal, "TIMEOUT", &name) != NULL) {
        read_number(reading, name, 1, &target->timeout_ms);
    }
    free(name);
    target->certificate = read_file_name(signal, "CERTIFICATE");
    target->client_certificate = read_file_name(signal, "CLIENT_CERTIFICATE");
    target->client_key = read_file_name(signal, "CLIENT_KEY");
}

/* ---- what is sent ---- */

static void read_sampler(const struct reading *reading)
{
    static const char name[] = "OTEL_TRACES_SAMPLER";
    const char *value = variable(name);
    const char *argument = variable("OTEL_TRACES_SAMPLER_ARG");
    const char *why;
    struct sampler *sampler = &reading->settings->sampler;
    *sampler = (struct sampler){.has_parent_rule = true, .threshold = SAMPLER_RANGE};
    if (value == NULL) {
        return;
    }
    if (!sampler_parse(slice_of_string(value), slice_of_string(argument == NULL ? "" : argument),
                       sampler, &why)) {
        complain(reading, name, value, why);
    }
}

/* Of the known ones, tracecontext alone says who a request's parent is. */
static bool has_trace_context(const struct reading *reading)
{
    const char *value = variable("OTEL_PROPAGATORS");
    bool has_it = value == NULL;
    struct slice list = slice_of_string(value == NULL ? "" : value);
    while (list.count > 0) {
        struct slice member = slice_trim(slice_take(&list, ','));
        if (slice_equal(member, SLICE("tracecontext"))) {
            has_it = true;
        } else if (!slice_equal(member, SLICE("none")) && !slice_equal(member, SLICE("baggage"))) {
            fprintf(stderr, "%s: OTEL_PROPAGATORS: %.*s is not known; tracecontext is\n",
                    reading->program, (int)member.count, member.bytes);
        }
    }
    return has_it;
}

static void read_batch(const struct reading *reading, const char *prefix,
                       struct telemetry_batch *batch)
{
    const struct {
        const char *what;
        uint64_t least;
        uint64_t *number;
    } rows[] = {
        {"SCHEDULE_DELAY", 1, &batch->delay_ms},
        {"EXPORT_TIMEOUT", 1, &batch->timeout_ms},
        {"MAX_QUEUE_SIZE", 1, &batch->queue_items},
        {"MAX_EXPORT_BATCH_SIZE", 1, &batch->batch_items},
    };
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        char *name = mem_format("%s_%s", prefix, rows[i].what);
        read_number(reading, name, rows[i].least, rows[i].number);
        free(name);
    }
    if (batch->batch_items > batch->queue_items) {
        batch->batch_items = batch->queue_items;
    }
}

static void read_resource(const struct reading *reading)
{
    struct key_values *resource = &reading->settings->resource;
    char host[256] = "";
    key_values_set(resource, "service.name", reading->program);
    key_values_set(resource, "service.version", CAIRN_VERSION);
    key_values_set(resource, "telemetry.sdk.name", "cairn");
    key_values_set(resource, "telemetry.sdk.version", CAIRN_VERSION);
    key_values_set(resource, "telemetry.sdk.language", "c");
    if (gethostname(host, sizeof host - 1) == 0 && host[0] != '\0') {
        key_values_set(resource, "host.name", host);
    }
    static const char name[] = "OTEL_RESOURCE_ATTRIBUTES";
    const char *value = variable(name);
    const char *why;
    if (value != NULL && !key_values_parse(resource, slice_of_string(value), &why)) {
        complain(reading, name, value, why);
    }
    const char *service = variable("OTEL_SERVICE_NAME");
    if (service != NULL) {
        key_values_set(resource, "service.name", service);
    }
}

void telemetry_settings_init(struct telemetry_settings *settings, const char *program)
{
    const struct reading reading = {settings, program};
    enum { EXPORT_TIMEOUT_MS = 30000, QUEUE_ITEMS = 2048, BATCH_ITEMS = 512 };
    *settings = (struct telemetry_settings){
        .spans = {5000, QUEUE_ITEMS, BATCH_ITEMS, EXPORT_TIMEOUT_MS},
        .logs = {1000, QUEUE_ITEMS, BATCH_ITEMS, EXPORT_TIMEOUT_MS},
        .metric_interval_ms = 60000,
        .metric_timeout_ms = EXPORT_TIMEOUT_MS,
        .value_bytes_max = 1024,
    };
    if (read_flag(&reading, "OTEL_SDK_DISABLED")) {
        return;
    }
    for (enum telemetry_signal signal = 0; signal < TELEMETRY_SIGNALS; signal++) {
        read_target(&reading, signal);
    }
    if (!telemetry_settings_on(settings)) {
        return;
    }
    read_sampler(&reading);
    settings->reads_parents = has_trace_context(&reading);
    if (sampler_is_off(&settings->sampler)) {
        settings->targets[SIGNAL_TRACES].is_on = false;
    }
    read_batch(&reading, "OTEL_BSP", &settings->spans);
    read_batch(&reading, "OTEL_BLRP", &settings->logs);
    read_number(&reading, "OTEL_METRIC_EXPORT_INTERVAL", 1, &settings->metric_interval_ms);
    read_number(&reading, "OTEL_METRIC_EXPORT_TIMEOUT", 1, &settings->metric_timeout_ms);
    read_resource(&reading);
}

bool telemetry_settings_on(const struct telemetry_settings *settings)
{
    bool is_on = false;
    for (enum telemetry_signal signal = 0; signal < TELEMETRY_SIGNALS; signal++) {
        is_on |= settings->targets[signal].is_on;
    }
    return is_on;
}

void telemetry_settings_fini(struct telemetry_settings *settings)
{
    for (enum telemetry_signal signal = 0; signal < TELEMETRY_SIGNALS; signal++) {
        struct telemetry_target *target = &settings->targets[signal];
        free(target->url);
        free(target->shown_url);
        free(target->host);
        key_values_fini(&target->headers);
        free(target->certificate);
        free(target->client_certificate);
        free(target->client_key);
    }
    key_values_fini(&settings->resource);
    *settings = (struct telemetry_settings){0};
}
