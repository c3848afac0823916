#include "net/residency.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>

enum {
    BLOCK_BYTES = RESIDENCY_BLOCK_BYTES,
    SLOT_BITS = 15,  /* 2 GiB of blocks */
    PERIOD_BITS = 6, /* 64 ms */
    /* How many periods an answer counts, besides the one in which it was got. For large pieces few:
     * they are what pushes each other out of memory, and asking costs little beside sending them.
     * Asking by reading costs twenty times as much as asking by the mapping. */
    PERIODS_LARGE = 1,
    PERIODS_SMALL = 7,
    PERIODS_READ = 60,
    PERIODS_SHORT = 16, /* how long after a miss every block is asked about each time */
    LARGE_BYTES = BLOCK_BYTES,
    PAGE_BYTES_LEAST = 4096,
};

static const size_t slots_bytes = sizeof(struct residency_slot) << SLOT_BITS;

bool residency_init(struct residency *residency)
{
    *residency = (struct residency){.period = PERIODS_READ + 1};
    void *memory = mmap(NULL, slots_bytes + BLOCK_BYTES, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED) {
        return false;
    }
    residency->slots = memory;
    residency->scratch = (char *)memory + slots_bytes;
    return true;
}

void residency_fini(struct residency *residency)
{
    if (residency->slots != NULL) {
        munmap(residency->slots, slots_bytes + BLOCK_BYTES);
        residency->slots = NULL;
    }
}

void residency_set_time(struct residency *residency, int64_t now_ms)
{
    residency->period =
        (uint32_t)((uint64_t)now_ms >> PERIOD_BITS) + PERIODS_READ + 1; /* 0 is never */
}

/* The blocks of all archives in one row: each archive begins where its UUID, which is random, says.
 * Neighbours have neighbouring slots; two that meet in one would only be read too late. */
static uint64_t key_of(const struct archive *archive, uint64_t block)
{
    uint64_t start;
    memcpy(&start, archive->superblock.uuid, sizeof start);
    return start + block;
}

static struct residency_slot *slot_of(const struct residency *residency, uint64_t key)
{
    return &residency->slots[key & ((1 << SLOT_BITS) - 1)];
}

/* What is behind the end of the file is on no disk, and whoever sends it finds out. */
static bool is_behind_end(const struct archive *archive, uint64_t at)
{
    uint64_t file_bytes;
    return archive_file_bytes(archive, &file_bytes, NULL) != 0 || at >= file_bytes;
}

/* By the mapping, which is quick. */
static bool is_mapped_block_resident(const struct archive *archive, uint64_t at)
{
    unsigned char pages[BLOCK_BYTES / PAGE_BYTES_LEAST];
    memset(pages, 1, sizeof pages);
    if (mincore((void *)(uintptr_t)(archive->map + at), BLOCK_BYTES, pages) != 0) {
        return true;
    }
    for (size_t i = 0; i < sizeof pages; i++) {
        if ((pages[i] & 1) == 0) {
            return is_behind_end(archive, at + i * PAGE_BYTES_LEAST);
        }
    }
    return true;
}

/* By reading it, but only what needs no waiting (preadv2(2), RWF_NOWAIT): for files of others. A
 * file system that cannot do that has everything. */
static bool is_readable_block_resident(const struct residency *residency,
                                       const struct archive *archive, uint64_t at)
{
    struct iovec piece = {residency->scratch, BLOCK_BYTES};
    ssize_t got = preadv2(archive->fd, &piece, 1, (off_t)at, RWF_NOWAIT);
    if (got < 0) {
        return errno != EAGAIN;
    }
    return got == BLOCK_BYTES || is_behind_end(archive, at + (uint64_t)got);
}

static bool is_block_resident(const struct residency *residency, const struct archive *archive,
                              uint64_t block)
{
    uint64_t at = block * BLOCK_BYTES;
    bool is_mapped = at + BLOCK_BYTES <= archive->map_bytes;
    return archive->is_residency_told && is_mapped
               ? is_mapped_block_resident(archive, at)
               : is_readable_block_resident(residency, archive, at);
}

/* How many periods ago a block of these may have been found to count as there; -1: not even now. */
static int64_t trusted_periods(const struct residency *residency, const struct archive *archive,
                               uint64_t bytes)
{
    bool is_short = residency->missed_period != 0 &&
                    residency->missed_period + PERIODS_SHORT >= residency->period;
    if (!archive->is_residency_told) {
        return is_short ? PERIODS_SMALL : PERIODS_READ;
    }
    return is_short ? -1 : bytes > LARGE_BYTES ? PERIODS_LARGE : PERIODS_SMALL;
}

uint64_t residency_prefix(struct residency *residency, const struct archive *archive,
                          uint64_t offset, uint64_t bytes)
{
    if (residency->slots == NULL || bytes == 0) {
        return bytes;
    }
    int64_t oldest = residency->period - trusted_periods(residency, archive, bytes);
    uint64_t last = (offset + bytes - 1) / BLOCK_BYTES;
    for (uint64_t block = offset / BLOCK_BYTES; block <= last; block++) {
        uint64_t key = key_of(archive, block);
        uint32_t tag = (uint32_t)(key >> SLOT_BITS);
        struct residency_slot *slot = slot_of(residency, key);
        if (slot->tag == tag && slot->period >= oldest) {
            continue;
        }
        if (!is_block_resident(residency, archive, block)) {
            residency->missed_period = residency->period;
            uint64_t start = block * BLOCK_BYTES;
            return start <= offset ? 0 : start - offset;
        }
        *slot = (struct residency_slot){tag, residency->period};
    }
    return bytes;
}
