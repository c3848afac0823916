/* What the OTEL_ variables come to. Each test is a process of its own. */
#include "telemetry/settings.h"

#include <criterion/criterion.h>
#include <criterion/redirect.h>
#include <stdlib.h>
#include <unistd.h>

#define SETTINGS(name) Test(telemetry_settings, name, .init = begin)

static void begin(void)
{
    clearenv();
    cr_redirect_stderr();
}

static struct telemetry_settings settings_of(void)
{
    struct telemetry_settings settings;
    telemetry_settings_init(&settings, "cairn-test");
    return settings;
}

static void check_no_complaint(void)
{
    fflush(stderr);
    cr_assert_stderr_eq_str("");
}

/* A complaint names what it is about. */
static void check_complaint(const char *name)
{
    char text[4096] = "";
    fflush(stderr);
    FILE *stream = cr_get_redirected_stderr();
    text[fread(text, 1, sizeof text - 1, stream)] = '\0';
    cr_assert_not_null(strstr(text, name), "no word of %s: %s", name, text);
    cr_assert_not_null(strstr(text, "cairn-test: "));
}

SETTINGS(nothing_set_is_off)
{
    struct telemetry_settings settings = settings_of();
    cr_assert_not(telemetry_settings_on(&settings));
    check_no_complaint();
    telemetry_settings_fini(&settings);
}

SETTINGS(one_endpoint_is_for_traces_and_metrics)
{
    static const char *const endpoints[] = {"http://collector:4318", "http://collector:4318/"};
    for (size_t i = 0; i < ARRAY_COUNT(endpoints); i++) {
        setenv("OTEL_EXPORTER_OTLP_ENDPOINT", endpoints[i], 1);
        struct telemetry_settings settings = settings_of();
        cr_assert_str_eq(settings.targets[SIGNAL_TRACES].url, "http://collector:4318/v1/traces");
        cr_assert_str_eq(settings.targets[SIGNAL_METRICS].url, "http://collector:4318/v1/metrics");
        cr_assert_not(settings.targets[SIGNAL_LOGS].is_on);
        cr_assert_str_eq(settings.targets[SIGNAL_TRACES].host, "collector");
        cr_assert_eq(settings.targets[SIGNAL_TRACES].port, 4318);
        cr_assert_eq(settings.targets[SIGNAL_TRACES].timeout_ms, 10000);
        cr_assert_eq(settings.spans.delay_ms, 5000);
        cr_assert_eq(settings.spans.queue_items, 2048);
        cr_assert_eq(settings.spans.batch_items, 512);
        cr_assert_eq(settings.logs.delay_ms, 1000);
        cr_assert_eq(settings.metric_interval_ms, 60000);
        cr_assert(settings.reads_parents);
        cr_assert(settings.sampler.has_parent_rule);
        cr_assert_eq(settings.sampler.threshold, SAMPLER_RANGE);
        cr_assert_str_eq(key_values_find(&settings.resource, "service.name"), "cairn-test");
        telemetry_settings_fini(&settings);
    }
    check_no_complaint();
}

SETTINGS(an_endpoint_of_a_signal_is_taken_as_it_is)
{
    setenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "https://[2001:db8::1]/in", 1);
    struct telemetry_settings settings = settings_of();
    cr_assert_str_eq(settings.targets[SIGNAL_TRACES].url, "https://[2001:db8::1]/in");
    cr_assert_str_eq(settings.targets[SIGNAL_TRACES].host, "2001:db8::1");
    cr_assert_eq(settings.targets[SIGNAL_TRACES].port, 443);
    cr_assert_not(settings.targets[SIGNAL_METRICS].is_on);
    check_no_complaint();
    telemetry_settings_fini(&settings);
}

