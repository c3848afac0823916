#include "packer/watch/watch.h"

#include "common/clock.h"
#include "common/mem.h"
#include "common/release.h"
#include "packer/site/folder_watch.h"
#include "packer/watch/quiet.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    RETRY_MS = 100,       /* while files change under the pack, or the root is not there */
    REOPEN_MS = 1000,     /* after a failure of the archive, or of the system */
    PATIENCE_MS = 2000,   /* before something that should pass is told */
    SCAN_LEAST_MS = 1000, /* without news from the system: between two looks at everything */
    SCAN_SHARE = 10,      /* which take at most a tenth of the time */
    INDEXES_KEPT = 64,    /* of the releases of this run: more than any server holds layers */
};

struct watch {
    struct add_options options; /* the caller's, with a watch of folders */
    struct folder_watch *folders;
    struct change_set changes;
    struct quiet quiet;
    struct session session;
    bool has_session;
    bool is_root_lost;
    bool has_told_scanning;
    bool has_told_problem;
    struct error told;        /* which */
    int64_t failing_since_ms; /* -1: it is not */
    int64_t again_ms;         /* when to try again; -1: not by itself */
    int64_t scan_ms;          /* when to look at everything; -1: the system tells of changes */
    int64_t scan_takes_ms;
    uint64_t first_release;
    uint64_t first_bytes;
    struct error error;
};

struct watch *watch_new(const struct add_options *options)
{
    struct watch *watch = mem_zeroed(1, sizeof *watch);
    watch->options = *options;
    watch->folders = folder_watch_new();
    watch->options.walk.watch = watch->folders;
    watch->failing_since_ms = -1;
    watch->again_ms = -1;
    watch->scan_ms = -1;
    folder_watch_add_root(watch->folders, options->site_directory);
    return watch;
}

static void close_session(struct watch *watch)
{
    if (watch->has_session) {
        if (watch->session.writer->has_commit && !update_has_spoilt(&watch->session)) {
            session_save_cache(&watch->session);
        }
        session_fini(&watch->session);
        watch->has_session = false;
    }
}

void watch_free(struct watch *watch)
{
    if (watch != NULL) {
        close_session(watch);
        change_set_clear(&watch->changes);
        folder_watch_free(watch->folders);
        free(watch);
    }
}

/* ---- without news from the system ---- */

static void plan_scan(struct watch *watch, int64_t begun_ms)
{
    const char *problem = folder_watch_problem(watch->folders);
    watch->scan_takes_ms = monotonic_ms() - begun_ms;
    if (problem == NULL) {
        watch->scan_ms = -1;
        return;
    }
    int64_t pause_ms = watch->scan_takes_ms * SCAN_SHARE;
    pause_ms = pause_ms > SCAN_LEAST_MS ? pause_ms : SCAN_LEAST_MS;
    watch->scan_ms = monotonic_ms() + pause_ms;
    if (!watch->has_told_scanning) {
        watch->has_told_scanning = true;
        fprintf(watch->options.messages,
                "cairn-pack: warning: the system does not tell of changes in all folders (%s); "
                "looking at every file each %.1f s instead\n",
                problem, (double)pause_ms / 1e3);
    }
}

/* ---- releases ---- */

static void tell_release(struct watch *watch, const struct update_result *update, double begun_ms,
                         struct watch_event *out_event)
{
    *out_event = (struct watch_event){
        .kind = WATCH_RELEASE,
        .index_path = watch->session.index_path,
        .release = watch->session.writer->last_commit.release,
        .update = *update,
        .begun_ms = begun_ms,
    };
}

/* `rebuild` makes it again; but a day of saving leaves thousands. */
static void remove_old_index(struct watch *watch)
{
    uint64_t release = watch->session.writer->last_commit.release;
    if (release < watch->first_release + INDEXES_KEPT) {
        return;
    }
    char *path = release_numbered_path(watch->session.stem, release - INDEXES_KEPT);
    (void)unlink(path);
    free(path);
}

/* Everything anew, as `add` does it. */
static int open_session(struct watch *watch, struct error *error)
{
    const struct change_set everything = {.is_all = true};
    int64_t begun_ms = monotonic_ms();
    folder_watch_forget(watch->folders, &everything);
    change_set_clear(&watch->changes);
    watch->has_session = true;
    int status = session_init(&watch->session, &watch->options, error);
    if (status == 0) {
        status = session_pack(&watch->session, error);
    }
    if (status == 0) {
        status = update_begin(&watch->session, error);
    }
    if (status != 0) {
        session_fini(&watch->session);
        watch->has_session = false;
        return status;
    }
    watch->first_release = watch->session.writer->last_commit.release;
    watch->first_bytes = watch->session.writer->offset;
    plan_scan(watch, begun_ms);
    return 0;
}

int watch_begin(struct watch *watch, struct watch_event *out_event, struct error *error)
{
    double begun_ms = monotonic_exact_ms();
    int status = open_session(watch, error);
    if (status == 0) {
        const struct update_result none = {.is_release = true, .is_whole = true};
        tell_release(watch, &none, begun_ms, out_event);
    }
    return status;
}

/* The root is gone, or another folder stands in its place. */
static bool find_root(struct watch *watch)
{
    struct stat status;
    if (stat(watch->options.site_directory, &status) != 0 || !S_ISDIR(status.st_mode)) {
        error_set(&watch->error, -ENOENT, "%s: not there", watch->options.site_directory);
        return false;
    }
    watch->is_root_lost = false;
    folder_watch_add_root(watch->folders, watch->options.site_directory);
    change_set_add_all(&watch->changes);
    return true;
}

/* What passes by itself: a file that is still being written, a folder that is about to be filled.
 */
