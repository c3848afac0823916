#include "server/metrics/process_numbers.h"

#include "common/read_at.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

void process_files_open(struct process_files *files)
{
    files->statm_fd = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
    files->fds_fd = open("/proc/self/fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

static void close_file(int *fd)
{
    if (*fd >= 0) {
        close(*fd);
        *fd = -1;
    }
}

void process_files_close(struct process_files *files)
{
    close_file(&files->statm_fd);
    close_file(&files->fds_fd);
}

static void take_memory(const struct process_files *files, struct process_numbers *numbers)
{
    char text[128] = "";
    char *behind_pages, *behind_resident;
    if (files->statm_fd < 0 || read_at(files->statm_fd, text, sizeof text - 1, 0) <= 0) {
        return;
    }
    uint64_t pages = strtoull(text, &behind_pages, 10);
    uint64_t resident = strtoull(behind_pages, &behind_resident, 10);
    if (behind_pages == text || behind_resident == behind_pages) {
        return;
    }
    uint64_t page_bytes = (uint64_t)sysconf(_SC_PAGESIZE);
    numbers->has_memory = true;
    numbers->virtual_bytes = pages * page_bytes;
    numbers->resident_bytes = resident * page_bytes;
}

/* Counts the entries of /proc/self/fd without names and without opening anything: opendir() would
 * need a descriptor of its own, from a path that the sandbox closes. */
static void take_open_fds(const struct process_files *files, struct process_numbers *numbers)
{
    _Alignas(struct dirent64) char entries[16384];
    uint64_t count = 0;
    ssize_t got;
    if (files->fds_fd < 0 || lseek(files->fds_fd, 0, SEEK_SET) != 0) {
        return;
    }
    while ((got = getdents64(files->fds_fd, entries, sizeof entries)) > 0) {
        for (ssize_t at = 0; at < got; count++) {
            at += ((const struct dirent64 *)(const void *)(entries + at))->d_reclen;
        }
    }
    numbers->has_open_fds = got == 0 && count >= 2;
    numbers->open_fds = count - 2; /* "." and ".." */
}

static uint64_t microseconds(struct timeval time)
{
    return (uint64_t)time.tv_sec * 1000000 + (uint64_t)time.tv_usec;
}

struct process_numbers process_numbers_take(const struct process_files *files)
{
    struct process_numbers numbers = {0};
    struct rusage usage;
    struct rlimit limit;
    if (getrusage(RUSAGE_SELF, &usage) == 0) {
        numbers.cpu_us = microseconds(usage.ru_utime) + microseconds(usage.ru_stime);
    }
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        numbers.has_max_fds = true;
        numbers.max_fds = limit.rlim_cur == RLIM_INFINITY ? UINT64_MAX : limit.rlim_cur;
    }
    take_memory(files, &numbers);
    take_open_fds(files, &numbers);
    return numbers;
}