SETTINGS(what_a_signal_says_goes_before_what_all_say)
{
    setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://a:1", 1);
    setenv("OTEL_EXPORTER_OTLP_LOGS_ENDPOINT", "http://b:2/logs", 1);
    setenv("OTEL_EXPORTER_OTLP_HEADERS", "x-a=1,Authorization=Basic%20abc", 1);
    setenv("OTEL_EXPORTER_OTLP_LOGS_HEADERS", "x-b=2", 1);
    setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "2000", 1);
    setenv("OTEL_EXPORTER_OTLP_METRICS_TIMEOUT", "3000", 1);
    setenv("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip", 1);
    setenv("OTEL_EXPORTER_OTLP_TRACES_COMPRESSION", "none", 1);
    setenv("OTEL_EXPORTER_OTLP_CERTIFICATE", "/ca.pem", 1);
    setenv("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf", 1);
    struct telemetry_settings settings = settings_of();
    const struct telemetry_target *targets = settings.targets;
    cr_assert(targets[SIGNAL_LOGS].is_on); /* its own endpoint asks for it */
    cr_assert_str_eq(targets[SIGNAL_LOGS].url, "http://b:2/logs");
    cr_assert_eq(targets[SIGNAL_TRACES].headers.count, 2);
    cr_assert_str_eq(key_values_find(&targets[SIGNAL_TRACES].headers, "Authorization"),
                     "Basic abc");
    cr_assert_eq(targets[SIGNAL_LOGS].headers.count, 1);
    cr_assert_eq(targets[SIGNAL_TRACES].timeout_ms, 2000);
    cr_assert_eq(targets[SIGNAL_METRICS].timeout_ms, 3000);
    cr_assert_not(targets[SIGNAL_TRACES].is_compressed);
    cr_assert(targets[SIGNAL_METRICS].is_compressed);
    cr_assert_str_eq(targets[SIGNAL_METRICS].certificate, "/ca.pem");
    check_no_complaint();
    telemetry_settings_fini(&settings);
}

SETTINGS(the_resource_is_what_the_variables_add_and_override)
{
    setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://a:1", 1);
    setenv("OTEL_RESOURCE_ATTRIBUTES",
           "deployment.environment.name=prod,service.name=x,host.name=h%2C1", 1);
    setenv("OTEL_SERVICE_NAME", "web", 1);
    struct telemetry_settings settings = settings_of();
    cr_assert_str_eq(key_values_find(&settings.resource, "service.name"), "web");
    cr_assert_str_eq(key_values_find(&settings.resource, "host.name"), "h,1");
    cr_assert_str_eq(key_values_find(&settings.resource, "deployment.environment.name"), "prod");
    telemetry_settings_fini(&settings);
    unsetenv("OTEL_SERVICE_NAME");
    settings = settings_of();
    cr_assert_str_eq(key_values_find(&settings.resource, "service.name"), "x");
    check_no_complaint();
    telemetry_settings_fini(&settings);
}

SETTINGS(exporters_are_chosen)
{
    setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://a:1", 1);
    setenv("OTEL_TRACES_EXPORTER", "none", 1);
    setenv("OTEL_LOGS_EXPORTER", "otlp", 1);
    struct telemetry_settings settings = settings_of();
    cr_assert_not(settings.targets[SIGNAL_TRACES].is_on);
    cr_assert(settings.targets[SIGNAL_METRICS].is_on);
    cr_assert(settings.targets[SIGNAL_LOGS].is_on);
    telemetry_settings_fini(&settings);
    setenv("OTEL_SDK_DISABLED", "TRUE", 1);
    settings = settings_of();
    cr_assert_not(telemetry_settings_on(&settings));
    check_no_complaint();
    telemetry_settings_fini(&settings);
}

SETTINGS(a_sampler_that_takes_nothing_turns_traces_off)
{
    setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://a:1", 1);
    setenv("OTEL_TRACES_SAMPLER", "always_off", 1);
    struct telemetry_settings settings = settings_of();
    cr_assert_not(settings.targets[SIGNAL_TRACES].is_on);
    cr_assert(settings.targets[SIGNAL_METRICS].is_on);
    telemetry_settings_fini(&settings);
}

SETTINGS(propagators)
{
    setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://a:1", 1);
    setenv("OTEL_PROPAGATORS", "baggage, tracecontext", 1);
    struct telemetry_settings settings = settings_of();
    cr_assert(settings.reads_parents);
    telemetry_settings_fini(&settings);
    setenv("OTEL_PROPAGATORS", "none", 1);
    settings = settings_of();
    cr_assert_not(settings.reads_parents);
    telemetry_settings_fini(&settings);
    check_no_complaint();
}

