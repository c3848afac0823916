#include "packer/watch/dev.h"

#include "common/clock.h"
#include "common/mem.h"
#include "packer/watch/announcement.h"
#include "packer/watch/dev_server.h"
#include "packer/watch/ending.h"
#include "packer/watch/scratch_folder.h"
#include "packer/watch/watch.h"

#include <stdlib.h>
#include <time.h>
#include <unistd.h>

enum {
    /* What an archive may hold that no release of now needs, before there is a new one. */
    GARBAGE_BYTES = 64 << 20,
};

struct dev {
    const struct dev_options *options;
    FILE *out;
    struct scratch_folder folder;
    struct watch *watch;
    struct dev_server server;
    unsigned archive_number;
    char *archive_path;
    bool is_moving; /* the next release is in another archive */
};

/* ---- what the person sees ---- */

static void print_time(const struct dev *run)
{
    char text[16];
    struct tm tm;
    time_t now = time(NULL);
    strftime(text, sizeof text, "%H:%M:%S", localtime_r(&now, &tm));
    fprintf(run->out, "%s ", text);
}

static void print_problem(const struct dev *run, const char *problem)
{
    print_time(run);
    fprintf(run->out, "%s\n", problem);
    fflush(run->out);
}

static void print_count(FILE *out, size_t count, const char *what)
{
    if (count > 0) {
        fprintf(out, "%zu %s, ", count, what);
    }
}

/* "12:01:07 2 changed, 1 removed, 14 ms" */
static void print_change(const struct dev *run, const struct watch_event *event)
{
    const struct update_result *update = &event->update;
    if (update->changed_count + update->added_count + update->removed_count == 0) {
        return; /* another archive with the same site */
    }
    print_time(run);
    print_count(run->out, update->changed_count, "changed");
    print_count(run->out, update->added_count, "added");
    print_count(run->out, update->removed_count, "removed");
    fprintf(run->out, "%.0f ms\n", monotonic_exact_ms() - event->begun_ms);
    fflush(run->out);
}

/* ---- archives ---- */

static char *archive_name(unsigned number)
{
    return mem_format("site%u.", number);
}

static void choose_archive(struct dev *run)
{
    free(run->archive_path);
    run->archive_number++;
    run->archive_path = mem_format("%s/site%u.cairn", run->folder.path, run->archive_number);
}

/* The server has the new archive; what it still holds of the old one needs no name. */
static void leave_old_archive(struct dev *run)
{
    char *kept = archive_name(run->archive_number);
    scratch_folder_clear(&run->folder, kept);
    free(kept);
    run->is_moving = false;
}

/* An archive only grows; when most of it is of releases that nobody asks for, the site is packed
 * into a new one. That costs reading what it has grown by, at most. */
static void watch_growth(struct dev *run)
{
    uint64_t first = watch_first_bytes(run->watch);
    uint64_t most = first > GARBAGE_BYTES ? first : GARBAGE_BYTES;
    if (!run->is_moving && watch_grown_bytes(run->watch) > most) {
        char *old = run->archive_path;
        run->archive_path = NULL;
        choose_archive(run);
        watch_change_archive(run->watch, run->archive_path);
        run->is_moving = true;
        free(old);
    }
}

/* ---- events ---- */

static int take_release(struct dev *run, const struct watch_event *event, struct error *error)
{
    char *command = mem_format("load index %s", event->index_path);
    int status = dev_server_command(&run->server, command, error);
    free(command);
    if (status != 0) {
        return status;
    }
    print_change(run, event);
    if (run->is_moving) {
        leave_old_archive(run);
    }
    watch_growth(run);
    return 0;
}

static int take_problem(struct dev *run, const char *problem, struct error *error)
{
    print_problem(run, problem);
    char *command = announcement_error(problem);
    int status = dev_server_tell(&run->server, command, error);
    free(command);
    return status;
}

static int follow(struct dev *run, int signals, struct error *error)
{
    for (;;) {
        struct watch_event event;
        struct pollfd others[] = {{.fd = signals, .events = POLLIN},
                                  {.fd = run->server.reply_fd, .events = POLLIN}};
        watch_next(run->watch, others, ARRAY_COUNT(others), -1, &event);
        int status = 0;
        switch (event.kind) {
        case WATCH_RELEASE:
            status = take_release(run, &event, error);
            break;
        case WATCH_PROBLEM:
            status = take_problem(run, event.problem, error);
            break;
        case WATCH_MENDED:
            print_problem(run, "as it was before");
            status = dev_server_tell(&run->server, ANNOUNCEMENT_MENDED, error);
            break;
        case WATCH_OTHER:
            return others[0].revents != 0 ? 0
                                          : error_set(error, ERR_REFUSED, "the server has ended");
        }
        if (status != 0) {
            return status;
        }
    }
}

static int start(struct dev *run, int signals, struct error *error)
{
    struct watch_event event;
    struct ending_guard guard;
    int status = scratch_folder_open(&run->folder, error);
    if (status == 0) {
        status = ending_guard_begin(&guard, signals, &run->folder, error);
    }
    if (status != 0) {
        return status;
    }
    choose_archive(run);
    struct add_options add = run->options->add;
    add.archive_path = run->archive_path;
    run->watch = watch_new(&add);
    status = watch_begin(run->watch, &event, error);
    ending_guard_end(&guard);
    if (status != 0) {
        return status;
    }
    const struct dev_server_options server = {
        .listen = run->options->listen,
        .port = run->options->port,
        .archives = run->folder.path,
        .index = event.index_path,
    };
    char *url = NULL;
    status = dev_server_start(&run->server, &server, &url, error);
    if (status == 0) {
        fprintf(run->out, "%s serves %s, Ctrl-C ends it\n", url, add.site_directory);
        fflush(run->out);
    }
    free(url);
    return status;
}

int dev(const struct dev_options *options, FILE *out, struct error *error)
{
    int signals;
    int status = ending_open(&signals, error);
    if (status != 0) {
        return status;
    }
    struct dev run = {
        .options = options,
        .out = out,
        .folder = {.lock_fd = -1},
        .server = {.command_fd = -1, .reply_fd = -1},
    };
    status = start(&run, signals, error);
    if (status == 0) {
        status = follow(&run, signals, error);
    }
    dev_server_stop(&run.server);
    watch_free(run.watch);
    scratch_folder_remove(&run.folder);
    free(run.archive_path);
    close(signals);
    return status;
}
