#include "server/workers.h"

#include "common/mem.h"
#include "common/wake.h"
#include "http/live_reload.h"
#include "server/log_file.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

struct worker {
    struct workers *all;
    struct loop *loop;
    pthread_t thread;
    bool is_started;
};

struct workers {
    struct worker *workers;
    size_t count;
    int ended_fd;
    atomic_size_t running;
    struct loop_settings settings;
    struct live_reload live; /* where the settings have it */
    const char *log_name;    /* of the access log; NULL: there is none */
};

static int make_loops(struct workers *workers, const struct listeners *listeners,
                      struct error *error)
{
    int status = 0;
    for (size_t i = 0; i < workers->count && status == 0; i++) {
        int *fds;
        size_t count;
        workers->workers[i].all = workers;
        status = listeners_share(listeners, i, workers->count, &fds, &count, error);
        if (status == 0) {
            status = loop_new(i, fds, count, &workers->settings, &workers->workers[i].loop, error);
            free(fds);
        }
    }
    return status;
}

static int make_admission(struct workers *workers, const struct config *config, struct error *error)
{
    uint64_t seed;
    if (getentropy(&seed, sizeof seed) != 0) {
        return error_set(error, -errno, "random numbers: %s", strerror(errno));
    }
    workers->settings.admission = admission_new(&config->limits, seed);
    if (workers->settings.events != NULL) {
        workers->settings.events->admission = workers->settings.admission;
    }
    return 0;
}

static int make_log(struct workers *workers, const struct config *config, int handed_fd,
                    struct error *error)
{
    int fd = handed_fd;
    workers->log_name = config->access_log;
    int status = fd >= 0 ? 0 : log_file_open(workers->log_name, &fd, error);
    if (status != 0) {
        return status;
    }
    workers->settings.log_format = config->log_format;
    workers->settings.log_writer = log_writer_new(fd, workers->log_name);
    return workers->settings.log_writer != NULL
               ? 0
               : error_set(error, -errno, "eventfd: %s", strerror(errno));
}

int workers_new(const struct config *config, const struct listeners *listeners,
                struct publication *publication, int handed_log_fd, struct tracer *tracers,
                struct event_door *events, struct workers **out_workers, struct error *error)
{
    struct workers *workers = mem_zeroed(1, sizeof *workers);
    workers->count = config->worker_count;
    workers->workers = mem_zeroed(workers->count, sizeof *workers->workers);
    workers->ended_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    workers->settings = (struct loop_settings){
        .publication = publication,
        .limits = config->limits,
        .added_fields = slice_of_string(config->added_fields == NULL ? "" : config->added_fields),
        .proxy_from = config->proxy_from,
        .forwarded_from = config->forwarded_from,
        .tracers = tracers,
        .has_meters = config->has_meters,
        .events = events,
        .news_fd = workers->ended_fd,
    };
    if (config->is_live) {
        live_reload_init(&workers->live, config->events.path);
        workers->settings.live = &workers->live;
    }
    int status =
        workers->ended_fd < 0 ? error_set(error, -errno, "eventfd: %s", strerror(errno)) : 0;
    if (status == 0) {
        status = make_admission(workers, config, error);
    }
    if (status == 0 && config->access_log != NULL) {
        status = make_log(workers, config, handed_log_fd, error);
    } else if (handed_log_fd >= 0) {
        close(handed_log_fd); /* this one is to have none */
    }
    if (config->disk_reader_count > 0) {
        workers->settings.disk_readers = disk_readers_new(config->disk_reader_count);
    }
    if (status == 0) {
        status = make_loops(workers, listeners, error);
    }
    if (status != 0) {
        workers_free(workers);
        return status;
    }
    *out_workers = workers;
    return 0;
}

static void *run(void *argument)
{
    struct worker *worker = argument;
    loop_run(worker->loop);
    atomic_fetch_sub(&worker->all->running, 1);
    wake_eventfd(worker->all->ended_fd);
    return NULL;
}

static int start_loops(struct workers *workers, const struct sock_fprog *filter,
                       struct error *error)
{
    int status = 0;
    for (size_t i = 0; i < workers->count && status == 0; i++) {
        struct worker *worker = &workers->workers[i];
        atomic_fetch_add(&workers->running, 1);
        const struct thread_plan plan = {.run = run, .argument = worker, .filter = filter};
        status = thread_start(&plan, &worker->thread, error);
        worker->is_started = status == 0;
        if (status != 0) {
            atomic_fetch_sub(&workers->running, 1);
        }
    }
    return status;
}

