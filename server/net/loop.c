#include "net/loop.h"

#include "common/clock.h"
#include "common/counter.h"
#include "common/mem.h"
#include "common/wake.h"
#include "net/h1_session.h"
#include "net/limit_hit.h"
#include "net/listener.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { EVENTS_PER_TURN = 256 };

struct listener_source {
    uint8_t kind; /* SOURCE_LISTENER */
    int fd;
};

struct loop {
    int epoll_fd;
    int wake_fd;
    uint8_t wake_source;
    struct listener_source *listeners;
    size_t listener_count;
    struct publication *publication;
    struct subscriber subscriber;
    int64_t
        accept_after_ms; /* nothing can be accepted: listeners rest until then; 0: they do not */
    /* what others write or read, apart from what the worker writes all the time */
    _Alignas(64) atomic_bool is_draining;
    atomic_bool is_stopped;
    atomic_int shortage;
    int news_fd;
    _Alignas(64) struct turn turn;
};

/* ---- accepting ---- */

static bool watch_listeners(struct loop *loop, uint32_t events)
{
    bool is_done = true;
    for (size_t i = 0; i < loop->listener_count; i++) {
        struct epoll_event event = {.events = events, .data.ptr = &loop->listeners[i]};
        if (loop->listeners[i].fd >= 0 &&
            epoll_ctl(loop->epoll_fd, EPOLL_CTL_MOD, loop->listeners[i].fd, &event) != 0) {
            is_done = false;
        }
    }
    return is_done;
}

/* Nothing to shed: a listener that is ready but cannot be served would make the loop spin. */
static void rest_listeners(struct loop *loop)
{
    (void)watch_listeners(loop, 0); /* one that is still watched is put to rest again */
    loop->accept_after_ms = loop->turn.conns.now_ms + ACCEPT_REST_MS;
    counter_add(&loop->turn.counters.rests, 1);
}

/* The main thread says so. */
static void note_shortage(struct loop *loop, int what)
{
    counter_add(&loop->turn.counters.shortages, 1);
    if (atomic_load_explicit(&loop->shortage, memory_order_relaxed) == SHORTAGE_NONE) {
        atomic_store_explicit(&loop->shortage, what, memory_order_relaxed);
        wake_eventfd(loop->news_fd);
    }
}

/* Gives one connection up, if there is one to give up, for another. */
static bool shed(struct turn *turn)
{
    bool is_done = conn_shed(&turn->conns);
    counter_add(&turn->counters.shed, is_done);
    return is_done;
}

static void wake_listeners(struct loop *loop)
{
    if (loop->accept_after_ms != 0 && loop->turn.conns.now_ms >= loop->accept_after_ms) {
        bool is_done = watch_listeners(loop, EPOLLIN);
        loop->accept_after_ms = is_done ? 0 : loop->turn.conns.now_ms + ACCEPT_REST_MS;
    }
}

static struct ip_address peer_address(const struct sockaddr_storage *peer)
{
    struct ip_address address = {0};
    if (peer->ss_family == AF_INET) {
        const struct sockaddr_in *in = (const void *)peer;
        memset(address.bytes + 10, 0xff, 2);
        memcpy(address.bytes + 12, &in->sin_addr, 4);
    } else if (peer->ss_family == AF_INET6) {
        const struct sockaddr_in6 *in6 = (const void *)peer;
        memcpy(address.bytes, &in6->sin6_addr, IP_ADDRESS_BYTES);
    }
    return address;
}

/* A new connection is taken, unless its client has its share already, or there are as many as there
 * may be and none of this worker's can be given up for it. */
static void admit(struct loop *loop, int fd, const struct sockaddr_storage *peer)
{
    struct turn *turn = &loop->turn;
    struct ip_address address = peer_address(peer);
    enum admission_result result = admission_enter(turn->conns.admission, &address);
    limit_hit_admission(turn, result);
    if (result == ADMISSION_FULL) {
        note_shortage(loop, SHORTAGE_CONNECTIONS);
    }
    if (result == ADMISSION_FULL && shed(turn)) {
        result = admission_enter(turn->conns.admission, &address);
    }
    if (result != ADMITTED) {
        close(fd);
        return;
    }
    counter_add(&turn->counters.accepted, 1);
    bool wants_proxy = address_list_has(turn->proxy_from, &address);
    h1_session_begin(turn, conn_open(&turn->conns, fd, &address, wants_proxy));
}

