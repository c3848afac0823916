#include "server/sandbox/syscall_filter.h"

#include "common/mem.h"
#include "common/read_at.h"

#include <errno.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <linux/sockios.h>
#include <seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

/* A sanitizer's run-time library reads /proc, starts a thread that traces all others when the
 * process ends, and looks names up in files when it reports. Such a build is for tests. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define IS_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define IS_SANITIZED 1
#endif
#endif
#ifndef IS_SANITIZED
#define IS_SANITIZED 0
#endif

enum {
    MAIN = 1 << THREAD_MAIN,
    WORKER = 1 << THREAD_WORKER,
    READER = 1 << THREAD_DISK_READER,
    ADMIN = 1 << THREAD_ADMIN,
    LOG = 1 << THREAD_LOG,
    TELEMETRY = 1 << THREAD_TELEMETRY,
    EVENTS = 1 << THREAD_EVENTS,
    ALL = MAIN | WORKER | READER | ADMIN | LOG | TELEMETRY | EVENTS,
};

struct allowed_call {
    int call;
    int roles;
};

/* Without a look at arguments: for these the kernel keeps the answer in a bitmap (Linux 5.11), so
 * what is called for each request has to be here. */
static const struct allowed_call allowed_calls[] = {
    /* bytes */
    {SCMP_SYS(read), ALL},
    {SCMP_SYS(write), ALL},
    {SCMP_SYS(writev), ALL}, /* the log's lines; the C library's last words */
    {SCMP_SYS(readv), MAIN},
    {SCMP_SYS(pread64), MAIN | READER | ADMIN | TELEMETRY},
    {SCMP_SYS(preadv2), MAIN | WORKER},
    {SCMP_SYS(lseek), MAIN | ADMIN | TELEMETRY},
    {SCMP_SYS(fadvise64), MAIN | READER},
    {SCMP_SYS(close), ALL},
    {SCMP_SYS(getdents64), MAIN | ADMIN | TELEMETRY}, /* of /proc/self/fd, which is open */
    {SCMP_SYS(recvfrom), MAIN | WORKER | ADMIN | TELEMETRY | EVENTS},
    {SCMP_SYS(sendto), MAIN | WORKER | ADMIN | TELEMETRY | EVENTS},
    {SCMP_SYS(sendmsg), MAIN | WORKER | TELEMETRY},
    {SCMP_SYS(sendmmsg), TELEMETRY}, /* two questions about one name */
    {SCMP_SYS(sendfile), WORKER | MAIN},
    {SCMP_SYS(accept4), MAIN | WORKER | ADMIN},
    {SCMP_SYS(shutdown), MAIN | WORKER | ADMIN | TELEMETRY | EVENTS},
    {SCMP_SYS(epoll_wait), MAIN | WORKER | EVENTS},
    {SCMP_SYS(epoll_pwait), MAIN | WORKER | EVENTS},
    {SCMP_SYS(epoll_ctl), MAIN | WORKER | EVENTS},
    {SCMP_SYS(poll), MAIN | ADMIN | LOG | TELEMETRY},
    {SCMP_SYS(ppoll), MAIN | ADMIN | LOG | TELEMETRY},
    /* memory; mmap and mprotect are below */
    {SCMP_SYS(brk), ALL},
    {SCMP_SYS(munmap), ALL},
    {SCMP_SYS(mremap), ALL},
    {SCMP_SYS(madvise), ALL},
    {SCMP_SYS(mincore), MAIN | WORKER},
    /* threads, time, signals to oneself */
    {SCMP_SYS(futex), ALL},
    {SCMP_SYS(rseq), ALL},
    {SCMP_SYS(set_robust_list), ALL},
    {SCMP_SYS(sched_yield), ALL},
    {SCMP_SYS(sched_getaffinity), ALL},
    {SCMP_SYS(restart_syscall), ALL},
    {SCMP_SYS(clock_gettime), ALL}, /* these four where the kernel maps no code for them */
    {SCMP_SYS(clock_getres), ALL},
    {SCMP_SYS(gettimeofday), ALL},
    {SCMP_SYS(time), ALL},
    {SCMP_SYS(getrandom), ALL},
    {SCMP_SYS(getpid), ALL},
    {SCMP_SYS(gettid), ALL},
    {SCMP_SYS(rt_sigaction), ALL},
    {SCMP_SYS(rt_sigprocmask), ALL},
    {SCMP_SYS(rt_sigreturn), ALL},
    {SCMP_SYS(sigaltstack), ALL},
    {SCMP_SYS(exit), ALL},
    {SCMP_SYS(exit_group), ALL},
    {SCMP_SYS(fstat), ALL},
    {SCMP_SYS(newfstatat), ALL}, /* what fstat() is in most C libraries */
    {SCMP_SYS(fstatat64), ALL},
    /* files; which ones is Landlock's matter */
    {SCMP_SYS(open), MAIN | TELEMETRY},
    {SCMP_SYS(openat), MAIN | TELEMETRY},
    {SCMP_SYS(stat), MAIN | TELEMETRY},
    {SCMP_SYS(lstat), MAIN},
    {SCMP_SYS(statx), MAIN},
    {SCMP_SYS(access), MAIN | TELEMETRY},
    {SCMP_SYS(faccessat), MAIN},
    {SCMP_SYS(faccessat2), MAIN},
    {SCMP_SYS(readlink), MAIN},
    {SCMP_SYS(readlinkat), MAIN},
    {SCMP_SYS(getcwd), MAIN},
    {SCMP_SYS(unlink), MAIN}, /* a control socket, at the end */
    {SCMP_SYS(unlinkat), MAIN},
    {SCMP_SYS(umask), MAIN},
    {SCMP_SYS(fcntl), MAIN | TELEMETRY},
    {SCMP_SYS(dup), MAIN},
    {SCMP_SYS(dup2), MAIN},
    {SCMP_SYS(dup3), MAIN},
    {SCMP_SYS(pipe2), MAIN},
    {SCMP_SYS(memfd_create), MAIN},
    {SCMP_SYS(signalfd4), MAIN},
    {SCMP_SYS(eventfd2), MAIN},
    {SCMP_SYS(epoll_create1), MAIN},
    /* control sockets; socket is below */
    {SCMP_SYS(bind), MAIN},
    {SCMP_SYS(listen), MAIN},
    {SCMP_SYS(connect), MAIN | TELEMETRY},
    {SCMP_SYS(recvmsg), MAIN | TELEMETRY},
    {SCMP_SYS(getsockopt), MAIN | TELEMETRY},
    {SCMP_SYS(setsockopt), MAIN | TELEMETRY},
    {SCMP_SYS(getsockname), MAIN | TELEMETRY},
    {SCMP_SYS(getpeername), MAIN | TELEMETRY},
    /* a successor: to start it, and what it needs to start; clone and prctl are below */
    {SCMP_SYS(fork), MAIN},
    {SCMP_SYS(execve), MAIN},
    {SCMP_SYS(wait4), MAIN},
    {SCMP_SYS(waitid), MAIN},
    {SCMP_SYS(kill), MAIN},
    {SCMP_SYS(tgkill), MAIN},
    {SCMP_SYS(arch_prctl), MAIN},
    {SCMP_SYS(set_tid_address), MAIN},
    {SCMP_SYS(getrusage), MAIN | ADMIN | TELEMETRY},
    {SCMP_SYS(getrlimit), MAIN | ADMIN | TELEMETRY},
    {SCMP_SYS(setrlimit), MAIN},
    {SCMP_SYS(ugetrlimit), MAIN | ADMIN | TELEMETRY},
    {SCMP_SYS(prlimit64), MAIN},
    {SCMP_SYS(setpriority), MAIN}, /* a disk reader, before it is one */
    {SCMP_SYS(rt_sigpending), MAIN},
    {SCMP_SYS(uname), MAIN | TELEMETRY},
    {SCMP_SYS(sysinfo), MAIN},
    {SCMP_SYS(getuid), MAIN},
    {SCMP_SYS(geteuid), MAIN},
    {SCMP_SYS(getgid), MAIN},
    {SCMP_SYS(getegid), MAIN},
    {SCMP_SYS(getppid), MAIN},
    {SCMP_SYS(capget), MAIN},
    {SCMP_SYS(seccomp), MAIN}, /* a filter more only takes away */
};

