/* cairn-pack: one table of commands, from which usage and dispatch are made. */
#include "common/mem.h"
#include "common/standard_streams.h"
#include "packer/add.h"
#include "packer/inspect.h"

#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

enum { EXIT_OK = 0, EXIT_FAILED = 1, EXIT_USAGE = 2 };

struct command {
    const char *name;
    const char *arguments;
    const char *help;
    int (*run)(int argc, char **argv, const struct command *command);
};

static int usage_error(const struct command *command, const char *problem)
{
    fprintf(stderr, "cairn-pack %s: %s\nusage: cairn-pack %s %s\n", command->name, problem,
            command->name, command->arguments);
    return EXIT_USAGE;
}

static int failed(const struct command *command, const struct error *error)
{
    fprintf(stderr, "cairn-pack %s: %s\n", command->name, error->text);
    return EXIT_FAILED;
}

static void print_command_help(const struct command *command)
{
    printf("usage: cairn-pack %s %s\n\n%s\n", command->name, command->arguments, command->help);
}

/* What was printed must have arrived: a full disk or a closed pipe is a failure. */
static int flushed(const struct command *command)
{
    if (fflush(stdout) != 0 || ferror(stdout)) {
        fprintf(stderr, "cairn-pack %s: standard output: %s\n", command->name, strerror(errno));
        return EXIT_FAILED;
    }
    return EXIT_OK;
}

static int run_add(int argc, char **argv, const struct command *command)
{
    static const struct option long_options[] = {
        {"wait", no_argument, NULL, 'w'},
        {"allow-empty", no_argument, NULL, 'e'},
        {"quiet", no_argument, NULL, 'q'},
        {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0},
    };
    struct add_options options = {.messages = stderr};
    int letter;
    while ((letter = getopt_long(argc, argv, "qh", long_options, NULL)) != -1) {
        switch (letter) {
        case 'w':
            options.wait = true;
            break;
        case 'e':
            options.allow_empty = true;
            break;
        case 'q':
            options.quiet = true;
            break;
        case 'h':
            print_command_help(command);
            return EXIT_OK;
        default:
            return usage_error(command, "see above");
        }
    }
    if (argc - optind != 2) {
        return usage_error(command, "a site directory and an archive are needed");
    }
    options.site_directory = argv[optind];
    options.archive_path = argv[optind + 1];
    struct error error = {""};
    char *index_path;
    int status = add_release(&options, &index_path, &error);
    if (status != 0) {
        return status == ERR_USAGE ? usage_error(command, error.text) : failed(command, &error);
    }
    printf("load index %s\n", index_path);
    free(index_path);
    return flushed(command);
}

/* The commands that only take paths. Returns EXIT_OK to go on with argv[optind]. */
static int take_paths(int argc, char **argv, const struct command *command, int count, bool *done)
{
    static const struct option long_options[] = {{"help", no_argument, NULL, 'h'},
                                                 {NULL, 0, NULL, 0}};
    int letter;
    *done = true;
    while ((letter = getopt_long(argc, argv, "h", long_options, NULL)) != -1) {
        if (letter == 'h') {
            print_command_help(command);
            return EXIT_OK;
        }
        return usage_error(command, "see above");
    }
    if (argc - optind != count) {
        return usage_error(command, "wrong number of arguments");
    }
    *done = false;
    return EXIT_OK;
}

static int run_list(int argc, char **argv, const struct command *command)
{
    bool done;
    int status = take_paths(argc, argv, command, 1, &done);
    struct error error = {""};
    if (done) {
        return status;
    }
    return inspect_list(argv[optind], stdout, &error) != 0 ? failed(command, &error)
                                                           : flushed(command);
}

static int run_verify(int argc, char **argv, const struct command *command)
{
    bool done;
    int status = take_paths(argc, argv, command, 1, &done);
    struct error error = {""};
    if (done) {
        return status;
    }
    return inspect_verify(argv[optind], stdout, &error) != 0 ? failed(command, &error)
                                                             : flushed(command);
}

static int run_extract(int argc, char **argv, const struct command *command)
{
    bool done;
    int status = take_paths(argc, argv, command, 2, &done);
    struct error error = {""};
    if (done) {
        return status;
    }
    return inspect_extract(argv[optind], argv[optind + 1], stdout, &error) != 0
               ? failed(command, &error)
               : flushed(command);
}

static const struct command commands[] = {
    {"add", "[--wait] [--allow-empty] [--quiet] SITE_DIR ARCHIVE",
     "Appends SITE_DIR to ARCHIVE (NAME.cairn, made if absent) as its next release, writes the\n"
     "index NAME.NNNNNN.idx beside it, points the link NAME.idx there, and prints the line that\n"
     "tells a server to load it. Content that the archive holds already is not stored again.\n"
     "On any failure nothing is published.\n\n"
     "  --wait         wait while another cairn-pack adds to the same archive\n"
     "  --allow-empty  publish a site without a single file\n"
     "  -q, --quiet    no summary on standard error\n\n"
     "SOURCE_DATE_EPOCH sets the time of the release; the same tree then packs to the same bytes.",
     run_add},
    {"list", "INDEX|ARCHIVE",
     "Lists the paths of a release: kind, length, entity tag, media type. An archive stands for\n"
     "its newest release.",
     run_list},
    {"verify", "INDEX|ARCHIVE",
     "Reads every byte that a release needs and checks it. Exit code 1 names the first fault.",
     run_verify},
    {"extract", "INDEX|ARCHIVE DIRECTORY",
     "Writes the files of a release below DIRECTORY, which must be empty or absent.", run_extract},
};

static void print_usage(FILE *file)
{
    fputs("usage: cairn-pack COMMAND [OPTIONS] ARGUMENTS\n\n"
          "Packs a site directory into an append-only archive and an index.\n\n",
          file);
    for (size_t i = 0; i < ARRAY_COUNT(commands); i++) {
        fprintf(file, "  %-8s %s\n", commands[i].name, commands[i].arguments);
    }
    fputs("\ncairn-pack COMMAND --help says more; --version prints the version.\n"
          "Exit codes: 0 ok, 1 failed, 2 usage.\n",
          file);
}

int main(int argc, char **argv)
{
    standard_streams_reserve();
    signal(SIGPIPE, SIG_IGN); /* a reader that is gone is a write error, told in words */
    signal(SIGXFSZ, SIG_IGN); /* so is a file size limit */
    const char *name = argc > 1 ? argv[1] : "";
    if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0 || strcmp(name, "help") == 0) {
        print_usage(stdout);
        return EXIT_OK;
    }
    if (strcmp(name, "--version") == 0 || strcmp(name, "-V") == 0) {
        printf("cairn-pack %s\n", CAIRN_VERSION);
        return EXIT_OK;
    }
    for (size_t i = 0; i < ARRAY_COUNT(commands); i++) {
        if (strcmp(name, commands[i].name) == 0) {
            return commands[i].run(argc - 1, argv + 1, &commands[i]);
        }
    }
    if (*name != '\0') {
        fprintf(stderr, "cairn-pack: there is no command \"%s\"\n", name);
    }
    print_usage(stderr);
    return EXIT_USAGE;
}