/* Each is said, and the rest goes on as if it were not set. */
static const struct {
    const char *name, *value;
    bool is_traced; /* all the same */
} mistakes[] = {
    {"OTEL_SDK_DISABLED", "yes", true},
    {"OTEL_TRACES_SAMPLER", "sometimes", true},
    {"OTEL_TRACES_EXPORTER", "zipkin", false},
    {"OTEL_EXPORTER_OTLP_PROTOCOL", "grpc", false},
    {"OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "http/json", false},
    {"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "collector:4318", false},
    {"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://", false},
    {"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://a:0", false},
    {"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://a:65536", false},
    {"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://a b/", false},
    {"OTEL_EXPORTER_OTLP_HEADERS", "a", true},
    {"OTEL_EXPORTER_OTLP_HEADERS", "a b=1", true},
    {"OTEL_EXPORTER_OTLP_HEADERS", "a=1%0D%0Ab:2", true},
    {"OTEL_EXPORTER_OTLP_TIMEOUT", "10s", true},
    {"OTEL_EXPORTER_OTLP_TIMEOUT", "-1", true},
    {"OTEL_EXPORTER_OTLP_TIMEOUT", "99999999999999999999", true},
    {"OTEL_EXPORTER_OTLP_COMPRESSION", "zstd", true},
    {"OTEL_RESOURCE_ATTRIBUTES", "a=%", true},
    {"OTEL_PROPAGATORS", "b3", true},
    {"OTEL_BSP_MAX_QUEUE_SIZE", "0", true},
    {"OTEL_METRIC_EXPORT_INTERVAL", "often", true},
};

SETTINGS(mistakes_are_said)
{
    for (size_t i = 0; i < ARRAY_COUNT(mistakes); i++) {
        clearenv();
        setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://a:1", 1);
        setenv(mistakes[i].name, mistakes[i].value, 1);
        struct telemetry_settings settings = settings_of();
        check_complaint(mistakes[i].name);
        cr_assert_eq(settings.targets[SIGNAL_TRACES].is_on, mistakes[i].is_traced, "%s=%s",
                     mistakes[i].name, mistakes[i].value);
        telemetry_settings_fini(&settings);
    }
}

/* They may be secrets. */
SETTINGS(values_of_headers_are_not_shown)
{
    setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://a:1", 1);
    setenv("OTEL_EXPORTER_OTLP_HEADERS", "authorization=hush%", 1);
    struct telemetry_settings settings = settings_of();
    char text[4096] = "";
    fflush(stderr);
    text[fread(text, 1, sizeof text - 1, cr_get_redirected_stderr())] = '\0';
    cr_assert_null(strstr(text, "hush"), "%s", text);
    telemetry_settings_fini(&settings);
}

SETTINGS(a_batch_is_no_larger_than_its_queue)
{
    setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://a:1", 1);
    setenv("OTEL_BSP_MAX_QUEUE_SIZE", "100", 1);
    setenv("OTEL_BSP_SCHEDULE_DELAY", "7", 1);
    setenv("OTEL_BLRP_EXPORT_TIMEOUT", "8", 1);
    struct telemetry_settings settings = settings_of();
    cr_assert_eq(settings.spans.batch_items, 100);
    cr_assert_eq(settings.spans.delay_ms, 7);
    cr_assert_eq(settings.logs.timeout_ms, 8);
    telemetry_settings_fini(&settings);
}

SETTINGS(what_may_be_a_secret_is_not_shown)
{
    static const struct {
        const char *url;
        const char *shown;
    } rows[] = {
        {"http://a.example", "http://a.example"},
        {"https://a.example:4318/v1/traces", "https://a.example:4318/v1/traces"},
        {"https://user:secret@a.example:4318/x", "https://a.example:4318/x"},
        {"https://us@er:se@cret@[::1]:4318/x@y", "https://[::1]:4318/x@y"},
        {"http://token@a.example", "http://a.example"},
        {"http://a.example/x?key=secret#part", "http://a.example/x"},
        {"http://a.example?key=se@cret", "http://a.example"},
    };
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        char *shown = telemetry_url_shown(slice_of_string(rows[i].url));
        cr_expect_str_eq(shown, rows[i].shown);
        free(shown);
    }
    setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "https://user:secret@a.example", 1);
    setenv("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", "https://user:se/cret@a.example", 1);
    struct telemetry_settings settings = settings_of();
    const struct telemetry_target *target = &settings.targets[SIGNAL_TRACES];
    cr_expect_str_eq(target->url, "https://user:secret@a.example/v1/traces");
    cr_expect_str_eq(target->shown_url, "https://a.example/v1/traces");
    telemetry_settings_fini(&settings);
    fflush(stderr);
    cr_assert_stderr_eq_str(
        "cairn-test: OTEL_EXPORTER_OTLP_METRICS_ENDPOINT=...: not a URL of http "
        "or https; it counts as not set\n");
}
