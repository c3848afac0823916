#include "packer/watch/add_watch.h"

#include "packer/push.h"
#include "packer/watch/ending.h"
#include "packer/watch/watch.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

enum { GROWN_TOLD_BYTES = 256 << 20 }; /* at first; then each time it has doubled */

struct add_watch {
    const struct add_watch_options *options;
    struct watch *watch;
    uint64_t told_at_bytes; /* of growth */
    bool has_ended;
};

/* 0; or that it cannot be printed, which is the end, but no failure where the reader is gone. */
static int print_load(struct add_watch *run, const char *index_path, struct error *error)
{
    printf("load index %s\n", index_path);
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

static int take_release(struct add_watch *run, const struct watch_event *event, struct error *error)
{
    const struct add_watch_options *options = run->options;
    int status = print_load(run, event->index_path, error);
    if (status == 0 && !run->has_ended && options->push != NULL) {
        struct error problem = {""};
        if (push_release(options->push, event->index_path, "", options->add.quiet,
                         options->add.messages, &problem) != 0) {
            fprintf(options->add.messages, "cairn-pack: %s\n", problem.text);
        }
    }
    tell_growth(run);
    return status;
}

static int take(struct add_watch *run, const struct watch_event *event, struct error *error)
{
    FILE *messages = run->options->add.messages;
    switch (event->kind) {
    case WATCH_RELEASE:
        return take_release(run, event, error);
    case WATCH_PROBLEM:
        fprintf(messages, "cairn-pack: %s\n", event->problem);
        return 0;
    case WATCH_MENDED:
        fprintf(messages, "cairn-pack: the site is as it was released again\n");
        return 0;
    case WATCH_OTHER:
        run->has_ended = true;
        return 0;
    }
    return 0;
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
        .watch = watch_new(&options->add),
        .told_at_bytes = GROWN_TOLD_BYTES,
    };
    struct watch_event event;
    status = watch_begin(run.watch, &event, error);
    while (status == 0) {
        status = take(&run, &event, error);
        if (status != 0 || run.has_ended) {
            break;
        }
        /* a pipe that nobody reads is told as an error at the end that writes */
        struct pollfd others[] = {{.fd = signals, .events = POLLIN}, {.fd = STDOUT_FILENO}};
        watch_next(run.watch, others, ARRAY_COUNT(others), &event);
    }
    watch_free(run.watch);
    close(signals);
    return status;
}