int workers_start(struct workers *workers, const struct sandbox *sandbox, struct error *error)
{
    struct disk_readers *readers = workers->settings.disk_readers;
    int status =
        readers == NULL
            ? 0
            : disk_readers_start(readers, sandbox_filter(sandbox, THREAD_DISK_READER), error);
    if (status == 0 && workers->settings.log_writer != NULL) {
        status = log_writer_start(workers->settings.log_writer, sandbox_filter(sandbox, THREAD_LOG),
                                  error);
    }
    return status == 0 ? start_loops(workers, sandbox_filter(sandbox, THREAD_WORKER), error)
                       : status;
}

int workers_access_log(const struct workers *workers)
{
    const struct log_writer *writer = workers->settings.log_writer;
    return writer == NULL ? -1 : log_writer_fd(writer);
}

int workers_give_logs(const struct workers *workers, uid_t uid, gid_t gid, struct error *error)
{
    int fd = workers_access_log(workers);
    return fd < 0 ? 0 : log_file_give(fd, workers->log_name, uid, gid, error);
}

int workers_reopen_logs(struct workers *workers, size_t *out_files, struct error *error)
{
    int fd;
    *out_files = 0;
    if (workers->settings.log_writer == NULL || !log_file_is_path(workers->log_name)) {
        return 0;
    }
    int status = log_file_open(workers->log_name, &fd, error);
    if (status == 0 && log_writer_reopen(workers->settings.log_writer, fd) != 0) {
        status = error_set(error, -ETIMEDOUT,
                           "%s: the file in use takes nothing (a disk that does not answer?); it "
                           "stays in use",
                           workers->log_name);
    }
    *out_files = status == 0 ? 1 : 0;
    return status;
}

void workers_drain(struct workers *workers)
{
    for (size_t i = 0; i < workers->count; i++) {
        loop_drain(workers->workers[i].loop);
    }
}

void workers_stop(struct workers *workers)
{
    for (size_t i = 0; i < workers->count; i++) {
        if (workers->workers[i].loop != NULL) {
            loop_stop(workers->workers[i].loop);
        }
    }
}

int workers_shortage(const struct workers *workers)
{
    int what = SHORTAGE_NONE;
    for (size_t i = 0; i < workers->count && what == SHORTAGE_NONE; i++) {
        what = loop_shortage(workers->workers[i].loop);
    }
    return what;
}

void workers_end_shortage(struct workers *workers)
{
    for (size_t i = 0; i < workers->count; i++) {
        loop_end_shortage(workers->workers[i].loop);
    }
}

int workers_ended_fd(const struct workers *workers)
{
    return workers->ended_fd;
}

size_t workers_running(const struct workers *workers)
{
    return atomic_load(&workers->running);
}

struct loop_totals workers_totals(const struct workers *workers)
{
    struct loop_totals sum = {0};
    for (size_t i = 0; i < workers->count; i++) {
        loop_add_totals(workers->workers[i].loop, &sum);
    }
    return sum;
}

size_t workers_count(const struct workers *workers)
{
    return workers->count;
}

const struct meters *workers_meters(const struct workers *workers, size_t worker)
{
    return loop_meters(workers->workers[worker].loop);
}

void workers_free(struct workers *workers)
{
    if (workers == NULL) {
        return;
    }
    workers_stop(workers);
    for (size_t i = 0; i < workers->count; i++) {
        if (workers->workers[i].is_started) {
            pthread_join(workers->workers[i].thread, NULL);
        }
    }
    disk_readers_stop(workers->settings.disk_readers);
    for (size_t i = 0; i < workers->count; i++) {
        loop_free(workers->workers[i].loop);
    }
    live_reload_fini(&workers->live);
    log_writer_free(workers->settings.log_writer);
    disk_readers_free(workers->settings.disk_readers);
    if (workers->ended_fd >= 0) {
        close(workers->ended_fd);
    }
    admission_free(workers->settings.admission);
    free(workers->workers);
    free(workers);
}
