#include "server/handover.h"

#include "common/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static const char variable[] = "CAIRN_HANDOVER";

/* The text that the descriptor in the variable holds, a line for each thing:
 *   ready FD
 *   listen OURS FD FD...            an address, its sockets
 *   admin OURS FD                   the same for the admin address
 *   control PLACE FD                a control socket, by the place of its path in the arguments
 *   client FD                       of a control socket, between two commands
 *   log FD                          the access log
 *   sandbox LANDLOCK SECCOMP        what is in force for both processes: a version; 0 or 1
 *   site ASIDE RETIRED HOSTS PREFIX PATH...
 *                                   a release, the oldest first; the path to the line's end */

/* ---- the old process ---- */

/* Where a site stands in a stack; its count if it is not in it. */
static size_t place_in(const struct site_stack *stack, const struct site *site)
{
    size_t place = 0;
    while (place < stack->count && stack->sites[place] != site) {
        place++;
    }
    return place;
}

/* Does it describe any host's site as it is now? */
static bool is_visible(const struct site_list *sites, const struct site *site)
{
    for (size_t i = 0; i < sites->host_count; i++) {
        for (size_t j = 0; j < sites->hosts[i].stack_count; j++) {
            const struct site_stack *stack = &sites->hosts[i].stacks[j];
            if (place_in(stack, site) < site_stack_visible_count(stack)) {
                return true;
            }
        }
    }
    return false;
}

/* Is it laid over one that is left out? */
static bool lacks_base(const struct site_list *sites, const bool *is_left_out,
                       const struct site *site)
{
    for (size_t i = 0; i < sites->host_count; i++) {
        for (size_t j = 0; j < sites->hosts[i].stack_count; j++) {
            const struct site_stack *stack = &sites->hosts[i].stacks[j];
            size_t below = place_in(stack, site) + 1;
            for (size_t k = 0; k < sites->count && below < stack->active_count; k++) {
                if (is_left_out[k] && sites->sites[k] == stack->sites[below]) {
                    return true;
                }
            }
        }
    }
    return false;
}

/* What is damaged and describes no site answers nothing, and the new process could not load it; so
 * it is left out, with the overlays above it. Of a site that answers 503 nothing is: the new
 * process would answer for it with what is below. The caller frees. */
static bool *choose_left_out(const struct site_list *sites)
{
    bool *is_left_out = mem_zeroed(sites->count + 1, sizeof *is_left_out);
    bool is_any = false;
    for (size_t i = sites->count; i-- > 0;) {
        const struct site *site = sites->sites[i];
        bool is_overlay = (site->index->flags & INDEX_OVERLAY) != 0;
        bool is_useless =
            site_is_damaged(site) || (is_any && is_overlay && lacks_base(sites, is_left_out, site));
        is_left_out[i] = is_useless && !is_visible(sites, site);
        is_any |= is_left_out[i];
    }
    return is_left_out;
}

static void write_sites(FILE *file, const struct site_list *sites)
{
    bool *is_left_out = choose_left_out(sites);
    for (size_t i = sites->count; i-- > 0;) {
        const struct site *site = sites->sites[i];
        if (is_left_out[i]) {
            continue;
        }
        char *hosts = mount_hosts_text(&site->mount);
        fprintf(file, "site %d %d %s %s/ %s\n", site->is_aside, sites->standings[i].is_retired,
                hosts, site->mount.prefix_url, site->index_path);
        free(hosts);
    }
    free(is_left_out);
}

/* Every descriptor that the new process needs, so that it can be let through exec(). */
struct passing {
    FILE *file;
    int *fds;
    size_t count;
};

static void pass(struct passing *passing, int fd)
{
    fprintf(passing->file, " %d", fd);
    passing->fds = mem_resize(passing->fds, passing->count + 1, sizeof(int));
    passing->fds[passing->count++] = fd;
}

static void pass_one(struct passing *passing, const char *what, int fd)
{
    fprintf(passing->file, "%s", what);
    pass(passing, fd);
    fprintf(passing->file, "\n");
}

static void pass_listeners(struct passing *passing, const char *what,
                           const struct listeners *listeners)
{
    for (size_t i = 0; i < listeners->count; i++) {
        fprintf(passing->file, "%s %d", what, listeners->at[i].is_ours);
        for (size_t j = 0; j < listeners->at[i].fd_count; j++) {
            pass(passing, listeners->at[i].fds[j]);
        }
        fprintf(passing->file, "\n");
    }
}

