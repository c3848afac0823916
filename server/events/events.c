#include "events/events.h"

#include "common/clock.h"
#include "common/mem.h"
#include "common/wake.h"
#include "events/event_session.h"
#include "site/site_state.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <unistd.h>

struct events {
    struct event_door door;
    struct publication *publication;
    int wake_fd;
    int ended_fd; /* an eventfd: the thread has ended */
    pthread_t thread;
    bool is_started;
    atomic_bool has_ended;
    /* set by the main thread, read by this one after a wake */
    atomic_uint end_code; /* enum ws_code; 0: there is no end yet */
    atomic_bool is_stopping;
    atomic_bool is_stopped;
    pthread_mutex_t mutex; /* of what follows */
    struct event_message **messages;
    size_t message_count;
    size_t message_capacity;
    /* the thread's own */
    _Alignas(64) struct event_pool pool;
    struct sha1 *sha1;
    struct event_visitor *visitors; /* that came in, and were not greeted yet */
    struct event_message *error;    /* that is pending; NULL: none */
    int64_t end_ms;                 /* when all has to be over; 0: there is no end yet */
};

/* ---- messages ---- */

void events_publish(struct events *events, struct event_message *message)
{
    pthread_mutex_lock(&events->mutex);
    events->message_capacity = mem_capacity(events->message_capacity, events->message_count + 1);
    events->messages =
        mem_resize(events->messages, events->message_capacity, sizeof(struct event_message *));
    events->messages[events->message_count++] = message;
    pthread_mutex_unlock(&events->mutex);
    wake_eventfd(events->wake_fd);
}

/* A release ends an error, as well as the word that it is mended. */
static void note_error(struct events *events, struct event_message *message)
{
    event_message_unref(events->error);
    events->error = message->error == NULL ? NULL : event_message_ref(message);
}

static void take_messages(struct events *events)
{
    pthread_mutex_lock(&events->mutex);
    struct event_message **messages = events->messages;
    size_t count = events->message_count;
    events->messages = NULL;
    events->message_count = 0;
    events->message_capacity = 0;
    pthread_mutex_unlock(&events->mutex);
    for (size_t i = 0; i < count; i++) {
        note_error(events, messages[i]);
        event_pool_say(&events->pool, messages[i]);
    }
    free(messages);
}

static void tell_listeners(struct events *events)
{
    int looks = EVENT_TURN_LISTENERS;
    for (int i = 0; i < EVENT_TURN_LISTENERS; i++) {
        struct event_conn *conn = event_pool_next_to_tell(&events->pool, &looks);
        if (conn == NULL) {
            return;
        }
        event_session_tell(&events->pool, conn);
    }
}

/* ---- newcomers ---- */

/* What the newcomer's host serves, and since when. */
static void greet(struct events *events, struct event_conn *conn,
                  const struct event_visitor *visitor)
{
    const struct site_list *list = publication_hold(events->publication);
    struct site_state state = site_list_state(list, visitor->host);
    publication_let_go(events->publication);
    int64_t age_ms = events->pool.now_ms - state.changed_ms;
    size_t count;
    char *hello = event_hello(state.text, age_ms < 0 ? 0 : age_ms, events->error, &count);
    event_session_begin(&events->pool, conn, events->sha1, visitor, (struct slice){hello, count},
                        state.text);
    free(hello);
}

/* Those that came first come first; those that are on their way wait for the others. Who comes to
 * an empty door alone wakes the thread, so it is looked at whenever nobody else waits. */
static void take_visitors(struct events *events)
{
    if (events->visitors == NULL) {
        events->visitors = event_door_take(&events->door);
    }
}

static void greet_visitors(struct events *events)
{
    take_visitors(events);
    for (int i = 0; i < EVENT_TURN_LISTENERS && events->visitors != NULL; i++) {
        struct event_visitor *visitor = events->visitors;
        events->visitors = visitor->next;
        struct event_conn *conn = event_pool_open(&events->pool, visitor);
        if (conn != NULL) {
            greet(events, conn, visitor);
        }
        free(visitor);
        take_visitors(events);
    }
}

/* ---- the loop ---- */

