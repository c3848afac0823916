#include "server/config.h"

#include "common/codec_gzip.h"
#include "common/version.h"
#include "http/live_reload.h"
#include "server/added_fields.h"
#include "server/config_indexes.h"
#include "server/config_options.h"
#include "server/sandbox/syscall_filter.h"

#include <assert.h>
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

enum { RETAIN_DEFAULT = 8, SOCKET_MODE_DEFAULT = 0660 };

/* Processors that this process may run on: fewer than the machine has, in a container. */
static size_t processor_count(void)
{
    cpu_set_t set;
    int count = sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 1;
    return count > 0 ? (size_t)count : 1;
}

static void print_limits(void)
{
    char line[512];
    puts("NAME=DEFAULT: what it is, and why. Sizes take k, m and g, times ms, s, m and h.\n");
    for (size_t i = 0; limits_describe(i, line, sizeof line); i++) {
        puts(line);
    }
}

static void print_version(void)
{
    struct library libraries[COMMON_LIBRARIES + 3] = {
        [COMMON_LIBRARIES] = {"libdeflate", gzip_library_version()},
        {"libseccomp", syscall_filter_library_version()},
        {"libsystemd", NULL},
    };
    version_common_libraries(libraries);
    version_print("cairn-serve", libraries, ARRAY_COUNT(libraries), stdout);
}

/* The flags that only print something. */
static void print_about(const struct settings *settings)
{
    switch (settings->about->about) {
    case OPTION_HELP:
        options_print_help(config_options(), settings->about_value != NULL, stdout);
        break;
    case OPTION_VERSION:
        print_version();
        break;
    case OPTION_ROWS:
        options_print_head(stdout);
        options_print_rows(config_options(), stdout);
        break;
    default:
        print_limits();
        break;
    }
}

/* PORT is what platforms that run one program in a container call the port that it gets. */
static void add_default_listener(struct config *config)
{
    const char *port = getenv("PORT");
    const struct option *listen = option_find(config_options(), "listen");
    if (settings_find(&config->settings, "listen") != NULL) {
        return;
    }
    config->is_default_listener = port == NULL || *port == '\0';
    if (!config->is_default_listener) {
        settings_add(&config->settings, listen, port, "PORT");
    }
}

/* What nobody said. */
static void set_defaults(struct config *config)
{
    struct error ignored;
    if (config->is_default_listener) {
        const struct setting setting = {option_find(config_options(), "listen"), "127.0.0.1:8080",
                                        NULL};
        int status = setting.option->apply(&setting, config, &ignored);
        assert(status == 0); /* no name has to be looked up */
    }
    config->is_live |= config->is_live_anywhere;
    if (config->is_live && config->events.path.count == 0) {
        config->events.path = SLICE(LIVE_RELOAD_EVENTS_PATH);
    }
    if (config->is_secure) {
        added_fields_secure(&config->added_fields);
    }
    config->admin.socket_mode = (mode_t)config->socket_mode;
    for (size_t i = 0; i < config->listener_count; i++) {
        config->listeners[i].is_deferred = config->is_deferring;
        config->listeners[i].socket_mode = (mode_t)config->socket_mode;
    }
}

/* What each flag alone does not show. */
static int check_together(const struct config *config, struct error *error)
{
    bool has_events = config->events.path.count > 0;
    return has_events || config->events.origins.count == 0
               ? 0
               : error_set(error, ERR_USAGE,
                           "--events-origin: nobody can listen without --events PATH");
}

static bool has_failed(const struct error *error, int status)
{
    if (status != 0) {
        fprintf(stderr, "cairn-serve: %s\n", error->text);
    }
    return status != 0;
}

enum config_result config_init(struct config *config, int argc, char **argv)
{
    struct error error = {""};
    *config = (struct config){.worker_count = processor_count(),
                              .disk_reader_count = DISK_READERS_DEFAULT,
                              .retain = RETAIN_DEFAULT,
                              .socket_mode = SOCKET_MODE_DEFAULT};
    limits_init(&config->limits);
    int status = settings_read(&config->settings, config_options(), argc - 1, argv + 1, &error);
    if (status == 0 && config->settings.about != NULL) {
        print_about(&config->settings);
        config_fini(config);
        return CONFIG_EXIT;
    }
    bool has_problems = has_failed(&error, status);
    if (!has_problems) {
        add_default_listener(config);
        has_problems = settings_apply(&config->settings, "cairn-serve", config) > 0;
        has_problems |= has_failed(&error, config_read_indexes(config, &error));
    }
    if (!has_problems) {
        set_defaults(config);
        has_problems = has_failed(&error, check_together(config, &error));
    }
    if (has_problems) {
        config_fini(config);
        return CONFIG_USAGE;
    }
    return CONFIG_RUN;
}

void config_fini(struct config *config)
{
    address_list_fini(&config->proxy_from);
    address_list_fini(&config->forwarded_from);
    origin_list_fini(&config->events.origins);
    free(config->added_fields);
    free(config->trusted);
    free(config->admin_hosts);
    free(config->indexes);
    free(config->archives);
    settings_fini(&config->settings);
    *config = (struct config){0};
}

bool config_opens_listeners(const struct config *config, size_t given_count)
{
    return given_count == 0 || !config->is_default_listener;
}

bool config_awaits(const struct config *config, const char *index_path)
{
    struct stat status;
    return config->is_live && lstat(index_path, &status) != 0 && errno == ENOENT;
}

int config_read_trust(const struct config *config, struct trust *trust, struct error *error)
{
    int status = 0;
    for (size_t i = 0; i < config->trusted_count && status == 0; i++) {
        status = trust_add(trust, config->trusted[i], error);
    }
    return status;
}
