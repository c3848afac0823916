/* Preloaded into cairn-serve by test_sandbox.py: a kernel with an older Landlock, or without one,
 * or without filters for system calls.
 *
 * CAIRN_LANDLOCK  the version that it has, 0: none. What a later one brought is refused, as it is
 * by such a kernel. CAIRN_SECCOMP   0: none */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <linux/landlock.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>

static int setting(const char *name)
{
    const char *value = getenv(name);
    return value == NULL ? -1 : atoi(value);
}

/* Does a rule set ask for no more than the version knows? */
static int is_known(int version, const uint64_t *rules, size_t bytes)
{
    static const int rights[] = {0, 13, 14, 15, 15, 16};
    int count = version > 5 ? 16 : rights[version];
    uint64_t net = bytes > 8 ? rules[1] : 0;
    uint64_t scoped = bytes > 16 ? rules[2] : 0;
    return rules[0] >> count == 0 && (version >= 4 || net == 0) && (version >= 6 || scoped == 0);
}

long syscall(long number, ...)
{
    static long (*next)(long, ...);
    long at[6];
    va_list arguments;
    va_start(arguments, number);
    for (int i = 0; i < 6; i++) {
        at[i] = va_arg(arguments, long);
    }
    va_end(arguments);
    int version = setting("CAIRN_LANDLOCK");
    if (version >= 0 && number == SYS_landlock_create_ruleset) {
        if (version == 0) {
            errno = ENOSYS;
            return -1;
        }
        if (at[2] == LANDLOCK_CREATE_RULESET_VERSION) {
            return version;
        }
        if (!is_known(version, (const uint64_t *)at[0], (size_t)at[1])) {
            errno = EINVAL;
            return -1;
        }
    }
    if (number == SYS_seccomp && setting("CAIRN_SECCOMP") == 0) {
        errno = ENOSYS;
        return -1;
    }
    if (next == NULL) {
        void *symbol = dlsym(RTLD_NEXT, "syscall");
        memcpy(&next, &symbol, sizeof next);
    }
    return next(number, at[0], at[1], at[2], at[3], at[4], at[5]);
}
