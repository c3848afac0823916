#include "net/meters.h"

#include "common/counter.h"
#include "common/mem.h"

#include <stdlib.h>

#define MS(number) ((uint64_t)((number)*1e6))

const struct duration_bound duration_bounds[DURATION_BOUNDS] = {
    {50000, "5e-05"},    {100000, "0.0001"},    {250000, "0.00025"}, {500000, "0.0005"},
    {MS(1), "0.001"},    {MS(2.5), "0.0025"},   {MS(5), "0.005"},    {MS(10), "0.01"},
    {MS(25), "0.025"},   {MS(50), "0.05"},      {MS(75), "0.075"},   {MS(100), "0.1"},
    {MS(250), "0.25"},   {MS(500), "0.5"},      {MS(750), "0.75"},   {MS(1000), "1.0"},
    {MS(2500), "2.5"},   {MS(5000), "5.0"},     {MS(7500), "7.5"},   {MS(10000), "10.0"},
    {MS(60000), "60.0"}, {MS(600000), "600.0"},
};

const unsigned metered_statuses[METERED_STATUSES] = {
    0,   101, 200, 204, 206, 301, 302, 303, 304, 307, 308, 400, 403, 404, 405,
    406, 408, 410, 412, 413, 414, 416, 417, 421, 426, 431, 500, 501, 503, 505,
};

/* Most answers are quick: the first bounds are looked at first. */
static size_t bucket_of(uint64_t ns)
{
    size_t bucket = 0;
    while (bucket < DURATION_BOUNDS && ns > duration_bounds[bucket].ns) {
        bucket++;
    }
    return bucket;
}

static size_t metered_status(unsigned status)
{
    size_t i = 1;
    while (i < METERED_STATUSES && metered_statuses[i] != status) {
        i++;
    }
    return i < METERED_STATUSES ? i : 0;
}

static struct duration_counts *durations_of(struct meters *meters, const struct meter_entry *entry)
{
    _Atomic(struct duration_counts *) *place =
        &meters->durations[entry->method][metered_status(entry->status)];
    struct duration_counts *counts = atomic_load_explicit(place, memory_order_relaxed);
    if (counts == NULL) {
        counts = mem_aligned(_Alignof(struct duration_counts), sizeof *counts);
        atomic_store_explicit(place, counts, memory_order_release);
    }
    return counts;
}

void meters_add(struct meters *meters, const struct meter_entry *entry)
{
    struct answer_counts *counts =
        entry->host == NULL ? &meters->hostless : &entry->host->workers[meters->worker];
    unsigned range = entry->status / 100 - 1;
    range = range < STATUS_CLASSES ? range : STATUS_CLASSES - 1;
    counter_add(&counts->answers[range][entry->codec], 1);
    if (entry->body_bytes > 0) {
        counter_add(&counts->body_bytes, entry->body_bytes);
    }
    if (!entry->is_whole) {
        counter_add(&counts->aborted, 1);
    }
    struct duration_counts *durations = durations_of(meters, entry);
    counter_add(&durations->buckets[bucket_of(entry->duration_ns)], 1);
    counter_add(&durations->sum_ns, entry->duration_ns);
}

void meters_fini(struct meters *meters)
{
    for (size_t i = 0; i < METHOD_NAMES; i++) {
        for (size_t j = 0; j < METERED_STATUSES; j++) {
            free(meters->durations[i][j]);
            meters->durations[i][j] = NULL;
        }
    }
}

/* ---- hosts ---- */

static struct host_meter *meter_new(struct slice name, size_t worker_count)
{
    struct host_meter *meter = mem_aligned(_Alignof(struct host_meter),
                                           sizeof *meter + worker_count * sizeof meter->workers[0]);
    meter->name = mem_string(name.bytes, name.count);
    return meter;
}

static void meter_free(struct host_meter *meter)
{
    free(meter->name);
    free(meter);
}

static int compare(const void *key, const void *element)
{
    const struct slice *name = key;
    const struct host_meter *meter = *(struct host_meter *const *)element;
    return slice_compare(*name, slice_of_string(meter->name));
}

static int by_name(const void *a, const void *b)
{
    struct slice name = slice_of_string((*(struct host_meter *const *)a)->name);
    return compare(&name, b);
}

static struct host_meter *find(const struct host_meters *meters, size_t count, struct slice name)
{
    struct host_meter **found =
        count == 0 ? NULL : bsearch(&name, meters->at, count, sizeof(struct host_meter *), compare);
    return found == NULL ? NULL : *found;
}

void host_meters_assign(struct host_meters *meters, struct site_list *list)
{
    if (meters->worker_count == 0) {
        return;
    }
    size_t known = meters->count;
    for (size_t i = 0; i < list->host_count; i++) {
        struct site_host *host = &list->hosts[i];
        struct host_meter *meter = find(meters, known, host->name);
        if (meter == NULL) {
            meter = meter_new(host->name, meters->worker_count);
            meters->at = mem_resize(meters->at, meters->count + 1, sizeof(struct host_meter *));
            meters->at[meters->count++] = meter;
        }
        for (size_t j = 0; j < host->stack_count; j++) {
            host->stacks[j].meter = meter;
        }
    }
    if (meters->count > known) {
        qsort(meters->at, meters->count, sizeof(struct host_meter *), by_name);
    }
}

void host_meters_prune(struct host_meters *meters, const struct site_list *list)
{
    size_t kept = 0;
    for (size_t i = 0; i < meters->count; i++) {
        struct host_meter *meter = meters->at[i];
        if (site_list_host(list, slice_of_string(meter->name)) != NULL) {
            meters->at[kept++] = meter;
        } else {
            meter_free(meter);
        }
    }
    meters->count = kept;
}

void host_meters_fini(struct host_meters *meters)
{
    for (size_t i = 0; i < meters->count; i++) {
        meter_free(meters->at[i]);
    }
    free(meters->at);
    *meters = (struct host_meters){0};
}
