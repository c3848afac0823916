#include "packer/watch/dev_server.h"

#include "common/mem.h"
#include "common/slice.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    PORT_FIRST = 8080,
    PORT_LAST = 8179,
    FIRST_PASSED_FD = 3, /* sd_listen_fds(3) */
    SPARE_FD = 10,       /* from here on nothing is in the way of those that are passed */
    PATIENCE_MS = 60000,
};

/* ---- where it listens ---- */

static int listen_at(unsigned port)
{
    struct sockaddr_in address = {
        .sin_family = AF_INET,
        .sin_port = htons((uint16_t)port),
        .sin_addr = {htonl(INADDR_LOOPBACK)},
    };
    const int on = 1;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) == 0 &&
        bind(fd, (const struct sockaddr *)&address, sizeof address) == 0 &&
        listen(fd, SOMAXCONN) == 0) {
        return fd;
    }
    int problem = errno;
    if (fd >= 0) {
        close(fd);
    }
    return -problem;
}

/* A port that is free is taken at once and handed over: nobody comes between. */
static int open_socket(size_t port, int *out_fd, struct error *error)
{
    unsigned first = port == 0 ? PORT_FIRST : (unsigned)port;
    unsigned last = port == 0 ? PORT_LAST : (unsigned)port;
    int fd = -EADDRINUSE;
    for (unsigned at = first; at <= last && fd == -EADDRINUSE; at++) {
        fd = listen_at(at);
    }
    if (fd < 0 && port == 0) {
        return error_set(error, fd, "127.0.0.1, ports %u to %u: %s", first, last, strerror(-fd));
    }
    if (fd < 0) {
        return error_set(error, fd, "127.0.0.1:%u: %s", first, strerror(-fd));
    }
    *out_fd = fd;
    return 0;
}

/* ---- the process ---- */

/* What CAIRN_SERVE says; else what lies beside this program; else a name for the PATH. */
static char *find_program(void)
{
    const char *named = getenv("CAIRN_SERVE");
    if (named != NULL && *named != '\0') {
        return mem_string(named, strlen(named));
    }
    char *own = realpath("/proc/self/exe", NULL);
    char *slash = own == NULL ? NULL : strrchr(own, '/');
    char *beside = slash == NULL ? NULL : mem_format("%.*s/cairn-serve", (int)(slash - own), own);
    free(own);
    if (beside != NULL && access(beside, X_OK) == 0) {
        return beside;
    }
    free(beside);
    return mem_string("cairn-serve", strlen("cairn-serve"));
}

/* What the child gets. */
struct passing {
    const char *program;
    char *const *arguments;
    int input;
    int output;
    int socket; /* -1: none */
    pid_t parent;
};

/* Puts descriptors where the program expects them, to stay open, by way of places where they are
 * not in each other's way. */
static bool pass(const struct passing *passing)
{
    const int from[] = {passing->input, passing->output, passing->socket};
    const int to[] = {STDIN_FILENO, STDOUT_FILENO, FIRST_PASSED_FD};
    int spare[ARRAY_COUNT(from)];
    for (size_t i = 0; i < ARRAY_COUNT(from); i++) {
        spare[i] = from[i] < 0 ? -1 : fcntl(from[i], F_DUPFD_CLOEXEC, SPARE_FD);
        if (from[i] >= 0 && spare[i] < 0) {
            return false;
        }
    }
    for (size_t i = 0; i < ARRAY_COUNT(from); i++) {
        if (spare[i] >= 0 && dup2(spare[i], to[i]) != to[i]) {
            return false;
        }
    }
    return true;
}

/* As a service manager would (sd_listen_fds(3)); it is decided where it listens. */
static bool tell_socket(void)
{
    char text[24];
    snprintf(text, sizeof text, "%ld", (long)getpid());
    unsetenv("CAIRN_LISTEN");
    unsetenv("PORT");
    unsetenv("LISTEN_FDNAMES");
    return setenv("LISTEN_PID", text, 1) == 0 && setenv("LISTEN_FDS", "1", 1) == 0;
}

/* In the child: a group of its own, so that Ctrl-C is this program's alone, which then ends it. */
static void become_server(const struct passing *passing)
{
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    bool is_ready = setpgid(0, 0) == 0 && prctl(PR_SET_PDEATHSIG, SIGTERM) == 0 &&
                    getppid() == passing->parent && pass(passing) &&
                    (passing->socket < 0 || tell_socket());
    if (is_ready) {
        execvp(passing->program, passing->arguments);
    }
    fprintf(stderr, "cairn-pack dev: %s: %s\n", passing->program, strerror(errno));
    _exit(127);
}

static int start_process(struct dev_server *server, struct passing *passing, struct error *error)
{
    int commands[2];
    int replies[2];
    if (pipe2(commands, O_CLOEXEC) != 0) {
        return error_set(error, -errno, "pipe: %s", strerror(errno));
    }
    server->command_fd = commands[1];
    if (pipe2(replies, O_CLOEXEC) != 0) {
        int status = error_set(error, -errno, "pipe: %s", strerror(errno));
        close(commands[0]);
        return status;
    }
    server->reply_fd = replies[0];
    passing->input = commands[0];
    passing->output = replies[1];
    passing->parent = getpid();
    pid_t process = fork();
    if (process == 0) {
        become_server(passing);
    }
    int problem = errno;
    close(commands[0]);
    close(replies[1]);
    if (process < 0) {
        return error_set(error, -problem, "fork: %s", strerror(problem));
    }
    server->process = process;
    return 0;
}