static bool should_pass(int status)
{
    return status == ERR_CHANGED || status == ERR_EMPTY || status == -ENOENT || status == -ENOTDIR;
}

/* A full disk, too few descriptors: there may be room again without a change of the tree. */
static bool is_of_system(int status)
{
    enum { LAST_ERRNO = 4095 };
    return status < 0 && status >= -LAST_ERRNO;
}

/* True: it is to be told. */
static bool note_failure(struct watch *watch, int status)
{
    int64_t now = monotonic_ms();
    bool passes = should_pass(status);
    if (watch->failing_since_ms < 0) {
        watch->failing_since_ms = now;
    }
    if (watch->has_session && passes) {
        watch->again_ms = now + RETRY_MS;
    } else if (!watch->has_session || is_of_system(status)) {
        watch->again_ms = now + REOPEN_MS;
    }
    bool is_new =
        !watch->has_told_problem || (!passes && strcmp(watch->told.text, watch->error.text) != 0);
    if (!is_new || (passes && now - watch->failing_since_ms < PATIENCE_MS)) {
        return false;
    }
    watch->has_told_problem = true;
    watch->told = watch->error;
    return true;
}

static int update(struct watch *watch, struct update_result *out_result, struct error *error)
{
    int64_t begun_ms = monotonic_ms();
    walk_find_changed_links(&watch->session.walk, &watch->changes);
    change_set_settle(&watch->changes);
    bool was_all = watch->changes.is_all;
    int status = update_pack(&watch->session, &watch->changes, out_result, error);
    if (status == 0) {
        change_set_clear(&watch->changes);
        remove_old_index(watch);
    } else if (update_has_spoilt(&watch->session)) {
        close_session(watch);
    }
    if (was_all || folder_watch_problem(watch->folders) != NULL) {
        plan_scan(watch, begun_ms);
    }
    return status;
}

/* Acts upon the changes. True: there is an event. */
static bool act(struct watch *watch, struct watch_event *out_event)
{
    double begun_ms = monotonic_exact_ms();
    struct update_result result = {.is_release = true, .is_whole = true};
    int status = 0;
    quiet_end(&watch->quiet);
    watch->again_ms = -1;
    if (watch->is_root_lost && !find_root(watch)) {
        status = -ENOENT;
    } else if (watch->has_session) {
        status = update(watch, &result, &watch->error);
    } else {
        status = open_session(watch, &watch->error);
    }
    if (status != 0) {
        *out_event = (struct watch_event){.kind = WATCH_PROBLEM, .problem = watch->error.text};
        return note_failure(watch, status);
    }
    bool is_mended = watch->has_told_problem;
    watch->failing_since_ms = -1;
    watch->has_told_problem = false;
    if (result.is_release) {
        tell_release(watch, &result, begun_ms, out_event);
    } else {
        *out_event = (struct watch_event){.kind = WATCH_MENDED};
    }
    return result.is_release || is_mended;
}

/* ---- waiting ---- */

static void read_news(struct watch *watch)
{
    struct folder_news news;
    const struct walk *walk = watch->has_session ? &watch->session.walk : NULL;
    folder_watch_read(watch->folders, walk, &watch->changes, &news);
    if (news.is_any || news.is_root_lost) {
        quiet_note(&watch->quiet, monotonic_ms(), news.is_removal || news.is_root_lost);
    }
    watch->is_root_lost |= news.is_root_lost;
}

static int64_t sooner(int64_t a_ms, int64_t b_ms)
{
    return a_ms < 0 || (b_ms >= 0 && b_ms < a_ms) ? b_ms : a_ms;
}

/* Until a moment; -1: there is none. */
static int64_t left_ms(int64_t due_ms)
{
    int64_t now = monotonic_ms();
    return due_ms < 0 ? -1 : due_ms > now ? due_ms - now : 0;
}

/* -1: for ever. */
static int64_t wait_ms(struct watch *watch)
{
    int64_t left = left_ms(sooner(watch->again_ms, watch->scan_ms));
    return sooner(left, quiet_wait_ms(&watch->quiet, monotonic_ms()));
}

void watch_next(struct watch *watch, struct pollfd *others, size_t count, int64_t until_ms,
                struct watch_event *out_event)
{
    struct pollfd fds[1 + WATCH_OTHERS_MAX];
    for (;;) {
        fds[0] = (struct pollfd){.fd = folder_watch_fd(watch->folders), .events = POLLIN};
        memcpy(fds + 1, others, count * sizeof *others);
        int ready = poll(fds, 1 + count, (int)sooner(left_ms(until_ms), wait_ms(watch)));
        if (ready > 0 && fds[0].revents != 0) {
            read_news(watch);
        }
        bool has_other = false;
        for (size_t i = 0; i < count; i++) {
            others[i].revents = ready > 0 ? fds[1 + i].revents : 0;
            has_other |= others[i].revents != 0;
        }
        if (has_other || left_ms(until_ms) == 0) {
            *out_event = (struct watch_event){.kind = WATCH_OTHER};
            return;
        }
        if (wait_ms(watch) != 0) {
            continue;
        }
        if (watch->scan_ms >= 0 && monotonic_ms() >= watch->scan_ms) {
            change_set_add_all(&watch->changes);
        }
        if (act(watch, out_event)) {
            return;
        }
    }
}

uint64_t watch_grown_bytes(const struct watch *watch)
{
    return watch->has_session ? watch->session.writer->offset - watch->first_bytes : 0;
}

uint64_t watch_first_bytes(const struct watch *watch)
{
    return watch->first_bytes;
}

void watch_change_archive(struct watch *watch, const char *archive_path)
{
    close_session(watch);
    watch->options.archive_path = archive_path;
    watch->again_ms = monotonic_ms();
}
