/* Browsers that listen for releases: a thread of its own has their sockets, so that thousands that
 * only wait cost the workers nothing. They come through a door (net/event_door.h) with the place
 * that they have among all connections, are told what the main thread publishes, and are held to
 * the limits of http/limits.h. Made, started and ended by the main thread. docs/events.md. */
#ifndef CAIRN_EVENTS_EVENTS_H
#define CAIRN_EVENTS_EVENTS_H

#include "common/error.h"
#include "events/event_message.h"
#include "events/event_pool.h"
#include "net/thread.h"
#include "site/publication.h"

struct events;

/* All of it is borrowed, and stays until events_free(). */
struct events_settings {
    struct publication *publication; /* what newcomers are told is in it */
    const struct limits *limits;
    const struct event_endpoint *endpoint;
};

/* Makes the door, and what is behind it; nobody comes in yet. */
int events_new(const struct events_settings *settings, struct events **out_events,
               struct error *error) CAIRN_MUST_CHECK;

/* For the workers, until events_free(). Its admission has to be set before they start. */
struct event_door *events_door(struct events *events);

/* Starts the thread (net/thread.h) under `filter`, which may be NULL. */
int events_start(struct events *events, const struct sock_fprog *filter,
                 struct error *error) CAIRN_MUST_CHECK;

/* Has a message told to all that it concerns; takes the reference over. Never waits for a listener.
 */
void events_publish(struct events *events, struct event_message *message);

/* How many listen; from any thread. */
size_t events_listener_count(const struct events *events);

/* From any thread, each as of some moment. */
const struct event_counters *events_counters(const struct events *events);

/* No more newcomers; listeners are told that the server goes (`code`: WS_CODE_GOING_AWAY, or
 * WS_CODE_SERVICE_RESTART where another process takes over), and have EVENT_CLOSE_MS to end. The
 * first call counts. Takes NULL. */
void events_drain(struct events *events, enum ws_code code);

/* The thread is to end when all have ended, or had their time: what events_is_running() tells, and
 * the descriptor by getting readable (-1 for NULL). Does not wait for it. These take NULL. */
void events_finish(struct events *events);
bool events_is_running(const struct events *events);
int events_ended_fd(const struct events *events);

/* Finishes, and waits for the end of the thread; with `is_at_once` not for the listeners. Nobody is
 * inside afterwards. Before the admission goes. Takes NULL. */
void events_stop(struct events *events, bool is_at_once);

/* A stopped one, when there are no workers any more. Takes NULL. */
void events_free(struct events *events);

#endif
