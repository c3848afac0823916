#include "server/sandbox/sandbox.h"

#include "common/mem.h"
#include "common/release.h"
#include "net/thread_filter.h"
#include "server/log_file.h"
#include "server/sandbox/landlock.h"

#include <errno.h>
#include <libgen.h>
#include <link.h>
#include <linux/capability.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* ---- privileges ---- */

/* While the process still may: no program that it starts can get any of them back. */
static void empty_bounding_set(void)
{
    for (unsigned long i = 0; prctl(PR_CAPBSET_READ, i, 0, 0, 0) >= 0; i++) {
        (void)prctl(PR_CAPBSET_DROP, i, 0, 0, 0); /* EPERM: it has none of them either */
    }
}

/* Also for root, who is then a user that owns many files. */
static int give_up_capabilities(struct error *error)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = {{0}};
    (void)prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
    struct __user_cap_data_struct has[_LINUX_CAPABILITY_U32S_3];
    /* where there are none, asking may be forbidden */
    bool has_none = syscall(SYS_capget, &header, has) == 0 && memcmp(has, none, sizeof none) == 0;
    if ((!has_none && syscall(SYS_capset, &header, none) != 0) ||
        prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) {
        return error_set(error, -errno, "giving up privileges: %s", strerror(errno));
    }
    return 0;
}

/* ---- files ---- */

/* The folders of the program and its libraries, from which a successor is made. */
struct code_rules {
    const struct landlock *landlock;
    struct error *error;
    int status;
};

static int allow_code_beside(struct code_rules *rules, const char *path)
{
    char *real = realpath(path, NULL); /* the kernel's own piece of code has no file */
    if (rules->status == 0 && real != NULL) {
        rules->status =
            landlock_allow(rules->landlock, dirname(real), LANDLOCK_EXECUTE, rules->error);
    }
    free(real);
    return rules->status;
}

static int allow_object(struct dl_phdr_info *object, size_t bytes, void *argument)
{
    (void)bytes;
    return strchr(object->dlpi_name, '/') == NULL ? 0
                                                  : allow_code_beside(argument, object->dlpi_name);
}

static int allow_code(const struct landlock *landlock, const char *program, struct error *error)
{
    struct code_rules rules = {landlock, error, 0};
    if (program != NULL) {
        allow_code_beside(&rules, program);
    }
    if (rules.status == 0) {
        dl_iterate_phdr(allow_object, &rules);
    }
    return rules.status == 0 ? landlock_allow(landlock, "/etc/ld.so.cache", LANDLOCK_READ, error)
                             : rules.status;
}

static int allow_folder_of(const struct landlock *landlock, const char *path, unsigned rights,
                           struct error *error)
{
    char *copy = mem_string(path, strlen(path));
    int status = landlock_allow(landlock, dirname(copy), rights, error);
    free(copy);
    return status;
}

/* A successor reads keys and files of flags again; each may have been replaced by another file of
 * its name. */
static int allow_settings(const struct landlock *landlock, const struct config *config,
                          struct error *error)
{
    const struct arguments *arguments = &config->settings.arguments;
    int status = 0;
    for (size_t i = 0; i < config->trusted_count && status == 0; i++) {
        status = allow_folder_of(landlock, config->trusted[i], LANDLOCK_READ, error);
    }
    for (size_t i = 0; i < arguments->file_count && status == 0; i++) {
        status = allow_folder_of(landlock, arguments->files[i], LANDLOCK_READ, error);
    }
    return status;
}

/* The same goes for what the admin address reads. */
static int allow_admin(const struct landlock *landlock, const struct sandbox_needs *needs,
                       struct error *error)
{
    const char *const paths[] = {needs->admin_page, needs->config->admin_token_file};
    int status = 0;
    for (size_t i = 0; i < ARRAY_COUNT(paths) && status == 0; i++) {
        status = paths[i] == NULL ? 0 : allow_folder_of(landlock, paths[i], LANDLOCK_READ, error);
    }
    return status;
}

