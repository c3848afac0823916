/* What the system knows of this process: the numbers that client libraries of Prometheus give for
 * every program. Some are files in /proc, which are opened before the sandbox closes it; a
 * successor (USR2) is in the sandbox from its first moment and has to do without those. */
#ifndef CAIRN_SERVER_PROCESS_NUMBERS_H
#define CAIRN_SERVER_PROCESS_NUMBERS_H

#include "common/compiler.h"

#include <stdbool.h>

struct process_files {
    int statm_fd; /* -1: not to be had */
    int fds_fd;   /* the same */
};

void process_files_open(struct process_files *files);
void process_files_close(struct process_files *files);

struct process_numbers {
    uint64_t cpu_us; /* of all threads, in user and kernel mode */
    bool has_memory;
    uint64_t virtual_bytes;
    uint64_t resident_bytes;
    bool has_open_fds;
    uint64_t open_fds;
    bool has_max_fds;
    uint64_t max_fds; /* UINT64_MAX: no limit */
};

/* Asks the system. One thread: the descriptors have a position. */
struct process_numbers process_numbers_take(const struct process_files *files);

#endif
