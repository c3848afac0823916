#include "net/thread.h"

#include "net/thread_filter.h"

#include <errno.h>
#include <semaphore.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

struct start {
    struct thread_plan plan;
    int status;
    sem_t has_status;
};

static void *begin(void *argument)
{
    struct start *start = argument;
    const struct thread_plan plan = start->plan;
    if (plan.nice != 0) { /* this thread's alone, on Linux */
        (void)setpriority(PRIO_PROCESS, (id_t)gettid(), plan.nice);
    }
    int status = plan.filter == NULL ? 0 : thread_filter_enter(plan.filter);
    start->status = status;
    sem_post(&start->has_status); /* `start` may be gone */
    return status == 0 ? plan.run(plan.argument) : NULL;
}

/* A positive number of errno, or 0. */
static int create(struct start *start, pthread_t *out_thread)
{
    pthread_attr_t attributes;
    sigset_t blocked, before;
    pthread_attr_init(&attributes);
    if (start->plan.stack_bytes > 0) {
        pthread_attr_setstacksize(&attributes, start->plan.stack_bytes);
    }
    sigfillset(&blocked);
    sigdelset(&blocked, SIGBUS);
    pthread_sigmask(SIG_BLOCK, &blocked, &before);
    int problem = pthread_create(out_thread, &attributes, begin, start);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attributes);
    return problem;
}

int thread_start(const struct thread_plan *plan, pthread_t *out_thread, struct error *error)
{
    struct start start = {.plan = *plan};
    sem_init(&start.has_status, 0, 0);
    int problem = create(&start, out_thread);
    if (problem != 0) {
        sem_destroy(&start.has_status);
        return error_set(error, -problem, "thread: %s", strerror(problem));
    }
    while (sem_wait(&start.has_status) != 0) {
        /* a signal */
    }
    sem_destroy(&start.has_status);
    if (start.status != 0) {
        pthread_join(*out_thread, NULL);
        return error_set(error, start.status, "a thread cannot be confined: %s",
                         strerror(-start.status));
    }
    return 0;
}
