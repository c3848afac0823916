#include "server/control/command.h"

#include "common/mem.h"
#include "server/control/command_words.h"
#include "server/control/report.h"
#include "server/overwrite_check.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

void reply_format(struct reply *reply, const char *format, ...)
{
    va_list arguments;
    for (;;) {
        size_t left = reply->capacity - reply->count;
        va_start(arguments, format);
        char *at = reply->text == NULL ? NULL : reply->text + reply->count;
        int count = vsnprintf(at, left, format, arguments);
        va_end(arguments);
        if (count < 0) {
            return;
        }
        if ((size_t)count < left) {
            reply->count += (size_t)count;
            return;
        }
        reply->capacity = mem_capacity(reply->capacity, reply->count + (size_t)count + 1);
        reply->text = mem_resize(reply->text, reply->capacity, 1);
    }
}

struct command {
    const char *words;
    const char *argument; /* NULL: takes none */
    const char *help;
    void (*run)(struct command_context *context, struct slice argument, struct reply *reply);
};

/* ---- the commands ---- */

static void reply_result(struct reply *reply, const char *words, const struct load_result *result)
{
    reply_format(
        reply, "ok %s id=%" PRIu64 " release=%" PRIu64 " paths=%" PRIu32 " layers=%zu ms=%.1f%s\n",
        words, result->id, result->release, result->paths, result->layers, result->ms,
        result->was_on_top ? " unchanged=1" : "");
}

/* What could not be done, though the words were right. */
static void refuse(const struct command_context *context, const char *words,
                   const struct error *error, struct reply *reply)
{
    reply_format(reply, "error %s: %s\n", words, error->text);
    refusals_add(context->refusals, time(NULL), 1, "%s: %s", words, error->text);
}

static void reply_load(struct command_context *context, const struct load *load, const char *words,
                       struct reply *reply)
{
    struct operation *operation = load->request.operation;
    if (load->status == -ECANCELED) { /* what is wrong is another one's */
        reply_format(reply, "error %s: %s\n", words, load->error.text);
    } else if (load->status != 0) {
        refuse(context, words, &load->error, reply);
    } else {
        reply_result(reply, words, &load->result);
        operation_number(operation, "cairn.release", load->result.release);
        operation_number(operation, "cairn.site.id", load->result.id);
        operation_number(operation, "cairn.paths", load->result.paths);
        operation_text(operation, "cairn.load.outcome",
                       load->result.was_on_top ? SLICE("unchanged") : SLICE("live"));
    }
    telemetry_end(context->telemetry, operation, load->status == 0 ? NULL : load->error.text);
}

/* Carries out loads, each as a span `words` if somebody wants to know, and says what came of each.
 */
static int load(struct command_context *context, const struct load_request *requests, size_t count,
                const char *words, struct reply *reply)
{
    struct load *loads = mem_zeroed(count + 1, sizeof *loads);
    struct operation *operations = mem_zeroed(count + 1, sizeof *operations);
    for (size_t i = 0; i < count; i++) {
        loads[i].request = requests[i];
        loads[i].request.operation = &operations[i];
        telemetry_begin(context->telemetry, &operations[i], words, requests[i].traceparent);
        operation_text(&operations[i], "cairn.index.path", slice_of_string(requests[i].path));
    }
    int status = loader_load_all(context->loader, loads, count);
    for (size_t i = 0; i < count; i++) {
        reply_load(context, &loads[i], words, reply);
    }
    free(operations);
    free(loads);
    return status;
}

int command_load_all(struct command_context *context, const struct load_request *requests,
                     size_t count, struct reply *reply)
{
    return load(context, requests, count, "load index", reply);
}

/* The loaded site that an argument names; says so if there is none. */
static struct site *find_site(struct command_context *context, const char *words,
                              struct slice argument, struct reply *reply)
{
    struct site *site = loader_find(context->loader, argument);
    if (site == NULL) {
        reply_format(reply, "error %s: no loaded release has this id or path: %.*s\n", words,
                     (int)argument.count, argument.bytes);
    }
    return site;
}

