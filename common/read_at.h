/* Bytes of a file at an offset, all of them: the system may give fewer at once, or be interrupted
 * (read(2)). Any thread. */
#ifndef CAIRN_COMMON_READ_AT_H
#define CAIRN_COMMON_READ_AT_H

#include "common/compiler.h"

#include <sys/types.h>

/* Reads `count` bytes, or as many as there are before the file's end. Returns how many, or -errno.
 */
ssize_t read_at(int fd, void *out_bytes, size_t count, uint64_t offset) CAIRN_MUST_CHECK;

#endif
