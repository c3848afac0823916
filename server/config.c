#include "server/config.h"

#include "common/mem.h"
#include "server/added_fields.h"
#include "server/handover.h"

#include <errno.h>
#include <getopt.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { RETAIN_DEFAULT = 8, RETAIN_MAX = 1000, SOCKET_MODE_DEFAULT = 0660 };

static const char usage[] =
    "usage: cairn-serve [OPTIONS] [INDEX [host=NAME,...] [at=/PREFIX]]...\n";

static const char help[] =
    "\n"
    "Serves the releases that the INDEX files describe (NAME.idx, written by cairn-pack), the "
    "last\n"
    "one on top, and takes commands on standard input; a line `load index PATH` makes another\n"
    "release live. The first line on standard output is `ready URL...`; after it come replies.\n"
    "\n"
    "Behind an INDEX:\n"
    "  host=NAME,*.NAME,*    the hosts that it answers for; * is every other one, and what is "
    "meant\n"
    "                        without the word. A host that nobody answers for: 421\n"
    "  at=/PREFIX            the path below which it answers\n"
    "\n"
    "Where it listens:\n"
    "  --listen ADDRESS      HOST:PORT, [IPV6]:PORT, :PORT (all addresses), PORT or unix:PATH;\n"
    "                        repeatable; port 0 lets the system choose\n"
    "                        (CAIRN_LISTEN; 127.0.0.1:8080, or PORT for the port alone)\n"
    "  --defer-accept        take a connection when its first bytes are there (TCP_DEFER_ACCEPT): "
    "less\n"
    "                        work for each, but those that send nothing are not seen, counted or\n"
    "                        limited (CAIRN_DEFER_ACCEPT=1)\n"
    "  --socket-mode MODE    of Unix sockets that are listened on, in octal (CAIRN_SOCKET_MODE; "
    "660)\n"
    "  --control PATH        take commands there too: a FIFO if PATH is one, else a Unix socket "
    "that\n"
    "                        is made, mode 0600; repeatable (CAIRN_CONTROL)\n"
    "  --proxy-protocol-from LIST\n"
    "                        peers (ADDRESS, ADDRESS/BITS, unix) that have to begin with a PROXY\n"
    "                        protocol header, version 1 or 2; repeatable "
    "(CAIRN_PROXY_PROTOCOL_FROM)\n"
    "\n"
    "What it answers:\n"
    "  --header 'NAME: VALUE'\n"
    "                        a field for every answer that has none of that name; repeatable\n"
    "                        (CAIRN_HEADER, one on each line)\n"
    "  --secure-headers      the same for a preset of security fields (CAIRN_SECURE_HEADERS=1)\n"
    "  --trust PUBKEY        load only releases that this key has signed (cairn-pack add --sign), "
    "whole\n"
    "                        and never older ones than are served; repeatable: any of the keys\n"
    "                        (CAIRN_TRUST)\n"
    "  --retain N            releases kept of a site, the oldest fall off (CAIRN_RETAIN; 8)\n"
    "  --retain-for TIME     and for how long after another one came on top: 90s, 30m, 12h, 7d\n"
    "                        (CAIRN_RETAIN_FOR; for good)\n"
    "\n"
    "How it works:\n"
    "  --workers N           serving threads (CAIRN_WORKERS; one per processor)\n"
    "  --disk-readers N      threads that read what is not in memory, so that nobody else waits "
    "for\n"
    "                        the disk; 0: workers wait themselves (CAIRN_DISK_READERS; 8)\n"
    "  --preload             read an archive into memory before a release of it is served\n"
    "                        (CAIRN_PRELOAD=1)\n"
    "  --limit NAME=VALUE    change a limit; repeatable (CAIRN_LIMIT)\n"
    "  --drain TIME          the limit drain-time: how long open responses get at the end (30s)\n"
    "  --limits              list the limits, what they are, and why\n"
    "  --access-log PATH     append a line for each answer there, in the combined format; - is\n"
    "                        standard error (CAIRN_ACCESS_LOG; none)\n"
    "  --forwarded-from LIST peers whose Forwarded or X-Forwarded-For names the client, for the\n"
    "                        access log; repeatable (CAIRN_FORWARDED_FROM)\n"
    "\n"
    "What it may do (docs/security.md):\n"
    "  --user USER[:GROUP]   started by root: become this user when everything is open "
    "(CAIRN_USER)\n"
    "  --archives DIR        indexes and archives are read beneath the folders of the INDEX files, "
    "and\n"
    "                        here; repeatable. Without either, anywhere (CAIRN_ARCHIVES)\n"
    "  --sandbox on|off|require\n"
    "                        give up privileges, files and system calls that serving does not "
    "need,\n"
    "                        as far as the kernel can; require: do not start if it cannot\n"
    "                        (CAIRN_SANDBOX; on)\n"
    "\n"
    "  -h, --help            this text\n"
    "  -V, --version         the version\n"
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

