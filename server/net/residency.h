/* Which blocks of archives are in the page cache, as far as one worker knows: a block that was
 * found there lately, 64 ms to 4 s ago by its size and by what asking costs, is taken to be there
 * still. Where blocks were missed in the last second, memory may be short, and what was found
 * counts for nothing: the system throws away first what was just read. What is asked too little is
 * only slower, never wrong. One per worker, one thread. */
#ifndef CAIRN_NET_RESIDENCY_H
#define CAIRN_NET_RESIDENCY_H

#include "common/archive.h"

enum { RESIDENCY_BLOCK_BYTES = 65536 }; /* below what the system reads ahead by itself */

struct residency_slot {
    uint32_t tag;    /* which block of which archive */
    uint32_t period; /* in which it was there; 0: never */
};

struct residency {
    struct residency_slot *slots; /* a direct-mapped table; NULL: everything is taken to be there */
    char *scratch;                /* a block, read to be thrown away */
    uint32_t period;              /* now */
    uint32_t missed_period;       /* in which a block was not there, last; 0: never */
};

/* False, and everything is taken to be there, if there is no memory for it. */
bool residency_init(struct residency *residency);
void residency_fini(struct residency *residency);

/* Once a turn: the monotonic clock, in milliseconds. */
void residency_set_time(struct residency *residency, int64_t now_ms);

/* How many of `bytes` bytes from `offset` can be read without waiting for a disk; not more than
 * that the first block behind them is absent. Bytes that are not in the file count as there: who
 * sends them finds out. */
uint64_t residency_prefix(struct residency *residency, const struct archive *archive,
                          uint64_t offset, uint64_t bytes);

#endif
