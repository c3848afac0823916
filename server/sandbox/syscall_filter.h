/* The system calls that each kind of thread needs, and programs for the kernel made of them
 * (net/thread_filter.h). What is not on a thread's list fails: with EPERM, or with ENOSYS if it
 * came with Linux 5.1 or later, so that a C library that tries a new call first goes on with the
 * old one. A call by the numbers of another architecture ends the process. docs/security.md has the
 * lists in words. The one file that includes libseccomp. */
#ifndef CAIRN_SERVER_SYSCALL_FILTER_H
#define CAIRN_SERVER_SYSCALL_FILTER_H

#include "common/compiler.h"

#include <linux/filter.h>
#include <stdbool.h>

/* Each in the other's place would starve: a worker opens no file, the main thread takes no bytes
 * from the network. The main thread's list is also what a starting cairn-serve needs, since a
 * successor (server/handover.h) inherits it; so the others narrow it. */
enum thread_role {
    THREAD_MAIN,
    THREAD_WORKER,
    THREAD_DISK_READER,
    THREAD_ADMIN,
    THREAD_LOG,
    THREAD_TELEMETRY,
    THREAD_EVENTS,
    THREAD_ROLES,
};

/* The program for a role, in a process with a thread that sends telemetry or without; the caller
 * gives it back with syscall_filter_fini(). -errno: the kernel has no such filters, or is older
 * than Linux 4.14. */
int syscall_filter_init(enum thread_role role, bool has_telemetry,
                        struct sock_fprog *out_filter) CAIRN_MUST_CHECK;

/* Is this a build with a sanitizer, whose run-time library needs more, /proc among it? */
bool syscall_filter_is_sanitized(void);

/* Takes one that is zeroed. */
void syscall_filter_fini(struct sock_fprog *filter);

/* Of the library that the program runs with. */
const char *syscall_filter_library_version(void);

#endif
