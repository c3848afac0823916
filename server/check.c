#include "server/check.h"

#include "admin/page.h"
#include "admin/token.h"
#include "common/mem.h"
#include "net/unix_socket.h"
#include "server/announcement.h"
#include "server/config_options.h"
#include "server/listeners.h"
#include "server/log_file.h"
#include "server/service_manager.h"

#include <errno.h>
#include <libgen.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct check {
    const struct config *config;
    struct loader *loader;
    const char *label; /* of the last line */
    size_t problems;
};

/* A line, its label only where that is another one than before. */
static void put(struct check *check, const char *label, const char *format, ...) CAIRN_PRINTF(3, 4);
static void put(struct check *check, const char *label, const char *format, ...)
{
    va_list arguments;
    bool is_new = check->label == NULL || strcmp(check->label, label) != 0;
    printf("%-12s", is_new ? label : "");
    check->label = label;
    va_start(arguments, format);
    vprintf(format, arguments);
    va_end(arguments);
    putchar('\n');
}

static void add_problem(struct check *check, const struct error *error)
{
    fprintf(stderr, "cairn-serve: %s\n", error->text);
    check->problems++;
}

/* ---- addresses ---- */

/* A Unix socket that would be made, after one that is left over is removed. */
static void check_socket(struct check *check, const char *label, const char *path,
                         const char *shown)
{
    struct error error = {""};
    bool is_there = false;
    if (unix_socket_check(path, &is_there, &error) != 0) {
        add_problem(check, &error);
        return;
    }
    put(check, label, "%s%s", shown, is_there ? " (a socket is there: in use, or left over)" : "");
}

static void check_address(struct check *check, const char *label,
                          const struct listen_address *address)
{
    struct error error = {""};
    char url[URL_TEXT_BYTES];
    announcement_url(address, url);
    if (listen_address_path(address) != NULL) {
        check_socket(check, label, listen_address_path(address), url);
        return;
    }
    int status = listen_check(address, &error);
    if (status != 0 && status != -EADDRINUSE) {
        add_problem(check, &error);
        return;
    }
    put(check, label, "%s%s", url,
        status == 0 ? "" : " (in use now, perhaps by the server that is to go)");
}

static void check_given(struct check *check, int fd, const char *name, bool is_admin,
                        bool is_local_only)
{
    struct listeners one = {0};
    struct error error = {""};
    int status = listeners_adopt(&one, &fd, 1, false, &error);
    if (status == 0 && is_local_only && !is_admin) {
        status = listeners_check_local(&one.at[0].address, &error);
    }
    listeners_close(&one);
    if (status != 0) {
        add_problem(check, &error);
    } else {
        put(check, is_admin ? "admin" : "listens", "socket \"%s\" of the service manager", name);
    }
}

/* Those of a service manager take the place of the default, and of the admin address. */
static void check_addresses(struct check *check)
{
    const struct config *config = check->config;
    bool is_local_only = config->is_live && !config->is_live_anywhere;
    struct service_sockets given;
    size_t admin_count = 0;
    service_manager_sockets(&given);
    for (size_t i = 0; i < given.count; i++) {
        bool is_admin = strcmp(given.names[i], "admin") == 0;
        admin_count += is_admin;
        check_given(check, given.first_fd + (int)i, given.names[i], is_admin, is_local_only);
    }
    bool is_to_open = config_opens_listeners(config, given.count - admin_count);
    service_sockets_fini(&given);
    for (size_t i = 0; i < config->listener_count && is_to_open; i++) {
        struct error error = {""};
        if (is_local_only && listeners_check_local(&config->listeners[i], &error) != 0) {
            add_problem(check, &error);
        } else {
            check_address(check, "listens", &config->listeners[i]);
        }
    }
    if (config->has_admin && admin_count == 0) {
        check_address(check, "admin", &config->admin);
    }
}

static void check_controls(struct check *check)
{
    put(check, "commands", "standard input");
    for (size_t i = 0; i < check->config->control_count; i++) {
        const char *path = check->config->controls[i];
        struct error error = {""};
        struct stat file;
        bool is_fifo = stat(path, &file) == 0 && S_ISFIFO(file.st_mode);
        if (!is_fifo) {
            check_socket(check, "commands", path, path);
        } else if (access(path, R_OK) != 0) {
            error_set(&error, -errno, "%s: %s", path, strerror(errno));
            add_problem(check, &error);
        } else {
            put(check, "commands", "%s (a FIFO)", path);
        }
    }
}

