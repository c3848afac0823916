#include "net/log_writer.h"

#include "common/clock.h"
#include "common/mem.h"
#include "common/wake.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    STACK_BYTES = 256 * 1024,
    FILE_BYTES = 256 * 1024, /* of one write to a file */
    GATHER_MS = 50,          /* between two batches, while lines come */
    RETRY_MS = 500,          /* until a log that failed is tried again */
    SAY_MS = 60000,          /* between two messages of the same kind */
};

/* On cache lines of its own: what lies beside it is a worker's. */
struct log_writer {
    _Alignas(64) char *name;
    struct log_ring **rings;
    size_t ring_count;
    int wake_fd; /* wakes the thread */
    int told_fd; /* the thread has done what it was asked for */
    atomic_int fd;
    atomic_int next_fd; /* to go on with */
    atomic_bool is_over;
    atomic_bool has_ended;
    bool is_started;
    pthread_t thread;
    /* the thread's */
    bool is_file;          /* writing it does not depend on a reader */
    size_t next_ring;      /* whose turn it is */
    bool has_more;         /* some ring has lines that its turn was over for */
    struct log_ring *torn; /* a part of its first line is out; NULL: all lines are whole */
    size_t torn_bytes;
    int trouble; /* errno of what it cannot write for; 0: it can */
    bool has_said_trouble;
    bool has_said;
    int64_t said_ms;
    uint64_t lost_said;
};

/* In the place of the next descriptor. */
enum { FD_NONE = -1, FD_CHANGING = -2 };

enum outcome {
    WROTE_NOTHING, /* there was nothing */
    WROTE_ALL,
    WROTE_BLOCKED, /* the reader has to read first */
    WROTE_FAILED,  /* errno in `trouble` */
};

/* ---- what is said of it ---- */

/* Is there room, so that a write of up to PIPE_BUF bytes does not block? An error counts as room:
 * the write tells which. */
static bool is_writable(int fd)
{
    struct pollfd poll_fd = {.fd = fd, .events = POLLOUT};
    return poll(&poll_fd, 1, 0) > 0;
}

/* A line on standard error, unless nobody reads that. */
static void say(const struct log_writer *writer, const char *format, ...) CAIRN_PRINTF(2, 3);
static void say(const struct log_writer *writer, const char *format, ...)
{
    char text[PIPE_BUF];
    va_list arguments;
    int count = snprintf(text, sizeof text, "cairn-serve: access log: %.1024s: ", writer->name);
    va_start(arguments, format);
    count += vsnprintf(text + count, sizeof text - (size_t)count, format, arguments);
    va_end(arguments);
    if (count < (int)sizeof text && is_writable(STDERR_FILENO)) {
        (void)!write(STDERR_FILENO, text, (size_t)count);
    }
}

static uint64_t lost_lines(const struct log_writer *writer)
{
    uint64_t lost = 0;
    for (size_t i = 0; i < writer->ring_count; i++) {
        lost += atomic_load_explicit(&writer->rings[i]->lost, memory_order_relaxed);
    }
    return lost;
}

static const char *advice(int number)
{
    switch (number) {
    case ENOSPC:
    case EDQUOT:
        return "make room on its file system";
    case EFBIG:
        return "rotate it, and say `reopen logs`";
    case EPIPE:
        return "start its reader again";
    case EAGAIN:
        return "let its reader read";
    default:
        return "put it right, and say `reopen logs`";
    }
}

static bool may_say(struct log_writer *writer)
{
    int64_t now = monotonic_ms();
    bool may = !writer->has_said || now - writer->said_ms >= SAY_MS;
    if (may) {
        writer->has_said = true;
        writer->said_ms = now;
    }
    return may;
}

/* The log cannot be written. What comes and goes is said once a minute. */
static void begin_trouble(struct log_writer *writer, int number)
{
    if (writer->trouble == 0) {
        writer->trouble = number;
        writer->has_said_trouble = may_say(writer);
        if (writer->has_said_trouble) {
            say(writer,
                "%s; %s. Requests go on; lines wait, and are lost when there are too many\n",
                number == EAGAIN ? "nobody reads it" : strerror(number), advice(number));
        }
    }
}

static void end_trouble(struct log_writer *writer)
{
    uint64_t lost = lost_lines(writer);
    if (writer->has_said_trouble) {
        say(writer, "written again; %" PRIu64 " lines were lost (%s)\n", lost - writer->lost_said,
            writer->trouble == EAGAIN ? "nobody read it" : strerror(writer->trouble));
        writer->lost_said = lost;
    } else if (lost > writer->lost_said && may_say(writer)) {
        say(writer,
            "%" PRIu64 " lines were lost, because more came than it takes; --limit "
            "log-buffer=SIZE keeps more\n",
            lost - writer->lost_said);
        writer->lost_said = lost;
    }
    writer->trouble = 0;
    writer->has_said_trouble = false;
}

/* ---- writing ---- */

