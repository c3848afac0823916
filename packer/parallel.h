/* An ordered parallel map: jobs run on several threads, and their results are consumed by the
 * calling thread in the order of the jobs, so that what is made of them does not depend on the
 * number of threads. */
#ifndef CAIRN_PACKER_PARALLEL_H
#define CAIRN_PACKER_PARALLEL_H

#include "common/error.h"

#include <stdbool.h>
#include <stddef.h>

struct parallel_work {
    size_t job_count;
    unsigned thread_count; /* 0: one for each processor that this process may use */
    uint64_t window_bytes; /* how much may be under way: the weights of jobs that were started and
                              are not consumed; one job may always be, whatever its weight */
    void *context;
    uint64_t (*weight)(void *context, size_t job);    /* the same at every call, on any thread */
    void *(*thread_new)(void *context);               /* a thread's own state */
    void (*thread_free)(void *context, void *thread); /* the same */
    void *(*run)(void *context, void *thread, size_t job);    /* on any thread: the result */
    int (*consume)(void *context, size_t job, void *result,   /* on the calling thread; takes */
                   struct error *error);                      /* the result over */
    void (*discard)(void *context, size_t job, void *result); /* instead, after a failure */
};

/* Runs all jobs, unless one is consumed with a status other than 0: that is returned, after all
 * threads have ended. Jobs that run at that moment run to their end, no further one is started. */
int parallel_run(const struct parallel_work *work, struct error *error) CAIRN_MUST_CHECK;

#endif
