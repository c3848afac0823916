/* Preloaded into cairn-pack by test_pack.py: the CAIRN_KILL_AT-th call that changes something on a
 * disk does not happen. CAIRN_KILL_MODE says what happens instead: "kill" (the default) ends the
 * process by SIGKILL before the call; "enospc" and "eio" make it fail with that error; "short"
 * writes half and makes every later call fail with ENOSPC. The name of the call goes to the file
 * CAIRN_KILL_LOG. Standard error and standard output are left alone.
 *
 * With CAIRN_TOUCH_FILE, the first byte of that file is written again before the CAIRN_TOUCH_AT-th
 * call that reads, as another program might do. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

static long calls;
static bool is_full;

static void *next(const char *name)
{
    return dlsym(RTLD_NEXT, name);
}

static void log_call(const char *name)
{
    const char *path = getenv("CAIRN_KILL_LOG");
    if (path != NULL) {
        int fd = (int)syscall(SYS_openat, AT_FDCWD, path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
        syscall(SYS_write, fd, name, strlen(name));
        syscall(SYS_close, fd);
    }
}

static bool has_mode(const char *name)
{
    const char *mode = getenv("CAIRN_KILL_MODE");
    return strcmp(mode != NULL ? mode : "kill", name) == 0;
}

/* 0: let the call happen. Otherwise the errno to fail with; -1: write half. */
static int judge(const char *name, bool is_write)
{
    const char *at = getenv("CAIRN_KILL_AT");
    calls++;
    if (is_full) {
        return ENOSPC;
    }
    if (at == NULL || calls != atol(at)) {
        return 0;
    }
    log_call(name);
    if (has_mode("enospc")) {
        return ENOSPC;
    }
    if (has_mode("eio")) {
        return EIO;
    }
    if (has_mode("short")) {
        is_full = true;
        return is_write ? -1 : ENOSPC;
    }
    syscall(SYS_kill, getpid(), SIGKILL);
    return EIO;
}

/* Before the chosen read, somebody else writes to the file. */
static void touch(void)
{
    static long reads;
    const char *path = getenv("CAIRN_TOUCH_FILE");
    const char *at = getenv("CAIRN_TOUCH_AT");
    if (path != NULL && at != NULL && ++reads == atol(at)) {
        log_call("pread");
        int fd = (int)syscall(SYS_openat, AT_FDCWD, path, O_WRONLY);
        syscall(SYS_pwrite64, fd, "!", 1, 0);
        syscall(SYS_close, fd);
    }
}

#define FAIL_IF(problem)                                                                           \
    do {                                                                                           \
        if ((problem) > 0) {                                                                       \
            errno = (problem);                                                                     \
            return -1;                                                                             \
        }                                                                                          \
    } while (0)

ssize_t write(int fd, const void *bytes, size_t count)
{
    int problem = fd > 2 ? judge("write", true) : 0;
    FAIL_IF(problem);
    return syscall(SYS_write, fd, bytes, problem < 0 ? count / 2 : count);
}

static ssize_t write_at(int fd, const void *bytes, size_t count, off64_t offset)
{
    int problem = judge("pwrite", true);
    FAIL_IF(problem);
    return syscall(SYS_pwrite64, fd, bytes, problem < 0 ? count / 2 : count, offset);
}

ssize_t pwrite(int fd, const void *bytes, size_t count, off_t offset)
{
    return write_at(fd, bytes, count, offset);
}

ssize_t pwrite64(int fd, const void *bytes, size_t count, off64_t offset)
{
    return write_at(fd, bytes, count, offset);
}

ssize_t pread(int fd, void *bytes, size_t count, off_t offset)
{
    touch();
    return syscall(SYS_pread64, fd, bytes, count, offset);
}

ssize_t pread64(int fd, void *bytes, size_t count, off64_t offset)
{
    touch();
    return syscall(SYS_pread64, fd, bytes, count, offset);
}

int fsync(int fd)
{
    int problem = judge("fsync", false);
    FAIL_IF(problem);
    return (int)syscall(SYS_fsync, fd);
}

int fdatasync(int fd)
{
    int problem = judge("fdatasync", false);
    FAIL_IF(problem);
    return (int)syscall(SYS_fdatasync, fd);
}

int rename(const char *from, const char *to)
{
    int problem = judge("rename", false);
    FAIL_IF(problem);
    return ((int (*)(const char *, const char *))next("rename"))(from, to);
}

int symlink(const char *target, const char *path)
{
    int problem = judge("symlink", false);
    FAIL_IF(problem);
    return ((int (*)(const char *, const char *))next("symlink"))(target, path);
}

int link(const char *from, const char *to)
{
    int problem = judge("link", false);
    FAIL_IF(problem);
    return ((int (*)(const char *, const char *))next("link"))(from, to);
}

/* A full disk does not keep anybody from removing: only the kill modes stop these two. */
int unlink(const char *path)
{
    int problem = has_mode("kill") ? judge("unlink", false) : 0;
    FAIL_IF(problem);
    return ((int (*)(const char *))next("unlink"))(path);
}

static int punch(int fd, int mode, off64_t offset, off64_t count)
{
    int problem = has_mode("kill") ? judge("fallocate", false) : 0;
    FAIL_IF(problem);
    return (int)syscall(SYS_fallocate, fd, mode, offset, count);
}

int fallocate(int fd, int mode, off_t offset, off_t count)
{
    return punch(fd, mode, offset, count);
}

int fallocate64(int fd, int mode, off64_t offset, off64_t count)
{
    return punch(fd, mode, offset, count);
}

int ftruncate(int fd, off_t count)
{
    int problem = judge("ftruncate", false);
    FAIL_IF(problem);
    return (int)syscall(SYS_ftruncate, fd, count);
}

int ftruncate64(int fd, off64_t count)
{
    return ftruncate(fd, count);
}

static int open_judged(int folder, const char *path, int flags, mode_t mode)
{
    int problem = (flags & (O_CREAT | O_TRUNC)) != 0 ? judge("open", false) : 0;
    FAIL_IF(problem);
    return (int)syscall(SYS_openat, folder, path, flags, mode);
}

static mode_t mode_of(int flags, va_list arguments)
{
    return (flags & (O_CREAT | __O_TMPFILE)) != 0 ? va_arg(arguments, mode_t) : 0;
}

#define OPEN(name)                                                                                 \
    int name(const char *path, int flags, ...)                                                     \
    {                                                                                              \
        va_list arguments;                                                                         \
        va_start(arguments, flags);                                                                \
        mode_t mode = mode_of(flags, arguments);                                                   \
        va_end(arguments);                                                                         \
        return open_judged(AT_FDCWD, path, flags, mode);                                           \
    }
OPEN(open)
OPEN(open64)

#define OPENAT(name)                                                                               \
    int name(int folder, const char *path, int flags, ...)                                         \
    {                                                                                              \
        va_list arguments;                                                                         \
        va_start(arguments, flags);                                                                \
        mode_t mode = mode_of(flags, arguments);                                                   \
        va_end(arguments);                                                                         \
        return open_judged(folder, path, flags, mode);                                             \
    }
OPENAT(openat)
OPENAT(openat64)
