#include "server/preload.h"

#include "common/clock.h"
#include "server/end_request.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#ifndef MADV_POPULATE_READ
#define MADV_POPULATE_READ 22 /* Linux 5.14 */
#endif

enum { CHUNK_BYTES = 64 << 20, PIECE_BYTES = 65536 };

/* Without page tables, for older systems. */
static bool read_chunk(const struct archive *archive, uint64_t at, uint64_t bytes)
{
    char piece[PIECE_BYTES];
    (void)posix_fadvise(archive->fd, (off_t)at, (off_t)bytes, POSIX_FADV_WILLNEED);
    for (uint64_t done = 0; done < bytes;) {
        uint64_t left = bytes - done;
        ssize_t got = pread(archive->fd, piece, left < sizeof piece ? left : sizeof piece,
                            (off_t)(at + done));
        if (got == 0 || (got < 0 && errno != EINTR)) {
            return false;
        }
        done += got > 0 ? (uint64_t)got : 0;
    }
    return true;
}

static bool load_chunk(const struct archive *archive, uint64_t at, uint64_t bytes)
{
    void *map = (void *)(uintptr_t)(archive->map + at);
    return madvise(map, bytes, MADV_POPULATE_READ) == 0 || read_chunk(archive, at, bytes);
}

void preload_archive(const struct archive *archive, uint64_t bytes)
{
    enum { MOMENT_MS = 100 };
    int64_t started_ms = monotonic_ms();
    uint64_t at = 0;
    while (at < bytes && !end_is_requested()) {
        uint64_t chunk = bytes - at < CHUNK_BYTES ? bytes - at : CHUNK_BYTES;
        if (!load_chunk(archive, at, chunk)) {
            fprintf(stderr, "cairn-serve: %s: not preloaded beyond byte %llu: %s\n", archive->path,
                    (unsigned long long)at, strerror(errno));
            return;
        }
        at += chunk;
    }
    int64_t took_ms = monotonic_ms() - started_ms;
    if (took_ms >= MOMENT_MS) {
        fprintf(stderr, "cairn-serve: %s: %llu bytes preloaded in %lld ms\n", archive->path,
                (unsigned long long)at, (long long)took_ms);
    }
}
