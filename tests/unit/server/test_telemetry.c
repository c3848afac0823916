/* A thread that sends, and hangs in looking a name up when the process is to end: it is left
 * behind, and what it finds out later touches nothing that is gone. */
#include "server/telemetry.h"

#include "common/mem.h"
#include "server/config.h"
#include "server/listeners.h"

#include <criterion/criterion.h>
#include <dirent.h>
#include <dlfcn.h>
#include <netdb.h>
#include <poll.h>
#include <stdlib.h>

static atomic_uint look_ups;
static atomic_bool is_released;

static void rest(void)
{
    (void)poll(NULL, 0, 1);
}

typedef int find_addresses(const char *name, const char *service, const struct addrinfo *hints,
                           struct addrinfo **out_addresses);

/* In the place of the system's: one name is found out when the test says so, and not then either.
 */
int getaddrinfo(const char *restrict name, const char *restrict service,
                const struct addrinfo *restrict hints, struct addrinfo **restrict out_addresses)
{
    if (name == NULL || strcmp(name, "collector.invalid") != 0) {
        find_addresses *system = (find_addresses *)dlsym(RTLD_NEXT, "getaddrinfo");
        return system(name, service, hints, out_addresses);
    }
    atomic_fetch_add(&look_ups, 1);
    while (!atomic_load(&is_released)) {
        rest();
    }
    return EAI_NONAME;
}

static size_t count_threads(void)
{
    size_t count = 0;
    DIR *stream = opendir("/proc/self/task");
    cr_assert_not_null(stream);
    while (readdir(stream) != NULL) {
        count++;
    }
    closedir(stream);
    return count;
}

/* What the numbers are of: workers that do not run, and no site. */
struct fixture {
    struct config config;
    struct listeners listeners;
    struct publication publication;
    struct load_counts loads;
    struct workers *workers;
};

static struct fixture *fixture_new(void)
{
    static char program[] = "cairn-serve", listen[] = "--listen", address[] = "127.0.0.1:0";
    static char *words[] = {program, listen, address, NULL};
    struct error error = {""};
    struct fixture *fixture = mem_aligned(64, sizeof *fixture);
    cr_assert(config_init(&fixture->config, 3, words) == CONFIG_RUN);
    publication_init(&fixture->publication);
    cr_assert(listeners_open(&fixture->listeners, &fixture->config.listeners[0], 1, &error) == 0);
    fixture->config.worker_count = 1;
    cr_assert(workers_new(&fixture->config, &fixture->listeners, &fixture->publication, -1, NULL,
                          NULL, &fixture->workers, &error) == 0,
              "%s", error.text);
    return fixture;
}

static void fixture_free(struct fixture *fixture)
{
    workers_free(fixture->workers);
    publication_fini(&fixture->publication);
    listeners_close(&fixture->listeners);
    config_fini(&fixture->config);
    free(fixture);
}

Test(telemetry, a_thread_that_is_left_behind_touches_nothing_that_is_gone)
{
    static struct telemetry *telemetry; /* left behind with its thread */
    struct error error = {""};
    struct sandbox sandbox = {0};
    struct fixture *fixture = fixture_new();
    setenv("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", "http://collector.invalid:4318", 1);
    setenv("OTEL_METRIC_EXPORT_INTERVAL", "10", 1);
    setenv("OTEL_METRIC_EXPORT_TIMEOUT", "1", 1);
    size_t threads = count_threads();
    telemetry = telemetry_new(1);
    if (telemetry == NULL) {
        cr_skip_test("telemetry does not start: without libcurl, it says why");
    }
    const struct metrics_sources sources = {.publication = &fixture->publication,
                                            .workers = fixture->workers,
                                            .loads = &fixture->loads};
    cr_assert(telemetry_start(telemetry, &sandbox, &sources, &error) == 0, "%s", error.text);
    while (atomic_load(&look_ups) == 0) {
        rest();
    }
    telemetry_stop(telemetry);
    fixture_free(fixture);
    telemetry_free(telemetry);
    atomic_store(&is_released, true);
    while (count_threads() > threads) {
        rest();
    }
}
