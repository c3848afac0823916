#include "server/telemetry.h"

#include "common/clock.h"
#include "common/mem.h"
#include "common/wake.h"
#include "server/metrics/metrics_export.h"
#include "telemetry/exporter.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

/* Of spans that are no answers: loads are few, but nothing bounds how fast they are asked for. */
enum { OPERATION_BYTES_MAX = 1048576 };

/* What waits to be sent of a signal. */
struct outbox {
    struct protobuf items;
    uint64_t count;
    int64_t due_ms;   /* when it goes, full or not */
    uint64_t dropped; /* as of the last look */
};

struct telemetry {
    struct telemetry_settings settings;
    struct exporter *exporter; /* the thread's, once that runs */
    int wake_fd;
    atomic_bool is_stopping;
    bool is_started;
    bool is_lost; /* the thread did not end in time: what it uses stays */
    pthread_t thread;
    pthread_mutex_t sources_mutex;
    bool are_sources_gone; /* this and the next, with sources_mutex: what they name is freed */
    struct metrics_sources sources;
    struct process_files process_files; /* a reader of its own: they have a position */
    struct tracer *tracers;
    size_t tracer_count;
    struct outbox outboxes[TELEMETRY_SIGNALS];
    struct id_source ids;  /* the control thread's */
    pthread_mutex_t mutex; /* of what follows */
    struct protobuf operations;
    uint64_t operation_count;
    uint64_t operations_dropped;
};

static const char program[] = "cairn-serve";

/* ---- making ---- */

static int set_up(struct telemetry *telemetry, struct error *error)
{
    telemetry->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (telemetry->wake_fd < 0) {
        return error_set(error, -errno, "eventfd: %s", strerror(errno));
    }
    process_files_open(&telemetry->process_files);
    int status = id_source_init(&telemetry->ids, error);
    if (status == 0) {
        status = exporter_open(&telemetry->settings, program, &telemetry->exporter, error);
    }
    for (size_t i = 0; i < telemetry->tracer_count && status == 0; i++) {
        status = tracer_init(&telemetry->tracers[i], &telemetry->settings, telemetry->tracer_count,
                             telemetry->wake_fd, error);
    }
    return status;
}

struct telemetry *telemetry_new(size_t worker_count)
{
    struct error error = {""};
    struct telemetry *telemetry = mem_zeroed(1, sizeof *telemetry);
    telemetry->wake_fd = -1;
    telemetry->process_files = (struct process_files){-1, -1};
    pthread_mutex_init(&telemetry->mutex, NULL);
    pthread_mutex_init(&telemetry->sources_mutex, NULL);
    telemetry->operations = protobuf_growing();
    telemetry_settings_init(&telemetry->settings, program);
    const struct telemetry_target *targets = telemetry->settings.targets;
    if (!telemetry_settings_on(&telemetry->settings)) {
        telemetry_free(telemetry);
        return NULL;
    }
    if (targets[SIGNAL_TRACES].is_on || targets[SIGNAL_LOGS].is_on) {
        telemetry->tracer_count = worker_count;
        telemetry->tracers =
            mem_aligned(_Alignof(struct tracer), worker_count * sizeof *telemetry->tracers);
    }
    if (set_up(telemetry, &error) != 0) {
        fprintf(stderr, "%s: telemetry is off: %s\n", program, error.text);
        telemetry_free(telemetry);
        return NULL;
    }
    return telemetry;
}

const struct telemetry_settings *telemetry_settings_of(const struct telemetry *telemetry)
{
    return telemetry == NULL ? NULL : &telemetry->settings;
}

struct tracer *telemetry_tracers(struct telemetry *telemetry)
{
    return telemetry == NULL ? NULL : telemetry->tracers;
}