/* ---- what it says ---- */

static int ended(struct error *error)
{
    return error_set(error, ERR_REFUSED, "the server has ended");
}

/* The next line, in server->line. Lines are short and come whole; a byte at a time is enough. */
static int read_line(struct dev_server *server, struct error *error)
{
    for (size_t count = 0;; count++) {
        if (count == server->line_capacity) {
            server->line_capacity = mem_capacity(server->line_capacity, count + 256);
            server->line = mem_resize(server->line, server->line_capacity, 1);
        }
        struct pollfd fd = {.fd = server->reply_fd, .events = POLLIN};
        int ready;
        do {
            ready = poll(&fd, 1, PATIENCE_MS);
        } while (ready < 0 && errno == EINTR);
        if (ready <= 0) {
            return error_set(error, ERR_REFUSED, "the server does not answer");
        }
        ssize_t got = read(server->reply_fd, server->line + count, 1);
        if (got < 0 && errno == EINTR) {
            count--;
            continue;
        }
        if (got <= 0) {
            return ended(error);
        }
        if (server->line[count] == '\n') {
            server->line[count] = '\0';
            return 0;
        }
    }
}

static int read_ready(struct dev_server *server, char **out_url, struct error *error)
{
    int status = read_line(server, error);
    while (status == 0 && !string_starts_with(server->line, "ready ")) {
        status = read_line(server, error);
    }
    if (status == 0) {
        const char *url = server->line + strlen("ready ");
        *out_url = mem_string(url, strlen(url));
    }
    return status;
}

static int write_line(struct dev_server *server, const char *command, struct error *error)
{
    char *line = mem_format("%s\n", command);
    size_t count = strlen(line);
    for (size_t at = 0; at < count;) {
        ssize_t written = write(server->command_fd, line + at, count - at);
        if (written < 0 && errno != EINTR) {
            free(line);
            return ended(error);
        }
        at += written < 0 ? 0 : (size_t)written;
    }
    free(line);
    return 0;
}

int dev_server_tell(struct dev_server *server, const char *command, struct error *error)
{
    int status = write_line(server, command, error);
    if (status == 0) {
        status = read_line(server, error);
    }
    while (status == 0 && !string_starts_with(server->line, "ok ") &&
           !string_starts_with(server->line, "error ")) {
        status = read_line(server, error);
    }
    return status;
}

int dev_server_command(struct dev_server *server, const char *command, struct error *error)
{
    int status = dev_server_tell(server, command, error);
    if (status == 0 && string_starts_with(server->line, "error ")) {
        status = error_set(error, ERR_REFUSED, "%s", server->line);
    }
    return status;
}

/* ---- from its start to its end ---- */

int dev_server_start(struct dev_server *server, const struct dev_server_options *options,
                     char **out_url, struct error *error)
{
    *server = (struct dev_server){.command_fd = -1, .reply_fd = -1};
    char *program = find_program();
    /* what a server for one person at work is told, besides where it listens */
    char *arguments[16] = {program, "--quiet", "--drain", "1s", "--archives"};
    size_t count = 5;
    char *index = mem_string(options->index, strlen(options->index));
    char live[] = "--live-reload";
    char live_anywhere[] = "--live-reload-anywhere"; /* who names an address means it */
    char *archives = mem_string(options->archives, strlen(options->archives));
    char *address = mem_string(options->listen == NULL ? "" : options->listen,
                               options->listen == NULL ? 0 : strlen(options->listen));
    arguments[count++] = archives;
    arguments[count++] = options->listen == NULL ? live : live_anywhere;
    struct passing passing = {.program = program, .arguments = arguments, .socket = -1};
    int status = 0;
    if (options->listen != NULL) {
        arguments[count++] = "--listen";
        arguments[count++] = address;
    } else {
        status = open_socket(options->port, &passing.socket, error);
    }
    arguments[count++] = index;
    if (status == 0) {
        status = start_process(server, &passing, error);
    }
    if (passing.socket >= 0) {
        close(passing.socket);
    }
    if (status == 0) {
        status = read_ready(server, out_url, error);
    }
    free(address);
    free(archives);
    free(index);
    free(program);
    return status;
}

void dev_server_stop(struct dev_server *server)
{
    if (server->process > 0) {
        kill(server->process, SIGTERM);
        while (waitpid(server->process, NULL, 0) < 0 && errno == EINTR) {
        }
    }
    if (server->command_fd >= 0) {
        close(server->command_fd);
    }
    if (server->reply_fd >= 0) {
        close(server->reply_fd);
    }
    free(server->line);
    *server = (struct dev_server){.command_fd = -1, .reply_fd = -1};
}