static void run_unload(struct command_context *context, struct slice argument, struct reply *reply)
{
    struct load_words words = {.text_bytes = 0};
    const char *problem = command_words_load(argument, &words);
    if (problem != NULL || words.request.hosts != NULL || words.request.prefix != NULL) {
        reply_format(reply, "error unload: %s\n",
                     problem != NULL ? problem : "it takes an id or a path alone");
        return;
    }
    struct site *site = find_site(context, "unload", slice_of_string(words.request.path), reply);
    if (site != NULL) {
        uint64_t id = site->id;
        uint64_t release = site->index->release;
        struct error error;
        if (loader_unload(context->loader, site, &error) != 0) {
            reply_format(reply, "error unload: %s\n", error.text);
            return;
        }
        reply_format(reply, "ok unload id=%" PRIu64 " release=%" PRIu64 " sites=%zu\n", id, release,
                     loader_sites(context->loader)->count);
    }
}

/* The stack that `host=` and `at=` name; without either, the only one there is, or that of every
 * other host at the root. */
static const struct site_stack *find_stack(const struct site_list *sites,
                                           const struct load_request *request, struct error *error)
{
    if (request->hosts == NULL && request->prefix == NULL && sites->host_count == 1 &&
        sites->hosts[0].stack_count == 1) {
        return &sites->hosts[0].stacks[0];
    }
    struct mount mount;
    if (mount_parse(request->hosts, request->prefix, &mount, error) != 0) {
        return NULL;
    }
    const struct site_stack *stack =
        site_list_stack_of(sites, slice_of_string(mount.hosts[0]), slice_of_string(mount.prefix));
    if (stack == NULL) {
        error_set(error, ERR_EMPTY, "nothing is loaded for host=%s at=%s",
                  request->hosts == NULL ? "*" : request->hosts,
                  request->prefix == NULL ? "/" : request->prefix);
    }
    mount_fini(&mount);
    return stack;
}

/* Is the release on top the one that was meant? `id` is empty if any is. */
static int check_top(const struct site_stack *stack, struct slice id, struct error *error)
{
    char text[24];
    const struct site *top = stack->sites[0];
    int count = snprintf(text, sizeof text, "%" PRIu64, top->id);
    if (id.count == 0 || slice_equal(id, (struct slice){text, (size_t)count})) {
        return 0;
    }
    return error_set(error, ERR_CHANGED,
                     "not id %.*s is on top, but id %" PRIu64 ", release %" PRIu64, (int)id.count,
                     id.bytes, top->id, top->index->release);
}

static void run_rollback(struct command_context *context, struct slice argument,
                         struct reply *reply)
{
    struct load_words words = {.text_bytes = 0};
    struct slice id = {"", 0};
    while (command_words_take_option(&argument, &words) || command_words_take_id(&argument, &id)) {
    }
    struct error error = {""};
    struct load_result result;
    const struct site_stack *stack = NULL;
    if (command_words_trim_end(argument).count > 0) {
        error_set(&error, ERR_USAGE, "it takes host=NAME, at=/PREFIX and id=NUMBER");
    } else {
        stack = find_stack(loader_sites(context->loader), &words.request, &error);
    }
    struct operation operation;
    telemetry_begin(context->telemetry, &operation, "rollback", words.request.traceparent);
    bool is_done = stack != NULL && check_top(stack, id, &error) == 0 &&
                   loader_rollback(context->loader, stack, &result, &error) == 0;
    if (is_done) {
        reply_result(reply, "rollback", &result);
        operation_number(&operation, "cairn.release", result.release);
    } else {
        refuse(context, "rollback", &error, reply);
    }
    telemetry_end(context->telemetry, &operation, is_done ? NULL : error.text);
}

/* What is loaded somewhere, to look at it, goes on top of where its archive answers. */
static void run_promote(struct command_context *context, struct slice argument, struct reply *reply)
{
    struct load_words words = {.text_bytes = 0};
    const char *problem = command_words_load(argument, &words);
    if (problem != NULL) {
        reply_format(reply, "error promote: %s\n", problem);
        return;
    }
    struct site *site = find_site(context, "promote", slice_of_string(words.request.path), reply);
    if (site == NULL) {
        return;
    }
    words.request.path = site->index_path;
    (void)load(context, &words.request, 1, "promote", reply);
}

