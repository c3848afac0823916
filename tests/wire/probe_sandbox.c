/* Preloaded into cairn-serve by test_sandbox.py: each kind of thread tries, once it runs, what it
 * must not be able to do, and appends "THREAD ATTEMPT ERRNO" to the file CAIRN_PROBE_RESULTS, which
 * is open from the start. CAIRN_PROBE_FOLDER has the files `file` and `superfluous`, and a program
 * `program` whose interpreter does not exist. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

static int results_fd = -1;
static int tcp_fd = -1;
static char file[4096], superfluous[4096], created[4096], program[4096];
static atomic_bool is_done[5];

__attribute__((constructor)) static void prepare(void)
{
    const char *path = getenv("CAIRN_PROBE_RESULTS");
    const char *folder = getenv("CAIRN_PROBE_FOLDER");
    if (path != NULL && folder != NULL) {
        snprintf(file, sizeof file, "%s/file", folder);
        snprintf(superfluous, sizeof superfluous, "%s/superfluous", folder);
        snprintf(created, sizeof created, "%s/created", folder);
        snprintf(program, sizeof program, "%s/program", folder);
        tcp_fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        results_fd = open(path, O_WRONLY | O_APPEND | O_CLOEXEC);
    }
}

static long opened(long fd)
{
    return fd < 0 ? fd : syscall(SYS_close, fd);
}

static long try_read(void)
{
    return opened(syscall(SYS_openat, AT_FDCWD, file, O_RDONLY | O_CLOEXEC));
}

static long try_write(void)
{
    return opened(syscall(SYS_openat, AT_FDCWD, file, O_WRONLY | O_CLOEXEC));
}

static long try_create(void)
{
    return opened(syscall(SYS_openat, AT_FDCWD, created, O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
}

static long try_unlink(void)
{
    return syscall(SYS_unlink, superfluous);
}

static long try_rename(void)
{
    return syscall(SYS_rename, file, file);
}

static long try_chmod(void)
{
    return syscall(SYS_chmod, file, 0644);
}

static long try_inet(void)
{
    return opened(syscall(SYS_socket, AF_INET, SOCK_STREAM, 0));
}

static long try_unix(void)
{
    return opened(syscall(SYS_socket, AF_UNIX, SOCK_STREAM, 0));
}

static long try_bind(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    return syscall(SYS_bind, tcp_fd, &address, sizeof address);
}

static long try_connect(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    return syscall(SYS_connect, tcp_fd, &address, sizeof address); /* port 0: nobody is there */
}

static long try_exec(void)
{
    char *const none[] = {program, NULL};
    return syscall(SYS_execve, program, none, none + 1);
}

static long fork_with(unsigned long flags)
{
    long pid = syscall(SYS_clone, flags | SIGCHLD, NULL, NULL, NULL, NULL);
    if (pid == 0) {
        syscall(SYS_exit_group, 0);
    }
    return pid < 0 ? pid : syscall(SYS_wait4, pid, NULL, 0, NULL) < 0 ? -1 : 0;
}

static long try_fork(void)
{
    return fork_with(0);
}

static long try_namespace(void)
{
    return fork_with(CLONE_NEWNET);
}

static long try_clone3(void)
{
    return syscall(SYS_clone3, NULL, 0); /* EINVAL, if it is there */
}

static long try_ptrace(void)
{
    return syscall(SYS_ptrace, PTRACE_ATTACH, 0x7fffffff, NULL, NULL); /* ESRCH, if one may */
}

static long try_signal(void)
{
    return syscall(SYS_kill, syscall(SYS_getppid), 0);
}

static long mapped(void *at)
{
    return at == MAP_FAILED ? -1 : munmap(at, 4096);
}

static long try_code(void)
{
    return mapped(mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
}

static long try_writable_code(void)
{
    return mapped(
        mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
}

static long try_protect(void)
{
    void *at = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    long result = mprotect(at, 4096, PROT_READ | PROT_EXEC);
    int number = errno;
    munmap(at, 4096);
    errno = number;
    return result;
}

static long try_io_uring(void)
{
    return syscall(SYS_io_uring_setup, 0, NULL); /* EINVAL or EFAULT, if it is there */
}

static long try_setuid(void)
{
    return syscall(SYS_setuid, syscall(SYS_getuid));
}

static long try_mount(void)
{
    return syscall(SYS_mount, NULL, NULL, NULL, 0, NULL); /* EFAULT or EPERM, without a filter */
}

static const struct {
    const char *name;
    long (*attempt)(void);
} attempts[] = {
    {"read", try_read},           {"write", try_write},       {"create", try_create},
    {"unlink", try_unlink},       {"rename", try_rename},     {"chmod", try_chmod},
    {"inet", try_inet},           {"unix", try_unix},         {"bind", try_bind},
    {"connect", try_connect},     {"exec", try_exec},         {"fork", try_fork},
    {"namespace", try_namespace}, {"clone3", try_clone3},     {"ptrace", try_ptrace},
    {"signal", try_signal},       {"code", try_code},         {"writable-code", try_writable_code},
    {"protect", try_protect},     {"io_uring", try_io_uring}, {"setuid", try_setuid},
    {"mount", try_mount},
};

static void probe(int role, const char *name)
{
    if (results_fd < 0 || atomic_exchange(&is_done[role], true)) {
        return;
    }
    int before = errno;
    for (size_t i = 0; i < sizeof attempts / sizeof attempts[0]; i++) {
        char line[128];
        errno = 0;
        long result = attempts[i].attempt();
        int count = snprintf(line, sizeof line, "%s %s %d\n", name, attempts[i].name,
                             result < 0 ? errno : 0);
        (void)!write(results_fd, line, (size_t)count);
    }
    char end[64];
    int count = snprintf(end, sizeof end, "%s end 0\n", name);
    (void)!write(results_fd, end, (size_t)count);
    errno = before;
}

/* ---- calls by which a thread is known ---- */

int epoll_wait(int fd, struct epoll_event *events, int count, int timeout)
{
    probe(0, "worker");
    return (int)syscall(SYS_epoll_wait, fd, events, count, timeout);
}

int posix_fadvise64(int fd, off64_t offset, off64_t bytes, int advice)
{
    probe(1, "reader");
    return syscall(SYS_fadvise64, fd, offset, bytes, advice) == 0 ? 0 : errno;
}

int posix_fadvise(int fd, off_t offset, off_t bytes, int advice)
{
    return posix_fadvise64(fd, offset, bytes, advice);
}

int poll(struct pollfd *fds, nfds_t count, int timeout)
{
    if (gettid() == getpid()) {
        probe(2, "main");
    }
    return (int)syscall(SYS_poll, fds, count, timeout);
}

int __poll_chk(struct pollfd *fds, nfds_t count, int timeout, size_t bytes);
int __poll_chk(struct pollfd *fds, nfds_t count, int timeout, size_t bytes)
{
    (void)bytes;
    return poll(fds, count, timeout);
}

ssize_t writev(int fd, const struct iovec *pieces, int count)
{
    probe(3, "log");
    return syscall(SYS_writev, fd, pieces, count);
}

int setsockopt(int fd, int level, int name, const void *value, socklen_t bytes)
{
    if (level == SOL_SOCKET && name == SO_LINGER) {
        probe(4, "events");
    }
    return (int)syscall(SYS_setsockopt, fd, level, name, value, bytes);
}