static void write_all(struct passing *passing, int ready_fd, const struct handing *handing)
{
    pass_one(passing, "ready", ready_fd);
    pass_listeners(passing, "listen", handing->listeners);
    pass_listeners(passing, "admin", handing->admin);
    int fd;
    for (size_t i = 0; control_listener(handing->control, i, &fd); i++) {
        if (fd >= 0) {
            fprintf(passing->file, "control %zu", i);
            pass(passing, fd);
            fprintf(passing->file, "\n");
        }
    }
    for (size_t i = 0; control_client(handing->control, i, &fd); i++) {
        pass_one(passing, "client", fd);
    }
    if (handing->access_log_fd >= 0) {
        pass_one(passing, "log", handing->access_log_fd);
    }
    fprintf(passing->file, "sandbox %d %d\n", handing->sandbox->landlock_version,
            handing->sandbox->has_filters);
    write_sites(passing->file, handing->sites);
}

/* The text as a file in memory. A part of it would make a successor that lacks a part. */
static int write_memory(struct passing *passing, int ready_fd, const struct handing *handing,
                        int *out_fd)
{
    int memory = memfd_create("cairn-handover", MFD_CLOEXEC);
    if (memory < 0) {
        return -errno;
    }
    int copy = dup(memory); /* for the stream, which closes it */
    passing->file = copy < 0 ? NULL : fdopen(copy, "w");
    if (passing->file == NULL) {
        int status = -errno;
        if (copy >= 0) {
            close(copy);
        }
        close(memory);
        return status;
    }
    write_all(passing, ready_fd, handing);
    bool is_written = fflush(passing->file) == 0 && ferror(passing->file) == 0;
    int number = errno;
    if (fclose(passing->file) != 0 && is_written) {
        is_written = false;
        number = errno;
    }
    if (!is_written) {
        close(memory);
        return number != 0 ? -number : -EIO;
    }
    *out_fd = memory;
    return 0;
}

/* Between fork() and exec() in a process with threads: system calls only. */
static _Noreturn void become(const char *path, char **argv, char **environment,
                             const struct passing *passing)
{
    for (size_t i = 0; i < passing->count; i++) {
        if (fcntl(passing->fds[i], F_SETFD, 0) != 0) {
            _exit(127);
        }
    }
    execve(path, argv, environment);
    _exit(127);
}

static char **with_variable(int fd)
{
    size_t count = 0;
    while (environ[count] != NULL) {
        count++;
    }
    char **copy = mem_zeroed(count + 2, sizeof(char *));
    memcpy(copy, environ, count * sizeof(char *));
    copy[count] = mem_format("%s=%d", variable, fd);
    return copy;
}

int handover_start(const char *path, char **argv, const struct handing *handing, pid_t *out_pid,
                   int *out_ready_fd, struct error *error)
{
    int ready[2];
    if (pipe2(ready, O_CLOEXEC | O_NONBLOCK) != 0) {
        return error_set(error, -errno, "handing over: %s", strerror(errno));
    }
    struct passing passing = {.fds = NULL};
    int memory = -1;
    int status = write_memory(&passing, ready[1], handing, &memory);
    if (status != 0) {
        close(ready[0]);
        close(ready[1]);
        free(passing.fds);
        return error_set(error, status, "handing over: %s", error_name(status));
    }
    passing.fds = mem_resize(passing.fds, passing.count + 1, sizeof(int));
    passing.fds[passing.count++] = memory;
    char **environment = with_variable(memory);
    pid_t pid = fork();
    if (pid == 0) {
        become(path, argv, environment, &passing);
    }
    int number = errno;
    for (size_t i = 0; environment[i] != NULL; i++) {
        if (environment[i + 1] == NULL) {
            free(environment[i]); /* ours is the last */
            break;
        }
    }
    free(environment);
    free(passing.fds);
    close(memory);
    close(ready[1]);
    if (pid < 0) {
        close(ready[0]);
        return error_set(error, -number, "%s: %s", path, strerror(number));
    }
    *out_pid = pid;
    *out_ready_fd = ready[0];
    return 0;
}

/* ---- the new process ---- */

static int take_listen(struct listeners *listeners, char *words, struct error *error)
{
    int fds[CONFIG_WORKERS_MAX];
    size_t count = 0;
    char *at = words;
    bool is_ours = strtol(at, &at, 10) != 0;
    while (*at == ' ' && count < CONFIG_WORKERS_MAX) {
        fds[count++] = (int)strtol(at, &at, 10);
    }
    return count == 0 ? 0 : listeners_adopt(listeners, fds, count, is_ours, error);
}

static void take_control(struct handover *handover, char *words)
{
    char *at = words;
    size_t place = strtoul(at, &at, 10);
    int fd = (int)strtol(at, &at, 10);
    while (handover->control_count <= place) {
        handover->control_fds =
            mem_resize(handover->control_fds, handover->control_count + 1, sizeof(int));
        handover->control_fds[handover->control_count++] = -1;
    }
    (void)fcntl(fd, F_SETFD, FD_CLOEXEC);
    handover->control_fds[place] = fd;
}

static int take_fd(const char *words)
{
    int fd = (int)strtol(words, NULL, 10);
    (void)fcntl(fd, F_SETFD, FD_CLOEXEC);
    return fd;
}