/* Seconds: "90s", "30m", "12h", "7d"; seconds without a unit. */
static int parse_duration(const char *name, const char *text, uint64_t *out_seconds,
                          struct error *error)
{
    static const char units[] = "smhd";
    static const uint64_t seconds[] = {1, 60, 3600, 86400};
    enum { YEARS_100_S = 100 * 365 * 86400u };
    char *end;
    errno = 0;
    unsigned long long number = strtoull(text, &end, 10);
    const char *unit = *end == '\0' ? units : strchr(units, *end);
    bool is_number = *text >= '0' && *text <= '9' && errno == 0 && unit != NULL &&
                     (*end == '\0' || end[1] == '\0');
    if (!is_number || number == 0 || number > YEARS_100_S / seconds[unit - units]) {
        return error_set(error, ERR_USAGE, "%s: not a time such as 90s, 30m, 12h or 7d: %s", name,
                         text);
    }
    *out_seconds = number * seconds[unit - units];
    return 0;
}

static int add_listener(struct config *config, const char *text, struct error *error)
{
    if (config->listener_count == CONFIG_LISTENERS_MAX) {
        return error_set(error, ERR_USAGE, "more than %d addresses to listen on",
                         CONFIG_LISTENERS_MAX);
    }
    if (handover_is_there()) { /* with the sockets; from a sandbox no name can be looked up */
        config->listeners[config->listener_count++] = (struct listen_address){0};
        return 0;
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

static int add_archives(struct config *config, const char *path, struct error *error)
{
    if (*path == '\0') {
        return error_set(error, ERR_USAGE, "--archives: an empty path");
    }
    config->archives =
        mem_resize(config->archives, config->archive_count + 1, sizeof *config->archives);
    config->archives[config->archive_count++] = path;
    return 0;
}

static int parse_sandbox(struct config *config, const char *name, const char *text,
                         struct error *error)
{
    static const char *const modes[] = {
        [SANDBOX_ON] = "on", [SANDBOX_OFF] = "off", [SANDBOX_REQUIRE] = "require"};
    for (enum sandbox_mode mode = 0; mode < ARRAY_COUNT(modes); mode++) {
        if (strcmp(text, modes[mode]) == 0) {
            config->sandbox = mode;
            config->has_sandbox = true;
            return 0;
        }
    }
    return error_set(error, ERR_USAGE, "%s: not on, off or require: %s", name, text);
}

static int add_proxies(struct config *config, const char *text, struct error *error)
{
    return address_list_add(&config->proxy_from, text, error);
}

static int add_forwarders(struct config *config, const char *text, struct error *error)
{
    return address_list_add(&config->forwarded_from, text, error);
}

static int add_header(struct config *config, const char *text, struct error *error)
{
    return added_fields_add(&config->added_fields, text, error);
}

static int add_trusted(struct config *config, const char *path, struct error *error)
{
    if (*path == '\0') {
        return error_set(error, ERR_USAGE, "--trust: an empty path");
    }
    config->trusted =
        mem_resize(config->trusted, config->trusted_count + 1, sizeof *config->trusted);
    config->trusted[config->trusted_count++] = path;
    return 0;
}

static int set_limit(struct config *config, const char *text, struct error *error)
{
    return limits_set(&config->limits, text, error);
}

static int set_drain(struct config *config, const char *text, struct error *error)
{
    char *limit = mem_format("drain-time=%s", text);
    int status = limits_set(&config->limits, limit, error);
    free(limit);
    return status;
}

/* Permission bits in octal: "660", "0660". */
static int parse_mode(const char *name, const char *text, size_t *out_mode, struct error *error)
{
    char *end;
    unsigned long mode = strtoul(text, &end, 8);
    if (*text < '0' || *text > '7' || *end != '\0' || mode == 0 || mode > 0777) {
        return error_set(error, ERR_USAGE, "%s: not a mode such as 660: %s", name, text);
    }
    *out_mode = mode;
    return 0;
}

/* Every member of a variable that is a list; the copy stays in *owned. */
static int add_members(struct config *config, const char *name, const char *separators,
                       char **owned, int (*add)(struct config *, const char *, struct error *),
                       struct error *error)
{
    const char *value = getenv(name);
    if (value == NULL || *value == '\0') {
        return 0;
    }
    *owned = mem_string(value, strlen(value));
    char *state = NULL;
    int status = 0;
    for (char *at = strtok_r(*owned, separators, &state); at != NULL && status == 0;
         at = strtok_r(NULL, separators, &state)) {
        status = add(config, at, error);
    }
    return status;
}

static int add_list(struct config *config, const char *name, char **owned,
                    int (*add)(struct config *, const char *, struct error *), struct error *error)
{
    return add_members(config, name, ",", owned, add, error);
}

/* The same for what copies what it needs. */
static int add_values(struct config *config, const char *name, const char *separators,
                      int (*add)(struct config *, const char *, struct error *),
                      struct error *error)
{
    char *copy = NULL;
    int status = add_members(config, name, separators, &copy, add, error);
    free(copy);
    return status;
}

static int add_number(const char *name, size_t least, size_t most, size_t *number,
                      struct error *error)
{
    const char *value = getenv(name);
    return value == NULL || *value == '\0' ? 0
                                           : parse_number(name, value, least, most, number, error);
}

/* A variable that says yes: anything but nothing and 0. */
static bool is_on(const char *name)
{
    const char *value = getenv(name);
    return value != NULL && *value != '\0' && strcmp(value, "0") != 0;
}

static int read_http_environment(struct config *config, struct error *error)
{
    int status = 0;
    const char *mode = getenv("CAIRN_SOCKET_MODE");
    if (config->socket_mode == 0 && mode != NULL && *mode != '\0') {
        status = parse_mode("CAIRN_SOCKET_MODE", mode, &config->socket_mode, error);
    }
    config->is_secure |= is_on("CAIRN_SECURE_HEADERS");
    if (status == 0 && config->added_fields == NULL) {
        status = add_values(config, "CAIRN_HEADER", "\n", add_header, error);
    }
    if (status == 0 && config->proxy_from.count == 0 && !config->proxy_from.has_unix) {
        status = add_values(config, "CAIRN_PROXY_PROTOCOL_FROM", ",", add_proxies, error);
    }
    if (status == 0 && config->forwarded_from.count == 0 && !config->forwarded_from.has_unix) {
        status = add_values(config, "CAIRN_FORWARDED_FROM", ",", add_forwarders, error);
    }
    const char *log = getenv("CAIRN_ACCESS_LOG");
    if (config->access_log == NULL && log != NULL && *log != '\0') {
        config->access_log = log;
    }
    return status;
}

static int read_sandbox_environment(struct config *config, struct error *error)
{
    int status = 0;
    const char *mode = getenv("CAIRN_SANDBOX");
    if (!config->has_sandbox && mode != NULL && *mode != '\0') {
        status = parse_sandbox(config, "CAIRN_SANDBOX", mode, error);
    }
    const char *user = getenv("CAIRN_USER");
    if (config->user == NULL && user != NULL && *user != '\0') {
        config->user = user;
    }
    if (status == 0 && config->archive_count == 0) {
        status = add_list(config, "CAIRN_ARCHIVES", &config->owned[2], add_archives, error);
    }
    return status;
}

/* A variable that is there but names no file is a mistake that must not mean: trust everybody. */
static int read_trust_environment(struct config *config, struct error *error)
{
    const char *value = getenv("CAIRN_TRUST");
    if (config->trusted_count > 0 || value == NULL) {
        return 0;
    }
    int status = add_list(config, "CAIRN_TRUST", &config->owned[3], add_trusted, error);
    return status != 0 || config->trusted_count > 0
               ? status
               : error_set(error, ERR_USAGE, "CAIRN_TRUST: set, but it names no file");
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
        config->is_default_listener = port == NULL || *port == '\0';
        status =
            add_listener(config, port != NULL && *port != '\0' ? port : "127.0.0.1:8080", error);
    }
    if (status == 0 && config->control_count == 0) {
        status = add_list(config, "CAIRN_CONTROL", &config->owned[1], add_control, error);
    }
    if (status == 0 && config->worker_count == 0) {
        status = add_number("CAIRN_WORKERS", 1, CONFIG_WORKERS_MAX, &config->worker_count, error);
    }
    if (status == 0 && !config->has_disk_readers) {
        config->disk_reader_count = DISK_READERS_DEFAULT;
        status = add_number("CAIRN_DISK_READERS", 0, DISK_READERS_MAX, &config->disk_reader_count,
                            error);
    }
    config->is_preloading |= is_on("CAIRN_PRELOAD");
    config->is_deferring |= is_on("CAIRN_DEFER_ACCEPT");
    if (status == 0 && config->retain == 0) {
        status = add_number("CAIRN_RETAIN", 1, RETAIN_MAX, &config->retain, error);
    }
    const char *retain_for = getenv("CAIRN_RETAIN_FOR");
    if (status == 0 && config->retain_for_s == 0 && retain_for != NULL && *retain_for != '\0') {
        status = parse_duration("CAIRN_RETAIN_FOR", retain_for, &config->retain_for_s, error);
    }
    if (status == 0) {
        status = read_sandbox_environment(config, error);
    }
    if (status == 0) {
        status = read_trust_environment(config, error);
    }
    return status == 0 ? read_http_environment(config, error) : status;
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
    case 'D':
        config->has_disk_readers = true;
        return parse_number("--disk-readers", optarg, 0, DISK_READERS_MAX,
                            &config->disk_reader_count, error);
    case 'e':
        config->is_deferring = true;
        return 0;
    case 'P':
        config->is_preloading = true;
        return 0;
    case 'r':
        return parse_number("--retain", optarg, 1, RETAIN_MAX, &config->retain, error);
    case 'R':
        return parse_duration("--retain-for", optarg, &config->retain_for_s, error);
    case 'm':
        return parse_mode("--socket-mode", optarg, &config->socket_mode, error);
    case 'a':
        return add_header(config, optarg, error);
    case 's':
        config->is_secure = true;
        return 0;
    case 'p':
        return add_proxies(config, optarg, error);
    case 'f':
        return add_forwarders(config, optarg, error);
    case 'A':
        config->access_log = optarg;
        return 0;
    case 't':
        return add_trusted(config, optarg, error);
    case 'd':
        return set_drain(config, optarg, error);
    case 'L':
        return set_limit(config, optarg, error);
    case 'S':
        return parse_sandbox(config, "--sandbox", optarg, error);
    case 'i':
        return add_archives(config, optarg, error);
    case 'u':
        config->user = optarg;
        return 0;
    default:
        return error_set(error, ERR_USAGE, "see above");
    }
}