static const struct allowed_call sanitizer_calls[] = {
    {SCMP_SYS(openat), ALL},
    {SCMP_SYS(open), ALL},
    {SCMP_SYS(pread64), ALL},
    {SCMP_SYS(readlink), ALL},
    {SCMP_SYS(stat), ALL},
    {SCMP_SYS(getcwd), ALL},
    {SCMP_SYS(getdents64), ALL},
    {SCMP_SYS(getdents), ALL},
    {SCMP_SYS(lseek), ALL},
    {SCMP_SYS(prctl), ALL},
    {SCMP_SYS(getuid), ALL},
    {SCMP_SYS(tgkill), ALL},
    {SCMP_SYS(pipe2), MAIN},
    {SCMP_SYS(ptrace), MAIN},
    {SCMP_SYS(clone), MAIN},
    {SCMP_SYS(personality), MAIN},
    {SCMP_SYS(process_vm_readv), MAIN},
    {SCMP_SYS(pipe), MAIN},
    {SCMP_SYS(getrusage), ALL},
    {SCMP_SYS(nanosleep), ALL},
    {SCMP_SYS(clock_nanosleep), ALL},
    {SCMP_SYS(getppid), MAIN},
};

/* A call that is let through if an argument, masked, has a value. More rows for a call: one of them
 * has to fit. */