void telemetry_free(struct telemetry *telemetry)
{
    if (telemetry == NULL || telemetry->is_lost) {
        return;
    }
    exporter_close(telemetry->exporter);
    for (size_t i = 0; i < telemetry->tracer_count; i++) {
        tracer_fini(&telemetry->tracers[i]);
    }
    free(telemetry->tracers);
    for (enum telemetry_signal signal = 0; signal < TELEMETRY_SIGNALS; signal++) {
        protobuf_fini(&telemetry->outboxes[signal].items);
    }
    protobuf_fini(&telemetry->operations);
    if (telemetry->wake_fd >= 0) {
        close(telemetry->wake_fd);
    }
    process_files_close(&telemetry->process_files);
    pthread_mutex_destroy(&telemetry->mutex);
    pthread_mutex_destroy(&telemetry->sources_mutex);
    telemetry_settings_fini(&telemetry->settings);
    free(telemetry);
}

/* ---- what the control thread does ---- */

/* A span for each load: they are few, and each of them matters, so that the ratio of a sampler is
 * for requests alone. What was asked for by somebody who is not recorded is not, either. */
void telemetry_begin(struct telemetry *telemetry, struct operation *operation, const char *name,
                     struct slice traceparent)
{
    static const struct sampler all = {.has_parent_rule = true, .threshold = SAMPLER_RANGE};
    *operation = (struct operation){.is_recorded = false};
    if (telemetry != NULL && telemetry->settings.targets[SIGNAL_TRACES].is_on) {
        operation_begin(operation, name,
                        telemetry->settings.reads_parents ? traceparent : (struct slice){"", 0},
                        &all, &telemetry->ids);
    }
}

void telemetry_end(struct telemetry *telemetry, struct operation *operation, const char *failure)
{
    operation_end(operation, failure);
    if (telemetry != NULL && operation->span_count > 0) {
        const struct slice spans = {(const char *)operation->spans.bytes, operation->spans.count};
        pthread_mutex_lock(&telemetry->mutex);
        if (telemetry->operations.count + spans.count <= OPERATION_BYTES_MAX) {
            protobuf_append(&telemetry->operations, spans);
            telemetry->operation_count += operation->span_count;
        } else {
            telemetry->operations_dropped += operation->span_count;
        }
        pthread_mutex_unlock(&telemetry->mutex);
    }
    operation_fini(operation);
}

/* ---- the thread ---- */

static const struct telemetry_batch *batch_of(const struct telemetry *telemetry,
                                              enum telemetry_signal signal)
{
    return signal == SIGNAL_LOGS ? &telemetry->settings.logs : &telemetry->settings.spans;
}

static struct item_ring *ring_of(struct telemetry *telemetry, enum telemetry_signal signal,
                                 size_t worker)
{
    struct tracer *tracer = &telemetry->tracers[worker];
    return signal == SIGNAL_LOGS ? &tracer->logs : &tracer->spans;
}

/* How many items wait in rings, and whether those of a worker alone are reason to send, as it said
 * when it woke the thread; also counts those that were dropped since the last look. */
static uint64_t look(struct telemetry *telemetry, enum telemetry_signal signal, bool *out_is_enough)
{
    struct outbox *outbox = &telemetry->outboxes[signal];
    uint64_t waiting = 0;
    uint64_t dropped = 0;
    *out_is_enough = false;
    for (size_t i = 0; i < telemetry->tracer_count; i++) {
        const struct item_ring *ring = ring_of(telemetry, signal, i);
        uint64_t in_ring = item_ring_waiting(ring);
        waiting += in_ring;
        dropped += item_ring_dropped(ring);
        *out_is_enough |=
            in_ring >= tracer_enough(batch_of(telemetry, signal), telemetry->tracer_count);
    }
    pthread_mutex_lock(&telemetry->mutex);
    if (signal == SIGNAL_TRACES) {
        waiting += telemetry->operation_count;
        dropped += telemetry->operations_dropped;
    }
    pthread_mutex_unlock(&telemetry->mutex);
    exporter_note_lost(telemetry->exporter, signal, dropped - outbox->dropped);
    outbox->dropped = dropped;
    *out_is_enough |= waiting >= batch_of(telemetry, signal)->batch_items;
    return waiting;
}