static int allow_sockets_of(const struct landlock *landlock, const struct listeners *listeners,
                            struct error *error)
{
    int status = 0;
    for (size_t i = 0; i < listeners->count && status == 0; i++) {
        const struct listening *listening = &listeners->at[i];
        const char *path = listen_address_path(&listening->address);
        if (path != NULL && listening->is_ours) {
            status = allow_folder_of(landlock, path, LANDLOCK_SOCKETS, error);
        }
    }
    return status;
}

/* Sockets are removed at the end; a FIFO is opened again when its last writer has gone. */
static int allow_channels(const struct landlock *landlock, const struct sandbox_needs *needs,
                          struct error *error)
{
    const struct config *config = needs->config;
    int status = 0;
    for (size_t i = 0; i < config->control_count && status == 0; i++) {
        struct stat file;
        bool is_fifo = stat(config->controls[i], &file) == 0 && S_ISFIFO(file.st_mode);
        status = is_fifo ? landlock_allow(landlock, config->controls[i], LANDLOCK_READ, error)
                         : allow_folder_of(landlock, config->controls[i], LANDLOCK_SOCKETS, error);
    }
    if (status == 0) {
        status = allow_sockets_of(landlock, needs->listeners, error);
    }
    return status == 0 ? allow_sockets_of(landlock, needs->admin, error) : status;
}

/* What `reopen logs` opens: in place of a file that was renamed a new one is made in its folder; a
 * FIFO or a device stays what it is. */
static int allow_log(const struct landlock *landlock, const struct config *config,
                     struct error *error)
{
    struct stat file;
    const char *path = config->access_log;
    if (path == NULL || !log_file_is_path(path)) {
        return 0;
    }
    bool is_special = stat(path, &file) == 0 && !S_ISREG(file.st_mode);
    return is_special ? landlock_allow(landlock, path, LANDLOCK_WRITE, error)
                      : allow_folder_of(landlock, path, LANDLOCK_MAKE, error);
}

/* What says which address a name has; and where that is written by a program of the system, its
 * folder, since it is replaced. */
static int allow_look_ups(const struct landlock *landlock, struct error *error)
{
    static const char *const paths[] = {"/etc/resolv.conf", "/etc/hosts", "/etc/nsswitch.conf",
                                        "/etc/host.conf", "/etc/gai.conf"};
    enum { DNS_PORT = 53 };
    int status = landlock_allow_port(landlock, DNS_PORT, error);
    for (size_t i = 0; i < ARRAY_COUNT(paths) && status == 0; i++) {
        status = landlock_allow(landlock, paths[i], LANDLOCK_READ, error);
    }
    char *real = realpath(paths[0], NULL);
    if (status == 0 && real != NULL && strncmp(real, "/etc/", 5) != 0) {
        status = allow_folder_of(landlock, real, LANDLOCK_READ, error);
    }
    free(real);
    return status;
}

/* A collector: its port, the authorities that vouch for it, and what this process shows it. */
static int allow_target(const struct landlock *landlock, const struct telemetry_target *target,
                        struct error *error)
{
    const char *const files[] = {target->certificate, target->client_certificate,
                                 target->client_key};
    int status = landlock_allow_port(landlock, target->port, error);
    for (size_t i = 0; i < ARRAY_COUNT(files) && status == 0; i++) {
        if (files[i] != NULL) {
            status = allow_folder_of(landlock, files[i], LANDLOCK_READ, error);
        }
    }
    return status;
}

static int allow_telemetry(const struct landlock *landlock,
                           const struct telemetry_settings *settings, struct error *error)
{
    if (settings == NULL) {
        return 0;
    }
    int status = allow_look_ups(landlock, error);
    if (status == 0) {
        status = landlock_allow(landlock, "/etc/ssl", LANDLOCK_READ | LANDLOCK_LIST, error);
    }
    for (enum telemetry_signal signal = 0; signal < TELEMETRY_SIGNALS && status == 0; signal++) {
        if (settings->targets[signal].is_on) {
            status = allow_target(landlock, &settings->targets[signal], error);
        }
    }
    return status;
}