/* ---- sites ---- */

static void check_index(struct check *check, const struct load_request *request)
{
    struct load_result result;
    struct error error = {""};
    char id[24];
    if (config_awaits(check->config, request->path)) {
        put(check, "serves", "%s, once it is there", request->path);
        return;
    }
    if (loader_load(check->loader, request, &result, &error) != 0) {
        add_problem(check, &error);
        return;
    }
    snprintf(id, sizeof id, "%llu", (unsigned long long)result.id);
    const struct site *site = loader_find(check->loader, slice_of_string(id));
    char *text = announcement_site(site);
    put(check, "serves", "%s", text);
    free(text);
}

static void check_sites(struct check *check)
{
    const struct config *config = check->config;
    for (size_t i = 0; i < config->index_count; i++) {
        check_index(check, &config->indexes[i]);
    }
    if (config->index_count == 0) {
        put(check, "serves", "nothing, until a command loads it");
    }
    for (size_t i = 0; i < config->trusted_count; i++) {
        put(check, "trusts", "%s", config->trusted[i]);
    }
    if (config->trusted_count == 0) {
        put(check, "trusts", "every release, signed or not");
    }
}

/* ---- the rest ---- */

/* What is there already is opened, as a start does; but not a FIFO, whose reader would see it end.
 * What is not would be made. */
static int check_log(const char *name, bool *out_is_new, struct error *error)
{
    struct stat file;
    int fd;
    *out_is_new = false;
    bool is_path = log_file_is_path(name);
    bool is_there = is_path && stat(name, &file) == 0;
    bool is_fifo = is_there && S_ISFIFO(file.st_mode);
    bool is_link = is_path && lstat(name, &file) == 0 && S_ISLNK(file.st_mode);
    bool is_refused = is_link && geteuid() == 0; /* wherever it leads */
    bool exists = is_there || is_refused || !is_path;
    if (exists && !is_fifo) {
        int status = log_file_open(name, &fd, error);
        if (status == 0) {
            close(fd);
        }
        return status;
    }
    char *copy = mem_string(name, strlen(name));
    const char *needed = is_fifo ? name : dirname(copy);
    int result = access(needed, is_fifo ? W_OK : W_OK | X_OK);
    int number = errno;
    free(copy);
    *out_is_new = !is_fifo;
    return result == 0 ? 0 : error_set(error, -number, "%s: %s", name, strerror(number));
}

static void check_access_log(struct check *check)
{
    const char *name = check->config->access_log;
    struct error error = {""};
    bool is_new;
    if (name == NULL) {
        put(check, "access log", "none");
    } else if (check_log(name, &is_new, &error) == 0) {
        put(check, "access log", "%s%s", name, is_new ? " (would be made)" : "");
    } else {
        add_problem(check, &error);
    }
}

static void list_telemetry(struct check *check, const struct telemetry_settings *settings)
{
    static const char *const signals[] = {
        [SIGNAL_TRACES] = "traces", [SIGNAL_METRICS] = "metrics", [SIGNAL_LOGS] = "logs"};
    for (enum telemetry_signal signal = 0; signal < TELEMETRY_SIGNALS; signal++) {
        if (settings->targets[signal].is_on) {
            put(check, "telemetry", "%s to %s", signals[signal],
                settings->targets[signal].shown_url);
        }
    }
    if (!telemetry_settings_on(settings)) {
        put(check, "telemetry", "none");
    }
}

static void list_limits(struct check *check)
{
    char text[128];
    const char *none = "all by default";
    for (size_t i = 0; limits_compare(&check->config->limits, i, text, sizeof text); i++) {
        if (text[0] != '\0') {
            put(check, "limits", "%s", text);
            none = NULL;
        }
    }
    if (none != NULL) {
        put(check, "limits", "%s", none);
    }
}

static void list_setting(struct check *check, const struct option *option,
                         const struct setting *setting)
{
    char origin[4200];
    bool has_value = setting->value != NULL;
    char *flag =
        mem_format("--%s%s%s", option->name, has_value ? "=" : "", has_value ? setting->value : "");
    put(check, "said", "%-34s %s", flag, setting_origin(setting, origin, sizeof origin));
    free(flag);
}

