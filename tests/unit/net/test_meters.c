/* Counting answers: which bucket, whose counter, and what becomes of it when hosts come and go. */
#include "net/meters.h"

#include "common/mem.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

enum { WORKERS = 3, HOSTS_MAX = 400 };

static uint64_t value(const atomic_uint_fast64_t *counter)
{
    return atomic_load(counter);
}

/* Of answers without a method, which this file's are. */
static const struct duration_counts *durations_of(struct meters *meters, unsigned status)
{
    for (size_t i = 1; i < METERED_STATUSES; i++) {
        if (metered_statuses[i] == status) {
            return meters->durations[0][i];
        }
    }
    return meters->durations[0][0];
}

static void meters_free(struct meters *meters)
{
    meters_fini(meters);
    free(meters);
}

static struct meters *meters_new(size_t worker)
{
    struct meters *meters = mem_aligned(_Alignof(struct meters), sizeof *meters);
    meters->is_on = true;
    meters->worker = worker;
    return meters;
}

Test(meters, bounds_grow_and_say_what_they_are)
{
    for (size_t i = 0; i < DURATION_BOUNDS; i++) {
        double seconds = strtod(duration_bounds[i].seconds, NULL);
        cr_expect((uint64_t)(seconds * 1e9 + 0.5) == duration_bounds[i].ns, "bound %zu: %s", i,
                  duration_bounds[i].seconds);
        cr_expect(i == 0 || duration_bounds[i].ns > duration_bounds[i - 1].ns, "bound %zu", i);
    }
}

/* Those of OpenTelemetry's semantic conventions for http.server.request.duration, in seconds. */
Test(meters, bounds_are_a_superset_of_the_advised_ones)
{
    static const double advised[] = {0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25,
                                     0.5,   0.75, 1,     2.5,  5,     7.5, 10};
    for (size_t i = 0; i < ARRAY_COUNT(advised); i++) {
        size_t j = 0;
        while (j < DURATION_BOUNDS && duration_bounds[j].ns != (uint64_t)(advised[i] * 1e9 + 0.5)) {
            j++;
        }
        cr_expect(j < DURATION_BOUNDS, "%g", advised[i]);
    }
}

Test(meters, a_bound_belongs_to_its_bucket)
{
    for (size_t i = 0; i <= DURATION_BOUNDS; i++) {
        struct meters *meters = meters_new(0);
        uint64_t least = i == 0 ? 0 : duration_bounds[i - 1].ns + 1;
        uint64_t most = i == DURATION_BOUNDS ? UINT64_MAX / 4 : duration_bounds[i].ns;
        struct meter_entry entry = {.status = 200, .is_whole = true};
        entry.duration_ns = least;
        meters_add(meters, &entry);
        entry.duration_ns = most;
        meters_add(meters, &entry);
        const struct duration_counts *counts = durations_of(meters, 200);
        for (size_t j = 0; j <= DURATION_BOUNDS; j++) {
            cr_expect(value(&counts->buckets[j]) == (j == i ? 2 : 0), "bucket %zu of %zu", j, i);
        }
        cr_expect(value(&counts->sum_ns) == least + most);
        meters_free(meters);
    }
}

Test(meters, each_answer_has_one_place)
{
    static const struct {
        unsigned status;
        size_t range;
    } rows[] = {{100, 0}, {200, 1}, {206, 1}, {299, 1}, {304, 2},
                {404, 3}, {500, 4}, {599, 4}, {999, 4}, {0, 4}};
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        for (size_t codec = 0; codec < CODINGS; codec++) {
            struct meters *meters = meters_new(0);
            meters_add(meters, &(struct meter_entry){.status = rows[i].status,
                                                     .codec = (enum codec)codec,
                                                     .body_bytes = 7,
                                                     .is_whole = i % 2 == 0});
            uint64_t sum = 0;
            for (size_t range = 0; range < STATUS_CLASSES; range++) {
                for (size_t other = 0; other < CODINGS; other++) {
                    sum += value(&meters->hostless.answers[range][other]);
                }
            }
            cr_expect(sum == 1 && value(&meters->hostless.answers[rows[i].range][codec]) == 1);
            cr_expect(value(&meters->hostless.body_bytes) == 7);
            cr_expect(value(&meters->hostless.aborted) == i % 2);
            cr_expect(value(&durations_of(meters, rows[i].status)->buckets[0]) == 1);
            meters_free(meters);
        }
    }
}

/* ---- hosts ---- */