struct allowed_form {
    int call;
    int roles;
    unsigned argument;
    uint64_t mask, value;
};

/* No namespaces: they would give what was taken away. */
#define CLONE_NAMESPACES                                                                           \
    (CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER | CLONE_NEWPID |  \
     CLONE_NEWNET)

static const struct allowed_form allowed_forms[] = {
    /* Nothing that can be written becomes code; the main thread's successor maps its libraries. */
    {SCMP_SYS(mmap), ALL, 2, PROT_EXEC, 0},
    {SCMP_SYS(mmap), MAIN, 2, PROT_EXEC | PROT_WRITE, PROT_EXEC},
    {SCMP_SYS(mprotect), ALL, 2, PROT_EXEC, 0},
    {SCMP_SYS(ioctl), WORKER | EVENTS, 1, UINT32_MAX, SIOCOUTQ},
    {SCMP_SYS(setsockopt), EVENTS, 2, UINT32_MAX, SO_LINGER},
    {SCMP_SYS(ioctl), MAIN, 1, UINT32_MAX, SIOCOUTQ},
    {SCMP_SYS(ioctl), MAIN, 1, UINT32_MAX, TCGETS},
    {SCMP_SYS(prlimit64), ADMIN | TELEMETRY, 2, UINT64_MAX, 0}, /* to ask, not to set */
    {SCMP_SYS(socket), MAIN, 0, UINT32_MAX, AF_UNIX},
    {SCMP_SYS(socket), TELEMETRY, 0, UINT32_MAX, AF_INET},
    {SCMP_SYS(socket), TELEMETRY, 0, UINT32_MAX, AF_INET6},
    {SCMP_SYS(socketpair), MAIN | TELEMETRY, 0, UINT32_MAX,
     AF_UNIX}, /* two ends inside this process */
    {SCMP_SYS(ioctl), TELEMETRY, 1, UINT32_MAX, FIONREAD},
    {SCMP_SYS(clone), MAIN, 0, CLONE_NAMESPACES, 0},
    {SCMP_SYS(prctl), MAIN, 0, UINT32_MAX, PR_SET_NO_NEW_PRIVS},
    {SCMP_SYS(prctl), MAIN, 0, UINT32_MAX, PR_GET_NO_NEW_PRIVS},
    {SCMP_SYS(prctl), MAIN, 0, UINT32_MAX, PR_GET_SECCOMP},
    {SCMP_SYS(prctl), MAIN, 0, UINT32_MAX, PR_SET_NAME},
    {SCMP_SYS(prctl), MAIN, 0, UINT32_MAX, PR_CAPBSET_READ}, /* a library, when it is loaded */
};

/* The numbers from here on, which all architectures share, came with Linux 5.1 and later. */
enum { NEW_CALLS_FIRST = 424, NEW_CALLS_END = 512 };

/* Whose rows count. Other threads narrow the list of the main thread, so that what the one that
 * sends telemetry needs is on it, too, where there is one. */
static int roles_of(enum thread_role role, bool has_telemetry)
{
    return 1 << role | (role == THREAD_MAIN && has_telemetry ? TELEMETRY : 0);
}