/* Each flag that sets something: what was said and where, or the default. */
static void list_settings(struct check *check)
{
    const struct settings *settings = &check->config->settings;
    const struct option *option;
    for (size_t i = 0; (option = option_at(config_options(), i)) != NULL; i++) {
        for (size_t j = 0; j < settings->count; j++) {
            if (settings->at[j].option == option) {
                list_setting(check, option, &settings->at[j]);
            }
        }
    }
    for (size_t i = 0; (option = option_at(config_options(), i)) != NULL; i++) {
        if (option->initial != NULL && settings_find(settings, option->name) == NULL) {
            char *flag = mem_format("--%s", option->name);
            put(check, "by default", "%-34s %s", flag, option->initial);
            free(flag);
        }
    }
}

/* Where a start has sockets, here are their names alone. */
static struct listeners names_of(const struct listen_address *addresses, size_t count)
{
    struct listeners listeners = {count, mem_zeroed(count + 1, sizeof *listeners.at)};
    for (size_t i = 0; i < count; i++) {
        listeners.at[i] = (struct listening){.address = addresses[i], .is_ours = true};
    }
    return listeners;
}

/* `needs` has what there is besides addresses and the account. */
static int enter_sandbox(struct sandbox *sandbox, struct sandbox_needs needs,
                         const struct account *account, struct error *error)
{
    const struct config *config = needs.config;
    struct listeners listeners = names_of(config->listeners, config->listener_count);
    struct listeners admin = names_of(&config->admin, config->has_admin);
    needs.listeners = &listeners;
    needs.admin = &admin;
    needs.account = account;
    int status = sandbox_enter(sandbox, &needs, error);
    free(listeners.at);
    free(admin.at);
    return status;
}

static void check_sandbox(struct check *check, struct sandbox *sandbox,
                          const struct sandbox_needs *needs)
{
    const char *user = check->config->user;
    struct account account = {0};
    struct error error = {""};
    char text[SANDBOX_TEXT_BYTES];
    int status = user == NULL ? 0 : account_find(user, &account, &error);
    if (status == 0 && user != NULL) {
        put(check, "becomes", "%s (uid %u, gid %u)", user, (unsigned)account.uid,
            (unsigned)account.gid);
    }
    (void)fflush(stdout);
    if (status == 0) {
        status = enter_sandbox(sandbox, *needs, user == NULL ? NULL : &account, &error);
    }
    if (status == 0) {
        sandbox_text(sandbox, text);
        put(check, "sandbox", "%s", text);
    } else {
        add_problem(check, &error);
    }
    account_fini(&account);
}

/* What the admin address reads. */
static void check_admin(struct check *check, const char *page)
{
    const char *token_file = check->config->admin_token_file;
    struct admin_token token;
    struct error error = {""};
    if (admin_token_init(&token, token_file, &error) != 0) {
        add_problem(check, &error);
    } else {
        put(check, "changes", "%s%s",
            token_file == NULL ? "none by the admin address" : "with the token in ",
            token_file == NULL ? "" : token_file);
    }
    admin_token_fini(&token);
    put(check, "status page", "%s", page == NULL ? "none" : page);
}

bool check_start(const struct config *config, struct loader *loader, struct trust *trust,
                 struct sandbox *sandbox, const char *program)
{
    struct check check = {.config = config, .loader = loader};
    struct telemetry_settings telemetry;
    struct error error = {""};
    if (config_read_trust(config, trust, &error) != 0) {
        add_problem(&check, &error);
    }
    check_addresses(&check);
    check_controls(&check);
    check_sites(&check);
    put(&check, "workers", "%zu, and %zu disk readers", config->worker_count,
        config->disk_reader_count);
    check_access_log(&check);
    char *page = config->has_admin ? admin_page_find(config->admin_page, program) : NULL;
    if (config->has_admin) {
        check_admin(&check, page);
    }
    telemetry_settings_init(&telemetry, "cairn-serve");
    list_telemetry(&check, &telemetry);
    list_limits(&check);
    list_settings(&check);
    if (check.problems == 0) { /* its rules are of files that have to be there */
        struct sandbox_needs needs = {
            .config = config,
            .telemetry = telemetry_settings_on(&telemetry) ? &telemetry : NULL,
            .admin_page = page,
            .program = program,
        };
        check_sandbox(&check, sandbox, &needs);
    }
    telemetry_settings_fini(&telemetry);
    free(page);
    puts(check.problems == 0 ? "It would start." : "It would not start.");
    return fflush(stdout) == 0 && check.problems == 0;
}
