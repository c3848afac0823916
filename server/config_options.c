#include "server/config_options.h"

#include "common/mem.h"
#include "common/path.h"
#include "server/added_fields.h"
#include "server/config.h"
#include "server/handover.h"

#include <stdlib.h>
#include <string.h>

enum { RETAIN_MAX = 1000 };

/* ---- what flags do that common/options.h has no function for ---- */

static int add_listener(const struct setting *setting, void *subject, struct error *error)
{
    struct config *config = subject;
    if (config->listener_count == CONFIG_LISTENERS_MAX) {
        return error_set(error, ERR_USAGE, "--listen: more than %d addresses to listen on",
                         CONFIG_LISTENERS_MAX);
    }
    if (handover_is_there()) { /* with the sockets; from a sandbox no name can be looked up */
        config->listeners[config->listener_count++] = (struct listen_address){0};
        return 0;
    }
    int status =
        listen_address_parse(setting->value, &config->listeners[config->listener_count], error);
    config->listener_count += status == 0;
    return status;
}

static int add_control(const struct setting *setting, void *subject, struct error *error)
{
    struct config *config = subject;
    if (config->control_count == CONFIG_CONTROLS_MAX || *setting->value == '\0') {
        return error_set(error, ERR_USAGE, "--control: an empty path, or more than %d of them",
                         CONFIG_CONTROLS_MAX);
    }
    config->controls[config->control_count++] = setting->value;
    return 0;
}

static int set_admin(const struct setting *setting, void *subject, struct error *error)
{
    struct config *config = subject;
    config->has_admin = true;
    return handover_is_there() ? 0 : listen_address_parse(setting->value, &config->admin, error);
}

static int add_path(const struct setting *setting, const char ***paths, size_t *count,
                    struct error *error)
{
    if (*setting->value == '\0') {
        return error_set(error, ERR_USAGE, "--%s: an empty path", setting->option->name);
    }
    *paths = mem_resize(*paths, *count + 1, sizeof **paths);
    (*paths)[(*count)++] = setting->value;
    return 0;
}

static int add_archives(const struct setting *setting, void *subject, struct error *error)
{
    struct config *config = subject;
    return add_path(setting, &config->archives, &config->archive_count, error);
}

static int add_admin_host(const struct setting *setting, void *subject, struct error *error)
{
    struct config *config = subject;
    if (setting->value[strcspn(setting->value, ":/ ")] != '\0') {
        return error_set(error, ERR_USAGE, "--admin-host: a name without port, not %s",
                         setting->value);
    }
    return add_path(setting, &config->admin_hosts, &config->admin_host_count, error);
}

static int add_trusted(const struct setting *setting, void *subject, struct error *error)
{
    struct config *config = subject;
    return add_path(setting, &config->trusted, &config->trusted_count, error);
}

static int add_proxies(const struct setting *setting, void *subject, struct error *error)
{
    struct config *config = subject;
    return address_list_add(&config->proxy_from, setting->value, error);
}

static int add_forwarders(const struct setting *setting, void *subject, struct error *error)
{
    struct config *config = subject;
    return address_list_add(&config->forwarded_from, setting->value, error);
}

static int add_header(const struct setting *setting, void *subject, struct error *error)
{
    struct config *config = subject;
    return added_fields_add(&config->added_fields, setting->value, error);
}

/* A path as requests have it, which is found by its canonical form. */
static int set_events(const struct setting *setting, void *subject, struct error *error)
{
    struct config *config = subject;
    char buffer[PATH_BYTES_MAX];
    struct slice path;
    struct slice text = slice_of_string(setting->value);
    if (path_canonical(text, buffer, &path) != PATH_OK || !slice_equal(path, text) ||
        strpbrk(setting->value, "?#") != NULL) { /* where the path of a request ends */
        return error_set(error, ERR_USAGE, "--events: not a path such as /events: %s",
                         setting->value);
    }
    config->events.path = text;
    return 0;
}

static int add_origins(const struct setting *setting, void *subject, struct error *error)
{
    struct config *config = subject;
    return origin_list_add(&config->events.origins, setting->value, error);
}

static int set_limit(const struct setting *setting, void *subject, struct error *error)
{
    struct config *config = subject;
    return limits_set(&config->limits, setting->value, error);
}