/* Longer than a letter: a flag that has none. */
enum { LETTER_LIMITS = 256 };

static void print_limits(void)
{
    char line[512];
    puts("NAME=DEFAULT: what it is, and why. Sizes take k, m and g, times ms, s, m and h.\n");
    for (size_t i = 0; limits_describe(i, line, sizeof line); i++) {
        puts(line);
    }
}

/* The flags that only print something. */
static bool print_about(int letter)
{
    switch (letter) {
    case 'h':
        printf("%s%s", usage, help);
        return true;
    case 'V':
        printf("cairn-serve %s\n", CAIRN_VERSION);
        return true;
    case LETTER_LIMITS:
        print_limits();
        return true;
    default:
        return false;
    }
}

static int read_flags(struct config *config, int argc, char **argv, bool *out_exit,
                      struct error *error)
{
    static const struct option long_options[] = {
        {"listen", required_argument, NULL, 'l'},
        {"control", required_argument, NULL, 'c'},
        {"workers", required_argument, NULL, 'w'},
        {"disk-readers", required_argument, NULL, 'D'},
        {"preload", no_argument, NULL, 'P'},
        {"defer-accept", no_argument, NULL, 'e'},
        {"retain", required_argument, NULL, 'r'},
        {"retain-for", required_argument, NULL, 'R'},
        {"socket-mode", required_argument, NULL, 'm'},
        {"header", required_argument, NULL, 'a'},
        {"secure-headers", no_argument, NULL, 's'},
        {"proxy-protocol-from", required_argument, NULL, 'p'},
        {"forwarded-from", required_argument, NULL, 'f'},
        {"trust", required_argument, NULL, 't'},
        {"access-log", required_argument, NULL, 'A'},
        {"limit", required_argument, NULL, 'L'},
        {"drain", required_argument, NULL, 'd'},
        {"sandbox", required_argument, NULL, 'S'},
        {"archives", required_argument, NULL, 'i'},
        {"user", required_argument, NULL, 'u'},
        {"limits", no_argument, NULL, LETTER_LIMITS},
        {"help", no_argument, NULL, 'h'},
        {"version", no_argument, NULL, 'V'},
        {NULL, 0, NULL, 0},
    };
    int letter;
    int status = 0;
    while (status == 0 && (letter = getopt_long(argc, argv, "hV", long_options, NULL)) != -1) {
        if (print_about(letter)) {
            *out_exit = true;
            return 0;
        }
        status = read_flag(config, letter, error);
    }
    return status;
}

