#include "server/config.h"

#include "common/mem.h"

#include <errno.h>
#include <getopt.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { RETAIN_DEFAULT = 8, RETAIN_MAX = 1000 };

static const char usage[] = "usage: cairn-serve [OPTIONS] [INDEX...]\n";

static const char help[] =
    "\n"
    "Serves the releases that the INDEX files describe (NAME.idx, written by cairn-pack), the "
    "last\n"
    "one on top, and takes commands on standard input; a line `load index PATH` makes another\n"
    "release live. The first line on standard output is `ready URL...`; after it come replies.\n"
    "\n"
    "  --listen ADDRESS  HOST:PORT, [IPV6]:PORT, :PORT (all addresses) or PORT; repeatable; port "
    "0\n"
    "                    lets the system choose  (CAIRN_LISTEN; 127.0.0.1:8080, PORT its port)\n"
    "  --control PATH    take commands there too: a FIFO if PATH is one, else a Unix socket that\n"
    "                    is made, mode 0600; repeatable                           (CAIRN_CONTROL)\n"
    "  --workers N       serving threads                     (CAIRN_WORKERS; one per processor)\n"
    "  --retain N        releases kept in the list, the oldest fall off      (CAIRN_RETAIN; 8)\n"
    "  -h, --help        this text\n"
    "  -V, --version     the version\n"
    "\n"
    "Lists in the environment are separated by commas; a flag beats its variable.\n"
    "Signals: TERM and INT end when open responses are out (a second one at once), HUP loads the\n"
    "INDEX files again. Exit codes: 0 ok, 1 failed, 2 usage.\n";

static int parse_number(const char *name, const char *text, size_t least, size_t most,
                        size_t *out_number, struct error *error)
{
    char *end;
    errno = 0;
    unsigned long number = strtoul(text, &end, 10);
    if (*text < '0' || *text > '9' || *end != '\0' || errno != 0 || number < least ||
        number > most) {
        return error_set(error, ERR_USAGE, "%s: not a number from %zu to %zu: %s", name, least,
                         most, text);
    }
    *out_number = number;
    return 0;
}

static int add_listener(struct config *config, const char *text, struct error *error)
{
    if (config->listener_count == CONFIG_LISTENERS_MAX) {
        return error_set(error, ERR_USAGE, "more than %d addresses to listen on",
                         CONFIG_LISTENERS_MAX);
    }
    return listen_address_parse(text, &config->listeners[config->listener_count++], error);
}

static int add_control(struct config *config, const char *path, struct error *error)
{
    if (config->control_count == CONFIG_CONTROLS_MAX || *path == '\0') {
        return error_set(error, ERR_USAGE, "--control: an empty path, or more than %d of them",
                         CONFIG_CONTROLS_MAX);
    }
    config->controls[config->control_count++] = path;
    return 0;
}

/* Every member of a comma-separated variable; the copy stays in `owned`. */
static int add_list(struct config *config, const char *name, char **owned,
                    int (*add)(struct config *, const char *, struct error *), struct error *error)
{
    const char *value = getenv(name);
    if (value == NULL || *value == '\0') {
        return 0;
    }
    *owned = mem_string(value, strlen(value));
    char *state = NULL;
    int status = 0;
    for (char *at = strtok_r(*owned, ",", &state); at != NULL && status == 0;
         at = strtok_r(NULL, ",", &state)) {
        status = add(config, at, error);
    }
    return status;
}

static int add_number(const char *name, size_t least, size_t most, size_t *number,
                      struct error *error)
{
    const char *value = getenv(name);
    return value == NULL || *value == '\0' ? 0
                                           : parse_number(name, value, least, most, number, error);
}

/* What flags left open. */
static int read_environment(struct config *config, struct error *error)
{
    int status = 0;
    if (config->listener_count == 0) {
        status = add_list(config, "CAIRN_LISTEN", &config->owned[0], add_listener, error);
    }
    if (status == 0 && config->listener_count == 0) {
        const char *port = getenv("PORT");
        status =
            add_listener(config, port != NULL && *port != '\0' ? port : "127.0.0.1:8080", error);
    }
    if (status == 0 && config->control_count == 0) {
        status = add_list(config, "CAIRN_CONTROL", &config->owned[1], add_control, error);
    }
    if (status == 0 && config->worker_count == 0) {
        status = add_number("CAIRN_WORKERS", 1, CONFIG_WORKERS_MAX, &config->worker_count, error);
    }
    if (status == 0 && config->retain == 0) {
        status = add_number("CAIRN_RETAIN", 1, RETAIN_MAX, &config->retain, error);
    }
    return status;
}

/* Processors that this process may run on: fewer than the machine has, in a container. */
static size_t processor_count(void)
{
    cpu_set_t set;
    int count = sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 1;
    return count > 0 ? (size_t)count : 1;
}

static int read_flag(struct config *config, int letter, struct error *error)
{
    switch (letter) {
    case 'l':
        return add_listener(config, optarg, error);
    case 'c':
        return add_control(config, optarg, error);
    case 'w':
        return parse_number("--workers", optarg, 1, CONFIG_WORKERS_MAX, &config->worker_count,
                            error);
    case 'r':
        return parse_number("--retain", optarg, 1, RETAIN_MAX, &config->retain, error);
    default:
        return error_set(error, ERR_USAGE, "see above");
    }
}

static int read_flags(struct config *config, int argc, char **argv, bool *out_exit,
                      struct error *error)
{
    static const struct option long_options[] = {
        {"listen", required_argument, NULL, 'l'},
        {"control", required_argument, NULL, 'c'},
        {"workers", required_argument, NULL, 'w'},
        {"retain", required_argument, NULL, 'r'},
        {"help", no_argument, NULL, 'h'},
        {"version", no_argument, NULL, 'V'},
        {NULL, 0, NULL, 0},
    };
    int letter;
    int status = 0;
    while (status == 0 && (letter = getopt_long(argc, argv, "hV", long_options, NULL)) != -1) {
        if (letter == 'h' || letter == 'V') {
            if (letter == 'h') {
                printf("%s%s", usage, help);
            } else {
                printf("cairn-serve %s\n", CAIRN_VERSION);
            }
            *out_exit = true;
            return 0;
        }
        status = read_flag(config, letter, error);
    }
    return status;
}

enum config_result config_init(struct config *config, int argc, char **argv)
{
    *config = (struct config){0};
    struct error error = {""};
    bool is_done = false;
    int status = read_flags(config, argc, argv, &is_done, &error);
    if (is_done) {
        return CONFIG_EXIT;
    }
    if (status == 0) {
        status = read_environment(config, &error);
    }
    if (status != 0) {
        fprintf(stderr, "cairn-serve: %s\n%s--help says more.\n", error.text, usage);
        return CONFIG_USAGE;
    }
    if (config->worker_count == 0) {
        config->worker_count = processor_count();
    }
    if (config->retain == 0) {
        config->retain = RETAIN_DEFAULT;
    }
    config->indexes = argv + optind;
    config->index_count = (size_t)(argc - optind);
    return CONFIG_RUN;
}

void config_fini(struct config *config)
{
    for (size_t i = 0; i < ARRAY_COUNT(config->owned); i++) {
        free(config->owned[i]);
    }
    *config = (struct config){0};
}