/* Those who have not been told of the end yet, in the order in which they would be heard of. */
static struct event_conn *next_to_end(const struct event_pool *pool)
{
    struct event_conn *conn = NULL;
    for (int state = 0; state < EVENT_CLOSING && conn == NULL; state++) {
        conn = pool->lists[state].oldest;
    }
    return conn;
}

static void end_listeners(struct events *events)
{
    unsigned code = atomic_load_explicit(&events->end_code, memory_order_acquire);
    if (code == 0) {
        return;
    }
    if (events->end_ms == 0) {
        events->end_ms = events->pool.now_ms + EVENT_CLOSE_MS;
    }
    struct event_conn *conn;
    for (int i = 0; i < EVENT_TURN_LISTENERS && (conn = next_to_end(&events->pool)) != NULL; i++) {
        event_session_end(&events->pool, conn, (enum ws_code)code);
    }
}

static void end_expired(struct events *events)
{
    struct event_conn *conn;
    for (int i = 0; i < EVENT_TURN_LISTENERS && (conn = event_pool_expired(&events->pool)) != NULL;
         i++) {
        event_session_expired(&events->pool, conn);
    }
}

static void read_clock(struct events *events)
{
    events->pool.now_ms = monotonic_ms();
}

/* How long the loop may sleep; -1: until it is woken. */
static int sleep_ms(const struct events *events)
{
    bool is_ending = events->end_ms != 0 && next_to_end(&events->pool) != NULL;
    if (events->pool.saying != NULL || events->visitors != NULL || is_ending) {
        return 0;
    }
    int64_t left_ms = event_pool_next_expiry_ms(&events->pool);
    int64_t end_ms = events->end_ms - events->pool.now_ms;
    return (int)(end_ms > 0 && (left_ms < 0 || end_ms < left_ms) ? end_ms : left_ms);
}

/* Of everything a piece, so that newcomers, those who hear something and those who say something do
 * not wait for one another. */
static void turn(struct events *events)
{
    struct epoll_event ready[EVENT_TURN_LISTENERS];
    int count = epoll_wait(events->pool.epoll_fd, ready, EVENT_TURN_LISTENERS, sleep_ms(events));
    read_clock(events);
    for (int i = 0; i < count; i++) {
        uint64_t ignored;
        if (ready[i].data.ptr == NULL) {
            (void)!read(events->wake_fd, &ignored, sizeof ignored);
        } else {
            event_session_turn(&events->pool, ready[i].data.ptr, ready[i].events);
        }
    }
    take_messages(events);
    greet_visitors(events);
    tell_listeners(events);
    end_expired(events);
    end_listeners(events);
    event_pool_recycle(&events->pool);
}

/* Has the thread nothing to do any more? */
static bool is_over(const struct events *events)
{
    if (atomic_load_explicit(&events->is_stopped, memory_order_acquire)) {
        return true;
    }
    bool is_empty = events->pool.count == 0 && events->visitors == NULL;
    return atomic_load_explicit(&events->is_stopping, memory_order_acquire) &&
           events->end_ms != 0 && (is_empty || events->pool.now_ms >= events->end_ms);
}

static void *run(void *argument)
{
    struct events *events = argument;
    read_clock(events);
    while (!is_over(events)) {
        turn(events);
    }
    atomic_store(&events->has_ended, true);
    wake_eventfd(events->ended_fd);
    return NULL;
}

/* ---- from the main thread ---- */

/* Pages go before those who wait for news: they have at least half of what there is. */
static size_t listeners_most(const struct limits *limits)
{
    struct rlimit descriptors;
    uint64_t most = UINT32_MAX;
    if (getrlimit(RLIMIT_NOFILE, &descriptors) == 0 && descriptors.rlim_cur / 2 < most) {
        most = descriptors.rlim_cur / 2;
    }
    if (limits->connections > 0 && limits->connections / 2 < most) {
        most = limits->connections / 2;
    }
    if (limits->event_listeners > 0 && limits->event_listeners < most) {
        most = limits->event_listeners;
    }
    return (size_t)most;
}