static int set_drain(const struct setting *setting, void *subject, struct error *error)
{
    struct config *config = subject;
    char *limit = mem_format("drain-time=%s", setting->value);
    int status = limits_set(&config->limits, limit, error);
    free(limit);
    return status;
}

/* Permission bits in octal: "660", "0660". */
static int set_socket_mode(const struct setting *setting, void *subject, struct error *error)
{
    struct config *config = subject;
    char *end;
    unsigned long mode = strtoul(setting->value, &end, 8);
    if (*setting->value < '0' || *setting->value > '7' || *end != '\0' || mode == 0 ||
        mode > 0777) {
        return error_set(error, ERR_USAGE, "--socket-mode: not a mode such as 660: %s",
                         setting->value);
    }
    config->socket_mode = mode;
    return 0;
}

/* ---- the flags ---- */

#define IN(member) .offset = offsetof(struct config, member)

static const struct option listen_options[] = {
    {.name = "listen",
     .letter = 'p',
     .argument = "ADDRESS",
     .variable = "CAIRN_LISTEN",
     .separators = ",",
     .is_repeatable = true,
     .is_common = true,
     .initial = "127.0.0.1:8080, or PORT for the port alone",
     .help = "HOST:PORT, :PORT (all addresses), PORT or unix:PATH",
     .more = "IPv6 addresses in brackets, [::1]:80. Port 0 lets the system choose.",
     .apply = add_listener},
    {.name = "control",
     .argument = "PATH",
     .variable = "CAIRN_CONTROL",
     .separators = ",",
     .is_repeatable = true,
     .is_common = true,
     .help = "take commands there: a Unix socket, or a FIFO",
     .more = "A socket is made, mode 0600; a FIFO is there already. Standard input is always one.",
     .apply = add_control},
    {.name = "admin",
     .argument = "ADDRESS",
     .variable = "CAIRN_ADMIN",
     .is_common = true,
     .help = "health, metrics and the status page, there alone",
     .more = "As --listen; for this machine or a network of your own (docs/admin.md).",
     .apply = set_admin},
    {.name = "admin-host",
     .argument = "NAME",
     .variable = "CAIRN_ADMIN_HOST",
     .separators = ",",
     .is_repeatable = true,
     .help = "a name that the admin address answers for",
     .more = "Besides numeric addresses and localhost.",
     .apply = add_admin_host},
    {.name = "admin-token-file",
     .argument = "PATH",
     .variable = "CAIRN_ADMIN_TOKEN_FILE",
     .help = "who has the token in it may load, roll back and promote there",
     .more = "Its first line, 16 characters or more; others must not be able to read the file.",
     .apply = option_set_text,
     IN(admin_token_file)},
    {.name = "admin-page",
     .argument = "INDEX",
     .variable = "CAIRN_ADMIN_PAGE",
     .initial = "../share/cairn/status.idx beside the program",
     .help = "the release that the status page is served from",
     .apply = option_set_text,
     IN(admin_page)},
    {.name = "socket-mode",
     .argument = "MODE",
     .variable = "CAIRN_SOCKET_MODE",
     .initial = "660",
     .help = "of Unix sockets that are listened on, in octal",
     .apply = set_socket_mode},
    {.name = "defer-accept",
     .variable = "CAIRN_DEFER_ACCEPT",
     .help = "take a connection when its first bytes are there",
     .more = "TCP_DEFER_ACCEPT: less work for each, but those that send nothing are not seen, "
             "counted or limited.",
     .apply = option_set_flag,
     IN(is_deferring)},
    {.name = "proxy-protocol-from",
     .argument = "LIST",
     .variable = "CAIRN_PROXY_PROTOCOL_FROM",
     .separators = ",",
     .is_repeatable = true,
     .help = "peers that begin with a PROXY protocol header",
     .more = "ADDRESS, ADDRESS/BITS or unix; version 1 or 2. They have to send it.",
     .apply = add_proxies},
};