/* `written` bytes more of the ring are out; of the last line, there may be a part. */
static void note_written(struct log_writer *writer, struct log_ring *ring, size_t written)
{
    size_t out = writer->torn_bytes + written;
    size_t whole = log_ring_whole(ring, out);
    log_ring_take(ring, whole);
    writer->torn_bytes = out - whole;
    writer->torn = out > whole ? ring : NULL;
}

/* What is in the ring, but no more than it holds at a time: a worker that adds lines as fast as
 * they are written keeps neither the others' waiting nor a new file. A pipe takes lines whole, so
 * that those of several processes do not mix (PIPE_BUF). */
static enum outcome write_ring(struct log_writer *writer, struct log_ring *ring)
{
    int fd = atomic_load_explicit(&writer->fd, memory_order_relaxed);
    struct iovec pieces[2];
    enum outcome outcome = WROTE_NOTHING;
    size_t most = writer->is_file ? FILE_BYTES : PIPE_BUF;
    size_t bytes = 0;
    while (log_ring_lines(ring, writer->torn_bytes, most, pieces) > 0) {
        if (bytes >= ring->capacity && writer->torn == NULL) {
            writer->has_more = true;
            break;
        }
        if (!writer->is_file && !is_writable(fd)) {
            return WROTE_BLOCKED;
        }
        ssize_t written = writev(fd, pieces, pieces[1].iov_len > 0 ? 2 : 1);
        if (written < 0 && errno == EINTR) {
            continue;
        }
        if (written < 0 && errno == EAGAIN) {
            return WROTE_BLOCKED;
        }
        if (written <= 0) {
            begin_trouble(writer, written < 0 ? errno : EIO);
            return WROTE_FAILED;
        }
        note_written(writer, ring, (size_t)written);
        bytes += (size_t)written;
        outcome = WROTE_ALL;
    }
    return outcome;
}

/* A line that was begun is written to its end before others. Where the reader makes it stop, the
 * next ring is the first one then. */
static enum outcome write_rings(struct log_writer *writer)
{
    enum outcome outcome = WROTE_NOTHING;
    writer->has_more = false;
    if (writer->torn != NULL) {
        outcome = write_ring(writer, writer->torn);
    }
    for (size_t i = 0; i < writer->ring_count && outcome <= WROTE_ALL; i++) {
        enum outcome one = write_ring(writer, writer->rings[writer->next_ring]);
        writer->next_ring = (writer->next_ring + 1) % writer->ring_count;
        outcome = one == WROTE_NOTHING ? outcome : one;
    }
    if (outcome == WROTE_ALL) {
        end_trouble(writer);
    } else if (outcome == WROTE_BLOCKED && lost_lines(writer) > writer->lost_said) {
        begin_trouble(writer, EAGAIN);
    }
    return outcome;
}

/* ---- the thread ---- */

static void set_fd(struct log_writer *writer, int fd)
{
    struct stat status;
    atomic_store(&writer->fd, fd);
    writer->is_file = fstat(fd, &status) == 0 && S_ISREG(status.st_mode);
}

/* A line that is half in the old file is written anew: it is whole in one of them. */
static void take_next_fd(struct log_writer *writer)
{
    int next = atomic_load(&writer->next_fd);
    if (next >= 0 && atomic_compare_exchange_strong(&writer->next_fd, &next, FD_CHANGING)) {
        close(atomic_load(&writer->fd));
        set_fd(writer, next);
        writer->torn = NULL;
        writer->torn_bytes = 0;
        atomic_store(&writer->next_fd, FD_NONE);
        wake_eventfd(writer->told_fd);
    }
}

/* Until it is woken, or the time is up (-1: never), or the log has room. */
static void wait(struct log_writer *writer, int ms, bool for_room)
{
    struct pollfd fds[2] = {{.fd = writer->wake_fd, .events = POLLIN},
                            {.fd = for_room ? atomic_load(&writer->fd) : -1, .events = POLLOUT}};
    uint64_t ignored;
    if (poll(fds, 2, ms) > 0 && fds[0].revents != 0) {
        (void)!read(writer->wake_fd, &ignored, sizeof ignored);
    }
}

static bool await_rings(struct log_writer *writer)
{
    bool is_empty = true;
    for (size_t i = 0; i < writer->ring_count; i++) {
        is_empty &= log_ring_await(writer->rings[i]);
    }
    return is_empty;
}

static void write_turn(struct log_writer *writer)
{
    take_next_fd(writer);
    switch (write_rings(writer)) {
    case WROTE_NOTHING:
        if (await_rings(writer)) {
            wait(writer, -1, false);
        }
        break;
    case WROTE_ALL:
        if (!writer->has_more) {
            wait(writer, GATHER_MS, false);
        }
        break;
    case WROTE_BLOCKED:
        wait(writer, RETRY_MS, true);
        break;
    case WROTE_FAILED:
        wait(writer, RETRY_MS, false);
        break;
    }
}

