/* cairn-pack: one table of commands, from which usage and dispatch are made. */
#include "common/codec_gzip.h"
#include "common/nearest.h"
#include "common/standard_streams.h"
#include "common/version.h"
#include "packer/add_report.h"
#include "packer/archive/codec_br.h"
#include "packer/archive/codec_zstd.h"
#include "packer/check.h"
#include "packer/compact.h"
#include "packer/diff.h"
#include "packer/extract.h"
#include "packer/keygen.h"
#include "packer/list.h"
#include "packer/pack_trace.h"
#include "packer/push.h"
#include "packer/rebuild.h"
#include "packer/request.h"
#include "packer/verify.h"
#include "packer/watch/add_watch.h"
#include "packer/watch/dev.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

enum { EXIT_OK = 0, EXIT_FAILED = 1, EXIT_USAGE = 2 };

struct command {
    struct option_table table;
    size_t least_words, most_words;
    const char *words; /* what is wrong with fewer or more of them */
    int (*run)(struct request *request, const struct argument *words, size_t count,
               struct error *error);
};

static const char *name_of(const struct command *command)
{
    return command->table.program + strlen("cairn-pack ");
}

static int usage_error(const struct command *command, const char *problem)
{
    fprintf(stderr, "%s: %s\n", command->table.program, problem);
    return EXIT_USAGE;
}

/* ---- what the commands do ---- */

/* The key of --sign; NULL without it. */
static int read_sign_key(const char *path, struct private_key **out_key, struct error *error)
{
    *out_key = NULL;
    return path == NULL ? 0 : private_key_read(path, out_key, error);
}

static int push(const struct request *request, const struct add_result *result, struct error *error)
{
    char traceparent[TRACEPARENT_BYTES + 1] = "";
    operation_call(request->add.operation, "push", traceparent);
    return push_release(request->push, result->index_path, traceparent, request->add.quiet, stderr,
                        error);
}

static int pack(struct request *request, struct error *error)
{
    struct add_result result = {0};
    struct private_key *key;
    struct pack_trace *trace = pack_trace_begin("cairn-pack add");
    request->add.operation = pack_trace_operation(trace);
    int status = read_sign_key(request->sign, &key, error);
    if (status == 0) {
        request->add.sign_key = key;
        status = add_release(&request->add, &result, error);
    }
    private_key_free(key);
    if (status == 0 && request->as_json) {
        add_result_print_json(&result, stdout);
    } else if (status == 0) {
        printf("load index %s\n", result.index_path);
    }
    if (status == 0 && request->push != NULL) {
        (void)fflush(stdout);
        status = push(request, &result, error);
    }
    add_result_fini(&result);
    (void)fflush(stdout); /* who reads it does not wait for a collector */
    pack_trace_end(trace, status == 0 ? NULL : error);
    return status;
}

/* Who edits wants to see it at once, and coded forms are for who is far away. */
static void choose_watch_effort(struct request *request)
{
    if (!request->has_effort) {
        request->site.effort = EFFORT_NONE;
    }
}

static int watch(struct request *request, struct error *error)
{
    struct private_key *key;
    if (request->as_json) {
        return error_set(error, ERR_USAGE, "--watch prints lines for a server, and no JSON");
    }
    choose_watch_effort(request);
    int status = read_sign_key(request->sign, &key, error);
    if (status == 0) {
        request->add.sign_key = key;
        const struct add_watch_options options = {.add = request->add, .push = request->push};
        status = add_watch(&options, error);
    }
    private_key_free(key);
    return status;
}

static int run_check(struct request *request, const struct argument *words, size_t count,
                     struct error *error)
{
    request->add.site = &request->site;
    request->add.site_directory = words[0].text;
    request->add.archive_path = count == 2 ? words[1].text : NULL;
    return check_site(&request->add, request->as_json, stdout, error);
}

static int run_add(struct request *request, const struct argument *words, size_t count,
                   struct error *error)
{
    if (request->is_dry_run) {
        return run_check(request, words, count, error);
    }
    if (count != 2) {
        return error_set(error, ERR_USAGE, "a site directory and an archive are needed");
    }
    request->add.site = &request->site;
    request->add.site_directory = words[0].text;
    request->add.archive_path = words[1].text;
    return request->is_watch ? watch(request, error) : pack(request, error);
}

static int run_dev(struct request *request, const struct argument *words, size_t count,
                   struct error *error)
{
    (void)count;
    if (request->port != 0 && request->listen != NULL) {
        return error_set(error, ERR_USAGE, "--port and --listen: one of them");
    }
    if (request->as_json) {
        return error_set(error, ERR_USAGE, "--json: what dev prints is for people");
    }
    choose_watch_effort(request);
    request->site.overlay =
        false; /* its own archive has nothing that the first could be laid over */
    request->add.site = &request->site;
    request->add.site_directory = words[0].text;
    const struct dev_options options = {
        .add = request->add, .listen = request->listen, .port = request->port};
    return dev(&options, stdout, error);
}

