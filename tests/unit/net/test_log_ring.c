/* The ring between a worker and the thread that writes: lines in, the same lines out, in order and
 * whole, whatever their lengths and wherever they wrap; what finds no room is counted. */
#include "net/log_ring.h"

#include "common/mem.h"

#include <criterion/criterion.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum { CAPACITY = 256, LINE_BYTES_MAX = 100, THREADED_LINES = 200000 };

static struct log_ring *ring_new(size_t capacity)
{
    struct log_ring *ring = mem_aligned(_Alignof(struct log_ring), sizeof *ring);
    log_ring_init(ring, capacity, eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    return ring;
}

static void ring_free(struct log_ring *ring)
{
    close(ring->wake_fd);
    log_ring_fini(ring);
    free(ring);
}

/* Line `number`: its digits, as many x as follow from it, and its end. */
static struct slice line_of(unsigned number, char buffer[LINE_BYTES_MAX])
{
    int count = snprintf(
        buffer, LINE_BYTES_MAX, "%u %.*s\n", number, (int)(number * 31 % 80),
        "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx");
    return (struct slice){buffer, (size_t)count};
}

static bool is_woken(const struct log_ring *ring)
{
    uint64_t ignored;
    return read(ring->wake_fd, &ignored, sizeof ignored) == (ssize_t)sizeof ignored;
}

/* What is there, up to `most` bytes behind `skip`, as a string. */
static const char *peek(const struct log_ring *ring, size_t skip, size_t most)
{
    static char text[4096];
    struct iovec pieces[2];
    size_t count = log_ring_lines(ring, skip, most, pieces);
    cr_assert(pieces[0].iov_len + pieces[1].iov_len == count && count < sizeof text);
    memcpy(text, pieces[0].iov_base, pieces[0].iov_len);
    memcpy(text + pieces[0].iov_len, pieces[1].iov_base, pieces[1].iov_len);
    text[count] = '\0';
    return text;
}

Test(log_ring, nothing_is_there_before_it_is_published)
{
    struct log_ring *ring = ring_new(CAPACITY);
    cr_assert_str_eq(peek(ring, 0, 1000), "");
    cr_assert(log_ring_put(ring, SLICE("one\n")));
    cr_assert_str_eq(peek(ring, 0, 1000), "");
    log_ring_publish(ring);
    cr_assert_str_eq(peek(ring, 0, 1000), "one\n");
    cr_assert(log_ring_count(ring) == 1);
    log_ring_take(ring, 4);
    cr_assert_str_eq(peek(ring, 0, 1000), "");
    ring_free(ring);
}

Test(log_ring, pieces_are_whole_lines)
{
    static const struct {
        size_t skip, most;
        const char *text;
    } rows[] = {
        {0, 100, "one\ntwo\nthree\n"},
        {0, 14, "one\ntwo\nthree\n"},
        {0, 13, "one\ntwo\n"},
        {0, 8, "one\ntwo\n"},
        {0, 7, "one\n"},
        {0, 4, "one\n"},
        {0, 3, "one"}, /* a line that is longer comes in parts */
        {2, 100, "e\ntwo\nthree\n"},
        {2, 7, "e\ntwo\n"},
        {9, 3, "hre"},
        {14, 100, ""},
    };
    struct log_ring *ring = ring_new(CAPACITY);
    for (size_t shift = 0; shift < CAPACITY; shift++) { /* wherever they lie */
        cr_assert(log_ring_put(ring, SLICE("one\ntwo\nthree\n")));
        log_ring_publish(ring);
        for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
            cr_assert_str_eq(peek(ring, rows[i].skip, rows[i].most), rows[i].text, "row %zu", i);
        }
        cr_assert(log_ring_whole(ring, 14) == 14 && log_ring_whole(ring, 13) == 8 &&
                  log_ring_whole(ring, 3) == 0);
        log_ring_take(ring, 14);
        cr_assert(log_ring_put(ring, SLICE("\n")));
        log_ring_publish(ring);
        log_ring_take(ring, 1);
    }
    ring_free(ring);
}