static const struct option answer_options[] = {
    {.name = "header",
     .argument = "'NAME: VALUE'",
     .variable = "CAIRN_HEADER",
     .separators = "\n",
     .is_repeatable = true,
     .help = "a field for every answer that has none of that name",
     .more = "In the variable, one on each line.",
     .apply = add_header},
    {.name = "secure-headers",
     .variable = "CAIRN_SECURE_HEADERS",
     .is_common = true,
     .help = "a preset of security fields for every answer",
     .apply = option_set_flag,
     IN(is_secure)},
    {.name = "events",
     .argument = "PATH",
     .variable = "CAIRN_EVENTS",
     .help = "browsers hear of releases there",
     .more =
         "By WebSocket, or as text/event-stream (docs/events.md). Before what sites have there.",
     .apply = set_events},
    {.name = "events-origin",
     .argument = "ORIGIN",
     .variable = "CAIRN_EVENTS_ORIGIN",
     .separators = ",",
     .is_repeatable = true,
     .help = "whose pages may listen there, besides the sites' own",
     .more = "https://HOST or https://HOST:PORT. For --events and --live-reload.",
     .apply = add_origins},
    {.name = "live-reload",
     .variable = "CAIRN_LIVE_RELOAD",
     .is_common = true,
     .help = "pages reload in browsers as they change",
     .more = "For who is writing them (docs/live-reload.md): every page gets a script. INDEX "
             "files may come later. Refused where other machines can connect.",
     .apply = option_set_flag,
     IN(is_live)},
    {.name = "live-reload-anywhere",
     .variable = "CAIRN_LIVE_RELOAD_ANYWHERE",
     .help = "the same, where other machines can connect, too",
     .apply = option_set_flag,
     IN(is_live_anywhere)},
    {.name = "trust",
     .argument = "PUBKEY",
     .variable = "CAIRN_TRUST",
     .separators = ",",
     .is_repeatable = true,
     .is_common = true,
     .refuses_none = true, /* it must not mean: trust everybody */
     .help = "load only releases that this key has signed",
     .more = "By cairn-pack add --sign; whole, and never older ones than are served. Of several "
             "keys any will do.",
     .apply = add_trusted},
    {.name = "retain",
     .argument = "N",
     .variable = "CAIRN_RETAIN",
     .initial = "8",
     .help = "releases kept of a site, the oldest fall off",
     .apply = option_set_number,
     IN(retain),
     .least = 1,
     .most = RETAIN_MAX},
    {.name = "retain-for",
     .argument = "TIME",
     .variable = "CAIRN_RETAIN_FOR",
     .initial = "for good",
     .help = "and for how long after another one came on top",
     .more = "90s, 30m, 12h, 7d.",
     .apply = option_set_time,
     IN(retain_for_s)},
};

static const struct option work_options[] = {
    {.name = "workers",
     .argument = "N",
     .variable = "CAIRN_WORKERS",
     .is_common = true,
     .initial = "one per processor",
     .help = "serving threads",
     .apply = option_set_number,
     IN(worker_count),
     .least = 1,
     .most = CONFIG_WORKERS_MAX},
    {.name = "disk-readers",
     .argument = "N",
     .variable = "CAIRN_DISK_READERS",
     .initial = "8",
     .help = "threads that read what is not in memory",
     .more = "So that nobody else waits for the disk; 0: workers wait themselves.",
     .apply = option_set_number,
     IN(disk_reader_count),
     .most = DISK_READERS_MAX},
    {.name = "preload",
     .variable = "CAIRN_PRELOAD",
     .help = "read an archive into memory before it is served",
     .apply = option_set_flag,
     IN(is_preloading)},
    {.name = "limit",
     .argument = "NAME=VALUE",
     .variable = "CAIRN_LIMIT",
     .separators = ",",
     .is_repeatable = true,
     .is_added_to = true, /* each changes one of them */
     .help = "change a limit",
     .apply = set_limit},
    {.name = "limits", .about = OPTION_OTHER, .help = "list the limits, what they are, and why"},
    {.name = "drain",
     .argument = "TIME",
     .variable = "CAIRN_DRAIN",
     .initial = "30s",
     .help = "how long open responses get at the end",
     .more = "The limit drain-time.",
     .apply = set_drain},
};