static int run_list(struct request *request, const struct argument *words, size_t count,
                    struct error *error)
{
    (void)count;
    return list_release(words[0].text, request->as_json, stdout, error);
}

static int run_diff(struct request *request, const struct argument *words, size_t count,
                    struct error *error)
{
    (void)count;
    return diff_releases(words[0].text, words[1].text, request->as_json, stdout, error);
}

static int run_verify(struct request *request, const struct argument *words, size_t count,
                      struct error *error)
{
    (void)count;
    struct trust trust = {0};
    int status = 0;
    for (size_t i = 0; i < request->trusted_count && status == 0; i++) {
        status = trust_add(&trust, request->trusted[i], error);
    }
    if (status == 0) {
        status = (request->is_archive ? verify_archive : verify_release)(words[0].text, &trust,
                                                                         stdout, error);
    }
    trust_fini(&trust);
    return status;
}

static int run_extract(struct request *request, const struct argument *words, size_t count,
                       struct error *error)
{
    (void)request;
    (void)count;
    return extract_release(words[0].text, words[1].text, stdout, error);
}

/* The line that loads what was made. */
static void print_load(int status, char *index_path)
{
    if (status == 0) {
        printf("load index %s\n", index_path);
        free(index_path);
    }
}

static int run_rebuild(struct request *request, const struct argument *words, size_t count,
                       struct error *error)
{
    (void)count;
    struct private_key *key;
    char *index_path = NULL;
    int status = read_sign_key(request->sign, &key, error);
    if (status == 0) {
        status = rebuild_indexes(words[0].text, key, stderr, &index_path, error);
    }
    private_key_free(key);
    print_load(status, index_path);
    return status;
}

static int run_compact(struct request *request, const struct argument *words, size_t count,
                       struct error *error)
{
    (void)count;
    struct private_key *key;
    char *index_path = NULL;
    if (request->keep == 0) {
        return error_set(error, ERR_USAGE, "--keep N is needed: how many releases");
    }
    int status = read_sign_key(request->sign, &key, error);
    if (status == 0) {
        status = compact_archive(words[0].text, words[1].text, request->keep, key, stderr,
                                 &index_path, error);
    }
    private_key_free(key);
    print_load(status, index_path);
    return status;
}

static int run_keygen(struct request *request, const struct argument *words, size_t count,
                      struct error *error)
{
    (void)request;
    (void)count;
    return keygen(words[0].text, stdout, error);
}

/* ---- the commands ---- */

#define GROUPS(...)                                                                                \
    (const struct option_group *const[])                                                           \
    {                                                                                              \
        __VA_ARGS__, &option_about_group, NULL                                                     \
    }

static const char add_ending[] =
    "A flag beats its variable, which stands behind it. SOURCE_DATE_EPOCH sets the\n"
    "time of the release; the same tree then packs to the same bytes. @FILE stands\n"
    "for the words of a file, one flag with its value on a line. Exit codes: 0 ok,\n"
    "1 failed, 2 usage.\n";

