#include "common/wake.h"

#include <errno.h>
#include <stdint.h>
#include <unistd.h>

void wake_eventfd(int fd)
{
    const uint64_t one = 1;
    /* EAGAIN: the counter is full, so it is readable already */
    while (write(fd, &one, sizeof one) < 0 && errno == EINTR) {
    }
}
