/* What browsers that listen are told: one JSON object, with who is to hear it. Made by the control
 * thread, never changed afterwards, and counted, so that any number of connections send the same
 * bytes. docs/events.md has the fields. */
#ifndef CAIRN_EVENTS_EVENT_MESSAGE_H
#define CAIRN_EVENTS_EVENT_MESSAGE_H

#include "common/slice.h"

#include <stdatomic.h>
#include <stdint.h>

/* Host patterns, as in struct mount, among which a message means one. Counted, too: the messages of
 * one change share them. */
struct event_hosts;

enum { EVENT_STATE_BYTES = 17 }; /* 16 hexadecimal digits, and a NUL */

struct event_message {
    atomic_uint references;
    const char *type;              /* "release", "error" or "mended"; static */
    struct event_hosts *among;     /* NULL: it is for everybody */
    size_t host;                   /* which of them it is for */
    char state[EVENT_STATE_BYTES]; /* of a release: what the host serves from here on; else "" */
    char *error;                   /* of an error: what went wrong, as it was said; else NULL */
    char *text;                    /* JSON, UTF-8, one line without its end */
    size_t text_bytes;
};

/* The names need not be sorted; they are copied. One reference, the caller's. */
struct event_hosts *event_hosts_new(const struct slice *names, size_t count);
void event_hosts_unref(struct event_hosts *hosts); /* takes NULL */

/* A release that is served from here on: `state` of the host, and `text` (allocated), which is
 * taken over. `host` is one of the names of `among`. One reference, the caller's. */
struct event_message *event_message_release(struct event_hosts *among, struct slice host,
                                            const char state[EVENT_STATE_BYTES], char *text,
                                            size_t text_bytes);

/* A site could not be made; it could be, or is as it was, again. For everybody. One reference, the
 * caller's. Bytes of `error` that are not UTF-8 are told as U+FFFD. */
struct event_message *event_message_error(struct slice error);
struct event_message *event_message_mended(void);

struct event_message *event_message_ref(struct event_message *message);
void event_message_unref(struct event_message *message); /* takes NULL */

/* Is it for who asked for this host (as host_name() gives it)? Of the patterns that the host
 * matches the most specific one counts, as it does where a request looks for its site
 * (site_list_stack()). */
bool event_message_concerns(const struct event_message *message, struct slice host);

/* The first message to a newcomer, as JSON like the others: what its host serves, for how many
 * milliseconds, and the error that is pending (NULL: none). The caller frees. */
char *event_hello(const char state[EVENT_STATE_BYTES], int64_t age_ms,
                  const struct event_message *error, size_t *out_bytes);

#endif
