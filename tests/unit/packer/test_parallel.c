/* The ordered parallel map: every job once, in order, for any number of threads; failures leave
 * nothing behind; what is under way stays bounded. Threads only count here: the main thread
 * judges. */
#include "packer/parallel.h"

#include "common/mem.h"

#include <criterion/criterion.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#define NO_JOB SIZE_MAX

/* What a run is checked against. */
struct probe {
    pthread_t caller;
    size_t failing_job;
    uint64_t job_weight;
    size_t awaited_count; /* the first job is not consumed before so many have been started */
    size_t consumed_count;
    size_t discarded_count;
    atomic_size_t wrong_count;
    atomic_size_t thread_count;
    atomic_size_t live_thread_count;
    atomic_size_t live_result_count;
    pthread_mutex_t mutex;
    pthread_cond_t has_started;
    size_t started_count;
    uint64_t bytes; /* started, not consumed */
    uint64_t bytes_max;
};

struct thread_state {
    pthread_t owner;
};

struct result {
    size_t job;
};

static uint64_t weight(void *context, size_t job)
{
    (void)job;
    return ((const struct probe *)context)->job_weight;
}

static void *thread_new(void *context)
{
    struct probe *probe = context;
    struct thread_state *state = mem_zeroed(1, sizeof *state);
    state->owner = pthread_self();
    probe->thread_count++;
    probe->live_thread_count++;
    return state;
}

static void thread_free(void *context, void *thread)
{
    struct probe *probe = context;
    probe->live_thread_count--;
    free(thread);
}

static void *run(void *context, void *thread, size_t job)
{
    struct probe *probe = context;
    const struct thread_state *state = thread;
    if (!pthread_equal(state->owner, pthread_self())) {
        probe->wrong_count++;
    }
    pthread_mutex_lock(&probe->mutex);
    probe->started_count++;
    probe->bytes += probe->job_weight;
    if (probe->bytes > probe->bytes_max) {
        probe->bytes_max = probe->bytes;
    }
    pthread_cond_signal(&probe->has_started);
    pthread_mutex_unlock(&probe->mutex);
    struct result *result = mem_zeroed(1, sizeof *result);
    result->job = job;
    probe->live_result_count++;
    return result;
}

static void drop_result(struct probe *probe, size_t job, struct result *result)
{
    if (result->job != job || !pthread_equal(probe->caller, pthread_self())) {
        probe->wrong_count++;
    }
    probe->live_result_count--;
    free(result);
}

static int consume(void *context, size_t job, void *result, struct error *error)
{
    struct probe *probe = context;
    if (job != probe->consumed_count++) {
        probe->wrong_count++;
    }
    pthread_mutex_lock(&probe->mutex);
    while (probe->started_count < probe->awaited_count) {
        pthread_cond_wait(&probe->has_started, &probe->mutex);
    }
    probe->bytes -= probe->job_weight;
    pthread_mutex_unlock(&probe->mutex);
    drop_result(probe, job, result);
    return job == probe->failing_job ? error_set(error, ERR_CHANGED, "job %zu", job) : 0;
}

static void discard(void *context, size_t job, void *result)
{
    struct probe *probe = context;
    probe->discarded_count++;
    drop_result(probe, job, result);
}

static int run_probe(struct probe *probe, size_t job_count, unsigned thread_count,
                     uint64_t window_bytes, struct error *error)
{
    probe->caller = pthread_self();
    pthread_mutex_init(&probe->mutex, NULL);
    pthread_cond_init(&probe->has_started, NULL);
    struct parallel_work work = {
        .job_count = job_count,
        .thread_count = thread_count,
        .window_bytes = window_bytes,
        .context = probe,
        .weight = weight,
        .thread_new = thread_new,
        .thread_free = thread_free,
        .run = run,
        .consume = consume,
        .discard = discard,
    };
    int status = parallel_run(&work, error);
    pthread_cond_destroy(&probe->has_started);
    pthread_mutex_destroy(&probe->mutex);
    return status;
}

static const size_t job_counts[] = {0, 1, 2, 31, 32, 33, 1000, 5000};
static const unsigned thread_counts[] = {0, 1, 2, 3, 8};
static const uint64_t windows_bytes[] = {0, 1, 100, UINT64_MAX};
static const uint64_t job_weights[] = {0, 7, 1 << 20};