/* Nobody adds lines any more. A reader gets time to read; what has failed is not tried for long. */
static void write_last(struct log_writer *writer)
{
    int64_t until_ms = monotonic_ms() + LOG_END_MS / 2;
    enum outcome outcome;
    while ((outcome = write_rings(writer)) != WROTE_NOTHING && outcome != WROTE_FAILED) {
        int64_t left_ms = until_ms - monotonic_ms();
        if (left_ms <= 0) {
            break;
        }
        if (outcome == WROTE_BLOCKED) {
            wait(writer, (int)left_ms, true);
        }
    }
    uint64_t left = 0;
    for (size_t i = 0; i < writer->ring_count; i++) {
        left += log_ring_count(writer->rings[i]);
    }
    uint64_t lost = lost_lines(writer) - writer->lost_said + left;
    if (lost > 0) {
        say(writer, "%" PRIu64 " lines were lost (%s)\n", lost,
            outcome == WROTE_FAILED ? strerror(writer->trouble) : "it did not take them in time");
    }
}

static void *run(void *argument)
{
    struct log_writer *writer = argument;
    while (!atomic_load(&writer->is_over)) {
        write_turn(writer);
    }
    write_last(writer);
    atomic_store(&writer->has_ended, true);
    wake_eventfd(writer->told_fd);
    return NULL;
}

/* ---- from outside ---- */

struct log_writer *log_writer_new(int fd, const char *name)
{
    struct log_writer *writer = mem_aligned(_Alignof(struct log_writer), sizeof *writer);
    writer->name = mem_string(name, strlen(name));
    atomic_init(&writer->next_fd, FD_NONE);
    writer->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    writer->told_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    set_fd(writer, fd);
    if (writer->wake_fd < 0 || writer->told_fd < 0) {
        int number = errno;
        log_writer_free(writer);
        errno = number;
        return NULL;
    }
    return writer;
}

struct log_ring *log_writer_add(struct log_writer *writer, size_t bytes)
{
    struct log_ring *ring = mem_aligned(_Alignof(struct log_ring), sizeof *ring);
    log_ring_init(ring, bytes, writer->wake_fd);
    writer->rings = mem_resize(writer->rings, writer->ring_count + 1, sizeof(struct log_ring *));
    writer->rings[writer->ring_count++] = ring;
    return ring;
}

int log_writer_start(struct log_writer *writer, const struct sock_fprog *filter,
                     struct error *error)
{
    const struct thread_plan plan = {
        .run = run, .argument = writer, .filter = filter, .stack_bytes = STACK_BYTES};
    int status = thread_start(&plan, &writer->thread, error);
    writer->is_started = status == 0;
    return status;
}

/* Until the thread tells something, or the time is up. */
static void wait_for_thread(struct log_writer *writer, int64_t until_ms)
{
    int64_t left_ms = until_ms - monotonic_ms();
    struct pollfd told = {.fd = writer->told_fd, .events = POLLIN};
    uint64_t ignored;
    if (poll(&told, 1, left_ms > 0 ? (int)left_ms : 0) > 0) {
        (void)!read(writer->told_fd, &ignored, sizeof ignored);
    }
}

int log_writer_reopen(struct log_writer *writer, int fd)
{
    int64_t until_ms = monotonic_ms() + LOG_REOPEN_MS;
    atomic_store(&writer->next_fd, fd);
    wake_eventfd(writer->wake_fd);
    while (atomic_load(&writer->next_fd) != FD_NONE) {
        wait_for_thread(writer, until_ms);
        int expected = fd;
        if (monotonic_ms() >= until_ms &&
            atomic_compare_exchange_strong(&writer->next_fd, &expected, FD_NONE)) {
            close(fd);
            return -ETIMEDOUT;
        }
    }
    return 0;
}

int log_writer_fd(const struct log_writer *writer)
{
    return atomic_load(&writer->fd);
}

void log_writer_free(struct log_writer *writer)
{
    if (writer == NULL) {
        return;
    }
    int64_t until_ms = monotonic_ms() + LOG_END_MS;
    atomic_store(&writer->is_over, true);
    while (writer->is_started && !atomic_load(&writer->has_ended) && monotonic_ms() < until_ms) {
        wake_eventfd(writer->wake_fd);
        wait_for_thread(writer, until_ms);
    }
    if (writer->is_started && !atomic_load(&writer->has_ended)) {
        pthread_detach(writer->thread); /* it hangs in a write; the process ends without it */
        return;
    }
    if (writer->is_started) {
        pthread_join(writer->thread, NULL);
    }
    for (size_t i = 0; i < writer->ring_count; i++) {
        log_ring_fini(writer->rings[i]);
        free(writer->rings[i]);
    }
    free(writer->rings);
    free(writer->name);
    close(atomic_load(&writer->fd));
    close(writer->wake_fd);
    close(writer->told_fd);
    free(writer);
}
