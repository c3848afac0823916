/* What system calls a thread may make from here on: a program that the kernel runs for each of them
 * (seccomp(2)). Who makes such programs is server/sandbox/syscall_filter.h. */
#ifndef CAIRN_NET_THREAD_FILTER_H
#define CAIRN_NET_THREAD_FILTER_H

#include "common/compiler.h"

#include <linux/filter.h>

/* Puts the calling thread, and what it starts from here on, under `filter`, on top of those that it
 * is under already. Needs no_new_privs (prctl(2)). Returns 0 or -errno; -ENOSYS or -EINVAL: a
 * kernel without it, or before Linux 4.17. */
int thread_filter_enter(const struct sock_fprog *filter) CAIRN_MUST_CHECK;

#endif
