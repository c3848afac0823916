/* The thread that writes the access log: no worker's lines wait for another's, however many come,
 * and neither does a new file. */
#include "net/log_writer.h"

#include "scratch.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <sched.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { RING_BYTES = 256 * 1024, LINE_BYTES = 1024, PIPE_BYTES = 64 * 1024 };

TestSuite(log_writer, .init = scratch_enter, .fini = scratch_leave);

/* A line that begins with a letter. */
static struct slice line_of(char letter)
{
    static char line[LINE_BYTES];
    memset(line, letter, sizeof line - 1);
    line[sizeof line - 1] = '\n';
    return (struct slice){line, sizeof line};
}

static void fill(struct log_ring *ring, char letter, size_t lines)
{
    for (size_t i = 0; i < lines; i++) {
        cr_assert(log_ring_put(ring, line_of(letter)));
    }
    log_ring_publish(ring);
}

/* Reads a line, which comes whole. */
static char read_line(int fd)
{
    char line[LINE_BYTES];
    size_t count = 0;
    while (count < sizeof line) {
        ssize_t got = read(fd, line + count, sizeof line - count);
        cr_assert(got > 0, "the log ended");
        count += (size_t)got;
    }
    cr_assert(line[LINE_BYTES - 1] == '\n' && line[1] == line[0]);
    return line[0];
}

/* A ring that gets a line for each that is read is never empty. */
Test(log_writer, a_busy_ring_does_not_keep_the_others_waiting)
{
    struct error error = {""};
    int ends[2];
    cr_assert(pipe2(ends, O_CLOEXEC) == 0);
    cr_assert(fcntl(ends[1], F_SETPIPE_SZ, PIPE_BYTES) > 0 &&
              fcntl(ends[1], F_SETFL, O_NONBLOCK) == 0);
    struct log_writer *writer = log_writer_new(ends[1], "pipe");
    struct log_ring *busy = log_writer_add(writer, RING_BYTES);
    struct log_ring *quiet = log_writer_add(writer, RING_BYTES);
    fill(busy, 'b', RING_BYTES / LINE_BYTES);
    fill(quiet, 'q', 1);
    cr_assert(log_writer_start(writer, NULL, &error) == 0, "%s", error.text);
    size_t lines = 0;
    while (read_line(ends[0]) != 'q') {
        cr_assert(++lines < 8 * RING_BYTES / LINE_BYTES, "the quiet one's line never comes");
        if (lines > PIPE_BYTES / LINE_BYTES) { /* and so as many were taken */
            fill(busy, 'b', 1);
        }
    }
    close(ends[0]);
    log_writer_free(writer);
}

/* In the place of the system's, for what writes the log: as many lines come as it takes. */
static _Atomic(struct log_ring *) refilled;
static atomic_uint refills;

ssize_t writev(int fd, const struct iovec *pieces, int count)
{
    ssize_t written = syscall(SYS_writev, fd, pieces, count);
    struct log_ring *ring = atomic_load(&refilled);
    if (ring != NULL && written > 0) {
        fill(ring, 'b', (size_t)written / LINE_BYTES);
        atomic_fetch_add(&refills, 1);
    }
    return written;
}

Test(log_writer, a_busy_ring_does_not_keep_a_new_file_waiting)
{
    struct error error = {""};
    int fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
    int next = open("new.log", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    cr_assert(fd >= 0 && next >= 0);
    struct log_writer *writer = log_writer_new(fd, "log");
    struct log_ring *busy = log_writer_add(writer, RING_BYTES);
    fill(busy, 'b', RING_BYTES / LINE_BYTES / 2);
    atomic_store(&refilled, busy);
    cr_assert(log_writer_start(writer, NULL, &error) == 0, "%s", error.text);
    while (atomic_load(&refills) == 0) {
        sched_yield();
    }
    cr_assert(log_writer_reopen(writer, next) == 0);
    cr_assert_eq(log_writer_fd(writer), next);
    atomic_store(&refilled, NULL);
    log_writer_free(writer);
    cr_assert(scratch_length("new.log") > 0);
}
