/* cairn-ctl: sends control commands to a server's Unix socket and prints the replies. */
#include "common/control_client.h"
#include "common/mem.h"
#include "common/standard_streams.h"

#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { EXIT_OK = 0, EXIT_FAILED = 1, EXIT_USAGE = 2 };

static const char usage[] = "usage: cairn-ctl [--socket PATH] [--timeout SECONDS] [COMMAND...]\n";
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
    "  -t, --timeout SECONDS  how long to wait for each reply (for ever)\n"
    "  -h, --help         this text\n"
    "  -V, --version      the version\n"
    "\n"
    "Exit codes: 0 every reply was ok, 1 one was an error or there was none, 2 usage.\n";

static int failed(const char *what)
{
    fprintf(stderr, "cairn-ctl: %s: %s\n", what, strerror(errno));
    return EXIT_FAILED;
}

/* Prints the rows and the last line of a reply. Returns an exit code. */
static int send_line(struct control_client *client, const char *line, bool *out_is_over)
{
    char *last;
    struct error error = {""};
    int status = control_client_send(client, line, stdout, &last, &error);
    if (last == NULL) {
        fprintf(stderr, "cairn-ctl: %s\n", error.text);
        *out_is_over = true;
        return EXIT_FAILED;
    }
    fprintf(status == 0 ? stdout : stderr, "%s\n", last);
    free(last);
    return status == 0 ? EXIT_OK : EXIT_FAILED;
}

/* The words, with a space between them; a relative path of `load index` with this folder before.
 * NULL if that cannot be told. */
static char *join(int count, char **words)
{
    bool is_load = count >= 3 && strcmp(words[0], "load") == 0 && strcmp(words[1], "index") == 0;
    char *line = mem_string("", 0);
    for (int i = 0; i < count; i++) {
        char *folder = NULL;
        if (is_load && i == 2 && words[i][0] != '/' && words[i][0] != '"') {
            folder = getcwd(NULL, 0);
            if (folder == NULL) {
                free(line);
                return NULL;
            }
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
static int send_input(struct control_client *client)
{
    bool is_over = false;
    char *line = NULL;
    size_t capacity = 0;
    int result = EXIT_OK;
    ssize_t count;
    while (!is_over && (count = getline(&line, &capacity, stdin)) > 0) {
        if (line[count - 1] == '\n') {
            line[count - 1] = '\0';
        }
        if (line[strspn(line, " \t\r")] == '\0') {
            continue; /* the server passes over empty lines as well */
        }
        if (send_line(client, line, &is_over) != EXIT_OK) {
            result = EXIT_FAILED;
        }
    }
    free(line);
    if (ferror(stdin)) { /* the lines behind were not sent */
        result = failed("standard input");
    }
    return result;
}

static int run(const char *path, int64_t timeout_ms, int count, char **words)
{
    struct control_client *client;
    struct error error = {""};
    if (control_client_open(path, timeout_ms, &client, &error) != 0) {
        fprintf(stderr, "cairn-ctl: %s\n", error.text);
        return EXIT_FAILED;
    }
    int result;
    if (count > 0) {
        bool ignored;
        char *line = join(count, words);
        result = line == NULL ? failed("this folder's name") : send_line(client, line, &ignored);
        free(line);
    } else {
        result = send_input(client);
    }
    control_client_close(client);
    return fflush(stdout) == 0 ? result : failed("standard output");
}

/* Seconds, with a fraction or without; 0: for ever. */
static bool parse_seconds(const char *text, int64_t *out_ms)
{
    char *end;
    double seconds = strtod(text, &end);
    bool is_number = ((*text >= '0' && *text <= '9') || *text == '.') && *end == '\0' &&
                     seconds >= 0 && seconds <= 1e6;
    *out_ms = is_number ? (int64_t)(seconds * 1000) : 0;
    return is_number;
}

int main(int argc, char **argv)
{
    static const struct option long_options[] = {{"socket", required_argument, NULL, 's'},
                                                 {"timeout", required_argument, NULL, 't'},
                                                 {"help", no_argument, NULL, 'h'},
                                                 {"version", no_argument, NULL, 'V'},
                                                 {NULL, 0, NULL, 0}};
    standard_streams_reserve();
    const char *path = getenv("CAIRN_CONTROL");
    int64_t timeout_ms = 0;
    int letter;
    while ((letter = getopt_long(argc, argv, "+s:t:hV", long_options, NULL)) != -1) {
        switch (letter) {
        case 's':
            path = optarg;
            break;
        case 't':
            if (!parse_seconds(optarg, &timeout_ms)) {
                fprintf(stderr, "cairn-ctl: --timeout: not a number of seconds: %s\n%s", optarg,
                        usage);
                return EXIT_USAGE;
            }
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
    return run(path, timeout_ms, argc - optind, argv + optind);
}