Test(log_ring, what_finds_no_room_is_lost_alone)
{
    struct log_ring *ring = ring_new(CAPACITY);
    char line[CAPACITY];
    memset(line, 'x', sizeof line);
    line[CAPACITY - 1] = '\n';
    cr_assert(log_ring_put(ring, (struct slice){line, CAPACITY})); /* exactly full */
    cr_assert(!log_ring_put(ring, SLICE("\n")));
    log_ring_publish(ring);
    cr_assert(!log_ring_put(ring, SLICE("\n")));
    cr_assert(atomic_load(&ring->lost) == 2);
    log_ring_take(ring, CAPACITY);
    cr_assert(log_ring_put(ring, SLICE("again\n")));
    log_ring_publish(ring);
    cr_assert_str_eq(peek(ring, 0, 1000), "again\n");
    cr_assert(atomic_load(&ring->lost) == 2);
    ring_free(ring);
}

Test(log_ring, the_consumer_is_woken_when_it_sleeps_or_the_ring_fills)
{
    struct log_ring *ring = ring_new(CAPACITY);
    cr_assert(log_ring_put(ring, SLICE("one\n")));
    log_ring_publish(ring);
    cr_assert(!is_woken(ring)); /* it does not sleep */
    cr_assert(!log_ring_await(ring));
    log_ring_take(ring, 4);
    cr_assert(log_ring_await(ring));
    log_ring_publish(ring); /* there is nothing new */
    cr_assert(!is_woken(ring));
    cr_assert(log_ring_put(ring, SLICE("two\n")));
    log_ring_publish(ring);
    cr_assert(is_woken(ring));
    unsigned calls = 0;
    for (size_t bytes = 4; bytes + 4 <= CAPACITY; bytes += 4) {
        cr_assert(log_ring_put(ring, SLICE("xyz\n")));
        log_ring_publish(ring);
        calls += is_woken(ring);
    }
    cr_assert(calls == 1, "%u", calls);
    log_ring_take(ring, CAPACITY);
    cr_assert(log_ring_put(ring, SLICE("xyz\n")));
    log_ring_publish(ring);
    cr_assert(!is_woken(ring));
    ring_free(ring);
}

/* ---- two threads ---- */

static void *produce(void *argument)
{
    struct log_ring *ring = argument;
    char buffer[LINE_BYTES_MAX];
    for (unsigned i = 0; i < THREADED_LINES; i++) {
        struct slice line = line_of(i, buffer);
        uint64_t lost = atomic_load(&ring->lost);
        while (!log_ring_put(ring, line)) { /* nothing may be missing here */
            log_ring_publish(ring);
            sched_yield();
        }
        atomic_store(&ring->lost, lost);
        if (i % 7 == 0) {
            log_ring_publish(ring);
        }
    }
    log_ring_publish(ring);
    return NULL;
}

/* Sleeps whenever it may: a wake-up that is lost would hang it. */
static void consume(struct log_ring *ring)
{
    char buffer[LINE_BYTES_MAX];
    static char text[CAPACITY * 16];
    unsigned next = 0;
    size_t parts = 0;
    while (next < THREADED_LINES) {
        struct iovec pieces[2];
        size_t count = log_ring_lines(ring, 0, 1 + parts++ % 1000, pieces);
        if (count == 0 && log_ring_await(ring)) {
            struct pollfd wake = {.fd = ring->wake_fd, .events = POLLIN};
            cr_assert(poll(&wake, 1, 60000) == 1);
            (void)is_woken(ring);
        }
        size_t whole = log_ring_whole(ring, count);
        memcpy(text, pieces[0].iov_base, pieces[0].iov_len);
        memcpy(text + pieces[0].iov_len, pieces[1].iov_base, pieces[1].iov_len);
        for (size_t at = 0; at < whole; next++) {
            struct slice line = line_of(next, buffer);
            cr_assert(slice_equal(line, (struct slice){text + at, line.count}), "line %u", next);
            at += line.count;
        }
        log_ring_take(ring, whole);
    }
}

Test(log_ring, every_line_once_and_in_order, .timeout = 120)
{
    struct log_ring *ring = ring_new(CAPACITY * 16);
    pthread_t producer;
    cr_assert(pthread_create(&producer, NULL, produce, ring) == 0);
    consume(ring);
    pthread_join(producer, NULL);
    cr_assert(atomic_load(&ring->lost) == 0);
    ring_free(ring);
}