/* INDEX arguments and the words that belong to them. A path that begins like one of these is
 * written with "./" before it. */
static int read_indexes(struct config *config, int count, char **words, struct error *error)
{
    config->indexes = mem_zeroed((size_t)count + 1, sizeof *config->indexes);
    for (int i = 0; i < count; i++) {
        bool is_host = strncmp(words[i], "host=", 5) == 0;
        bool is_prefix = strncmp(words[i], "at=", 3) == 0;
        if ((is_host || is_prefix) && config->index_count == 0) {
            return error_set(error, ERR_USAGE, "%s: it belongs behind an INDEX", words[i]);
        }
        if (is_host) {
            config->indexes[config->index_count - 1].hosts = words[i] + 5;
        } else if (is_prefix) {
            config->indexes[config->index_count - 1].prefix = words[i] + 3;
        } else {
            config->indexes[config->index_count++].path = words[i];
        }
    }
    for (size_t i = 0; i < config->index_count; i++) {
        struct mount mount;
        int status =
            mount_parse(config->indexes[i].hosts, config->indexes[i].prefix, &mount, error);
        if (status != 0) {
            return status;
        }
        mount_fini(&mount);
    }
    return 0;
}

/* What nobody said. */
static void set_defaults(struct config *config)
{
    if (config->worker_count == 0) {
        config->worker_count = processor_count();
    }
    if (config->retain == 0) {
        config->retain = RETAIN_DEFAULT;
    }
    if (config->is_secure) {
        added_fields_secure(&config->added_fields);
    }
    for (size_t i = 0; i < config->listener_count; i++) {
        config->listeners[i].is_deferred = config->is_deferring;
        config->listeners[i].socket_mode =
            (mode_t)(config->socket_mode > 0 ? config->socket_mode : SOCKET_MODE_DEFAULT);
    }
}

