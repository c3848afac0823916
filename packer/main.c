/* cairn-pack: one table of commands, from which usage and dispatch are made. */
#include "common/signature.h"
#include "common/standard_streams.h"
#include "packer/add.h"
#include "packer/add_report.h"
#include "packer/check.h"
#include "packer/compact.h"
#include "packer/diff.h"
#include "packer/extract.h"
#include "packer/keygen.h"
#include "packer/list.h"
#include "packer/push.h"
#include "packer/rebuild.h"
#include "packer/verify.h"

#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

enum { EXIT_OK = 0, EXIT_FAILED = 1, EXIT_USAGE = 2 };

struct command {
    const char *name;
    const char *arguments;
    const char *help;
    const char *more_help; /* or NULL */
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
    printf("usage: cairn-pack %s %s\n\n%s\n%s", command->name, command->arguments, command->help,
           command->more_help == NULL ? "" : command->more_help);
    if (command->more_help != NULL && strcmp(command->name, "add") == 0) {
        puts("\nSOURCE_DATE_EPOCH sets the time of the release; the same tree then packs to the "
             "same "
             "bytes.");
    }
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

/* ---- add, check ---- */

/* What `add` and `check` share. Options that decide about the index go to site_options_set(). */
struct add_command {
    struct add_options options;
    struct site_options site;
    bool as_json;
    bool dry_run;
    const char *push; /* a control socket; NULL: none */
    const char *sign; /* a file with a private key; NULL: none */
};

enum {
    OPTION_WAIT = 256,
    OPTION_ALLOW_EMPTY,
    OPTION_CHECKSUM,
    OPTION_STRICT,
    OPTION_DRY_RUN,
    OPTION_JSON,
    OPTION_DOTFILES,
    OPTION_PUSH,
    OPTION_SIGN,
    OPTION_SITE, /* by its name */
};

static const struct option add_long_options[] = {
    {"wait", no_argument, NULL, OPTION_WAIT},
    {"allow-empty", no_argument, NULL, OPTION_ALLOW_EMPTY},
    {"checksum", no_argument, NULL, OPTION_CHECKSUM},
    {"strict", no_argument, NULL, OPTION_STRICT},
    {"dry-run", no_argument, NULL, OPTION_DRY_RUN},
    {"json", no_argument, NULL, OPTION_JSON},
    {"dotfiles", no_argument, NULL, OPTION_DOTFILES},
    {"push", required_argument, NULL, OPTION_PUSH},
    {"sign", required_argument, NULL, OPTION_SIGN},
    {"jobs", required_argument, NULL, 'j'},
    {"quiet", no_argument, NULL, 'q'},
    {"help", no_argument, NULL, 'h'},
    {"urls", required_argument, NULL, OPTION_SITE},
    {"dialect", required_argument, NULL, OPTION_SITE},
    {"effort", required_argument, NULL, OPTION_SITE},
    {"cache", required_argument, NULL, OPTION_SITE},
    {"immutable", required_argument, NULL, OPTION_SITE},
    {"revalidate", required_argument, NULL, OPTION_SITE},
    {"type", required_argument, NULL, OPTION_SITE},
    {"host", required_argument, NULL, OPTION_SITE},
    {"spa", optional_argument, NULL, OPTION_SITE},
    {"overlay", no_argument, NULL, OPTION_SITE},
    {"sidecars", no_argument, NULL, OPTION_SITE},
    {"digest", no_argument, NULL, OPTION_SITE},
    {NULL, 0, NULL, 0},
};

static bool parse_number(const char *text, unsigned long least, unsigned long most,
                         unsigned long *out_number)
{
    char *end;
    errno = 0;
    unsigned long number = strtoul(text, &end, 10);
    bool is_number = *text >= '0' && *text <= '9' && *end == '\0' && errno == 0;
    if (!is_number || number < least || number > most) {
        return false;
    }
    *out_number = number;
    return true;
}

static int set_add_option(struct add_command *add, int letter, const char *name,
                          const struct command *command)
{
    unsigned long number;
    struct error error = {""};
    switch (letter) {
    case OPTION_WAIT:
        add->options.wait = true;
        break;
    case OPTION_ALLOW_EMPTY:
        add->options.allow_empty = true;
        break;
    case OPTION_CHECKSUM:
        add->options.read_all = true;
        break;
    case OPTION_STRICT:
        add->options.strict = true;
        break;
    case OPTION_DRY_RUN:
        add->dry_run = true;
        break;
    case OPTION_JSON:
        add->as_json = true;
        break;
    case OPTION_DOTFILES:
        add->options.walk.dotfiles = true;
        break;
    case OPTION_PUSH:
        add->push = optarg;
        break;
    case OPTION_SIGN:
        add->sign = optarg;
        break;
    case 'q':
        add->options.quiet = true;
        break;
    case 'j':
        if (!parse_number(optarg, 1, 256, &number)) {
            return usage_error(command, "--jobs: not a number from 1 to 256");
        }
        add->options.thread_count = (unsigned)number;
        break;
    case OPTION_SITE:
        if (site_options_set(&add->site, name, optarg, &error) != 0) {
            return usage_error(command, error.text);
        }
        break;
    default:
        return usage_error(command, "see above");
    }
    return EXIT_OK;
}

static int parse_add(int argc, char **argv, const struct command *command, struct add_command *add,
                     bool *out_done)
{
    int letter;
    int index = 0;
    *out_done = true;
    while ((letter = getopt_long(argc, argv, "j:qh", add_long_options, &index)) != -1) {
        if (letter == 'h') {
            print_command_help(command);
            return EXIT_OK;
        }
        int status = set_add_option(add, letter, add_long_options[index].name, command);
        if (status != EXIT_OK) {
            return status;
        }
    }
    *out_done = false;
    return EXIT_OK;
}

static int finish(const struct command *command, int status, const struct error *error)
{
    if (status == 0) {
        return flushed(command);
    }
    (void)fflush(stdout); /* what was found out before it failed */
    return status == ERR_USAGE ? usage_error(command, error->text) : failed(command, error);
}

/* The key of --sign; NULL without it. */
static int read_sign_key(const char *path, struct private_key **out_key, struct error *error)
{
    *out_key = NULL;
    return path == NULL ? 0 : private_key_read(path, out_key, error);
}

static int pack(struct add_command *add, const struct command *command)
{
    struct error error = {""};
    struct add_result result = {0};
    struct private_key *key;
    int status = read_sign_key(add->sign, &key, &error);
    if (status == 0) {
        add->options.sign_key = key;
        status = add_release(&add->options, &result, &error);
    }
    private_key_free(key);
    if (status == 0 && add->as_json) {
        add_result_print_json(&result, stdout);
    } else if (status == 0) {
        printf("load index %s\n", result.index_path);
    }
    if (status == 0 && add->push != NULL) {
        (void)fflush(stdout);
        status = push_release(add->push, result.index_path, add->options.quiet, stderr, &error);
    }
    add_result_fini(&result);
    return finish(command, status, &error);
}

static int show(struct add_command *add, const struct command *command)
{
    struct error error = {""};
    int status = check_site(&add->options, add->as_json, stdout, &error);
    return finish(command, status, &error);
}

static int run_add_or_check(int argc, char **argv, const struct command *command, bool is_check)
{
    struct add_command add = {.options = {.messages = stderr}};
    site_options_init(&add.site);
    add.options.site = &add.site;
    bool done;
    int status = parse_add(argc, argv, command, &add, &done);
    if (!done) {
        int count = argc - optind;
        is_check |= add.dry_run;
        if (count < 1 || count > 2 || (!is_check && count != 2)) {
            status = usage_error(command, is_check ? "a site directory is needed"
                                                   : "a site directory and an archive are needed");
        } else {
            add.options.site_directory = argv[optind];
            add.options.archive_path = count == 2 ? argv[optind + 1] : NULL;
            status = is_check ? show(&add, command) : pack(&add, command);
        }
    }
    site_options_fini(&add.site);
    return status;
}

static int run_add(int argc, char **argv, const struct command *command)
{
    return run_add_or_check(argc, argv, command, false);
}

static int run_check(int argc, char **argv, const struct command *command)
{
    return run_add_or_check(argc, argv, command, true);
}

/* ---- the rest: paths and few options ---- */

struct simple_options {
    bool as_json;
    bool archive; /* verify: all of it */
    unsigned long keep;
    const char *sign; /* a file with a private key; NULL: none */
    struct trust trust;
};

/* Returns EXIT_OK to go on with argv[optind]; *out_done: not to. */
static int parse_simple(int argc, char **argv, const struct command *command,
                        const struct option *long_options, int count,
                        struct simple_options *options, bool *out_done)
{
    int letter;
    struct error error = {""};
    *out_done = true;
    while ((letter = getopt_long(argc, argv, "h", long_options, NULL)) != -1) {
        switch (letter) {
        case 'h':
            print_command_help(command);
            return EXIT_OK;
        case 'J':
            options->as_json = true;
            break;
        case 'a':
            options->archive = true;
            break;
        case 's':
            options->sign = optarg;
            break;
        case 't':
            if (trust_add(&options->trust, optarg, &error) != 0) {
                return failed(command, &error);
            }
            break;
        case 'k':
            if (!parse_number(optarg, 1, ULONG_MAX, &options->keep)) {
                return usage_error(command, "--keep: not a number from 1");
            }
            break;
        default:
            return usage_error(command, "see above");
        }
    }
    if (argc - optind != count) {
        return usage_error(command, "wrong number of arguments");
    }
    *out_done = false;
    return EXIT_OK;
}

#define HELP_OPTION                                                                                \
    {"help", no_argument, NULL, 'h'},                                                              \
    {                                                                                              \
        NULL, 0, NULL, 0                                                                           \
    }

static int run_list(int argc, char **argv, const struct command *command)
{
    static const struct option options[] = {{"json", no_argument, NULL, 'J'}, HELP_OPTION};
    struct simple_options chosen = {0};
    struct error error = {""};
    bool done;
    int status = parse_simple(argc, argv, command, options, 1, &chosen, &done);
    return done ? status
                : finish(command, list_release(argv[optind], chosen.as_json, stdout, &error),
                         &error);
}

static int run_diff(int argc, char **argv, const struct command *command)
{
    static const struct option options[] = {{"json", no_argument, NULL, 'J'}, HELP_OPTION};
    struct simple_options chosen = {0};
    struct error error = {""};
    bool done;
    int status = parse_simple(argc, argv, command, options, 2, &chosen, &done);
    return done ? status
                : finish(
                      command,
                      diff_releases(argv[optind], argv[optind + 1], chosen.as_json, stdout, &error),
                      &error);
}

static int run_verify(int argc, char **argv, const struct command *command)
{
    static const struct option options[] = {
        {"archive", no_argument, NULL, 'a'}, {"trust", required_argument, NULL, 't'}, HELP_OPTION};
    struct simple_options chosen = {0};
    struct error error = {""};
    bool done;
    int status = parse_simple(argc, argv, command, options, 1, &chosen, &done);
    if (!done) {
        status = chosen.archive ? verify_archive(argv[optind], &chosen.trust, stdout, &error)
                                : verify_release(argv[optind], &chosen.trust, stdout, &error);
        status = finish(command, status, &error);
    }
    trust_fini(&chosen.trust);
    return status;
}

static int run_extract(int argc, char **argv, const struct command *command)
{
    static const struct option options[] = {HELP_OPTION};
    struct simple_options chosen = {0};
    struct error error = {""};
    bool done;
    int status = parse_simple(argc, argv, command, options, 2, &chosen, &done);
    return done ? status
                : finish(command, extract_release(argv[optind], argv[optind + 1], stdout, &error),
                         &error);
}

/* Both print the line that loads what they made. */
static int print_load(const struct command *command, int status, char *index_path,
                      const struct error *error)
{
    if (status == 0) {
        printf("load index %s\n", index_path);
        free(index_path);
    }
    return finish(command, status, error);
}

static int run_rebuild(int argc, char **argv, const struct command *command)
{
    static const struct option options[] = {{"sign", required_argument, NULL, 's'}, HELP_OPTION};
    struct simple_options chosen = {0};
    struct error error = {""};
    struct private_key *key;
    char *index_path = NULL;
    bool done;
    int status = parse_simple(argc, argv, command, options, 1, &chosen, &done);
    if (done) {
        return status;
    }
    status = read_sign_key(chosen.sign, &key, &error);
    if (status == 0) {
        status = rebuild_indexes(argv[optind], key, stderr, &index_path, &error);
    }
    private_key_free(key);
    return print_load(command, status, index_path, &error);
}

static int run_compact(int argc, char **argv, const struct command *command)
{
    static const struct option options[] = {{"keep", required_argument, NULL, 'k'},
                                            {"sign", required_argument, NULL, 's'},
                                            HELP_OPTION};
    struct simple_options chosen = {0};
    struct error error = {""};
    struct private_key *key;
    char *index_path = NULL;
    bool done;
    int status = parse_simple(argc, argv, command, options, 2, &chosen, &done);
    if (done) {
        return status;
    }
    if (chosen.keep == 0) {
        return usage_error(command, "--keep N is needed: how many releases");
    }
    status = read_sign_key(chosen.sign, &key, &error);
    if (status == 0) {
        status = compact_archive(argv[optind], argv[optind + 1], chosen.keep, key, stderr,
                                 &index_path, &error);
    }
    private_key_free(key);
    return print_load(command, status, index_path, &error);
}

static int run_keygen(int argc, char **argv, const struct command *command)
{
    static const struct option options[] = {HELP_OPTION};
    struct simple_options chosen = {0};
    struct error error = {""};
    bool done;
    int status = parse_simple(argc, argv, command, options, 1, &chosen, &done);
    return done ? status : finish(command, keygen(argv[optind], stdout, &error), &error);
}

static const char site_options_help[] =
    "How the site is compiled:\n"
    "  --urls auto|drop-html|slash|exact  which spellings of a page answer (auto: /a and\n"
    "                         /a.html do; drop-html: /a.html leads to /a; slash: both lead to\n"
    "                         /a/; exact: only the names of files)\n"
    "  --spa[=FILE]           navigations to missing paths get FILE (index.html), assets never\n"
    "  --dialect netlify|cloudflare       whose _headers and _redirects these are (netlify)\n"
    "  --host NAME            the host that rules of _headers for a host are compared with\n"
    "  --effort none|fast|default|max     what is spent on gzip, br and zstd forms\n"
    "  --sidecars             a.js.gz, .br and .zst are the coded forms of a.js\n"
    "  --digest               Repr-Digest on every file\n"
    "  --cache KIND=VALUE     Cache-Control of html, fingerprinted or other files\n"
    "  --immutable PATTERN    names that tell their content, besides those found out\n"
    "  --revalidate PATTERN   names that do not, whatever they look like\n"
    "  --type EXTENSION=TYPE  media type of files with this extension\n"
    "  --dotfiles             take names that start with a dot, too\n"
    "  --strict               lines of rule files that are not understood are errors\n";

static const struct command commands[] = {
    {"add", "[OPTIONS] SITE_DIR ARCHIVE",
     "Appends SITE_DIR to ARCHIVE (NAME.cairn, made if absent) as its next release, writes the\n"
     "index NAME.NNNNNN.idx beside it, points the link NAME.idx there, and prints the line that\n"
     "tells a server to load it. Content that the archive holds already is not stored again; "
     "files\n"
     "that have not changed since the last run are not read. On any failure nothing is "
     "published.\n\n"
     "  --overlay      the index holds only what differs from the release before\n"
     "  --checksum     read every file, even if size, times and inode are as they were\n"
     "  --dry-run      pack nothing; print what `check` prints\n"
     "  --wait         wait while another cairn-pack adds to the same archive\n"
     "  --allow-empty  publish a site without a single file\n"
     "  -j, --jobs N   threads (one for each processor)\n"
     "  --push SOCKET  have the server at this control socket load it, and fail if it does not\n"
     "  --sign KEY     sign the release with this private key (keygen), for servers that --trust\n"
     "                 its public half\n"
     "  --json         print the result as JSON instead of the line\n"
     "  -q, --quiet    no progress, notes and summary on standard error\n",
     site_options_help, run_add},
    {"check", "[OPTIONS] SITE_DIR",
     "Prints every path that the site would answer, every rule, and what was left out, ignored or\n"
     "shadowed, with its line. Packs nothing. Exit code 1 if `add` would refuse.\n\n"
     "  --json         as JSON\n",
     site_options_help, run_check},
    {"list", "[--json] INDEX|ARCHIVE",
     "Lists the paths of a release: kind, status, the lengths of its forms, entity tag, media "
     "type,\n"
     "policy. An archive stands for its newest release.",
     NULL, run_list},
    {"diff", "[--json] OLD NEW",
     "Says which paths answer differently in NEW (an index, or an archive for its newest release).",
     NULL, run_diff},
    {"verify", "[--archive] [--trust PUBKEY]... INDEX|ARCHIVE",
     "Reads every byte that a release needs and checks it. Exit code 1 names the first fault.\n\n"
     "  --archive       every record of every release of the archive, for which no index is "
     "needed\n"
     "  --trust PUBKEY  the release, with --archive each of them, has to be signed by this key;\n"
     "                  repeatable: by any of them\n",
     NULL, run_verify},
    {"extract", "INDEX|ARCHIVE DIRECTORY",
     "Writes the files of a release below DIRECTORY, which must be empty or absent.", NULL,
     run_extract},
    {"rebuild", "[--sign KEY] ARCHIVE",
     "Makes lost or damaged indexes again from the archive, each the same to the byte, so that\n"
     "signatures hold. Where records are damaged, what survives of the newest release becomes the\n"
     "next one, which is signed with --sign.\n",
     NULL, run_rebuild},
    {"compact", "--keep N [--sign KEY] ARCHIVE NEW_ARCHIVE",
     "Writes what the newest N releases need into a new archive, with their indexes. The old one "
     "is\n"
     "only read: a server may go on with it, and then load the new index. Signatures do not hold\n"
     "for the new one: --sign makes others.\n",
     NULL, run_compact},
    {"keygen", "KEY",
     "Makes a pair of Ed25519 keys: KEY, the private one, which signs releases (mode 0600), and\n"
     "KEY.pub, the public one, for servers that shall serve nothing else. Both are PEM, as "
     "openssl\n"
     "writes them. What is there already stays.\n",
     NULL, run_keygen},
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
