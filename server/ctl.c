/* cairn-ctl: sends control commands to a server's Unix socket and prints the replies. */
#include "common/mem.h"
#include "common/standard_streams.h"
#include "http/limits.h"

#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { EXIT_OK = 0, EXIT_FAILED = 1, EXIT_USAGE = 2 };

static const char usage[] = "usage: cairn-ctl [--socket PATH] [COMMAND...]\n";
static const char help[] =
    "\n"
    "Sends a control command to the server that listens on the Unix socket PATH and prints its\n"
    "reply. Without a COMMAND it sends the lines of standard input, one after the other:\n"
    "\n"
    "    cairn-pack add public/ site.cairn | cairn-ctl --socket run/cairn.sock\n"
    "\n"
    "A relative path behind `load index` is made absolute, since the server's folder is another.\n"
    "cairn-ctl help lists the commands.\n"
    "\n"
    "  -s, --socket PATH  the server's control socket (CAIRN_CONTROL)\n"
    "  -h, --help         this text\n"
    "  -V, --version      the version\n"
    "\n"
    "Exit codes: 0 every reply was ok, 1 one was an error or there was none, 2 usage.\n";

static int failed(const char *what)
{
    fprintf(stderr, "cairn-ctl: %s: %s\n", what, strerror(errno));
    return EXIT_FAILED;
}

static int connect_to(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof address.sun_path) {
        errno = ENAMETOOLONG;
        return -1;
    }
    memcpy(address.sun_path, path, strlen(path));
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && connect(fd, (const struct sockaddr *)&address, sizeof address) != 0) {
        int number = errno;
        close(fd);
        errno = number;
        return -1;
    }
    return fd;
}

/* Prints rows up to the line that ends a reply. Returns an exit code. */
static int print_reply(FILE *stream)
{
    char *line = NULL;
    size_t capacity = 0;
    int result = EXIT_FAILED;
    bool is_complete = false;
    while (!is_complete && getline(&line, &capacity, stream) > 0) {
        bool is_ok = strncmp(line, "ok ", 3) == 0;
        is_complete = is_ok || strncmp(line, "error ", 6) == 0;
        result = is_ok ? EXIT_OK : EXIT_FAILED;
        fputs(line, is_complete && !is_ok ? stderr : stdout);
    }
    free(line);
    if (!is_complete) {
        fputs("cairn-ctl: the server ended the connection without a reply\n", stderr);
        return EXIT_FAILED;
    }
    return result;
}

static int send_line(FILE *stream, const char *line)
{
    fprintf(stream, "%s\n", line);
    if (fflush(stream) != 0) {
        return failed("control socket");
    }
    return print_reply(stream);
}

/* The words, with a space between them; a relative path of `load index` with this folder before. */
static char *join(int count, char **words)
{
    bool is_load = count >= 3 && strcmp(words[0], "load") == 0 && strcmp(words[1], "index") == 0;
    char *line = mem_string("", 0);
    for (int i = 0; i < count; i++) {
        char *folder = NULL;
        if (is_load && i == 2 && words[i][0] != '/' && words[i][0] != '"') {
            folder = getcwd(NULL, 0);
        }
        char *longer =
            mem_format("%s%s%s%s%s", line, i == 0 ? "" : " ", folder == NULL ? "" : folder,
                       folder == NULL ? "" : "/", words[i]);
        free(folder);
        free(line);
        line = longer;
    }
    return line;
}

/* Every line of standard input. Goes on after an error, and remembers it. */
static int send_input(FILE *stream)
{
    char *line = NULL;
    size_t capacity = 0;
    int result = EXIT_OK;
    ssize_t count;
    while ((count = getline(&line, &capacity, stdin)) > 0) {
        if (line[count - 1] == '\n') {
            line[count - 1] = '\0';
        }
        if (line[strspn(line, " \t\r")] == '\0') {
            continue; /* the server passes over empty lines as well */
        }
        if (send_line(stream, line) != EXIT_OK) {
            result = EXIT_FAILED;
        }
        if (feof(stream) || ferror(stream)) {
            break;
        }
    }
    free(line);
    return result;
}

static int run(const char *path, int count, char **words)
{
    int fd = connect_to(path);
    FILE *stream = fd >= 0 ? fdopen(fd, "r+") : NULL;
    if (stream == NULL) {
        return failed(path);
    }
    int result;
    if (count > 0) {
        char *line = join(count, words);
        result = send_line(stream, line);
        free(line);
    } else {
        result = send_input(stream);
    }
    fclose(stream);
    if (fflush(stdout) != 0) {
        return failed("standard output");
    }
    return result;
}

int main(int argc, char **argv)
{
    static const struct option long_options[] = {{"socket", required_argument, NULL, 's'},
                                                 {"help", no_argument, NULL, 'h'},
                                                 {"version", no_argument, NULL, 'V'},
                                                 {NULL, 0, NULL, 0}};
    standard_streams_reserve();
    const char *path = getenv("CAIRN_CONTROL");
    int letter;
    while ((letter = getopt_long(argc, argv, "+s:hV", long_options, NULL)) != -1) {
        switch (letter) {
        case 's':
            path = optarg;
            break;
        case 'h':
            printf("%s%s", usage, help);
            return EXIT_OK;
        case 'V':
            printf("cairn-ctl %s\n", CAIRN_VERSION);
            return EXIT_OK;
        default:
            fputs(usage, stderr);
            return EXIT_USAGE;
        }
    }
    if (path == NULL || *path == '\0') {
        fprintf(stderr, "cairn-ctl: which socket? --socket PATH, or CAIRN_CONTROL\n%s", usage);
        return EXIT_USAGE;
    }
    signal(SIGPIPE, SIG_IGN);
    return run(path, argc - optind, argv + optind);
}
