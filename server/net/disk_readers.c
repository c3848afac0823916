#include "net/disk_readers.h"

#include "common/mem.h"
#include "common/wake.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

enum { READ_PIECE_BYTES = 65536, STACK_BYTES = 256 * 1024, NICE_LAST = 19 };

struct disk_readers {
    pthread_mutex_t mutex; /* of the queue */
    pthread_cond_t is_wanted;
    struct disk_read *oldest;
    struct disk_read *newest;
    bool is_over;
    size_t capacity;
    size_t count; /* that were started */
    pthread_t threads[];
};

/* What cannot be read is no matter here: who sends it finds out, and says so. */
static void read_through(const struct disk_read *read, char *piece)
{
    int fd = read->site->archive->fd;
    uint64_t end = read->offset + read->bytes;
    (void)posix_fadvise(fd, (off_t)read->offset, (off_t)read->bytes, POSIX_FADV_WILLNEED);
    for (uint64_t at = read->offset; at < end;) {
        uint64_t left = end - at;
        ssize_t got =
            pread(fd, piece, left < READ_PIECE_BYTES ? left : READ_PIECE_BYTES, (off_t)at);
        if (got <= 0 && !(got < 0 && errno == EINTR)) {
            return;
        }
        at += got > 0 ? (uint64_t)got : 0;
    }
    if (read->ahead_bytes > 0) {
        (void)posix_fadvise(fd, (off_t)end, (off_t)read->ahead_bytes, POSIX_FADV_WILLNEED);
    }
}

static void deliver(struct disk_read *read)
{
    struct disk_mailbox *home = read->home;
    read->next = atomic_load_explicit(&home->done, memory_order_relaxed);
    while (!atomic_compare_exchange_weak_explicit(&home->done, &read->next, read,
                                                  memory_order_release, memory_order_relaxed)) {
    }
    wake_eventfd(home->wake_fd);
}

/* The mutex is the caller's. */
static void unlink_read(struct disk_readers *readers, struct disk_read *read)
{
    *(read->previous == NULL ? &readers->oldest : &read->previous->next) = read->next;
    *(read->next == NULL ? &readers->newest : &read->next->previous) = read->previous;
    read->is_queued = false;
}

/* The next one to be read; NULL: there are no more to come. */
static struct disk_read *take(struct disk_readers *readers)
{
    pthread_mutex_lock(&readers->mutex);
    while (readers->oldest == NULL && !readers->is_over) {
        pthread_cond_wait(&readers->is_wanted, &readers->mutex);
    }
    struct disk_read *read = readers->is_over ? NULL : readers->oldest;
    if (read != NULL) {
        unlink_read(readers, read);
    }
    pthread_mutex_unlock(&readers->mutex);
    return read;
}

static void *run(void *argument)
{
    struct disk_readers *readers = argument;
    char *piece = mem_zeroed(READ_PIECE_BYTES, 1);
    struct disk_read *read;
    while ((read = take(readers)) != NULL) {
        read_through(read, piece);
        deliver(read);
    }
    free(piece);
    return NULL;
}

struct disk_readers *disk_readers_new(size_t count)
{
    struct disk_readers *readers =
        mem_aligned(64, sizeof *readers + count * sizeof(pthread_t)); /* a line of its own */
    pthread_mutex_init(&readers->mutex, NULL);
    pthread_cond_init(&readers->is_wanted, NULL);
    readers->capacity = count;
    return readers;
}

int disk_readers_start(struct disk_readers *readers, const struct sock_fprog *filter,
                       struct error *error)
{
    /* A disk that is faster than the processor must not take it from the workers. */
    const struct thread_plan plan = {.run = run,
                                     .argument = readers,
                                     .filter = filter,
                                     .stack_bytes = STACK_BYTES,
                                     .nice = NICE_LAST};
    int status = 0;
    for (size_t i = 0; i < readers->capacity && status == 0; i++) {
        status = thread_start(&plan, &readers->threads[i], error);
        readers->count += status == 0;
    }
    return status;
}

void disk_readers_stop(struct disk_readers *readers)
{
    if (readers == NULL) {
        return;
    }
    pthread_mutex_lock(&readers->mutex);
    readers->is_over = true;
    pthread_cond_broadcast(&readers->is_wanted);
    pthread_mutex_unlock(&readers->mutex);
    for (size_t i = 0; i < readers->count; i++) {
        pthread_join(readers->threads[i], NULL);
    }
    readers->count = 0;
    while (readers->oldest != NULL) {
        struct disk_read *read = readers->oldest;
        unlink_read(readers, read);
        deliver(read);
    }
}

void disk_readers_free(struct disk_readers *readers)
{
    if (readers == NULL) {
        return;
    }
    pthread_mutex_destroy(&readers->mutex);
    pthread_cond_destroy(&readers->is_wanted);
    free(readers);
}

void disk_readers_submit(struct disk_readers *readers, struct disk_read *read)
{
    read->readers = readers;
    read->next = NULL;
    read->is_queued = true;
    pthread_mutex_lock(&readers->mutex);
    read->previous = readers->newest;
    *(readers->newest == NULL ? &readers->oldest : &readers->newest->next) = read;
    readers->newest = read;
    pthread_cond_signal(&readers->is_wanted);
    pthread_mutex_unlock(&readers->mutex);
}

void disk_read_abandon(struct disk_read *read)
{
    struct disk_readers *readers = read->readers;
    read->conn = NULL;
    pthread_mutex_lock(&readers->mutex);
    bool is_queued = read->is_queued;
    if (is_queued) {
        unlink_read(readers, read);
    }
    pthread_mutex_unlock(&readers->mutex);
    if (is_queued) {
        disk_read_free(read);
    }
}

struct disk_read *disk_mailbox_take(struct disk_mailbox *mailbox)
{
    if (atomic_load_explicit(&mailbox->done, memory_order_relaxed) == NULL) {
        return NULL;
    }
    return atomic_exchange_explicit(&mailbox->done, NULL, memory_order_acquire);
}

void disk_mailbox_drop(struct disk_mailbox *mailbox)
{
    struct disk_read *read = disk_mailbox_take(mailbox);
    while (read != NULL) {
        struct disk_read *next = read->next;
        disk_read_free(read);
        read = next;
    }
}

void disk_read_free(struct disk_read *read)
{
    site_unref(read->site);
    free(read);
}