static int allow_files(const struct sandbox *sandbox, const struct landlock *landlock,
                       const struct sandbox_needs *needs, struct error *error)
{
    int status = 0;
    if (sandbox->readable.count == 0) {
        status = landlock_allow(landlock, "/", LANDLOCK_READ | LANDLOCK_LIST, error);
    }
    for (size_t i = 0; i < sandbox->readable.count && status == 0; i++) {
        status = landlock_allow(landlock, sandbox->readable.at[i].path,
                                LANDLOCK_READ | LANDLOCK_LIST, error);
    }
    if (status == 0) {
        status = allow_code(landlock, needs->program, error);
    }
    if (status == 0) {
        status = allow_settings(landlock, needs->config, error);
    }
    if (status == 0) {
        status = allow_log(landlock, needs->config, error);
    }
    if (status == 0) {
        status = allow_admin(landlock, needs, error);
    }
    if (status == 0) { /* in the place of a standard stream that is closed */
        status = landlock_allow(landlock, "/dev/null", LANDLOCK_READ | LANDLOCK_WRITE, error);
    }
    if (status == 0 && syscall_filter_is_sanitized()) {
        status = landlock_allow(landlock, "/proc", LANDLOCK_READ | LANDLOCK_LIST, error);
    }
    if (status == 0) {
        status = allow_telemetry(landlock, needs->telemetry, error);
    }
    return status == 0 ? allow_channels(landlock, needs, error) : status;
}

/* What the INDEX arguments name, and where their archives really are. */
static int add_release(struct folders *folders, const char *index_path, struct error *error)
{
    char *archive_path;
    int status = folders_add_file(folders, index_path, error);
    if (status == 0) {
        status = release_archive_path(index_path, &archive_path, error);
    }
    if (status == 0) {
        status = folders_add_file(folders, archive_path, error);
        free(archive_path);
    }
    return status;
}

static int find_folders(struct sandbox *sandbox, const struct config *config, struct error *error)
{
    int status = 0;
    for (size_t i = 0; i < config->index_count && status == 0; i++) {
        const char *path = config->indexes[i].path;
        status = config_awaits(config, path) ? folders_add_file(&sandbox->readable, path, error)
                                             : add_release(&sandbox->readable, path, error);
    }
    for (size_t i = 0; i < config->archive_count && status == 0; i++) {
        struct error detail;
        status = folders_add(&sandbox->readable, config->archives[i], &detail);
        if (status != 0) {
            error_set(error, status, "--archives: %s", detail.text);
        }
    }
    return status;
}

/* 0 and *out_missing, -errno: the kernel cannot. */
static int confine_files(struct sandbox *sandbox, const struct sandbox_needs *needs,
                         int *out_missing, struct error *error)
{
    struct landlock landlock;
    const char *notify = getenv("NOTIFY_SOCKET"); /* a service manager may listen on such a one */
    *out_missing = landlock_open(&landlock, notify != NULL && notify[0] == '@');
    if (*out_missing != 0) {
        return 0;
    }
    int status = allow_files(sandbox, &landlock, needs, error);
    if (status == 0) {
        *out_missing = landlock_enter(&landlock);
        sandbox->landlock_version = *out_missing == 0 ? landlock.version : 0;
    }
    landlock_close(&landlock);
    return status;
}

/* ---- system calls ---- */

static int make_filters(struct sandbox *sandbox, bool has_telemetry)
{
    int status = 0;
    for (enum thread_role role = 0; role < THREAD_ROLES && status == 0; role++) {
        status = syscall_filter_init(role, has_telemetry, &sandbox->filters[role]);
    }
    return status;
}

/* ---- all of it ---- */