/* Does the error of an accept4() concern the one connection that it would have given, and not the
 * next one as well (accept(2), "Error handling")? */
static bool concerns_one_connection(int number)
{
    static const int numbers[] = {
        ECONNABORTED, EINTR,  EPERM,        EPROTO,     ENOPROTOOPT, ENETDOWN,
        EHOSTDOWN,    ENONET, EHOSTUNREACH, EOPNOTSUPP, ENETUNREACH, ETIMEDOUT,
    };
    for (size_t i = 0; i < ARRAY_COUNT(numbers); i++) {
        if (number == numbers[i]) {
            return true;
        }
    }
    return false;
}

static bool is_shortage(int number)
{
    return number == EMFILE || number == ENFILE || number == ENOBUFS || number == ENOMEM;
}

static void on_listener(struct loop *loop, const struct listener_source *listener)
{
    for (int i = 0; i < TURN_ACCEPTS_MAX; i++) {
        struct sockaddr_storage peer = {.ss_family = AF_UNSPEC};
        socklen_t peer_bytes = sizeof peer;
        int fd = accept4(listener->fd, (struct sockaddr *)&peer, &peer_bytes,
                         SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0) {
            admit(loop, fd, &peer);
            continue;
        }
        int number = errno;
        if (number == EAGAIN) {
            return;
        }
        if (is_shortage(number)) {
            note_shortage(loop, number);
        }
        if (concerns_one_connection(number) || (is_shortage(number) && shed(&loop->turn))) {
            continue;
        }
        rest_listeners(loop);
        return;
    }
}

static void close_listeners(struct loop *loop)
{
    for (size_t i = 0; i < loop->listener_count; i++) {
        if (loop->listeners[i].fd >= 0) {
            close(loop->listeners[i].fd);
            loop->listeners[i].fd = -1;
        }
    }
}

/* ---- turning ---- */

static void read_clocks(struct loop *loop)
{
    struct timespec now;
    loop->turn.conns.now_ms = clock_ms(CLOCK_MONOTONIC_COARSE);
    residency_set_time(&loop->turn.residency, loop->turn.conns.now_ms);
    clock_gettime(CLOCK_REALTIME_COARSE, &now);
    date_line_set(&loop->turn.common.date, now.tv_sec);
}

/* How long the loop may sleep. */
static int sleep_ms(const struct loop *loop)
{
    int64_t left = conn_next_expiry_ms(&loop->turn.conns);
    if (loop->accept_after_ms != 0 && (left < 0 || left > ACCEPT_REST_MS)) {
        left = ACCEPT_REST_MS;
    }
    return (int)left;
}

/* The beginning of the end: those that the kernel has accepted for us already are ours to answer.
 */
static void begin_drain(struct loop *loop)
{
    loop->turn.is_last = true;
    for (size_t i = 0; i < loop->listener_count; i++) {
        on_listener(loop, &loop->listeners[i]);
    }
    close_listeners(loop);
}

static void dispatch(struct loop *loop, const struct epoll_event *event)
{
    const uint8_t *kind = event->data.ptr;
    uint64_t ignored;
    switch (*kind) {
    case SOURCE_CONN:
        h1_session_turn(&loop->turn, event->data.ptr, event->events);
        break;
    case SOURCE_LISTENER:
        on_listener(loop, event->data.ptr);
        break;
    case SOURCE_WAKE:
        (void)!read(loop->wake_fd, &ignored, sizeof ignored);
        break;
    }
}

static void refresh(struct loop *loop)
{
    loop->turn.sites = publication_refresh(loop->publication, &loop->subscriber, loop->turn.sites);
}

