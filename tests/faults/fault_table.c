#include "fault_table.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

_Static_assert(sizeof(struct row) == 88, "faults.py unpacks it");

long __real_syscall(long number, ...); /* the library's, past wrap.c */

static struct row *rows;
static size_t row_count;

_Noreturn void give_up(const char *what)
{
    dprintf(STDERR_FILENO, "faults: %s\n", what);
    _exit(99);
}

/* A successor is born into the sandbox of its predecessor and can open no table: it inherits this
 * descriptor, out of the way of those that the program opens. */
static const char inherited[] = "CAIRN_FAULTS_FD";

enum { INHERITED_FD_MIN = 200 };

static int open_table(const char *path)
{
    const char *number = getenv(inherited);
    if (number != NULL) {
        return atoi(number);
    }
    int opened = (int)__real_syscall(SYS_openat, AT_FDCWD, path, O_RDWR | O_CLOEXEC);
    if (opened < 0) {
        give_up("CAIRN_FAULTS: no table there");
    }
    int fd = (int)__real_syscall(SYS_fcntl, opened, F_DUPFD, INHERITED_FD_MIN);
    char text[16];
    snprintf(text, sizeof text, "%d", fd);
    if (fd < 0 || setenv(inherited, text, 1) != 0) {
        give_up("CAIRN_FAULTS: its descriptor cannot be passed on");
    }
    __real_syscall(SYS_close, opened);
    return fd;
}

/* By bare system calls: the functions are the ones that are wrapped. */
__attribute__((constructor)) static void map_rows(void)
{
    const char *path = getenv("CAIRN_FAULTS");
    if (path == NULL) {
        return;
    }
    int fd = open_table(path);
    off_t bytes = (off_t)__real_syscall(SYS_lseek, fd, 0, SEEK_END);
    long map = bytes <= 0 ? -1
                          : __real_syscall(SYS_mmap, NULL, (size_t)bytes, PROT_READ | PROT_WRITE,
                                           MAP_SHARED, fd, (off_t)0);
    if (map == -1) {
        give_up("CAIRN_FAULTS: cannot be mapped");
    }
    rows = (struct row *)map;
    row_count = (size_t)bytes / sizeof *rows;
}

static struct row *row_of(struct call *call)
{
    struct row *row = atomic_load_explicit(&call->row, memory_order_relaxed);
    for (size_t i = 0; row == NULL && i < row_count; i++) {
        if (strncmp(rows[i].name, call->name, sizeof rows[i].name) == 0) {
            row = &rows[i];
        }
    }
    if (row == NULL) {
        give_up("CAIRN_FAULTS: a function has no row");
    }
    atomic_store_explicit(&call->row, row, memory_order_relaxed);
    return row;
}

const struct row *take_fault(struct call *call)
{
    if (rows == NULL) {
        return NULL;
    }
    struct row *row = row_of(call);
    unsigned long long number = atomic_fetch_add(&row->calls, 1) + 1;
    unsigned long long from = atomic_load(&row->from);
    if (from == 0 || number < from || number - from >= atomic_load(&row->count)) {
        return NULL;
    }
    atomic_fetch_add(&row->failed, 1);
    return row;
}

bool fails(struct call *call)
{
    const struct row *row = take_fault(call);
    if (row != NULL) {
        errno = (int)row->number;
    }
    return row != NULL;
}

int error_of(struct call *call)
{
    const struct row *row = take_fault(call);
    return row == NULL ? 0 : (int)row->number;
}

bool fails_or_is_short(struct call *call, size_t *count)
{
    const struct row *row = take_fault(call);
    if (row == NULL) {
        return false;
    }
    if (row->number != 0) {
        errno = (int)row->number;
        return true;
    }
    *count = *count < row->bytes ? *count : (size_t)row->bytes;
    return false;
}
