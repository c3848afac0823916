/* The functions of calls.txt that are the C library's, linked in its place; those of other
 * libraries are in wrap_libraries.c. */
#include "wrap.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <netdb.h>
#include <poll.h>
#include <pthread.h>
#include <pwd.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/sendfile.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

/* ---- bytes ---- */

WRAP_TRANSFER(read, (int fd, void *bytes, size_t count), (fd, bytes, count))
/* The eight bytes that wake an eventfd may be interrupted; nothing else happens to them
 * (eventfd(2)). */
static bool is_possible(const struct row *row, size_t count)
{
    return count != sizeof(uint64_t) || row->number == EINTR;
}

ssize_t __real_write(int fd, const void *bytes, size_t count);
ssize_t __wrap_write(int fd, const void *bytes, size_t count);
ssize_t __wrap_write(int fd, const void *bytes, size_t count)
{
    static struct call call = {"write", NULL};
    const struct row *row = take_fault(&call);
    if (row == NULL || !is_possible(row, count)) {
        return __real_write(fd, bytes, count);
    }
    if (row->number != 0) {
        errno = (int)row->number;
        return -1;
    }
    return __real_write(fd, bytes, count < row->bytes ? count : (size_t)row->bytes);
}

WRAP_TRANSFER(pread64, (int fd, void *bytes, size_t count, off64_t offset),
              (fd, bytes, count, offset))
WRAP_TRANSFER(pwrite64, (int fd, const void *bytes, size_t count, off64_t offset),
              (fd, bytes, count, offset))
WRAP_TRANSFER(recv, (int fd, void *bytes, size_t count, int flags), (fd, bytes, count, flags))
WRAP_TRANSFER(send, (int fd, const void *bytes, size_t count, int flags), (fd, bytes, count, flags))
WRAP_TRANSFER(sendfile64, (int out_fd, int in_fd, off64_t *offset, size_t count),
              (out_fd, in_fd, offset, count))
WRAP(int, getentropy, (void *bytes, size_t count), (bytes, count), -1)
WRAP(ssize_t, getdents64, (int fd, void *entries, size_t bytes), (fd, entries, bytes), -1)

ssize_t __real_sendmsg(int fd, const struct msghdr *message, int flags);
ssize_t __wrap_sendmsg(int fd, const struct msghdr *message, int flags);
ssize_t __wrap_sendmsg(int fd, const struct msghdr *message, int flags)
{
    static struct call call = {"sendmsg", NULL};
    size_t count = SIZE_MAX;
    if (fails_or_is_short(&call, &count)) {
        return -1;
    }
    struct msghdr shorter = *message;
    struct iovec first;
    if (count != SIZE_MAX && message->msg_iovlen > 0) {
        first = message->msg_iov[0];
        first.iov_len = first.iov_len < count ? first.iov_len : count;
        shorter.msg_iov = &first;
        shorter.msg_iovlen = 1;
    }
    return __real_sendmsg(fd, &shorter, flags);
}

ssize_t __real_preadv64v2(int fd, const struct iovec *pieces, int piece_count, off64_t offset,
                          int flags);
ssize_t __wrap_preadv64v2(int fd, const struct iovec *pieces, int piece_count, off64_t offset,
                          int flags);
ssize_t __wrap_preadv64v2(int fd, const struct iovec *pieces, int piece_count, off64_t offset,
                          int flags)
{
    static struct call call = {"preadv64v2", NULL};
    struct iovec first = pieces[0];
    if (fails_or_is_short(&call, &first.iov_len)) {
        return -1;
    }
    bool is_short = first.iov_len != pieces[0].iov_len;
    return __real_preadv64v2(fd, is_short ? &first : pieces, is_short ? 1 : piece_count, offset,
                             flags);
}

ssize_t __real_writev(int fd, const struct iovec *pieces, int piece_count);
ssize_t __wrap_writev(int fd, const struct iovec *pieces, int piece_count);
ssize_t __wrap_writev(int fd, const struct iovec *pieces, int piece_count)
{
    static struct call call = {"writev", NULL};
    struct iovec first = pieces[0];
    if (fails_or_is_short(&call, &first.iov_len)) {
        return -1;
    }
    bool is_short = first.iov_len != pieces[0].iov_len;
    return __real_writev(fd, is_short ? &first : pieces, is_short ? 1 : piece_count);
}

/* ---- files ---- */

int __real_open64(const char *path, int flags, ...);
int __wrap_open64(const char *path, int flags, ...);
int __wrap_open64(const char *path, int flags, ...)
{
    static struct call call = {"open64", NULL};
    va_list arguments;
    va_start(arguments, flags);
    mode_t mode = (flags & O_CREAT) != 0 ? va_arg(arguments, mode_t) : 0;
    va_end(arguments);
    return fails(&call) ? -1 : __real_open64(path, flags, mode);
}

