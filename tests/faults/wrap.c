/* The functions of calls.txt, linked in the place of the library's (ld --wrap): each call is
 * counted, and those that a test has chosen fail, without the system being asked.
 *
 * CAIRN_FAULTS names a file that the test maps as well, with a row for each function; what it
 * writes there counts at once, in every process that has the variable. Without it nothing is
 * counted and nothing fails. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/sendfile.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

/* As faults.py has it. */
struct row {
    char name[24];
    atomic_ullong calls; /* so far */
    atomic_ullong from;  /* the first call that fails, counted from 1; 0: none */
    atomic_ullong count; /* how many fail */
    atomic_llong number; /* errno, or what else the function returns; 0: it is short */
    atomic_ullong bytes; /* of a short call, at most */
    atomic_ullong failed;
};

_Static_assert(sizeof(struct row) == 72, "faults.py unpacks it");

struct call {
    const char *name;
    _Atomic(struct row *) row;
};

static struct row *rows;
static size_t row_count;

static _Noreturn void give_up(const char *what)
{
    dprintf(STDERR_FILENO, "faults: %s\n", what);
    _exit(99);
}

/* By bare system calls: the functions are the ones that are wrapped. */
__attribute__((constructor)) static void map_rows(void)
{
    const char *path = getenv("CAIRN_FAULTS");
    if (path == NULL) {
        return;
    }
    int fd = (int)syscall(SYS_openat, AT_FDCWD, path, O_RDWR | O_CLOEXEC);
    off_t bytes = fd < 0 ? 0 : (off_t)syscall(SYS_lseek, fd, 0, SEEK_END);
    if (bytes <= 0) {
        give_up("CAIRN_FAULTS: no table there");
    }
    long map =
        syscall(SYS_mmap, NULL, (size_t)bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, (off_t)0);
    syscall(SYS_close, fd);
    if (map == -1) {
        give_up("CAIRN_FAULTS: cannot be mapped");
    }
    rows = (struct row *)map;
    row_count = (size_t)bytes / sizeof *rows;
}

static struct row *row_of(struct call *call)
{
    struct row *row = atomic_load_explicit(&call->row, memory_order_relaxed);
    for (size_t i = 0; row == NULL && i < row_count; i++) {
        if (strncmp(rows[i].name, call->name, sizeof rows[i].name) == 0) {
            row = &rows[i];
        }
    }
    if (row == NULL) {
        give_up("CAIRN_FAULTS: a function has no row");
    }
    atomic_store_explicit(&call->row, row, memory_order_relaxed);
    return row;
}

/* Counts the call. The row, if it is to fail; else NULL. */
static const struct row *take_fault(struct call *call)
{
    if (rows == NULL) {
        return NULL;
    }
    struct row *row = row_of(call);
    unsigned long long number = atomic_fetch_add(&row->calls, 1) + 1;
    unsigned long long from = atomic_load(&row->from);
    if (from == 0 || number < from || number - from >= atomic_load(&row->count)) {
        return NULL;
    }
    atomic_fetch_add(&row->failed, 1);
    return row;
}

/* The same, with errno set; for functions that cannot be short. */
static bool fails(struct call *call)
{
    const struct row *row = take_fault(call);
    if (row != NULL) {
        errno = (int)row->number;
    }
    return row != NULL;
}

/* For functions that return an error instead of setting errno. */
static int error_of(struct call *call)
{
    const struct row *row = take_fault(call);
    return row == NULL ? 0 : (int)row->number;
}

/* For functions that transfer bytes: true if the call fails; else *count may have become less. */
static bool fails_or_is_short(struct call *call, size_t *count)
{
    const struct row *row = take_fault(call);
    if (row == NULL) {
        return false;
    }
    if (row->number != 0) {
        errno = (int)row->number;
        return true;
    }
    *count = *count < row->bytes ? *count : (size_t)row->bytes;
    return false;
}

/* WRAP(type, name, (parameters), (arguments), what it returns when it fails) */
#define WRAP(type, name, parameters, arguments, failure)                                           \
    type __real_##name parameters;                                                                 \
    type __wrap_##name parameters;                                                                 \
    type __wrap_##name parameters                                                                  \
    {                                                                                              \
        static struct call call = {#name, NULL};                                                   \
        return fails(&call) ? (failure) : __real_##name arguments;                                 \
    }

/* The same for what transfers `count` bytes, a parameter. */
#define WRAP_TRANSFER(name, parameters, arguments)                                                 \
    ssize_t __real_##name parameters;                                                              \
    ssize_t __wrap_##name parameters;                                                              \
    ssize_t __wrap_##name parameters                                                               \
    {                                                                                              \
        static struct call call = {#name, NULL};                                                   \
        return fails_or_is_short(&call, &count) ? -1 : __real_##name arguments;                    \
    }

/* The same for what returns its error. */
#define WRAP_RETURN(name, parameters, arguments)                                                   \
    int __real_##name parameters;                                                                  \
    int __wrap_##name parameters;                                                                  \
    int __wrap_##name parameters                                                                   \
    {                                                                                              \
        static struct call call = {#name, NULL};                                                   \
        int error = error_of(&call);                                                               \
        return error != 0 ? error : __real_##name arguments;                                       \
    }

/* The same for what is over, whatever it returns: it happens, and then fails. */
#define WRAP_END(type, name, parameters, arguments, failure)                                       \
    type __real_##name parameters;                                                                 \
    type __wrap_##name parameters;                                                                 \
    type __wrap_##name parameters                                                                  \
    {                                                                                              \
        static struct call call = {#name, NULL};                                                   \
        type result = __real_##name arguments;                                                     \
        return fails(&call) ? (failure) : result;                                                  \
    }

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
WRAP(int, pipe2, (int fds[2], int flags), (fds, flags), -1)

/* ---- processes, threads, signals ---- */

WRAP(pid_t, fork, (void), (), -1)
WRAP(int, execve, (const char *path, char *const *argv, char *const *environment),
     (path, argv, environment), -1)
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

/* ---- libsystemd, which asks the system on its own ---- */

#define WRAP_NEGATIVE(name, parameters, arguments)                                                 \
    int __real_##name parameters;                                                                  \
    int __wrap_##name parameters;                                                                  \
    int __wrap_##name parameters                                                                   \
    {                                                                                              \
        static struct call call = {#name, NULL};                                                   \
        int error = -error_of(&call);                                                              \
        return error != 0 ? error : __real_##name arguments;                                       \
    }

WRAP_NEGATIVE(sd_listen_fds, (int unset), (unset))
WRAP_NEGATIVE(sd_notify, (int unset, const char *state), (unset, state))
