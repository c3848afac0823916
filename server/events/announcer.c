#include "events/announcer.h"

#include "events/release_messages.h"

#include <time.h>

/* The same list, with references of its own to its sites. */
static struct site_list *copy(const struct site_list *list)
{
    const struct site_change nothing = {.added = NULL};
    const struct site_retention all = {.count = SIZE_MAX};
    return site_list_next(list, &nothing, &all, time(NULL));
}

void announcer_note(struct announcer *announcer, const struct site_list *current)
{
    if (announcer->before == NULL) {
        announcer->before = copy(current);
    }
}

void announcer_tell(struct announcer *announcer, const struct site_list *current)
{
    if (announcer->before == NULL) {
        return;
    }
    struct release_messages messages;
    release_messages_init(&messages, announcer->before, current);
    for (size_t i = 0; i < messages.count; i++) {
        events_publish(announcer->events, messages.at[i]);
        messages.at[i] = NULL;
    }
    release_messages_fini(&messages);
    site_list_free(announcer->before);
    announcer->before = NULL;
}

static size_t say(struct announcer *announcer, const struct site_list *current,
                  struct event_message *message)
{
    announcer_tell(announcer, current);
    events_publish(announcer->events, message);
    return events_listener_count(announcer->events);
}

size_t announcer_error(struct announcer *announcer, const struct site_list *current,
                       struct slice text)
{
    return say(announcer, current, event_message_error(text));
}

size_t announcer_mended(struct announcer *announcer, const struct site_list *current)
{
    return say(announcer, current, event_message_mended());
}

void announcer_fini(struct announcer *announcer)
{
    site_list_free(announcer->before);
    announcer->before = NULL;
}