static void take_client(struct handover *handover, const char *words)
{
    handover->client_fds =
        mem_resize(handover->client_fds, handover->client_count + 1, sizeof(int));
    handover->client_fds[handover->client_count++] = take_fd(words);
}

static void take_site(struct handover *handover, const char *words)
{
    struct slice rest = slice_of_string(words);
    struct slice aside = slice_take(&rest, ' ');
    struct slice retired = slice_take(&rest, ' ');
    struct slice hosts = slice_take(&rest, ' ');
    struct slice prefix = slice_take(&rest, ' ');
    handover->sites =
        mem_resize(handover->sites, handover->site_count + 1, sizeof *handover->sites);
    handover->sites[handover->site_count++] = (struct handed_site){
        .request = {.path = mem_string(rest.bytes, rest.count),
                    .hosts = mem_string(hosts.bytes, hosts.count),
                    .prefix = mem_string(prefix.bytes, prefix.count)},
        .is_aside = slice_equal(aside, SLICE("1")),
        .is_retired = slice_equal(retired, SLICE("1")),
    };
}

static int take_line(struct handover *handover, char *line, struct error *error)
{
    line[strcspn(line, "\n")] = '\0';
    char *words = strchr(line, ' ');
    if (words == NULL) {
        return 0;
    }
    *words++ = '\0';
    if (strcmp(line, "listen") == 0) {
        return take_listen(&handover->listeners, words, error);
    }
    if (strcmp(line, "admin") == 0) {
        return take_listen(&handover->admin, words, error);
    }
    if (strcmp(line, "ready") == 0) {
        handover->ready_fd = take_fd(words);
    } else if (strcmp(line, "control") == 0) {
        take_control(handover, words);
    } else if (strcmp(line, "client") == 0) {
        take_client(handover, words);
    } else if (strcmp(line, "log") == 0) {
        handover->access_log_fd = take_fd(words);
    } else if (strcmp(line, "sandbox") == 0) {
        handover->landlock_version = (int)strtol(words, &words, 10);
        handover->has_filters = strtol(words, &words, 10) != 0;
        handover->is_confined = handover->landlock_version > 0 || handover->has_filters;
    } else if (strcmp(line, "site") == 0) {
        take_site(handover, words);
    }
    return 0;
}

bool handover_is_there(void)
{
    return getenv(variable) != NULL;
}

int handover_receive(struct handover *handover, struct error *error)
{
    *handover = (struct handover){.ready_fd = -1, .access_log_fd = -1};
    const char *value = getenv(variable);
    if (value == NULL) {
        return 0;
    }
    int fd = (int)strtol(value, NULL, 10);
    unsetenv(variable);
    FILE *file =
        fcntl(fd, F_SETFD, FD_CLOEXEC) != 0 || lseek(fd, 0, SEEK_SET) != 0 ? NULL : fdopen(fd, "r");
    if (file == NULL) {
        return error_set(error, -errno, "%s=%d: %s", variable, fd, strerror(errno));
    }
    char *line = NULL;
    size_t capacity = 0;
    int status = 0;
    handover->is_there = true;
    while (status == 0 && getline(&line, &capacity, file) > 0) {
        status = take_line(handover, line, error);
    }
    if (status == 0 && !feof(file)) {
        status = error_set(error, -errno, "%s=%d: %s", variable, fd, strerror(errno));
    }
    free(line);
    fclose(file);
    return status;
}

void handover_confirm(struct handover *handover)
{
    if (handover->ready_fd >= 0) {
        while (write(handover->ready_fd, "1", 1) < 0 && errno == EINTR) {
        }
        close(handover->ready_fd);
        handover->ready_fd = -1;
    }
}

void handover_fini(struct handover *handover)
{
    for (size_t i = 0; i < handover->site_count; i++) {
        free((void *)(uintptr_t)handover->sites[i].request.path);
        free((void *)(uintptr_t)handover->sites[i].request.hosts);
        free((void *)(uintptr_t)handover->sites[i].request.prefix);
    }
    free(handover->sites);
    for (size_t i = 0; i < handover->control_count; i++) {
        if (handover->control_fds[i] >= 0) {
            close(handover->control_fds[i]);
        }
    }
    free(handover->control_fds);
    for (size_t i = 0; i < handover->client_count; i++) {
        if (handover->client_fds[i] >= 0) {
            close(handover->client_fds[i]);
        }
    }
    free(handover->client_fds);
    listeners_close(&handover->listeners);
    listeners_close(&handover->admin);
    if (handover->ready_fd >= 0) {
        close(handover->ready_fd);
    }
    if (handover->access_log_fd >= 0) {
        close(handover->access_log_fd);
    }
    *handover = (struct handover){.ready_fd = -1, .access_log_fd = -1};
}
