/* Preloaded into cairn-serve by test_request_path.py: counts calls of the allocator into the file
 * CAIRN_MALLOC_COUNT, which is mapped shared: one 64-bit number that the test reads. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

extern void *__libc_malloc(size_t);
extern void *__libc_calloc(size_t, size_t);
extern void *__libc_realloc(void *, size_t);
extern void *__libc_memalign(size_t, size_t);
extern void __libc_free(void *);

static _Atomic uint64_t before_mapping;
static _Atomic uint64_t *counter = &before_mapping;

__attribute__((constructor)) static void map_counter(void)
{
    const char *path = getenv("CAIRN_MALLOC_COUNT");
    int fd = path == NULL ? -1 : open(path, O_RDWR);
    if (fd >= 0) {
        void *map = mmap(NULL, sizeof *counter, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        close(fd);
        if (map != MAP_FAILED) {
            counter = map;
        }
    }
}

static void count(void)
{
    atomic_fetch_add(counter, 1);
}

void *malloc(size_t bytes)
{
    count();
    return __libc_malloc(bytes);
}

void *calloc(size_t number, size_t bytes)
{
    count();
    return __libc_calloc(number, bytes);
}

void *realloc(void *at, size_t bytes)
{
    count();
    return __libc_realloc(at, bytes);
}

void *memalign(size_t alignment, size_t bytes)
{
    count();
    return __libc_memalign(alignment, bytes);
}

void *aligned_alloc(size_t alignment, size_t bytes)
{
    return memalign(alignment, bytes);
}

int posix_memalign(void **out, size_t alignment, size_t bytes)
{
    void *at = memalign(alignment, bytes);
    if (at == NULL) {
        return ENOMEM;
    }
    *out = at;
    return 0;
}

void free(void *at)
{
    if (at != NULL) {
        count();
    }
    __libc_free(at);
}
