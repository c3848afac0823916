/* A thread of the server's: signals are the main thread's, and it makes the system calls of its
 * kind alone (net/thread_filter.h) before it does anything else. */
#ifndef CAIRN_NET_THREAD_H
#define CAIRN_NET_THREAD_H

#include "common/compiler.h"
#include "common/error.h"

#include <linux/filter.h>
#include <pthread.h>
#include <stddef.h>

struct thread_plan {
    void *(*run)(void *argument);
    void *argument;
    const struct sock_fprog
        *filter;        /* borrowed until thread_start() returns; NULL: there is none */
    size_t stack_bytes; /* 0: as many as the system gives */
    int nice;           /* how much others go before it (setpriority(2)), 0 to 19 */
};

/* Starts it, all signals blocked but SIGBUS, which a thread raises itself (common/fault_guard.h),
 * and returns when it is confined. -errno: there is no such thread; what it would have run was not.
 */
int thread_start(const struct thread_plan *plan, pthread_t *out_thread,
                 struct error *error) CAIRN_MUST_CHECK;

#endif