enum config_result config_init(struct config *config, int argc, char **argv)
{
    *config = (struct config){0};
    struct error error = {""};
    bool is_done = false;
    limits_init(&config->limits);
    /* before the flags, each of which then changes one of them */
    int status = add_values(config, "CAIRN_LIMIT", ",", set_limit, &error);
    if (status == 0) {
        status = read_flags(config, argc, argv, &is_done, &error);
    }
    if (is_done) {
        config_fini(config);
        return CONFIG_EXIT;
    }
    if (status == 0) {
        status = read_environment(config, &error);
    }
    if (status == 0) {
        status = read_indexes(config, argc - optind, argv + optind, &error);
    }
    if (status != 0) {
        fprintf(stderr, "cairn-serve: %s\n%s--help says more.\n", error.text, usage);
        config_fini(config);
        return CONFIG_USAGE;
    }
    set_defaults(config);
    return CONFIG_RUN;
}

void config_fini(struct config *config)
{
    for (size_t i = 0; i < ARRAY_COUNT(config->owned); i++) {
        free(config->owned[i]);
    }
    address_list_fini(&config->proxy_from);
    address_list_fini(&config->forwarded_from);
    free(config->added_fields);
    free(config->trusted);
    free(config->indexes);
    free(config->archives);
    *config = (struct config){0};
}