/* The third argument is an integer, or there is none: both come in a register. */
int __real_fcntl64(int fd, int command, ...);
int __wrap_fcntl64(int fd, int command, ...);
int __wrap_fcntl64(int fd, int command, ...)
{
    static struct call call = {"fcntl64", NULL};
    va_list arguments;
    va_start(arguments, command);
    int value = command == F_GETFD || command == F_GETFL ? 0 : va_arg(arguments, int);
    va_end(arguments);
    return fails(&call) ? -1 : __real_fcntl64(fd, command, value);
}

int __real_ioctl(int fd, unsigned long request, ...);
int __wrap_ioctl(int fd, unsigned long request, ...);
int __wrap_ioctl(int fd, unsigned long request, ...)
{
    static struct call call = {"ioctl", NULL};
    va_list arguments;
    va_start(arguments, request);
    void *value = va_arg(arguments, void *);
    va_end(arguments);
    return fails(&call) ? -1 : __real_ioctl(fd, request, value);
}

WRAP_END(int, close, (int fd), (fd), -1)
WRAP(int, dup, (int fd), (fd), -1)
WRAP(int, dup2, (int fd, int place), (fd, place), -1)
WRAP(int, access, (const char *path, int mode), (path, mode), -1)
WRAP(int, faccessat, (int folder, const char *path, int mode, int flags),
     (folder, path, mode, flags), -1)
WRAP(int, fstat64, (int fd, struct stat64 *status), (fd, status), -1)
WRAP(int, stat64, (const char *path, struct stat64 *status), (path, status), -1)
WRAP(int, lstat64, (const char *path, struct stat64 *status), (path, status), -1)
WRAP(int, fallocate64, (int fd, int mode, off64_t offset, off64_t count), (fd, mode, offset, count),
     -1)
WRAP(int, sync_file_range, (int fd, off64_t offset, off64_t count, unsigned flags),
     (fd, offset, count, flags), -1)
WRAP(int, fsync, (int fd), (fd), -1)
WRAP(int, flock, (int fd, int operation), (fd, operation), -1)
WRAP(int, futimens, (int fd, const struct timespec times[2]), (fd, times), -1)
WRAP(int, mkdir, (const char *path, mode_t mode), (path, mode), -1)
WRAP(char *, mkdtemp, (char *path), (path), NULL)
WRAP(int, rmdir, (const char *path), (path), -1)
WRAP(int, rename, (const char *from, const char *to), (from, to), -1)
WRAP(int, symlink, (const char *target, const char *path), (target, path), -1)
WRAP(int, unlink, (const char *path), (path), -1)
WRAP(off64_t, lseek64, (int fd, off64_t offset, int from), (fd, offset, from), -1)
WRAP(char *, realpath, (const char *path, char *out), (path, out), NULL)
WRAP(char *, getcwd, (char *out, size_t count), (out, count), NULL)
WRAP(DIR *, opendir, (const char *path), (path), NULL)
WRAP(struct dirent64 *, readdir64, (DIR * folder), (folder), NULL)
WRAP_END(int, closedir, (DIR * folder), (folder), -1)
WRAP_RETURN(posix_fadvise64, (int fd, off64_t offset, off64_t count, int advice),
            (fd, offset, count, advice))
WRAP(int, memfd_create, (const char *name, unsigned flags), (name, flags), -1)

/* ---- streams ---- */

WRAP(FILE *, fdopen, (int fd, const char *mode), (fd, mode), NULL)
WRAP(FILE *, fopen64, (const char *path, const char *mode), (path, mode), NULL)
WRAP_END(int, fclose, (FILE * file), (file), EOF)
WRAP_END(int, fflush, (FILE * file), (file), EOF)
WRAP(ssize_t, __getdelim, (char **line, size_t *capacity, int end, FILE *file),
     (line, capacity, end, file), -1)

/* ---- memory ---- */

WRAP(void *, mmap64,
     (void *address, size_t bytes, int protection, int flags, int fd, off64_t offset),
     (address, bytes, protection, flags, fd, offset), MAP_FAILED)
WRAP(int, munmap, (void *address, size_t bytes), (address, bytes), -1)
WRAP(int, madvise, (void *address, size_t bytes, int advice), (address, bytes, advice), -1)
WRAP(int, mincore, (void *address, size_t bytes, unsigned char *out), (address, bytes, out), -1)
WRAP(void *, calloc, (size_t count, size_t bytes), (count, bytes), NULL)
WRAP(void *, reallocarray, (void *old, size_t count, size_t bytes), (old, count, bytes), NULL)
WRAP(void *, aligned_alloc, (size_t alignment, size_t bytes), (alignment, bytes), NULL)
WRAP(int, vasprintf, (char **out, const char *format, va_list arguments), (out, format, arguments),
     -1)

