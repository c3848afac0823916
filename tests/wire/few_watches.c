/* Preloaded into cairn-pack by test_watch.py: from the CAIRN_WATCHES-th watch on the system has no
 * more of them. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/inotify.h>

int inotify_add_watch(int fd, const char *path, uint32_t mask)
{
    static int (*real)(int, const char *, uint32_t);
    static long calls;
    const char *limit = getenv("CAIRN_WATCHES");
    if (real == NULL) {
        *(void **)&real = dlsym(RTLD_NEXT, "inotify_add_watch");
    }
    if (limit != NULL && calls++ >= atol(limit)) {
        errno = ENOSPC;
        return -1;
    }
    return real(fd, path, mask);
}