static int report_missing(const struct sandbox *sandbox, int no_landlock, int no_filter,
                          struct error *error)
{
    if (no_landlock == 0 && no_filter == 0) {
        return 0;
    }
    char text[256];
    snprintf(
        text, sizeof text, "sandbox: not in force:%s%s%s%s%s",
        no_landlock == 0 ? "" : " Landlock: ", no_landlock == 0 ? "" : strerror(-no_landlock),
        no_landlock == 0 || no_filter == 0 ? "" : ";",
        no_filter == 0 ? "" : " system call filter: ", no_filter == 0 ? "" : strerror(-no_filter));
    if (sandbox->mode == SANDBOX_REQUIRE) {
        return error_set(error, -ENOSYS, "%s", text);
    }
    fprintf(stderr, "cairn-serve: %s\n", text);
    return 0;
}

int sandbox_enter(struct sandbox *sandbox, const struct sandbox_needs *needs, struct error *error)
{
    int no_landlock = 0;
    sandbox->mode = needs->config->sandbox;
    bool is_on = sandbox->mode != SANDBOX_OFF;
    if (is_on) {
        empty_bounding_set();
    }
    int status = needs->account == NULL ? 0 : account_become(needs->account, error);
    if (status != 0 || !is_on) {
        return status;
    }
    status = give_up_capabilities(error);
    if (status == 0) {
        status = find_folders(sandbox, needs->config, error);
    }
    int no_filter = make_filters(sandbox, needs->telemetry != NULL);
    if (status == 0) {
        status = confine_files(sandbox, needs, &no_landlock, error);
    }
    if (status != 0) {
        return status;
    }
    if (no_filter == 0) {
        no_filter = thread_filter_enter(&sandbox->filters[THREAD_MAIN]);
    }
    sandbox->has_filters = no_filter == 0;
    return report_missing(sandbox, no_landlock, no_filter, error);
}

int sandbox_inherit(struct sandbox *sandbox, const struct sandbox_needs *needs,
                    int landlock_version, bool has_filters, struct error *error)
{
    sandbox->mode = needs->config->sandbox;
    sandbox->landlock_version = landlock_version;
    sandbox->has_filters = has_filters;
    int status = landlock_version > 0 ? find_folders(sandbox, needs->config, error) : 0;
    int no_filter = has_filters ? make_filters(sandbox, needs->telemetry != NULL) : 0;
    if (status == 0 && no_filter != 0) {
        status = error_set(error, no_filter, "system call filter: %s", strerror(-no_filter));
    }
    return status;
}

const struct sock_fprog *sandbox_filter(const struct sandbox *sandbox, enum thread_role role)
{
    return sandbox->has_filters ? &sandbox->filters[role] : NULL;
}

const struct folders *sandbox_folders(const struct sandbox *sandbox)
{
    return sandbox->landlock_version > 0 && sandbox->readable.count > 0 ? &sandbox->readable : NULL;
}

void sandbox_text(const struct sandbox *sandbox, char out[SANDBOX_TEXT_BYTES])
{
    char landlock[32] = "";
    if (sandbox->landlock_version > 0) {
        snprintf(landlock, sizeof landlock, "landlock:%d", sandbox->landlock_version);
    }
    bool has_both = landlock[0] != '\0' && sandbox->has_filters;
    bool has_none = landlock[0] == '\0' && !sandbox->has_filters;
    snprintf(out, SANDBOX_TEXT_BYTES, "%s%s%s", landlock, has_both ? "," : "",
             sandbox->has_filters                       ? "seccomp"
             : has_none && sandbox->mode == SANDBOX_OFF ? "off"
             : has_none                                 ? "none"
                                                        : "");
}

void sandbox_fini(struct sandbox *sandbox)
{
    for (enum thread_role role = 0; role < THREAD_ROLES; role++) {
        syscall_filter_fini(&sandbox->filters[role]);
    }
    folders_fini(&sandbox->readable);
}