/* ---- sockets ---- */

WRAP(int, socket, (int family, int type, int protocol), (family, type, protocol), -1)
WRAP(int, bind, (int fd, const struct sockaddr *address, socklen_t bytes), (fd, address, bytes), -1)
WRAP(int, listen, (int fd, int backlog), (fd, backlog), -1)
WRAP(int, connect, (int fd, const struct sockaddr *address, socklen_t bytes), (fd, address, bytes),
     -1)
WRAP(int, accept4, (int fd, struct sockaddr *address, socklen_t *bytes, int flags),
     (fd, address, bytes, flags), -1)
WRAP(int, shutdown, (int fd, int how), (fd, how), -1)
WRAP(int, getsockname, (int fd, struct sockaddr *address, socklen_t *bytes), (fd, address, bytes),
     -1)
WRAP(int, getsockopt, (int fd, int level, int name, void *value, socklen_t *bytes),
     (fd, level, name, value, bytes), -1)
WRAP(int, setsockopt, (int fd, int level, int name, const void *value, socklen_t bytes),
     (fd, level, name, value, bytes), -1)
WRAP(int, gethostname, (char *name, size_t bytes), (name, bytes), -1)
WRAP_RETURN(getnameinfo,
            (const struct sockaddr *address, socklen_t bytes, char *host, socklen_t host_bytes,
             char *service, socklen_t service_bytes, int flags),
            (address, bytes, host, host_bytes, service, service_bytes, flags))
WRAP_RETURN(getaddrinfo,
            (const char *host, const char *port, const struct addrinfo *hints,
             struct addrinfo **out),
            (host, port, hints, out))

/* ---- waiting ---- */

WRAP(int, epoll_create1, (int flags), (flags), -1)
WRAP(int, epoll_ctl, (int epoll_fd, int operation, int fd, struct epoll_event *event),
     (epoll_fd, operation, fd, event), -1)
WRAP(int, epoll_wait, (int epoll_fd, struct epoll_event *events, int count, int timeout_ms),
     (epoll_fd, events, count, timeout_ms), -1)
WRAP(int, poll, (struct pollfd * fds, nfds_t count, int timeout_ms), (fds, count, timeout_ms), -1)
WRAP(int, eventfd, (unsigned value, int flags), (value, flags), -1)
WRAP(int, signalfd, (int fd, const sigset_t *set, int flags), (fd, set, flags), -1)
WRAP(int, inotify_init1, (int flags), (flags), -1)
WRAP(int, inotify_add_watch, (int fd, const char *path, uint32_t mask), (fd, path, mask), -1)
WRAP(int, pipe2, (int fds[2], int flags), (fds, flags), -1)
WRAP(int, socketpair, (int domain, int type, int protocol, int fds[2]),
     (domain, type, protocol, fds), -1)

/* ---- processes, threads, signals ---- */

WRAP(pid_t, fork, (void), (), -1)
WRAP(int, execve, (const char *path, char *const *argv, char *const *environment),
     (path, argv, environment), -1)
WRAP(int, execvp, (const char *program, char *const *argv), (program, argv), -1)
WRAP(int, setenv, (const char *name, const char *value, int replaces), (name, value, replaces), -1)
WRAP(int, setpgid, (pid_t process, pid_t group), (process, group), -1)
WRAP(pid_t, waitpid, (pid_t process, int *status, int options), (process, status, options), -1)
WRAP(int, kill, (pid_t process, int number), (process, number), -1)
WRAP_RETURN(pthread_create,
            (pthread_t * thread, const pthread_attr_t *attributes, void *(*start)(void *),
             void *argument),
            (thread, attributes, start, argument))
WRAP(int, sched_getaffinity, (pid_t process, size_t bytes, cpu_set_t *set), (process, bytes, set),
     -1)
WRAP(int, setpriority, (__priority_which_t which, id_t who, int value), (which, who, value), -1)
WRAP(int, getrlimit64, (__rlimit_resource_t resource, struct rlimit64 *limit), (resource, limit),
     -1)
WRAP(int, setrlimit64, (__rlimit_resource_t resource, const struct rlimit64 *limit),
     (resource, limit), -1)
WRAP(int, sigaction, (int number, const struct sigaction *action, struct sigaction *old),
     (number, action, old), -1)
WRAP(int, sigpending, (sigset_t * set), (set), -1)