static void run_load(struct command_context *context, struct slice argument, struct reply *reply)
{
    struct load_words words = {.text_bytes = 0};
    const char *problem = command_words_load(argument, &words);
    if (problem != NULL) {
        reply_format(reply, "error load index: %s\n", problem);
        return;
    }
    (void)load(context, &words.request, 1, "load index", reply);
}

/* `--json` behind a command: false, and said so, if it is something else. */
static bool wants_json(const char *words, struct slice argument, bool *out_json,
                       struct reply *reply)
{
    *out_json = slice_equal(argument, SLICE("--json"));
    if (argument.count > 0 && !*out_json) {
        reply_format(reply, "error %s: it takes --json or nothing\n", words);
        return false;
    }
    return true;
}

static void run_list(struct command_context *context, struct slice argument, struct reply *reply)
{
    bool is_json;
    if (wants_json("list", argument, &is_json, reply)) {
        overwrite_check_run(loader_sites(context->loader));
        report_list(loader_sites(context->loader), is_json, reply);
    }
}

/* The folders that may be read, and those of what is loaded; those that are gone are left out. */
static struct folders index_folders(const struct loader *loader)
{
    const struct site_list *sites = loader_sites(loader);
    struct folders folders = {0};
    int ignored = 0;
    for (size_t i = 0; loader->folders != NULL && i < loader->folders->count; i++) {
        ignored |= folders_add(&folders, loader->folders->at[i].path, NULL);
    }
    for (size_t i = 0; i < sites->count; i++) {
        ignored |= folders_add_file(&folders, sites->sites[i]->index_path, NULL);
    }
    (void)ignored;
    return folders;
}

/* What could be loaded. */
static void run_indexes(struct command_context *context, struct slice argument, struct reply *reply)
{
    bool is_json;
    if (!wants_json("indexes", argument, &is_json, reply)) {
        return;
    }
    struct error error = {""};
    struct folders folders = index_folders(context->loader);
    struct index_files files = {0};
    if (index_files_find(&files, &folders, &error) == 0) {
        report_indexes(&files, is_json, reply);
    } else {
        reply_format(reply, "error indexes: %s\n", error.text);
    }
    index_files_fini(&files);
    folders_fini(&folders);
}

static void run_status(struct command_context *context, struct slice argument, struct reply *reply)
{
    bool is_json;
    if (wants_json("status", argument, &is_json, reply)) {
        overwrite_check_run(loader_sites(context->loader));
        report_status(context, is_json, reply);
    }
}

void command_reopen_logs(struct command_context *context, struct reply *reply)
{
    struct error error = {""};
    size_t files = 0;
    if (context->workers != NULL && workers_reopen_logs(context->workers, &files, &error) != 0) {
        reply_format(reply, "error reopen logs: %s\n", error.text);
    } else {
        reply_format(reply, "ok reopen logs files=%zu\n", files);
    }
}

static void run_reopen_logs(struct command_context *context, struct slice argument,
                            struct reply *reply)
{
    (void)argument;
    command_reopen_logs(context, reply);
}

/* Is there anybody to tell? Says so if not. */
static bool can_announce(const struct command_context *context, const char *words,
                         struct reply *reply)
{
    if (context->loader->announcer == NULL) {
        reply_format(reply, "error %s: nobody can listen: started without --events\n", words);
        return false;
    }
    return true;
}

static void run_announce_error(struct command_context *context, struct slice argument,
                               struct reply *reply)
{
    char text[CONTROL_LINE_BYTES_MAX];
    const struct loader *loader = context->loader;
    if (can_announce(context, "announce error", reply)) {
        const struct slice error = {text, command_words_unescape(argument, text)};
        size_t count = announcer_error(loader->announcer, loader_sites(loader), error);
        reply_format(reply, "ok announce error listeners=%zu\n", count);
    }
}

static void run_announce_mended(struct command_context *context, struct slice argument,
                                struct reply *reply)
{
    (void)argument;
    const struct loader *loader = context->loader;
    if (can_announce(context, "announce mended", reply)) {
        size_t count = announcer_mended(loader->announcer, loader_sites(loader));
        reply_format(reply, "ok announce mended listeners=%zu\n", count);
    }
}

static void run_quit(struct command_context *context, struct slice argument, struct reply *reply)
{
    (void)argument;
    context->wants_quit = true;
    reply_format(reply, "ok quit\n");
}