static const struct command commands[] = {
    {.table =
         {.program = "cairn-pack add",
          .usage = "[OPTIONS] SITE_DIR ARCHIVE",
          .about =
              "Appends SITE_DIR to ARCHIVE (NAME.cairn, made if absent) as its next release,\n"
              "points the link NAME.idx at its index, and prints the line that tells a server\n"
              "to load it. On any failure nothing is published.\n",
          .operands =
              "The index is NAME.NNNNNN.idx, beside the archive. Content that the archive\n"
              "holds already is not stored again; files that have not changed since the last\n"
              "run are not read.\n",
          .ending = add_ending,
          .groups = GROUPS(&request_publish_group, &request_read_group, &request_site_group)},
     .least_words = 1,
     .most_words = 2,
     .words = "a site directory and an archive are needed",
     .run = run_add},
    {.table = {.program = "cairn-pack check",
               .usage = "[OPTIONS] SITE_DIR",
               .about =
                   "Prints every path that the site would answer, every rule, and what was left\n"
                   "out, ignored or shadowed, with its line. Packs nothing. Exit code 1 if `add`\n"
                   "would refuse.\n",
               .operands = "It takes the flags of `add` too, and passes over those that publish.\n",
               .ending = add_ending,
               .groups = GROUPS(&request_read_group, &request_site_group, &request_ignored_group)},
     .least_words = 1,
     .most_words = 2,
     .words = "a site directory is needed",
     .run = run_check},
    {.table =
         {.program = "cairn-pack dev",
          .usage = "[OPTIONS] SITE_DIR",
          .about = "Serves SITE_DIR to who writes it: packs it into a folder of its own, starts\n"
                   "cairn-serve, prints the URL, and packs and loads every change. Ctrl-C ends\n"
                   "both, and nothing is left.\n",
          .operands =
              "It takes the flags of `add` too, and passes over those that publish. cairn-serve\n"
              "is the one beside this program or on the PATH; CAIRN_SERVE names another.\n",
          .ending = add_ending,
          .groups = GROUPS(&request_dev_group, &request_read_group, &request_site_group,
                           &request_ignored_group)},
     .least_words = 1,
     .most_words = 1,
     .words = "a site directory is needed, and nothing else",
     .run = run_dev},
    {.table = {.program = "cairn-pack list",
               .usage = "[--json] INDEX|ARCHIVE",
               .about =
                   "Lists the paths of a release: kind, status, the lengths of its forms, entity\n"
                   "tag, media type, policy. An archive stands for its newest release.\n",
               .groups = GROUPS(&request_json_group)},
     .least_words = 1,
     .most_words = 1,
     .words = "an index or an archive is needed, and nothing else",
     .run = run_list},
    {.table = {.program = "cairn-pack diff",
               .usage = "[--json] OLD NEW",
               .about =
                   "Says which paths answer differently in NEW (an index, or an archive for its\n"
                   "newest release).\n",
               .groups = GROUPS(&request_json_group)},
     .least_words = 2,
     .most_words = 2,
     .words = "two indexes or archives are needed, and nothing else",
     .run = run_diff},
    {.table = {.program = "cairn-pack verify",
               .usage = "[--archive] [--trust PUBKEY]... INDEX|ARCHIVE",
               .about =
                   "Reads every byte that a release needs and checks it. Exit code 1 names the\n"
                   "first fault.\n",
               .groups = GROUPS(&request_verify_group)},
     .least_words = 1,
     .most_words = 1,
     .words = "an index or an archive is needed, and nothing else",
     .run = run_verify},
    {.table =
         {.program = "cairn-pack extract",
          .usage = "INDEX|ARCHIVE DIRECTORY",
          .about =
              "Writes the files of a release below DIRECTORY, which must be empty or absent.\n",
          .groups = (const struct option_group *const[]){&option_about_group, NULL}},
     .least_words = 2,
     .most_words = 2,
     .words = "an index or an archive, and a directory are needed, and nothing else",
     .run = run_extract},
    {.table =
         {.program = "cairn-pack rebuild",
          .usage = "[--sign KEY] ARCHIVE",
          .about =
              "Makes lost or damaged indexes again from the archive, each the same to the\n"
              "byte, so that signatures hold. Where records are damaged, what survives of the\n"
              "newest release becomes the next one, which is signed with --sign.\n",
          .groups = GROUPS(&request_rebuild_group)},
     .least_words = 1,
     .most_words = 1,
     .words = "an archive is needed, and nothing else",
     .run = run_rebuild},
    {.table =
         {.program = "cairn-pack compact",
          .usage = "--keep N [--sign KEY] ARCHIVE NEW_ARCHIVE",
          .about =
              "Writes what the newest N releases need into a new archive, with their indexes.\n"
              "The old one is only read: a server may go on with it, and then load the new\n"
              "index. Signatures do not hold for the new one: --sign makes others.\n",
          .groups = GROUPS(&request_compact_group)},
     .least_words = 2,
     .most_words = 2,
     .words = "an archive and the name of a new one are needed, and nothing else",
     .run = run_compact},
    {.table =
         {.program = "cairn-pack keygen",
          .usage = "KEY",
          .about =
              "Makes a pair of Ed25519 keys: KEY, the private one, which signs releases\n"
              "(mode 0600), and KEY.pub, the public one, for servers that shall serve nothing\n"
              "else. Both are PEM, as openssl writes them. What is there already stays.\n",
          .groups = (const struct option_group *const[]){&option_about_group, NULL}},
     .least_words = 1,
     .most_words = 1,
     .words = "the name of a key is needed, and nothing else",
     .run = run_keygen},
};

/* What was printed must have arrived: a full disk or a closed pipe is a failure. */
static int flushed(const struct command *command)
{
    if (fflush(stdout) != 0 || ferror(stdout)) {
        fprintf(stderr, "%s: standard output: %s\n", command->table.program, strerror(errno));
        return EXIT_FAILED;
    }
    return EXIT_OK;
}