/* A list of hosts, as far as meters look at it. Every third host has two prefixes. */
struct list {
    struct site_list list;
    struct site_host hosts[HOSTS_MAX];
    struct site_stack stacks[2 * HOSTS_MAX];
    char names[HOSTS_MAX][32];
};

/* "hFIRST" to "hLAST", sorted: the numbers have five digits. */
static struct list *list_of(unsigned first, unsigned last)
{
    struct list *list = mem_zeroed(1, sizeof *list);
    list->list.hosts = list->hosts;
    for (unsigned number = first; number <= last; number++) {
        size_t i = list->list.host_count++;
        snprintf(list->names[i], sizeof list->names[i], "h%05u", number);
        list->hosts[i] = (struct site_host){.name = slice_of_string(list->names[i]),
                                            .stack_count = number % 3 == 0 ? 2 : 1,
                                            .stacks = &list->stacks[2 * i]};
    }
    return list;
}

static void answer(const struct list *list, size_t host, size_t worker)
{
    struct meters *meters = meters_new(worker);
    const struct site_host *at = &list->hosts[host];
    meters_add(meters, &(struct meter_entry){.host = at->stacks[at->stack_count - 1].meter,
                                             .status = 200,
                                             .codec = CODEC_BR,
                                             .is_whole = true});
    meters_free(meters);
}

static uint64_t answers(const struct list *list, size_t host)
{
    uint64_t sum = 0;
    for (size_t worker = 0; worker < WORKERS; worker++) {
        sum += value(&list->hosts[host].stacks[0].meter->workers[worker].answers[1][CODEC_BR]);
    }
    return sum;
}

static struct list *publish(struct host_meters *meters, struct list *old, struct list *next)
{
    host_meters_assign(meters, &next->list);
    host_meters_prune(meters, &next->list);
    free(old);
    return next;
}

Test(meters, hosts_count_on_over_loads)
{
    struct host_meters meters = {.worker_count = WORKERS};
    struct list *list = publish(&meters, NULL, list_of(100, 199));
    for (size_t round = 1; round <= 5; round++) {
        for (size_t i = 0; i < list->list.host_count; i++) {
            answer(list, i, (round + i) % WORKERS);
        }
        unsigned first = 100 - 10 * (unsigned)round; /* others come, before and behind */
        list = publish(&meters, list, list_of(first, 199 + 10 * (unsigned)round));
        cr_expect(meters.count == list->list.host_count);
        for (size_t i = 0; i < list->list.host_count; i++) {
            unsigned number = (unsigned)strtoul(list->names[i] + 1, NULL, 10);
            bool is_below = number < 100;
            uint64_t newer = is_below ? (99 - number) / 10 : number < 200 ? 0 : (number - 200) / 10;
            bool is_first = number >= 100 && number < 200;
            uint64_t wanted = is_first ? round : round - 1 - newer;
            cr_expect(answers(list, i) == wanted, "%s", list->names[i]);
        }
    }
    free(list);
    host_meters_fini(&meters);
}

Test(meters, a_host_that_went_away_begins_anew)
{
    struct host_meters meters = {.worker_count = WORKERS};
    struct list *list = publish(&meters, NULL, list_of(1, 3));
    answer(list, 1, 0);
    list = publish(&meters, list, list_of(3, 4));
    cr_expect(meters.count == 2);
    list = publish(&meters, list, list_of(1, 3));
    cr_expect(meters.count == 3 && answers(list, 1) == 0);
    list = publish(&meters, list, list_of(1, 0));
    cr_expect(meters.count == 0);
    free(list);
    host_meters_fini(&meters);
}

/* What runs while the next list is not everywhere yet: answers of the old one. */
Test(meters, the_old_list_counts_until_it_is_pruned)
{
    struct host_meters meters = {.worker_count = WORKERS};
    struct list *old = publish(&meters, NULL, list_of(1, 2));
    struct list *next = list_of(2, 3);
    host_meters_assign(&meters, &next->list);
    answer(old, 0, 1);
    answer(old, 1, 1);
    answer(next, 0, 2);
    cr_expect(answers(old, 0) == 1 && answers(next, 0) == 2);
    host_meters_prune(&meters, &next->list);
    cr_expect(meters.count == 2);
    free(old);
    free(next);
    host_meters_fini(&meters);
}

Test(meters, nothing_is_made_if_nobody_wants_to_know)
{
    struct host_meters meters = {.worker_count = 0};
    struct list *list = publish(&meters, NULL, list_of(1, 2));
    cr_expect(meters.count == 0 && list->hosts[0].stacks[0].meter == NULL);
    free(list);
    host_meters_fini(&meters);
}