static const struct option log_options[] = {
    {.name = "check",
     .is_common = true,
     .help = "say what a start would do, and do not start",
     .more = "And every reason why it would fail. Exit code 0: it would start, 1: it would not.",
     .apply = option_set_flag,
     IN(is_check)},
    {.name = "quiet",
     .letter = 'q',
     .variable = "CAIRN_QUIET",
     .is_common = true,
     .help = "no lines on standard error about a good start",
     .apply = option_set_flag,
     IN(is_quiet)},
    {.name = "access-log",
     .argument = "PATH",
     .variable = "CAIRN_ACCESS_LOG",
     .is_common = true,
     .initial = "none",
     .help = "append a line for each answer; - is standard error",
     .more = "fd:N is a descriptor that is open already (docs/logging.md).",
     .apply = option_set_text,
     IN(access_log)},
    {.name = "log-format",
     .argument = "combined|json",
     .choices = "combined|json", /* in the order of enum access_format */
     .variable = "CAIRN_LOG_FORMAT",
     .initial = "combined",
     .help = "of the access log",
     .apply = option_set_choice,
     IN(log_format)},
    {.name = "forwarded-from",
     .argument = "LIST",
     .variable = "CAIRN_FORWARDED_FROM",
     .separators = ",",
     .is_repeatable = true,
     .help = "peers whose Forwarded names the client in the log",
     .more = "Or whose X-Forwarded-For does. ADDRESS, ADDRESS/BITS or unix.",
     .apply = add_forwarders},
};

static const struct option rights_options[] = {
    {.name = "user",
     .argument = "USER[:GROUP]",
     .variable = "CAIRN_USER",
     .is_common = true,
     .help = "started by root: become this user",
     .more = "When everything is open.",
     .apply = option_set_text,
     IN(user)},
    {.name = "archives",
     .argument = "DIR",
     .variable = "CAIRN_ARCHIVES",
     .separators = ",",
     .is_repeatable = true,
     .is_common = true,
     .help = "releases may be loaded from here, too",
     .more = "Indexes and archives are read beneath the folders of the INDEX files, and here. "
             "Without either, anywhere.",
     .apply = add_archives},
    {.name = "sandbox",
     .argument = "on|off|require",
     .choices = "on|off|require", /* in the order of enum sandbox_mode */
     .variable = "CAIRN_SANDBOX",
     .initial = "on",
     .help = "give up what serving does not need",
     .more = "Privileges, files and system calls, as far as the kernel can; require: do not start "
             "if it cannot.",
     .apply = option_set_choice,
     IN(sandbox)},
};

#define GROUP(title, options)                                                                      \
    {                                                                                              \
        title, options, ARRAY_COUNT(options), false                                                \
    }

static const struct option_group groups[] = {
    GROUP("Where it listens", listen_options),
    GROUP("What it answers", answer_options),
    GROUP("How it works", work_options),
    GROUP("What it says", log_options),
    GROUP("What it may do (docs/security.md)", rights_options),
};

static const struct option_table table = {
    .program = "cairn-serve",
    .usage = "[OPTIONS] [INDEX [host=NAME,...] [at=/PREFIX]]...",
    .about = "Serves the releases that INDEX files describe (NAME.idx, by cairn-pack), the\n"
             "last one on top. Takes commands on standard input and --control PATH: a line\n"
             "`load index PATH` makes another release live. Prints `ready URL...`.\n",
    .operands = "Behind an INDEX:\n"
                "  host=NAME,*.NAME,*      the hosts that it answers for; * is every other one,\n"
                "                          and what is meant without the word. A host that nobody\n"
                "                          answers for: 421\n"
                "  at=/PREFIX              the path below which it answers\n"
                "\n"
                "@FILE stands for the words of a file: on each line a flag with its value, or an\n"
                "INDEX with its words, # and a comment, or another @FILE, beside this one.\n",
    .ending = "A flag beats its variable, which stands behind it with the default. Lists in\n"
              "variables are separated by commas. Signals: TERM and INT end when open responses\n"
              "are out (a second one at once), HUP loads the INDEX files again, USR1 opens the\n"
              "access log anew, USR2 starts a successor. Exit codes: 0 ok, 1 failed, 2 usage.\n",
    .groups = (const struct option_group *const[]){&groups[0], &groups[1], &groups[2], &groups[3],
                                                   &groups[4], &option_about_group, NULL},
};

const struct option_table *config_options(void)
{
    return &table;
}