static void take_operations(struct telemetry *telemetry, struct outbox *outbox)
{
    pthread_mutex_lock(&telemetry->mutex);
    protobuf_append(&outbox->items, (struct slice){(const char *)telemetry->operations.bytes,
                                                   telemetry->operations.count});
    outbox->count += telemetry->operation_count;
    telemetry->operations.count = 0;
    telemetry->operation_count = 0;
    pthread_mutex_unlock(&telemetry->mutex);
}

/* From each worker its part, so that a busy one does not keep the others' from being sent; then
 * what room the idle ones have left. */
static void take_answers(struct telemetry *telemetry, enum telemetry_signal signal)
{
    struct outbox *outbox = &telemetry->outboxes[signal];
    uint64_t most = batch_of(telemetry, signal)->batch_items;
    size_t count = telemetry->tracer_count;
    for (int pass = 0; pass < 2; pass++) {
        for (size_t i = 0; i < count; i++) {
            uint64_t left = most > outbox->count ? most - outbox->count : 0;
            uint64_t share = pass == 0 ? (left + count - i - 1) / (count - i) : left;
            outbox->count += item_ring_take(ring_of(telemetry, signal, i), share, &outbox->items);
        }
    }
}

static void send_outbox(struct telemetry *telemetry, enum telemetry_signal signal,
                        uint64_t timeout_ms)
{
    struct outbox *outbox = &telemetry->outboxes[signal];
    if (outbox->count > 0) {
        exporter_send(telemetry->exporter, signal,
                      (struct slice){(const char *)outbox->items.bytes, outbox->items.count},
                      outbox->count, monotonic_ms() + (int64_t)timeout_ms);
    }
    outbox->items.count = 0;
    outbox->count = 0;
}

/* Spans and log records: when there are enough of them, or the oldest has waited long enough. */
static void gather_answers(struct telemetry *telemetry, enum telemetry_signal signal, bool is_last)
{
    const struct telemetry_batch *batch = batch_of(telemetry, signal);
    struct outbox *outbox = &telemetry->outboxes[signal];
    if (!telemetry->settings.targets[signal].is_on) {
        return;
    }
    bool is_enough;
    (void)look(telemetry, signal, &is_enough);
    int64_t now_ms = monotonic_ms();
    bool is_due = is_enough || now_ms >= outbox->due_ms || is_last;
    if (!is_due || !exporter_is_free(telemetry->exporter, signal)) {
        return;
    }
    if (signal == SIGNAL_TRACES) {
        take_operations(telemetry, outbox);
    }
    take_answers(telemetry, signal);
    send_outbox(telemetry, signal, batch->timeout_ms);
    outbox->due_ms = now_ms + (int64_t)batch->delay_ms;
}

/* The numbers of this moment, unless what they are of is gone. */
static void take_metrics(struct telemetry *telemetry, struct outbox *outbox)
{
    pthread_mutex_lock(&telemetry->sources_mutex);
    struct metrics_snapshot *snapshot =
        telemetry->are_sources_gone ? NULL : metrics_take(&telemetry->sources);
    pthread_mutex_unlock(&telemetry->sources_mutex);
    if (snapshot != NULL) {
        outbox->count = metrics_export(snapshot, &outbox->items);
        metrics_free(snapshot);
    }
}

/* False: they have to wait for the request that is under way. */
static bool gather_metrics(struct telemetry *telemetry, bool is_last)
{
    const struct telemetry_settings *settings = &telemetry->settings;
    struct outbox *outbox = &telemetry->outboxes[SIGNAL_METRICS];
    int64_t now_ms = monotonic_ms();
    if (!settings->targets[SIGNAL_METRICS].is_on || (now_ms < outbox->due_ms && !is_last)) {
        return true;
    }
    if (!exporter_is_free(telemetry->exporter, SIGNAL_METRICS)) {
        return false;
    }
    take_metrics(telemetry, outbox);
    send_outbox(telemetry, SIGNAL_METRICS, settings->metric_timeout_ms);
    outbox->due_ms = now_ms + (int64_t)settings->metric_interval_ms;
    return true;
}