/* ---- who this process is ---- */

WRAP(struct passwd *, getpwnam, (const char *name), (name), NULL)
WRAP(struct passwd *, getpwuid, (uid_t uid), (uid), NULL)
WRAP(struct group *, getgrnam, (const char *name), (name), NULL)
WRAP(int, initgroups, (const char *user, gid_t group), (user, group), -1)
WRAP(int, setgroups, (size_t count, const gid_t *groups), (count, groups), -1)
WRAP(int, setresgid, (gid_t real, gid_t effective, gid_t saved), (real, effective, saved), -1)
WRAP(int, setresuid, (uid_t real, uid_t effective, uid_t saved), (real, effective, saved), -1)
WRAP(int, fchown, (int fd, uid_t uid, gid_t gid), (fd, uid, gid), -1)
WRAP(int, lchown, (const char *path, uid_t uid, gid_t gid), (path, uid, gid), -1)

/* ---- many calls behind one name: each form has a row of its own ---- */

struct form {
    long number;
    struct call call;
};

static struct call *find_form(struct form *forms, size_t count, long number)
{
    for (size_t i = 0; i < count; i++) {
        if (forms[i].number == number) {
            return &forms[i].call;
        }
    }
    give_up("syscall() or prctl() with a number that has no row in calls.txt");
}

#define FORM(function, number)                                                                     \
    {                                                                                              \
        number,                                                                                    \
        {                                                                                          \
#function ":" #number, NULL                                                            \
        }                                                                                          \
    }

long __real_syscall(long number, ...);
long __wrap_syscall(long number, ...);
long __wrap_syscall(long number, ...)
{
    static struct form forms[] = {
        FORM(syscall, SYS_capget),
        FORM(syscall, SYS_capset),
        FORM(syscall, SYS_landlock_create_ruleset),
        FORM(syscall, SYS_landlock_add_rule),
        FORM(syscall, SYS_landlock_restrict_self),
        FORM(syscall, SYS_seccomp),
    };
    va_list list;
    va_start(list, number);
    long arguments[6];
    for (int i = 0; i < 6; i++) {
        arguments[i] = va_arg(list, long);
    }
    va_end(list);
    struct call *call = find_form(forms, sizeof forms / sizeof *forms, number);
    return fails(call) ? -1
                       : __real_syscall(number, arguments[0], arguments[1], arguments[2],
                                        arguments[3], arguments[4], arguments[5]);
}

int __real_prctl(int option, ...);
int __wrap_prctl(int option, ...);
int __wrap_prctl(int option, ...)
{
    static struct form forms[] = {
        FORM(prctl, PR_CAPBSET_READ),  FORM(prctl, PR_CAPBSET_DROP),
        FORM(prctl, PR_CAP_AMBIENT),   FORM(prctl, PR_SET_NO_NEW_PRIVS),
        FORM(prctl, PR_SET_PDEATHSIG),
    };
    va_list list;
    va_start(list, option);
    unsigned long arguments[4];
    for (int i = 0; i < 4; i++) {
        arguments[i] = va_arg(list, unsigned long);
    }
    va_end(list);
    struct call *call = find_form(forms, sizeof forms / sizeof *forms, option);
    return fails(call)
               ? -1
               : __real_prctl(option, arguments[0], arguments[1], arguments[2], arguments[3]);
}

/* ---- as a fortified build calls them ---- */

WRAP_FORTIFIED(ssize_t, read, (int fd, void *bytes, size_t count, size_t room), (fd, bytes, count),
               count <= room)
/* open() without a mode. */
int __wrap___open64_2(const char *path, int flags);
int __wrap___open64_2(const char *path, int flags)
{
    return __wrap_open64(path, flags);
}

WRAP_FORTIFIED(ssize_t, pread64, (int fd, void *bytes, size_t count, off64_t offset, size_t room),
               (fd, bytes, count, offset), count <= room)
WRAP_FORTIFIED(ssize_t, recv, (int fd, void *bytes, size_t count, size_t room, int flags),
               (fd, bytes, count, flags), count <= room)
WRAP_FORTIFIED(int, poll, (struct pollfd * fds, nfds_t count, int timeout_ms, size_t room),
               (fds, count, timeout_ms), count <= room / sizeof *fds)
WRAP_FORTIFIED(char *, realpath, (const char *path, char *out, size_t room), (path, out),
               out == NULL || room >= PATH_MAX)
WRAP_FORTIFIED(char *, getcwd, (char *out, size_t count, size_t room), (out, count), count <= room)
WRAP_FORTIFIED(int, vasprintf, (char **out, int flag, const char *format, va_list arguments),
               (out, format, arguments), flag >= 0)
