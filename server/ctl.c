/* cairn-ctl: sends control commands to a server's Unix socket and prints the replies. */
#include "common/control_client.h"
#include "common/mem.h"
#include "common/options.h"
#include "common/standard_streams.h"
#include "common/version.h"

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { EXIT_OK = 0, EXIT_FAILED = 1, EXIT_USAGE = 2 };

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
static char *join(const struct argument *words, size_t count)
{
    bool is_load =
        count >= 3 && strcmp(words[0].text, "load") == 0 && strcmp(words[1].text, "index") == 0;
    char *line = mem_string("", 0);
    for (size_t i = 0; i < count; i++) {
        char *folder = NULL;
        if (is_load && i == 2 && words[i].text[0] != '/' && words[i].text[0] != '"') {
            folder = getcwd(NULL, 0);
            if (folder == NULL) {
                free(line);
                return NULL;
            }
        }
        char *longer =
            mem_format("%s%s%s%s%s", line, i == 0 ? "" : " ", folder == NULL ? "" : folder,
                       folder == NULL ? "" : "/", words[i].text);
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
    if (!is_over && !feof(stdin)) { /* the lines behind were not sent */
        result = failed("standard input");
    }
    return result;
}

struct request {
    const char *socket;
    int64_t timeout_ms;
};

static int run(const struct request *request, const struct settings *settings)
{
    struct control_client *client;
    struct error error = {""};
    if (control_client_open(request->socket, request->timeout_ms, &client, &error) != 0) {
        fprintf(stderr, "cairn-ctl: %s\n", error.text);
        return EXIT_FAILED;
    }
    int result;
    if (settings->operand_count > 0) {
        bool ignored;
        char *line = join(settings->operands, settings->operand_count);
        result = line == NULL ? failed("this folder's name") : send_line(client, line, &ignored);
        free(line);
    } else {
        result = send_input(client);
    }
    control_client_close(client);
    return fflush(stdout) == 0 ? result : failed("standard output");
}

/* Seconds, with a fraction or without; 0: for ever. */
static int set_timeout(const struct setting *setting, void *subject, struct error *error)
{
    struct request *request = subject;
    const char *text = setting->value;
    char *end;
    double seconds = strtod(text, &end);
    bool is_number = ((*text >= '0' && *text <= '9') || *text == '.') && *end == '\0' &&
                     seconds >= 0 && seconds <= 1e6;
    if (!is_number) {
        return error_set(error, ERR_USAGE, "--timeout: not a number of seconds: %s", text);
    }
    request->timeout_ms = (int64_t)(seconds * 1000);
    return 0;
}

static const struct option server_options[] = {
    {.name = "socket",
     .letter = 's',
     .argument = "PATH",
     .variable = "CAIRN_CONTROL",
     .is_common = true,
     .help = "the server's control socket",
     .apply = option_set_text,
     .offset = offsetof(struct request, socket)},
    {.name = "timeout",
     .letter = 't',
     .argument = "SECONDS",
     .variable = "CAIRN_TIMEOUT",
     .is_common = true,
     .initial = "for ever",
     .help = "how long to wait for each reply",
     .apply = set_timeout},
};

static const struct option_group server_group = {"The server", server_options,
                                                 ARRAY_COUNT(server_options), false};

static const struct option_table table = {
    .program = "cairn-ctl",
    .usage = "[OPTIONS] [COMMAND...]",
    .about = "Sends a control command to the server that listens on a Unix socket and prints\n"
             "its reply. Without a COMMAND it sends the lines of standard input, one by one:\n"
             "\n"
             "    cairn-pack add public/ site.cairn | cairn-ctl --socket run/cairn.sock\n"
             "\n"
             "A relative path behind `load index` is made absolute, since the server's folder\n"
             "is another. `cairn-ctl help` lists the commands.\n",
    .ending = "A flag beats its variable, which stands behind it. @FILE stands for the words of\n"
              "a file, one flag on a line. Exit codes: 0 every reply was ok, 1 one was an error\n"
              "or there was none, 2 usage.\n",
    .stops_at_operand = true,
    .groups = (const struct option_group *const[]){&server_group, &option_about_group, NULL},
};

static void print_about(const struct settings *settings)
{
    if (settings->about->about == OPTION_HELP) {
        options_print_help(&table, settings->about_value != NULL, stdout);
    } else if (settings->about->about == OPTION_VERSION) {
        version_print("cairn-ctl", NULL, 0, stdout);
    } else {
        options_print_head(stdout);
        options_print_rows(&table, stdout);
    }
}

static int usage_error(const char *problem)
{
    fprintf(stderr, "cairn-ctl: %s\n", problem);
    return EXIT_USAGE;
}

static int follow(const struct settings *settings)
{
    struct request request = {NULL, 0};
    if (settings_apply(settings, "cairn-ctl", &request) > 0) {
        return EXIT_USAGE;
    }
    if (request.socket == NULL) {
        return usage_error("which socket? --socket PATH, or CAIRN_CONTROL");
    }
    signal(SIGPIPE, SIG_IGN);
    return run(&request, settings);
}

int main(int argc, char **argv)
{
    struct settings settings;
    struct error error = {""};
    int result = EXIT_OK;
    standard_streams_reserve();
    if (settings_read(&settings, &table, argc - 1, argv + 1, &error) != 0) {
        result = usage_error(error.text);
    } else if (settings.about != NULL) {
        print_about(&settings);
    } else {
        result = follow(&settings);
    }
    settings_fini(&settings);
    return result;
}