static int add_calls(scmp_filter_ctx filter, int roles, const struct allowed_call *calls,
                     size_t count)
{
    int status = 0;
    for (size_t i = 0; i < count && status == 0; i++) {
        if ((calls[i].roles & roles) != 0) {
            status = seccomp_rule_add(filter, SCMP_ACT_ALLOW, calls[i].call, 0);
        }
    }
    return status;
}

static int add_forms(scmp_filter_ctx filter, int roles)
{
    int status = 0;
    for (size_t i = 0; i < ARRAY_COUNT(allowed_forms) && status == 0; i++) {
        const struct allowed_form *form = &allowed_forms[i];
        bool is_free =
            IS_SANITIZED && (form->call == SCMP_SYS(clone) || form->call == SCMP_SYS(prctl));
        if ((form->roles & roles) != 0 && !is_free) {
            status = seccomp_rule_add(
                filter, SCMP_ACT_ALLOW, form->call, 1,
                SCMP_CMP64(form->argument, SCMP_CMP_MASKED_EQ, form->mask, form->value));
        }
    }
    if (status == 0 && (roles & MAIN) == 0 && !IS_SANITIZED) { /* abort() */
        status =
            seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(tgkill), 1,
                             SCMP_CMP64(0, SCMP_CMP_MASKED_EQ, UINT32_MAX, (scmp_datum_t)getpid()));
    }
    return status;
}

static bool is_listed(int call, int roles)
{
    for (size_t i = 0; i < ARRAY_COUNT(allowed_calls); i++) {
        if (allowed_calls[i].call == call && (allowed_calls[i].roles & roles) != 0) {
            return true;
        }
    }
    return false;
}

static int add_rules(scmp_filter_ctx filter, int roles)
{
    int status = add_calls(filter, roles, allowed_calls, ARRAY_COUNT(allowed_calls));
    if (status == 0) {
        status = add_forms(filter, roles);
    }
    if (status == 0 && IS_SANITIZED) {
        status = add_calls(filter, roles, sanitizer_calls, ARRAY_COUNT(sanitizer_calls));
    }
    for (int call = NEW_CALLS_FIRST; call < NEW_CALLS_END && status == 0; call++) {
        if (!is_listed(call, roles)) {
            status = seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), call, 0);
        }
    }
    return status;
}

/* libseccomp loads a filter into the thread that asks; to have each thread load it, the program is
 * written out. */
static int export(scmp_filter_ctx filter, struct sock_fprog *out_filter)
{
    int memory = memfd_create("cairn-filter", MFD_CLOEXEC);
    if (memory < 0) {
        return -errno;
    }
    struct sock_filter *program = NULL;
    int status = seccomp_export_bpf(filter, memory);
    off_t bytes = status == 0 ? lseek(memory, 0, SEEK_END) : 0;
    if (bytes < 0) {
        status = -errno;
    }
    if (status == 0) {
        program = mem_zeroed((size_t)bytes + 1, 1);
        ssize_t got = read_at(memory, program, (size_t)bytes, 0);
        status = got < 0 ? (int)got : got != bytes ? -EIO : 0;
    }
    close(memory);
    if (status != 0) {
        free(program);
        return status;
    }
    *out_filter = (struct sock_fprog){
        .len = (unsigned short)((size_t)bytes / sizeof *program),
        .filter = program,
    };
    return 0;
}

int syscall_filter_init(enum thread_role role, bool has_telemetry, struct sock_fprog *out_filter)
{
    scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ERRNO(EPERM));
    int status = filter == NULL ? -ENOMEM : 0;
    if (status == 0) {
        status = seccomp_attr_set(filter, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);
    }
    if (status == 0) {
        status = seccomp_attr_set(filter, SCMP_FLTATR_CTL_OPTIMIZE, 2); /* a tree, not a chain */
    }
    if (status == 0) {
        status = add_rules(filter, roles_of(role, has_telemetry));
    }
    if (status == 0) {
        status = export(filter, out_filter);
    }
    if (filter != NULL) {
        seccomp_release(filter);
    }
    return status;
}

bool syscall_filter_is_sanitized(void)
{
    return IS_SANITIZED;
}

void syscall_filter_fini(struct sock_fprog *filter)
{
    free(filter->filter);
    *filter = (struct sock_fprog){0};
}

const char *syscall_filter_library_version(void)
{
    static char text[48];
    const struct scmp_version *version = seccomp_version();
    snprintf(text, sizeof text, "%u.%u.%u", version->major, version->minor, version->micro);
    return text;
}