static void close_expired(struct loop *loop)
{
    struct conn *conn;
    while ((conn = conn_expired(&loop->turn.conns)) != NULL) {
        h1_session_expired(&loop->turn, conn);
    }
}

/* Goes on with those whose bytes have come from the disk. */
static void take_disk_reads(struct loop *loop)
{
    struct disk_read *read = disk_mailbox_take(&loop->turn.mailbox);
    while (read != NULL) {
        struct disk_read *next = read->next;
        if (read->conn != NULL) {
            h1_session_read(&loop->turn, read->conn);
        }
        disk_read_free(read);
        read = next;
    }
}

static void turn(struct loop *loop, int sleep)
{
    struct epoll_event events[EVENTS_PER_TURN];
    /* Before sleeping: the wake-up of a list that was published after the last look may have been
     * read together with the one before it. */
    refresh(loop);
    int ready = epoll_wait(loop->epoll_fd, events, EVENTS_PER_TURN, sleep);
    read_clocks(loop);
    refresh(loop); /* what is read now is answered from the newest list */
    for (int i = 0; i < ready; i++) {
        dispatch(loop, &events[i]);
    }
    take_disk_reads(loop);
    close_expired(loop);
    exchange_closed(&loop->turn);
    conn_recycle(&loop->turn.conns);
    access_log_flush(&loop->turn.log);
    wake_listeners(loop);
}

static bool is_empty(const struct loop *loop)
{
    return conn_pool_count(&loop->turn.conns) == 0;
}

void loop_run(struct loop *loop)
{
    read_clocks(loop);
    while (!atomic_load_explicit(&loop->is_draining, memory_order_acquire) &&
           !atomic_load_explicit(&loop->is_stopped, memory_order_acquire)) {
        turn(loop, sleep_ms(loop));
    }
    begin_drain(loop);
    do {
        turn(loop, 0);
        conn_close_drained(&loop->turn.conns);
        turn(loop, is_empty(loop) ? 0 : DRAIN_TURN_MS);
    } while (!is_empty(loop) && !atomic_load_explicit(&loop->is_stopped, memory_order_acquire));
    conn_close_all(&loop->turn.conns); /* those that the drain has not waited for */
    exchange_closed(&loop->turn);
    access_log_flush(&loop->turn.log);
    publication_leave(loop->publication, &loop->subscriber);
}

/* ---- life ---- */

void loop_drain(struct loop *loop)
{
    atomic_store_explicit(&loop->is_draining, true, memory_order_release);
    wake_eventfd(loop->wake_fd);
}

int loop_shortage(const struct loop *loop)
{
    return atomic_load_explicit(&loop->shortage, memory_order_relaxed);
}

void loop_end_shortage(struct loop *loop)
{
    atomic_store_explicit(&loop->shortage, SHORTAGE_NONE, memory_order_relaxed);
}

void loop_stop(struct loop *loop)
{
    atomic_store_explicit(&loop->is_stopped, true, memory_order_release);
    wake_eventfd(loop->wake_fd);
}

void loop_add_totals(const struct loop *loop, struct loop_totals *io_totals)
{
    const struct turn_counters *counters = &loop->turn.counters;
    for (size_t i = 0; i < CONN_STATES; i++) {
        io_totals->connections[i] +=
            atomic_load_explicit(&loop->turn.conns.lists[i].count, memory_order_relaxed);
    }
    io_totals->accepted += counter_read(&counters->accepted);
    io_totals->shed += counter_read(&counters->shed);
    io_totals->shortages += counter_read(&counters->shortages);
    io_totals->rests += counter_read(&counters->rests);
    io_totals->requests += counter_read(&counters->requests);
    io_totals->bytes += counter_read(&counters->bytes);
    io_totals->disk_reads += counter_read(&counters->disk_reads);
    const struct log_ring *ring = loop->turn.log.ring;
    io_totals->log_lost += ring == NULL ? 0 : counter_read(&ring->lost);
    for (size_t i = 0; i < LIMITS_COUNT; i++) {
        io_totals->limited[i] += counter_read(&counters->limited[i]);
    }
}

