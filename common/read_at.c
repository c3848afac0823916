#include "common/read_at.h"

#include <errno.h>
#include <unistd.h>

ssize_t read_at(int fd, void *out_bytes, size_t count, uint64_t offset)
{
    uint8_t *at = out_bytes;
    size_t done = 0;
    while (done < count) {
        ssize_t got = pread(fd, at + done, count - done, (off_t)(offset + done));
        if (got == 0) {
            break;
        }
        if (got < 0 && errno != EINTR) {
            return -errno;
        }
        done += got > 0 ? (size_t)got : 0;
    }
    return (ssize_t)done;
}
