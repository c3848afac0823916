#include "events/event_message.h"

#include "common/mem.h"
#include "events/json_text.h"

#include <assert.h>
#include <stdlib.h>

struct event_hosts {
    atomic_uint references;
    size_t count;
    struct slice *names; /* sorted, each once; they own their bytes */
};

struct event_hosts *event_hosts_new(const struct slice *names, size_t count)
{
    struct event_hosts *hosts = mem_zeroed(1, sizeof *hosts);
    atomic_init(&hosts->references, 1);
    hosts->count = count;
    hosts->names = mem_zeroed(count + 1, sizeof *hosts->names);
    for (size_t i = 0; i < count; i++) {
        hosts->names[i] =
            (struct slice){mem_string(names[i].bytes, names[i].count), names[i].count};
    }
    qsort(hosts->names, count, sizeof *hosts->names, slice_order);
    return hosts;
}

void event_hosts_unref(struct event_hosts *hosts)
{
    if (hosts == NULL ||
        atomic_fetch_sub_explicit(&hosts->references, 1, memory_order_acq_rel) > 1) {
        return;
    }
    for (size_t i = 0; i < hosts->count; i++) {
        free((void *)(uintptr_t)hosts->names[i].bytes);
    }
    free(hosts->names);
    free(hosts);
}

/* SIZE_MAX: it is none of them. */
static size_t find_name(const struct event_hosts *hosts, struct slice name)
{
    const struct slice *found =
        bsearch(&name, hosts->names, hosts->count, sizeof *hosts->names, slice_order);
    return found == NULL ? SIZE_MAX : (size_t)(found - hosts->names);
}

/* Of the patterns that match; SIZE_MAX: none does. */
static size_t most_specific(const struct event_hosts *hosts, struct slice host)
{
    size_t found = host.count == 0 ? SIZE_MAX : find_name(hosts, host);
    for (size_t i = 1; found == SIZE_MAX && i < host.count; i++) {
        if (host.bytes[i] == '.') {
            found = find_name(hosts, slice_after(host, i));
        }
    }
    return found != SIZE_MAX ? found : find_name(hosts, SLICE(""));
}

bool event_message_concerns(const struct event_message *message, struct slice host)
{
    return message->among == NULL || most_specific(message->among, host) == message->host;
}

/* ---- messages ---- */

static struct event_message *message_new(const char *type)
{
    struct event_message *message = mem_zeroed(1, sizeof *message);
    atomic_init(&message->references, 1);
    message->type = type;
    return message;
}

struct event_message *event_message_release(struct event_hosts *among, struct slice host,
                                            const char state[EVENT_STATE_BYTES], char *text,
                                            size_t text_bytes)
{
    struct event_message *message = message_new("release");
    message->host = find_name(among, host);
    assert(message->host != SIZE_MAX);
    atomic_fetch_add_explicit(&among->references, 1, memory_order_relaxed);
    message->among = among;
    memcpy(message->state, state, EVENT_STATE_BYTES);
    message->text = text;
    message->text_bytes = text_bytes;
    return message;
}

struct event_message *event_message_ref(struct event_message *message)
{
    unsigned before = atomic_fetch_add_explicit(&message->references, 1, memory_order_relaxed);
    assert(before > 0);
    return message;
}

void event_message_unref(struct event_message *message)
{
    if (message == NULL) {
        return;
    }
    unsigned before = atomic_fetch_sub_explicit(&message->references, 1, memory_order_acq_rel);
    assert(before > 0);
    if (before == 1) {
        event_hosts_unref(message->among);
        free(message->error);
        free(message->text);
        free(message);
    }
}

/* ---- their texts ---- */

struct event_message *event_message_error(struct slice error)
{
    struct event_message *message = message_new("error");
    struct json_text text;
    json_text_begin(&text, message->type);
    json_key(&text.json, "text");
    json_string(&text.json, error);
    message->text = json_text_end(&text, &message->text_bytes);
    message->error = mem_string(error.bytes, error.count);
    return message;
}

struct event_message *event_message_mended(void)
{
    struct event_message *message = message_new("mended");
    struct json_text text;
    json_text_begin(&text, message->type);
    message->text = json_text_end(&text, &message->text_bytes);
    return message;
}

char *event_hello(const char state[EVENT_STATE_BYTES], int64_t age_ms,
                  const struct event_message *error, size_t *out_bytes)
{
    struct json_text text;
    json_text_begin(&text, "hello");
    json_key(&text.json, "state");
    json_string(&text.json, slice_of_string(state));
    json_key(&text.json, "age_ms");
    json_i64(&text.json, age_ms);
    if (error != NULL && error->error != NULL) {
        json_key(&text.json, "error");
        json_string(&text.json, slice_of_string(error->error));
    }
    return json_text_end(&text, out_bytes);
}