static int open_all(struct events *events, struct error *error)
{
    struct event_pool *pool = &events->pool;
    struct epoll_event wake = {.events = EPOLLIN, .data.ptr = NULL};
    pool->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    events->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    events->ended_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (pool->epoll_fd < 0 || events->wake_fd < 0 || events->ended_fd < 0 ||
        epoll_ctl(pool->epoll_fd, EPOLL_CTL_ADD, events->wake_fd, &wake) != 0) {
        return error_set(error, -errno, "events: %s", error_name(-errno));
    }
    if (getentropy(&pool->audiences.seed, sizeof pool->audiences.seed) != 0) {
        return error_set(error, -errno, "random numbers: %s", error_name(-errno));
    }
    return 0;
}

int events_new(const struct events_settings *settings, struct events **out_events,
               struct error *error)
{
    struct events *events = mem_aligned(_Alignof(struct events), sizeof *events);
    pthread_mutex_init(&events->mutex, NULL);
    events->wake_fd = -1;
    events->ended_fd = -1;
    events->pool.epoll_fd = -1;
    events->publication = settings->publication;
    events->sha1 = sha1_new();
    int status = open_all(events, error);
    event_door_init(&events->door, settings->endpoint, listeners_most(settings->limits),
                    events->wake_fd);
    events->pool.limits = settings->limits;
    events->pool.door = &events->door;
    if (status != 0) {
        events_free(events);
        return status;
    }
    *out_events = events;
    return 0;
}

struct event_door *events_door(struct events *events)
{
    return &events->door;
}

int events_start(struct events *events, const struct sock_fprog *filter, struct error *error)
{
    const struct thread_plan plan = {.run = run, .argument = events, .filter = filter};
    int status = thread_start(&plan, &events->thread, error);
    events->is_started = status == 0;
    return status;
}

size_t events_listener_count(const struct events *events)
{
    const struct event_counters *counters = &events->pool.counters;
    return atomic_load_explicit(&counters->websockets, memory_order_relaxed) +
           atomic_load_explicit(&counters->streams, memory_order_relaxed);
}

const struct event_counters *events_counters(const struct events *events)
{
    return &events->pool.counters;
}

void events_drain(struct events *events, enum ws_code code)
{
    unsigned none = 0;
    if (events != NULL &&
        atomic_compare_exchange_strong(&events->end_code, &none, (unsigned)code)) {
        event_door_close(&events->door);
        wake_eventfd(events->wake_fd);
    }
}

/* Those that the end came before. */
static void turn_away(struct events *events)
{
    for (take_visitors(events); events->visitors != NULL; take_visitors(events)) {
        struct event_visitor *visitor = events->visitors;
        events->visitors = visitor->next;
        close(visitor->fd);
        admission_leave(events->door.admission, &visitor->address);
        event_door_leave(&events->door);
        free(visitor);
    }
}

void events_finish(struct events *events)
{
    if (events != NULL && !atomic_exchange(&events->is_stopping, true)) {
        events_drain(events, WS_CODE_GOING_AWAY);
        wake_eventfd(events->wake_fd);
    }
}

bool events_is_running(const struct events *events)
{
    return events != NULL && events->is_started && !atomic_load(&events->has_ended);
}

int events_ended_fd(const struct events *events)
{
    return events == NULL ? -1 : events->ended_fd;
}

void events_stop(struct events *events, bool is_at_once)
{
    if (events == NULL) {
        return;
    }
    events_finish(events);
    atomic_store(&events->is_stopped, is_at_once);
    wake_eventfd(events->wake_fd);
    if (events->is_started) {
        pthread_join(events->thread, NULL);
        events->is_started = false;
    }
    turn_away(events);
    take_messages(events);
    event_pool_fini(&events->pool);
}

void events_free(struct events *events)
{
    if (events == NULL) {
        return;
    }
    event_door_fini(&events->door);
    event_message_unref(events->error);
    pthread_mutex_destroy(&events->mutex);
    sha1_free(events->sha1);
    if (events->pool.epoll_fd >= 0) {
        close(events->pool.epoll_fd);
    }
    if (events->wake_fd >= 0) {
        close(events->wake_fd);
    }
    if (events->ended_fd >= 0) {
        close(events->ended_fd);
    }
    free(events);
}
