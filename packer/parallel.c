#include "packer/parallel.h"

#include "common/mem.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

enum {
    CLAIM_JOBS_MAX = 32, /* that a thread takes at once, if they are light */
    CLAIM_BYTES_MAX = 256 << 10,
    THREADS_MAX = 256,
};

struct pool {
    const struct parallel_work *work;
    unsigned thread_count;
    pthread_mutex_t mutex;
    pthread_cond_t room;     /* there may be something to claim */
    pthread_cond_t finished; /* the next job to be consumed may be done */
    size_t next;             /* job to be claimed */
    size_t consumed;         /* jobs before it are consumed */
    uint64_t bytes;          /* under way */
    unsigned waiting_count;  /* threads that wait for room */
    bool is_stopped;
    bool is_consumer_waiting;
    void **results; /* by job; valid if is_done */
    bool *is_done;
};

/* What a job counts against the window: an empty one is under way too. */
static uint64_t job_bytes(const struct pool *pool, size_t job)
{
    return pool->work->weight(pool->work->context, job) + 1;
}

static bool has_room_for_next(const struct pool *pool)
{
    uint64_t bytes = job_bytes(pool, pool->next);
    uint64_t window_bytes = pool->work->window_bytes;
    return pool->bytes == 0 || (pool->bytes <= window_bytes && bytes <= window_bytes - pool->bytes);
}

/* Fewer towards the end, so that no thread is left with all of the rest. */
static size_t claim_jobs_max(const struct pool *pool)
{
    size_t share = (pool->work->job_count - pool->next) / pool->thread_count / 2 + 1;
    return share < CLAIM_JOBS_MAX ? share : CLAIM_JOBS_MAX;
}

/* Takes the next few jobs: [*out_first, *out_end). False: there are no more. */
static bool claim(struct pool *pool, size_t *out_first, size_t *out_end)
{
    const struct parallel_work *work = pool->work;
    pthread_mutex_lock(&pool->mutex);
    while (!pool->is_stopped && pool->next < work->job_count && !has_room_for_next(pool)) {
        pool->waiting_count++;
        pthread_cond_wait(&pool->room, &pool->mutex);
        pool->waiting_count--;
    }
    size_t first = pool->next;
    size_t jobs_max = pool->is_stopped ? 0 : claim_jobs_max(pool);
    uint64_t bytes_before = pool->bytes;
    while (pool->next < work->job_count && pool->next - first < jobs_max &&
           (pool->next == first ||
            (pool->bytes - bytes_before < CLAIM_BYTES_MAX && has_room_for_next(pool)))) {
        pool->bytes += job_bytes(pool, pool->next);
        pool->next++;
    }
    *out_first = first;
    *out_end = pool->next;
    pthread_mutex_unlock(&pool->mutex);
    return *out_end > first;
}

/* False: no further job is to be started. */
static bool publish(struct pool *pool, size_t job, void *result)
{
    pthread_mutex_lock(&pool->mutex);
    pool->results[job] = result;
    pool->is_done[job] = true;
    bool is_awaited = pool->is_consumer_waiting && pool->consumed == job;
    bool goes_on = !pool->is_stopped;
    pthread_mutex_unlock(&pool->mutex);
    if (is_awaited) {
        pthread_cond_signal(&pool->finished);
    }
    return goes_on;
}

static void *thread_main(void *argument)
{
    struct pool *pool = argument;
    const struct parallel_work *work = pool->work;
    void *thread = work->thread_new(work->context);
    size_t first;
    size_t end;
    while (claim(pool, &first, &end)) {
        bool goes_on = true;
        for (size_t job = first; job < end && goes_on; job++) {
            goes_on = publish(pool, job, work->run(work->context, thread, job));
        }
    }
    work->thread_free(work->context, thread);
    return NULL;
}