static void run_help(struct command_context *context, struct slice argument, struct reply *reply);

static const struct command commands[] = {
    {"load index", "PATH [host=NAME,...] [at=/PREFIX] [traceparent=...]",
     "make the release of an index live, above all others", run_load},
    {"unload", "ID|PATH", "take a release out of the list", run_unload},
    {"rollback", "[host=NAME] [at=/PREFIX] [id=NUMBER]", "take the newest release of a site back",
     run_rollback},
    {"promote", "ID|PATH [host=NAME,...] [at=/PREFIX]",
     "put a loaded release on top of where its archive answers", run_promote},
    {"list", "[--json]", "the releases in the list, newest first", run_list},
    {"indexes", "[--json]", "the indexes that could be loaded, newest first", run_indexes},
    {"status", "[--json]", "counters of this process", run_status},
    {"reopen logs", NULL, "open the access log's path anew, after it was renamed", run_reopen_logs},
    {"announce error", "TEXT", "tell browsers that listen that a site could not be made",
     run_announce_error},
    {"announce mended", NULL, "tell them that it could be, as it was released, again",
     run_announce_mended},
    {"quit", NULL, "end when open responses are out", run_quit},
    {"help", NULL, "this list", run_help},
};

static void run_help(struct command_context *context, struct slice argument, struct reply *reply)
{
    (void)context;
    (void)argument;
    for (size_t i = 0; i < ARRAY_COUNT(commands); i++) {
        const char *takes = commands[i].argument;
        reply_format(reply, "command %s%s%s: %s\n", commands[i].words, takes == NULL ? "" : " ",
                     takes == NULL ? "" : takes, commands[i].help);
    }
    reply_format(reply, "ok help commands=%zu\n", ARRAY_COUNT(commands));
}

/* ---- parsing ---- */

/* Do the line's first words equal the command's, whatever space is between them? What follows is
 * the argument. */
static bool match_words(const char *words, struct slice line, struct slice *out_argument)
{
    line = command_words_skip_spaces(line);
    while (*words != '\0') {
        size_t count = strcspn(words, " ");
        if (line.count < count || memcmp(line.bytes, words, count) != 0 ||
            (line.count > count && !command_words_is_space(line.bytes[count]))) {
            return false;
        }
        line = command_words_skip_spaces(slice_after(line, count));
        words += count + (words[count] == ' ');
    }
    *out_argument = command_words_trim_end(line);
    return true;
}

/* The first word, for a person to recognise: short, and without what is not plain ASCII. */
static void first_word(struct slice line, char out[33])
{
    line = command_words_skip_spaces(line);
    size_t count = 0;
    while (count < 32 && count < line.count && !command_words_is_space(line.bytes[count])) {
        char byte = line.bytes[count];
        out[count++] = byte > 0x20 && byte < 0x7f ? byte : '?';
    }
    out[count] = '\0';
}

void command_run(struct command_context *context, struct slice line, struct reply *reply)
{
    for (size_t i = 0; i < ARRAY_COUNT(commands); i++) {
        const struct command *command = &commands[i];
        struct slice argument;
        if (!match_words(command->words, line, &argument)) {
            continue;
        }
        bool is_optional = command->argument != NULL && command->argument[0] == '[';
        if (command->argument != NULL && argument.count == 0 && !is_optional) {
            reply_format(reply, "error %s: %.*s is missing\n", command->words,
                         (int)strcspn(command->argument, " "), command->argument);
        } else if (command->argument == NULL && argument.count > 0) {
            reply_format(reply, "error %s: it takes no argument\n", command->words);
        } else {
            command->run(context, argument, reply);
        }
        return;
    }
    char word[33];
    first_word(line, word);
    reply_format(reply, "error %s: unknown command; help lists them\n", word);
}

void command_reject(enum line_event event, struct reply *reply)
{
    if (event == LINE_TOO_LONG) {
        reply_format(reply, "error line: longer than %d bytes\n", CONTROL_LINE_BYTES_MAX);
    } else if (event == LINE_BINARY) {
        reply_format(reply, "error line: it has control characters\n");
    } else {
        reply_format(reply, "error line: it ended without a newline and was not carried out\n");
    }
}
