/* What a file was at one moment, to the nanosecond. If none of it has changed since the file was
 * read, neither have its bytes (unless it was written within the clock's step:
 * file_state_is_settled says when that can be excluded). */
#ifndef CAIRN_PACKER_FILE_STATE_H
#define CAIRN_PACKER_FILE_STATE_H

#include "common/compiler.h"

#include <stdbool.h>
#include <sys/stat.h>

struct file_state {
    uint64_t device;
    uint64_t inode;
    uint64_t bytes;
    int64_t modified_s;
    int64_t changed_s; /* of the inode: ctime */
    uint32_t modified_ns;
    uint32_t changed_ns;
};

static inline struct file_state file_state_of(const struct stat *status)
{
    return (struct file_state){
        .device = status->st_dev,
        .inode = status->st_ino,
        .bytes = (uint64_t)status->st_size,
        .modified_s = status->st_mtim.tv_sec,
        .changed_s = status->st_ctim.tv_sec,
        .modified_ns = (uint32_t)status->st_mtim.tv_nsec,
        .changed_ns = (uint32_t)status->st_ctim.tv_nsec,
    };
}

static inline bool file_state_equal(const struct file_state *a, const struct file_state *b)
{
    return a->device == b->device && a->inode == b->inode && a->bytes == b->bytes &&
           a->modified_s == b->modified_s && a->modified_ns == b->modified_ns &&
           a->changed_s == b->changed_s && a->changed_ns == b->changed_ns;
}

/* Did the file last change so long before `now_s` (the start of the run that read it) that a later
 * write must show in its times? File systems keep times in steps of up to two seconds (FAT). */
static inline bool file_state_is_settled(const struct file_state *state, int64_t now_s)
{
    int64_t latest = state->modified_s > state->changed_s ? state->modified_s : state->changed_s;
    return latest + 2 < now_s;
}

#endif