/* The result of the next job in order; waits for it. */
static void *take_result(struct pool *pool, size_t job)
{
    pthread_mutex_lock(&pool->mutex);
    while (!pool->is_done[job]) {
        pool->is_consumer_waiting = true;
        pthread_cond_wait(&pool->finished, &pool->mutex);
    }
    pool->is_consumer_waiting = false;
    void *result = pool->results[job];
    pool->is_done[job] = false;
    pthread_mutex_unlock(&pool->mutex);
    return result;
}

static void give_back(struct pool *pool, uint64_t bytes)
{
    pthread_mutex_lock(&pool->mutex);
    pool->bytes -= bytes;
    pool->consumed++;
    bool has_room =
        pool->waiting_count > 0 && pool->next < pool->work->job_count && has_room_for_next(pool);
    pthread_mutex_unlock(&pool->mutex);
    if (has_room) {
        pthread_cond_broadcast(&pool->room);
    }
}

static int consume_all(struct pool *pool, struct error *error)
{
    const struct parallel_work *work = pool->work;
    for (size_t job = 0; job < work->job_count; job++) {
        void *result = take_result(pool, job);
        uint64_t bytes = job_bytes(pool, job); /* before it is gone */
        int status = work->consume(work->context, job, result, error);
        if (status != 0) {
            return status;
        }
        give_back(pool, bytes);
    }
    return 0;
}

static void stop(struct pool *pool)
{
    pthread_mutex_lock(&pool->mutex);
    pool->is_stopped = true;
    pthread_mutex_unlock(&pool->mutex);
    pthread_cond_broadcast(&pool->room);
}

static int run_here(const struct parallel_work *work, struct error *error)
{
    void *thread = work->thread_new(work->context);
    int status = 0;
    for (size_t job = 0; job < work->job_count && status == 0; job++) {
        void *result = work->run(work->context, thread, job);
        status = work->consume(work->context, job, result, error);
    }
    work->thread_free(work->context, thread);
    return status;
}

static int run_on_threads(const struct parallel_work *work, unsigned count, struct error *error)
{
    struct pool pool = {.work = work, .thread_count = count};
    pthread_mutex_init(&pool.mutex, NULL);
    pthread_cond_init(&pool.room, NULL);
    pthread_cond_init(&pool.finished, NULL);
    pool.results = mem_zeroed(work->job_count, sizeof(void *));
    pool.is_done = mem_zeroed(work->job_count, sizeof *pool.is_done);
    pthread_t threads[THREADS_MAX];
    unsigned started = 0;
    int problem = 0;
    while (started < count && problem == 0) {
        problem = pthread_create(&threads[started], NULL, thread_main, &pool);
        started += problem == 0;
    }
    int status = 0;
    if (started == 0) {
        status = error_set(error, -problem, "a thread cannot be started: %s", strerror(problem));
    } else {
        status = consume_all(&pool, error); /* with as many threads as there are */
    }
    stop(&pool);
    for (unsigned i = 0; i < started; i++) {
        pthread_join(threads[i], NULL);
    }
    for (size_t job = 0; job < work->job_count; job++) {
        if (pool.is_done[job]) {
            work->discard(work->context, job, pool.results[job]);
        }
    }
    free(pool.results);
    free(pool.is_done);
    pthread_cond_destroy(&pool.finished);
    pthread_cond_destroy(&pool.room);
    pthread_mutex_destroy(&pool.mutex);
    return status;
}

static unsigned processor_count(void)
{
    cpu_set_t set;
    return sched_getaffinity(0, sizeof set, &set) == 0 ? (unsigned)CPU_COUNT(&set) : 1;
}

int parallel_run(const struct parallel_work *work, struct error *error)
{
    unsigned count = work->thread_count == 0 ? processor_count() : work->thread_count;
    if (count > THREADS_MAX) {
        count = THREADS_MAX;
    }
    if (count > work->job_count) {
        count = (unsigned)work->job_count;
    }
    return count <= 1 ? run_here(work, error) : run_on_threads(work, count, error);
}
