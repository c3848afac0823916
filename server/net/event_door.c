#include "net/event_door.h"

#include "common/mem.h"
#include "common/wake.h"

#include <assert.h>

void event_door_init(struct event_door *door, const struct event_endpoint *endpoint, size_t most,
                     int wake_fd)
{
    *door = (struct event_door){.endpoint = endpoint, .most = most, .wake_fd = wake_fd};
    pthread_mutex_init(&door->mutex, NULL);
}

void event_door_fini(struct event_door *door)
{
    assert(door->oldest == NULL);
    pthread_mutex_destroy(&door->mutex);
}

static bool is_closed(struct event_door *door)
{
    pthread_mutex_lock(&door->mutex);
    bool is_closed = door->is_closed;
    pthread_mutex_unlock(&door->mutex);
    return is_closed;
}

enum event_door_answer event_door_reserve(struct event_door *door)
{
    if (is_closed(door)) {
        return DOOR_CLOSED;
    }
    if (atomic_fetch_add_explicit(&door->inside, 1, memory_order_relaxed) >= door->most) {
        event_door_leave(door);
        return DOOR_FULL;
    }
    return DOOR_OPEN;
}

void event_door_leave(struct event_door *door)
{
    size_t before = atomic_fetch_sub_explicit(&door->inside, 1, memory_order_relaxed);
    assert(before > 0);
}

static struct slice keep(char **at, struct slice part)
{
    struct slice copy = {*at, part.count};
    if (part.count > 0) {
        memcpy(*at, part.bytes, part.count);
    }
    *at += part.count;
    return copy;
}

struct event_visitor *event_visitor_new(struct slice host, struct slice opening, struct slice input)
{
    struct event_visitor *visitor =
        mem_zeroed(1, sizeof *visitor + host.count + opening.count + input.count);
    char *at = visitor->bytes;
    visitor->host = keep(&at, host);
    visitor->opening = keep(&at, opening);
    visitor->input = keep(&at, input);
    return visitor;
}

bool event_door_enter(struct event_door *door, struct event_visitor *visitor)
{
    pthread_mutex_lock(&door->mutex);
    bool is_open = !door->is_closed;
    bool is_first = is_open && door->oldest == NULL;
    if (is_open) {
        visitor->next = NULL;
        *(door->newest == NULL ? &door->oldest : &door->newest->next) = visitor;
        door->newest = visitor;
    }
    pthread_mutex_unlock(&door->mutex);
    if (is_first) { /* else whoever was first has woken the thread, which takes all of them */
        wake_eventfd(door->wake_fd);
    }
    return is_open;
}

struct event_visitor *event_door_take(struct event_door *door)
{
    pthread_mutex_lock(&door->mutex);
    struct event_visitor *visitors = door->oldest;
    door->oldest = NULL;
    door->newest = NULL;
    pthread_mutex_unlock(&door->mutex);
    return visitors;
}

void event_door_close(struct event_door *door)
{
    pthread_mutex_lock(&door->mutex);
    door->is_closed = true;
    pthread_mutex_unlock(&door->mutex);
}
