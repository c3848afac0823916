#include "net/thread_filter.h"

#include <errno.h>
#include <linux/seccomp.h>
#include <sys/syscall.h>
#include <unistd.h>

int thread_filter_enter(const struct sock_fprog *filter)
{
    /* SPEC_ALLOW: no foreign code runs in this process, and before Linux 5.16 each thread would pay
     * for a protection against it. LOG: who is refused a call is in the audit log, if there is one.
     */
    long result = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER,
                          SECCOMP_FILTER_FLAG_SPEC_ALLOW | SECCOMP_FILTER_FLAG_LOG, filter);
    return result == 0 ? 0 : -errno;
}