/* How long nothing is due by itself. */
static int64_t idle_ms(const struct telemetry *telemetry)
{
    int64_t now_ms = monotonic_ms();
    int64_t least_ms = INT32_MAX;
    for (enum telemetry_signal signal = 0; signal < TELEMETRY_SIGNALS; signal++) {
        int64_t left_ms = telemetry->outboxes[signal].due_ms - now_ms;
        /* while one request is under way, the next is due when that has ended */
        if (telemetry->settings.targets[signal].is_on &&
            exporter_is_free(telemetry->exporter, signal) && left_ms < least_ms) {
            least_ms = left_ms > 0 ? left_ms : 0;
        }
    }
    return least_ms;
}

static void turn(struct telemetry *telemetry)
{
    uint64_t ignored;
    gather_answers(telemetry, SIGNAL_TRACES, false);
    gather_answers(telemetry, SIGNAL_LOGS, false);
    (void)gather_metrics(telemetry, false);
    exporter_turn(telemetry->exporter, telemetry->wake_fd, idle_ms(telemetry));
    (void)!read(telemetry->wake_fd, &ignored, sizeof ignored);
}

static bool is_empty(struct telemetry *telemetry)
{
    bool is_empty = true;
    bool ignored;
    for (enum telemetry_signal signal = 0; signal < TELEMETRY_SIGNALS; signal++) {
        is_empty &= exporter_is_idle(telemetry->exporter, signal) &&
                    (signal == SIGNAL_METRICS || !telemetry->settings.targets[signal].is_on ||
                     look(telemetry, signal, &ignored) == 0);
    }
    return is_empty;
}

/* What is left, and the metrics as they are now. */
static void flush(struct telemetry *telemetry)
{
    int64_t until_ms = monotonic_ms() + TELEMETRY_FLUSH_MS;
    exporter_hurry(telemetry->exporter, until_ms);
    bool has_metrics = gather_metrics(telemetry, true);
    while ((!has_metrics || !is_empty(telemetry)) && monotonic_ms() < until_ms) {
        has_metrics = has_metrics || gather_metrics(telemetry, true);
        gather_answers(telemetry, SIGNAL_TRACES, true);
        gather_answers(telemetry, SIGNAL_LOGS, true);
        exporter_turn(telemetry->exporter, -1, until_ms - monotonic_ms());
    }
    exporter_turn(telemetry->exporter, -1, 0); /* what has no time left is given up, and said */
}

static void *run(void *argument)
{
    struct telemetry *telemetry = argument;
    int64_t now_ms = monotonic_ms();
    telemetry->outboxes[SIGNAL_METRICS].due_ms =
        now_ms + (int64_t)telemetry->settings.metric_interval_ms;
    while (!atomic_load(&telemetry->is_stopping)) {
        turn(telemetry);
    }
    flush(telemetry);
    return NULL;
}

int telemetry_start(struct telemetry *telemetry, const struct sandbox *sandbox,
                    const struct metrics_sources *sources, struct error *error)
{
    if (telemetry == NULL) {
        return 0;
    }
    telemetry->sources = *sources;
    telemetry->sources.process = &telemetry->process_files;
    const struct thread_plan plan = {
        .run = run, .argument = telemetry, .filter = sandbox_filter(sandbox, THREAD_TELEMETRY)};
    int status = thread_start(&plan, &telemetry->thread, error);
    telemetry->is_started = status == 0;
    return status;
}

/* A name that is being looked up cannot be broken off: a thread that does so is left behind, with
 * what it uses, but for the sources of metrics. */
void telemetry_stop(struct telemetry *telemetry)
{
    enum { PATIENCE_S = TELEMETRY_FLUSH_MS / 1000 + 1 };
    struct timespec until;
    if (telemetry == NULL || !telemetry->is_started) {
        return;
    }
    atomic_store(&telemetry->is_stopping, true);
    wake_eventfd(telemetry->wake_fd);
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += PATIENCE_S;
    telemetry->is_lost = pthread_timedjoin_np(telemetry->thread, NULL, &until) != 0;
    pthread_mutex_lock(&telemetry->sources_mutex);
    telemetry->are_sources_gone = true;
    pthread_mutex_unlock(&telemetry->sources_mutex);
    telemetry->is_started = false;
}
