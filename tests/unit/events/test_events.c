/* The thread that listeners are with, beside the one that sends them in. */
#include "events/events.h"

#include <criterion/criterion.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

enum { CROWD = 900 }; /* more than the thread lets in at once */

static struct limits limits;
static struct event_endpoint endpoint = {.path = {"/events", 7}};
static int clients[CROWD];
static int client_count;

static void send_in(struct event_door *door)
{
    static const struct ip_address nobody;
    int ends[2];
    cr_assert(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) == 0);
    cr_assert(admission_enter(door->admission, &nobody) == ADMITTED);
    cr_assert(event_door_reserve(door) == DOOR_OPEN);
    struct event_visitor *visitor =
        event_visitor_new(SLICE("a.example"), SLICE("HTTP/1.1 200 OK\r\n\r\n"), SLICE(""));
    visitor->fd = ends[0];
    visitor->is_stream = true;
    cr_assert(event_door_enter(door, visitor));
    clients[client_count++] = ends[1];
}

static void await(const struct events *events, size_t count)
{
    enum { PAUSE_US = 1000 };
    while (events_listener_count(events) < count) { /* or the time that a test has is up */
        usleep(PAUSE_US);
    }
}

/* Many come at once, and one more while they are let in: nobody is forgotten at the door. */
Test(events, who_comes_while_others_are_let_in, .timeout = 60)
{
    const struct rlimit descriptors = {4096, 4096};
    struct publication publication;
    struct events *events;
    struct error error;
    (void)setrlimit(RLIMIT_NOFILE, &descriptors);
    limits_init(&limits);
    publication_init(&publication);
    const struct events_settings settings = {
        .publication = &publication, .limits = &limits, .endpoint = &endpoint};
    cr_assert(events_new(&settings, &events, &error) == 0, "%s", error.text);
    struct event_door *door = events_door(events);
    door->admission = admission_new(&limits, 1);
    while (client_count < CROWD - 1) {
        send_in(door);
    }
    cr_assert(events_start(events, NULL, &error) == 0, "%s", error.text);
    await(events, 1);
    send_in(door);
    await(events, CROWD);
    events_stop(events, true);
    cr_expect(events_listener_count(events) == 0);
    admission_free(door->admission);
    events_free(events);
    publication_fini(&publication);
    for (int i = 0; i < client_count; i++) {
        close(clients[i]);
    }
}
