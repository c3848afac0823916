#include "server/metrics/metrics_snapshot.h"

#include "common/counter.h"
#include "common/mem.h"

#include <stdlib.h>
#include <time.h>

static void add_counts(const struct answer_counts *counts, struct metrics_host *host)
{
    for (size_t range = 0; range < STATUS_CLASSES; range++) {
        for (size_t coding = 0; coding < CODINGS; coding++) {
            host->answers[range][coding] += counter_read(&counts->answers[range][coding]);
        }
    }
    host->body_bytes += counter_read(&counts->body_bytes);
    host->aborted += counter_read(&counts->aborted);
}

/* As in struct mount: ".a.example" is every name below it, and "" every other one. */
static char *host_text(struct slice name)
{
    bool is_pattern = name.count == 0 || name.bytes[0] == '.';
    return mem_format("%s%.*s", is_pattern ? "*" : "", (int)name.count, name.bytes);
}

/* Adds one worker's. */
static void add_durations(const struct duration_counts *counts, struct metrics_duration *kind)
{
    for (size_t i = 0; i <= DURATION_BOUNDS; i++) {
        kind->buckets[i] += counter_read(&counts->buckets[i]);
    }
    kind->sum_ns += counter_read(&counts->sum_ns);
}

/* What all workers have of one kind; false: none has any. */
static bool take_kind(const struct workers *workers, size_t method, size_t status,
                      struct metrics_duration *out_kind)
{
    bool is_there = false;
    *out_kind = (struct metrics_duration){.method = method_names[method].bytes,
                                          .status = metered_statuses[status]};
    for (size_t i = 0; i < workers_count(workers); i++) {
        const struct duration_counts *counts = atomic_load_explicit(
            &workers_meters(workers, i)->durations[method][status], memory_order_acquire);
        if (counts != NULL) {
            add_durations(counts, out_kind);
            is_there = true;
        }
    }
    return is_there;
}

static void take_durations(const struct workers *workers, struct metrics_snapshot *snapshot)
{
    struct metrics_duration kind;
    for (size_t i = 0; i < METHOD_NAMES * METERED_STATUSES; i++) {
        if (!take_kind(workers, i / METERED_STATUSES, i % METERED_STATUSES, &kind)) {
            continue;
        }
        snapshot->duration_kinds =
            mem_resize(snapshot->duration_kinds, snapshot->duration_count + 1, sizeof kind);
        snapshot->duration_kinds[snapshot->duration_count++] = kind;
        for (size_t bucket = 0; bucket <= DURATION_BOUNDS; bucket++) {
            snapshot->durations[bucket] += kind.buckets[bucket];
        }
        snapshot->duration_ns += kind.sum_ns;
    }
}

static void take_workers(const struct workers *workers, struct metrics_snapshot *snapshot)
{
    snapshot->workers = workers_running(workers);
    snapshot->totals = workers_totals(workers);
    for (size_t i = 0; i < workers_count(workers); i++) {
        const struct meters *meters = workers_meters(workers, i);
        add_counts(&meters->hostless, &snapshot->hosts[0]);
    }
    take_durations(workers, snapshot);
}

static void take_events(const struct events *events, struct metrics_snapshot *snapshot)
{
    const struct event_counters *counters = events_counters(events);
    snapshot->websockets = atomic_load_explicit(&counters->websockets, memory_order_relaxed);
    snapshot->streams = atomic_load_explicit(&counters->streams, memory_order_relaxed);
    snapshot->event_messages = counter_read(&counters->messages);
    for (size_t i = 0; i < LIMITS_COUNT; i++) {
        snapshot->totals.limited[i] += counter_read(&counters->limited[i]);
    }
}

static void take_loads(const struct load_counts *counts, struct metrics_snapshot *snapshot)
{
    for (size_t i = 0; i < LOAD_OUTCOMES; i++) {
        snapshot->loads[i] = counter_read(&counts->outcomes[i]);
    }
    snapshot->load_us = counter_read(&counts->duration_us);
    snapshot->last_load_s = atomic_load_explicit(&counts->last_s, memory_order_relaxed);
    snapshot->is_last_load_refused =
        atomic_load_explicit(&counts->is_last_refused, memory_order_relaxed);
    snapshot->rollbacks = counter_read(&counts->rollbacks);
}

static struct metrics_site site_of(const struct site_host *host, const struct site_stack *stack)
{
    const struct site *top = stack->sites[0];
    const char *prefix = stack->prefix.count == 0 ? "/" : stack->prefix.bytes;
    size_t prefix_bytes = stack->prefix.count == 0 ? 1 : stack->prefix.count;
    return (struct metrics_site){
        .host = host_text(host->name),
        .prefix = mem_string(prefix, prefix_bytes),
        .releases = stack->active_count,
        .release = top->index->release,
        .loaded_s = top->loaded_s,
        .paths = top->index->entry_count,
        .archive_bytes = top->index->committed_bytes,
        .index_bytes = top->index->map_bytes,
        .is_damaged = site_stack_is_damaged(stack),
    };
}

/* Nothing here is read from the files: only what opening them has left in memory. */
static void take_list(const struct site_list *list, size_t worker_count,
                      struct metrics_snapshot *snapshot)
{
    snapshot->host_count = 1 + list->host_count;
    snapshot->hosts = mem_zeroed(snapshot->host_count, sizeof *snapshot->hosts);
    snapshot->hosts[0].name = mem_string("", 0);
    for (size_t i = 0; i < list->host_count; i++) {
        const struct site_host *host = &list->hosts[i];
        struct metrics_host *taken = &snapshot->hosts[1 + i];
        const struct host_meter *meter = host->stacks[0].meter;
        taken->name = host_text(host->name);
        for (size_t j = 0; meter != NULL && j < worker_count; j++) {
            add_counts(&meter->workers[j], taken);
        }
        snapshot->sites = mem_resize(snapshot->sites, snapshot->site_count + host->stack_count,
                                     sizeof *snapshot->sites);
        for (size_t j = 0; j < host->stack_count; j++) {
            snapshot->sites[snapshot->site_count++] = site_of(host, &host->stacks[j]);
        }
    }
}

struct metrics_snapshot *metrics_take(const struct metrics_sources *sources)
{
    struct metrics_snapshot *snapshot = mem_zeroed(1, sizeof *snapshot);
    snapshot->taken_s = time(NULL);
    snapshot->started_s = sources->started_s;
    const struct site_list *list = publication_hold(sources->publication);
    take_list(list, workers_count(sources->workers), snapshot);
    publication_let_go(sources->publication);
    take_workers(sources->workers, snapshot);
    if (sources->events != NULL) {
        take_events(sources->events, snapshot);
    }
    take_loads(sources->loads, snapshot);
    snapshot->process = process_numbers_take(sources->process);
    return snapshot;
}

void metrics_free(struct metrics_snapshot *snapshot)
{
    if (snapshot == NULL) {
        return;
    }
    for (size_t i = 0; i < snapshot->host_count; i++) {
        free(snapshot->hosts[i].name);
    }
    for (size_t i = 0; i < snapshot->site_count; i++) {
        free(snapshot->sites[i].host);
        free(snapshot->sites[i].prefix);
    }
    free(snapshot->hosts);
    free(snapshot->sites);
    free(snapshot->duration_kinds);
    free(snapshot);
}
