/* What the OTEL_ variables of the environment ask for (docs/telemetry.md has the table). Read once,
 * when a program starts. Telemetry is off unless an endpoint is named. A variable that makes no
 * sense is said in a line on standard error and counts as not set, as the OpenTelemetry
 * specification wants it: what watches a program does not keep it from running. */
#ifndef CAIRN_TELEMETRY_SETTINGS_H
#define CAIRN_TELEMETRY_SETTINGS_H

#include "telemetry/key_values.h"
#include "telemetry/sampler.h"

enum telemetry_signal { SIGNAL_TRACES, SIGNAL_METRICS, SIGNAL_LOGS, TELEMETRY_SIGNALS };

/* Where one signal goes. */
struct telemetry_target {
    bool is_on;
    char *url;
    char *shown_url; /* for people, and logs: without what may be a secret */
    char *host;      /* of it: a name or an address, without brackets */
    uint16_t port;
    struct key_values headers;
    uint64_t timeout_ms; /* of one request */
    bool is_compressed;  /* gzip */
    char *certificate;   /* PEM file whose authorities are trusted; NULL: the system's */
    char *client_certificate;
    char *client_key;
};

/* How items are gathered before they go. */
struct telemetry_batch {
    uint64_t delay_ms;
    uint64_t queue_items; /* wait at most; more are dropped */
    uint64_t batch_items; /* go together */
    uint64_t timeout_ms;  /* of one export, with all its tries */
};

struct telemetry_settings {
    struct telemetry_target targets[TELEMETRY_SIGNALS];
    struct sampler sampler;
    bool reads_parents; /* traceparent and tracestate are looked at */
    struct telemetry_batch spans;
    struct telemetry_batch logs;
    uint64_t metric_interval_ms;
    uint64_t metric_timeout_ms;
    size_t value_bytes_max; /* of an attribute's text */
    struct key_values resource;
};

/* Reads the environment for the program of this name. */
void telemetry_settings_init(struct telemetry_settings *settings, const char *program);
void telemetry_settings_fini(struct telemetry_settings *settings);

/* Is anything to be sent at all? */
bool telemetry_settings_on(const struct telemetry_settings *settings);

/* "https://[::1]:4318/v1/traces" in its parts. `out_host` is the caller's to free. False: it is no
 * URL of http or https with a host. */
bool telemetry_url_parse(struct slice url, char **out_host, uint16_t *out_port);

/* The same without user, password, query and fragment; the caller frees. */
char *telemetry_url_shown(struct slice url);

#endif