static void check_all_consumed(size_t job_count, unsigned thread_count, uint64_t window_bytes,
                               uint64_t job_weight)
{
    struct probe probe = {.failing_job = NO_JOB, .job_weight = job_weight};
    struct error error = {""};
    int status = run_probe(&probe, job_count, thread_count, window_bytes, &error);
    bool is_clean = probe.wrong_count == 0 && probe.discarded_count == 0 &&
                    probe.live_result_count == 0 && probe.live_thread_count == 0;
    cr_expect(status == 0 && error.text[0] == '\0' && is_clean && probe.bytes == 0 &&
                  probe.started_count == job_count && probe.consumed_count == job_count,
              "%zu jobs of %lu bytes, %u threads, window %lu: %zu started, %zu consumed", job_count,
              job_weight, thread_count, window_bytes, probe.started_count, probe.consumed_count);
    cr_expect(thread_count == 0 || probe.thread_count <= thread_count);
}

Test(parallel, every_job_is_consumed_once_and_in_order, .timeout = 120)
{
    for (size_t i = 0; i < ARRAY_COUNT(job_counts); i++) {
        for (size_t j = 0; j < ARRAY_COUNT(thread_counts); j++) {
            for (size_t k = 0; k < ARRAY_COUNT(windows_bytes); k++) {
                for (size_t l = 0; l < ARRAY_COUNT(job_weights); l++) {
                    check_all_consumed(job_counts[i], thread_counts[j], windows_bytes[k],
                                       job_weights[l]);
                }
            }
        }
    }
}

/* A failed job is consumed, those before it were, none behind it is; what was run nevertheless is
 * handed to discard(). */
Test(parallel, a_failure_stops_and_leaves_nothing_behind, .timeout = 120)
{
    static const size_t failing_jobs[] = {0, 1, 31, 32, 500, 999};
    for (size_t i = 0; i < ARRAY_COUNT(failing_jobs); i++) {
        for (size_t j = 0; j < ARRAY_COUNT(thread_counts); j++) {
            size_t failing_job = failing_jobs[i];
            struct probe probe = {.failing_job = failing_job, .job_weight = 10};
            struct error error = {""};
            int status = run_probe(&probe, 1000, thread_counts[j], 2000, &error);
            char sentence[32];
            snprintf(sentence, sizeof sentence, "job %zu", failing_job);
            cr_expect_eq(status, ERR_CHANGED);
            cr_expect_str_eq(error.text, sentence);
            cr_expect_eq(probe.consumed_count, failing_job + 1);
            cr_expect_eq(probe.discarded_count, probe.started_count - probe.consumed_count);
            cr_expect_eq(probe.live_result_count, 0);
            cr_expect_eq(probe.live_thread_count, 0);
            cr_expect_eq(probe.wrong_count, 0);
        }
    }
}

/* Jobs of 1 MiB and a window of some: threads fill it while the first job is being consumed, which
 * waits for that, and do not go beyond. */
Test(parallel, the_window_is_filled_and_kept, .timeout = 120)
{
    enum { JOB_BYTES = 1 << 20, FILLED_JOBS = 7, WINDOW_BYTES = 7 * JOB_BYTES + JOB_BYTES / 2 };
    for (unsigned thread_count = 2; thread_count <= 8; thread_count++) {
        struct probe probe = {
            .failing_job = NO_JOB, .job_weight = JOB_BYTES, .awaited_count = FILLED_JOBS};
        cr_expect_eq(run_probe(&probe, 200, thread_count, WINDOW_BYTES, NULL), 0);
        cr_expect_eq(probe.consumed_count, 200);
        cr_expect_geq(probe.bytes_max, (uint64_t)FILLED_JOBS * JOB_BYTES);
        cr_expect_leq(probe.bytes_max, (uint64_t)WINDOW_BYTES, "%u threads", thread_count);
    }
}

/* One job may always be under way, and then it is the only one. */
Test(parallel, a_job_above_the_window_is_alone, .timeout = 120)
{
    struct probe probe = {.failing_job = NO_JOB, .job_weight = 1 << 20};
    cr_expect_eq(run_probe(&probe, 100, 4, 1000, NULL), 0);
    cr_expect_eq(probe.consumed_count, 100);
    cr_expect_eq(probe.bytes_max, 1 << 20);
}

/* With one thread, the calling thread does everything and keeps to the order run, consume. */
Test(parallel, one_thread_is_the_caller)
{
    struct probe probe = {.failing_job = NO_JOB, .job_weight = 1};
    cr_expect_eq(run_probe(&probe, 100, 1, UINT64_MAX, NULL), 0);
    cr_expect_eq(probe.thread_count, 1);
    cr_expect_eq(probe.bytes_max, 1);
}