const struct meters *loop_meters(const struct loop *loop)
{
    return &loop->turn.meters;
}

static int add_source(struct loop *loop, int fd, void *source)
{
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = source};
    return epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, fd, &event);
}

static int set_up(struct loop *loop)
{
    loop->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    loop->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    loop->wake_source = SOURCE_WAKE;
    if (loop->epoll_fd < 0 || loop->wake_fd < 0 ||
        add_source(loop, loop->wake_fd, &loop->wake_source) != 0) {
        return -errno;
    }
    loop->turn.conns.epoll_fd = loop->epoll_fd;
    loop->turn.mailbox.wake_fd = loop->wake_fd;
    for (size_t i = 0; i < loop->listener_count; i++) {
        loop->turn.batch.is_paced |= listen_is_paced(loop->listeners[i].fd);
        if (add_source(loop, loop->listeners[i].fd, &loop->listeners[i]) != 0) {
            return -errno;
        }
    }
    return 0;
}

int loop_new(size_t worker, const int *listener_fds, size_t listener_count,
             const struct loop_settings *settings, struct loop **out_loop, struct error *error)
{
    /* the subscriber wants its own cache line */
    struct loop *loop = mem_aligned(_Alignof(struct loop), sizeof *loop);
    loop->epoll_fd = -1;
    loop->wake_fd = -1;
    loop->turn.common = (struct head_common){.date.seconds = -1, .added = settings->added_fields};
    loop->turn.limits = &settings->limits;
    loop->turn.events = settings->events;
    loop->turn.proxy_from = &settings->proxy_from;
    loop->turn.forwarded_from = &settings->forwarded_from;
    loop->turn.live = settings->live;
    if (settings->live != NULL) {
        loop->turn.live_scratch = mem_zeroed(1, sizeof *loop->turn.live_scratch);
    }
    loop->news_fd = settings->news_fd;
    struct log_writer *writer = settings->log_writer;
    access_log_init(&loop->turn.log,
                    writer == NULL ? NULL
                                   : log_writer_add(writer, (size_t)settings->limits.log_bytes),
                    settings->log_format);
    loop->turn.tracer = settings->tracers == NULL ? NULL : &settings->tracers[worker];
    loop->turn.clock.is_on =
        access_log_is_on(&loop->turn.log) || settings->has_meters || loop->turn.tracer != NULL;
    if (settings->disk_readers != NULL && residency_init(&loop->turn.residency)) {
        loop->turn.disk_readers = settings->disk_readers;
    }
    loop->turn.conns.limits = &settings->limits;
    loop->turn.conns.admission = settings->admission;
    loop->turn.meters.is_on = settings->has_meters;
    loop->turn.meters.worker = worker;
    loop->publication = settings->publication;
    loop->listener_count = listener_count;
    loop->listeners = mem_zeroed(listener_count, sizeof *loop->listeners);
    for (size_t i = 0; i < listener_count; i++) {
        loop->listeners[i] = (struct listener_source){SOURCE_LISTENER, listener_fds[i]};
    }
    int status = set_up(loop);
    if (status != 0) {
        loop_free(loop);
        return error_set(error, status, "event loop: %s", error_name(status));
    }
    publication_subscribe(loop->publication, &loop->subscriber, loop->wake_fd);
    *out_loop = loop;
    return 0;
}

void loop_free(struct loop *loop)
{
    if (loop == NULL) {
        return;
    }
    conn_pool_fini(&loop->turn.conns);
    meters_fini(&loop->turn.meters);
    disk_mailbox_drop(&loop->turn.mailbox);
    residency_fini(&loop->turn.residency);
    access_log_fini(&loop->turn.log);
    close_listeners(loop);
    if (loop->epoll_fd >= 0) {
        close(loop->epoll_fd);
    }
    if (loop->wake_fd >= 0) {
        close(loop->wake_fd);
    }
    free(loop->turn.live_scratch);
    free(loop->listeners);
    free(loop);
}
