#include "packer/watch/add_watch.h"

#include "common/mem.h"
#include "packer/watch/announcement.h"
#include "packer/watch/ending.h"
#include "packer/watch/owed.h"
#include "packer/watch/watch.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { GROWN_TOLD_BYTES = 256 << 20 }; /* at first; then each time it has doubled */

struct add_watch {
    const struct add_watch_options *options;
    int signals; /* ending.h */
    struct watch *watch;
    struct owed owed;       /* to the server that is pushed to */
    uint64_t told_at_bytes; /* of growth */
    bool has_ended;
};

/* 0; or that it cannot be printed, which is the end, but no failure where the reader is gone. */
static int print_command(struct add_watch *run, const char *command, struct error *error)
{
    printf("%s\n", command);
    if (fflush(stdout) == 0) {
        return 0;
    }
    run->has_ended = true;
    return errno == EPIPE ? 0 : error_set(error, -errno, "standard output: %s", strerror(errno));
}

/* An archive only grows; nobody but its owner says when it is to be compacted. */
static void tell_growth(struct add_watch *run)
{
    const struct add_options *add = &run->options->add;
    uint64_t grown = watch_grown_bytes(run->watch);
    if (grown >= run->told_at_bytes) {
        fprintf(add->messages,
                "cairn-pack: %s has grown by %" PRIu64 " MB since the start; `cairn-pack compact "
                "--keep 1` makes one without what is superseded\n",
                add->archive_path, grown / 1000000);
        run->told_at_bytes = grown * 2;
    }
}

static int begin_guard(const struct add_watch *run, struct ending_guard *guard, struct error *error)
{
    static const struct scratch_folder none = {.lock_fd = -1};
    return ending_guard_begin(guard, run->signals, &none, error);
}

/* A server may hang for as long as push.c has patience, and signals are only looked for between two
 * events; meanwhile they end the run at once. All that this costs is what would make the next run
 * faster (watch_free()). Where there is no room for a guard, they wait. */
static void tell_server(struct add_watch *run)
{
    struct ending_guard guard;
    bool is_guarded = run->options->push != NULL && begin_guard(run, &guard, NULL) == 0;
    owed_tell(&run->owed);
    if (is_guarded) {
        ending_guard_end(&guard);
    }
}

static int take_release(struct add_watch *run, const struct watch_event *event, struct error *error)
{
    char *command = mem_format("load index %s", event->index_path);
    int status = print_command(run, command, error);
    free(command);
    if (status == 0 && !run->has_ended) {
        owed_add_release(&run->owed, event->index_path);
        tell_server(run);
    }
    tell_growth(run);
    return status;
}

/* For browsers; a server where none can listen says so, and goes on. */
static int announce(struct add_watch *run, const char *command, struct error *error)
{
    int status = print_command(run, command, error);
    if (status == 0 && !run->has_ended) {
        owed_announce(&run->owed, command);
        tell_server(run);
    }
    return status;
}

static int take_problem(struct add_watch *run, const char *problem, struct error *error)
{
    fprintf(run->options->add.messages, "cairn-pack: %s\n", problem);
    char *command = announcement_error(problem);
    int status = announce(run, command, error);
    free(command);
    return status;
}

static int take(struct add_watch *run, const struct watch_event *event, struct error *error)
{
    FILE *messages = run->options->add.messages;
    switch (event->kind) {
    case WATCH_RELEASE:
        return take_release(run, event, error);
    case WATCH_PROBLEM:
        return take_problem(run, event->problem, error);
    case WATCH_MENDED:
        fprintf(messages, "cairn-pack: the site is as it was released again\n");
        return announce(run, ANNOUNCEMENT_MENDED, error);
    case WATCH_OTHER:
        tell_server(run);
        return 0;
    }
    return 0;
}

/* The next event; or the end, by a signal or because nobody reads what is printed. */
static void wait_for(struct add_watch *run, struct watch_event *out_event)
{
    /* a pipe that nobody reads is told as an error at the end that writes */
    struct pollfd others[] = {{.fd = run->signals, .events = POLLIN}, {.fd = STDOUT_FILENO}};
    watch_next(run->watch, others, ARRAY_COUNT(others), run->owed.again_ms, out_event);
    run->has_ended = others[0].revents != 0 || others[1].revents != 0;
}

/* What a signal leaves of a first pack is what any end of it would. */
static int begin(struct add_watch *run, struct watch_event *out_event, struct error *error)
{
    struct ending_guard guard;
    int status = begin_guard(run, &guard, error);
    if (status == 0) {
        status = watch_begin(run->watch, out_event, error);
        ending_guard_end(&guard);
    }
    return status;
}

int add_watch(const struct add_watch_options *options, struct error *error)
{
    int signals;
    int status = ending_open(&signals, error);
    if (status != 0) {
        return status;
    }
    struct add_watch run = {
        .options = options,
        .signals = signals,
        .watch = watch_new(&options->add),
        .told_at_bytes = GROWN_TOLD_BYTES,
    };
    owed_init(&run.owed, options->push, options->add.quiet, options->add.messages);
    struct watch_event event;
    status = begin(&run, &event, error);
    while (status == 0 && !run.has_ended) {
        status = take(&run, &event, error);
        if (status == 0 && !run.has_ended) {
            wait_for(&run, &event);
        }
    }
    owed_fini(&run.owed);
    watch_free(run.watch);
    close(signals);
    return status;
}
