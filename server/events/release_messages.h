/* What browsers are told of a new list of sites: for each pattern of hosts that sees something else
 * now, a message for each prefix where it does. One thread, which reads the mappings of both. */
#ifndef CAIRN_EVENTS_RELEASE_MESSAGES_H
#define CAIRN_EVENTS_RELEASE_MESSAGES_H

#include "events/event_message.h"
#include "site/site_list.h"

enum {
    /* Of one message's paths; a message that has more says so. */
    EVENT_PATH_BYTES_MAX = 256 << 10,
    /* Of those of all messages of one change: where it concerns many hosts, each hears of less. */
    EVENT_CHANGE_BYTES_MAX = 16 << 20,
};

struct release_messages {
    struct event_message **at; /* a reference to each */
    size_t count;
};

/* Where nothing differs there are none. A release that answers every path as before, but is another
 * one, has a message without paths. */
void release_messages_init(struct release_messages *messages, const struct site_list *before,
                           const struct site_list *after);

/* Gives back the references that are still there: a place that was taken is NULL. */
void release_messages_fini(struct release_messages *messages);

#endif