static int finish(const struct command *command, int status, const struct error *error)
{
    if (status == 0) {
        return flushed(command);
    }
    (void)fflush(stdout); /* what was found out before it failed */
    if (status == ERR_USAGE) {
        return usage_error(command, error->text);
    }
    fprintf(stderr, "%s: %s\n", command->table.program, error->text);
    return EXIT_FAILED;
}

static void print_version(void)
{
    struct library libraries[COMMON_LIBRARIES + 4] = {
        [COMMON_LIBRARIES] = {"libcmph", NULL},
        {"libdeflate", gzip_library_version()},
        {"brotli", br_library_version()},
        {"zstd", zstd_library_version()},
    };
    version_common_libraries(libraries);
    version_print("cairn-pack", libraries, ARRAY_COUNT(libraries), stdout);
}

static void print_about(const struct command *command, const struct settings *settings)
{
    if (settings->about->about == OPTION_HELP) {
        options_print_help(&command->table, settings->about_value != NULL, stdout);
    } else if (settings->about->about == OPTION_VERSION) {
        print_version();
    } else {
        options_print_head(stdout);
        options_print_rows(&command->table, stdout);
    }
}

static int follow(const struct command *command, const struct settings *settings)
{
    struct request request;
    struct error error = {""};
    size_t count = settings->operand_count;
    int result = EXIT_USAGE;
    request_init(&request);
    if (count < command->least_words || count > command->most_words) {
        usage_error(command, command->words);
    } else if (settings_apply(settings, command->table.program, &request) == 0) {
        int status = command->run(&request, settings->operands, count, &error);
        result = finish(command, status, &error);
    }
    request_fini(&request);
    return result;
}

static int run(const struct command *command, int count, char **words)
{
    struct settings settings;
    struct error error = {""};
    int result = EXIT_OK;
    if (settings_read(&settings, &command->table, count, words, &error) != 0) {
        result = usage_error(command, error.text);
    } else if (settings.about != NULL) {
        print_about(command, &settings);
    } else {
        result = follow(command, &settings);
    }
    settings_fini(&settings);
    return result;
}

static void print_help(bool is_full)
{
    puts("usage: cairn-pack COMMAND [OPTIONS] ARGUMENTS\n\n"
         "Packs a site directory into an append-only archive and an index.\n");
    for (size_t i = 0; i < ARRAY_COUNT(commands); i++) {
        printf("  %-8s %s\n", name_of(&commands[i]), commands[i].table.usage);
    }
    puts("\ncairn-pack COMMAND --help says more; --help all says all of it; --version prints\n"
         "versions. Exit codes: 0 ok, 1 failed, 2 usage.");
    for (size_t i = 0; i < ARRAY_COUNT(commands) && is_full; i++) {
        puts("");
        options_print_help(&commands[i].table, true, stdout);
    }
}

static int refuse_command(const char *name)
{
    struct nearest nearest = nearest_to(slice_of_string(name));
    for (size_t i = 0; i < ARRAY_COUNT(commands); i++) {
        nearest_offer(&nearest, slice_of_string(name_of(&commands[i])));
    }
    if (*name == '\0') {
        fputs("cairn-pack: which command? cairn-pack --help lists them\n", stderr);
    } else if (nearest.found.count == 0) {
        fprintf(stderr, "cairn-pack: there is no command \"%s\" (--help lists them)\n", name);
    } else {
        fprintf(stderr, "cairn-pack: there is no command \"%s\"; did you mean %.*s?\n", name,
                (int)nearest.found.count, nearest.found.bytes);
    }
    return EXIT_USAGE;
}

int main(int argc, char **argv)
{
    standard_streams_reserve();
    signal(SIGPIPE, SIG_IGN); /* a reader that is gone is a write error, told in words */
    signal(SIGXFSZ, SIG_IGN); /* so is a file size limit */
    const char *name = argc > 1 ? argv[1] : "";
    if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0 || strcmp(name, "help") == 0) {
        print_help(argc > 2 && strcmp(argv[2], "all") == 0);
        return EXIT_OK;
    }
    if (strcmp(name, "--version") == 0 || strcmp(name, "-V") == 0) {
        print_version();
        return EXIT_OK;
    }
    if (strcmp(name, "--options") == 0) {
        options_print_head(stdout);
        for (size_t i = 0; i < ARRAY_COUNT(commands); i++) {
            options_print_rows(&commands[i].table, stdout);
        }
        return EXIT_OK;
    }
    for (size_t i = 0; i < ARRAY_COUNT(commands); i++) {
        if (strcmp(name, name_of(&commands[i])) == 0) {
            return run(&commands[i], argc - 2, argv + 2);
        }
    }
    return refuse_command(name);
}
