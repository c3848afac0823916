#include "events/delivery.h"

#include "common/mem.h"
#include "http/ws_frame.h"

#include <assert.h>
#include <stdlib.h>

/* HTML Living Standard §9.2.6: a stream is lines of fields, and an empty one sends the event off.
 */
char *delivery_stream_event(const char *type, const char *state, struct slice text,
                            size_t *out_bytes)
{
    const char *id = state[0] == '\0' ? "" : "id: ";
    const char *id_end = state[0] == '\0' ? "" : "\n";
    char *event = mem_format("event: %s\n%s%s%sdata: %.*s\n\n", type, id, state, id_end,
                             (int)text.count, text.bytes);
    *out_bytes = strlen(event);
    return event;
}

struct delivery *delivery_new(struct event_message *message, uint32_t number)
{
    struct slice text = {message->text, message->text_bytes};
    char header[WS_HEADER_BYTES_MAX];
    size_t header_bytes = ws_write_header(WS_TEXT, text.count, header);
    size_t stream_bytes;
    char *stream = delivery_stream_event(message->type, message->state, text, &stream_bytes);
    size_t frame_bytes = header_bytes + text.count;
    size_t bytes = sizeof(struct delivery) + frame_bytes + stream_bytes;
    struct delivery *delivery = mem_resize(NULL, 1, bytes);
    *delivery = (struct delivery){
        .references = 1, .number = number, .end_bytes = bytes + text.count, .message = message};
    memcpy(delivery->bytes, header, header_bytes);
    memcpy(delivery->bytes + header_bytes, text.bytes, text.count);
    memcpy(delivery->bytes + frame_bytes, stream, stream_bytes);
    delivery->frame = (struct slice){delivery->bytes, frame_bytes};
    delivery->stream = (struct slice){delivery->bytes + frame_bytes, stream_bytes};
    free(stream);
    return delivery;
}

void delivery_append(struct delivery *last, struct delivery *next)
{
    assert(last->next == NULL);
    last->next = delivery_ref(next);
}

struct delivery *delivery_ref(struct delivery *delivery)
{
    delivery->references++;
    return delivery;
}

/* The last who holds on to one lets go of those that follow, as far as nobody else does: in a loop,
 * for the chain may be long. */
void delivery_unref(struct delivery *delivery)
{
    while (delivery != NULL && --delivery->references == 0) {
        struct delivery *next = delivery->next;
        event_message_unref(delivery->message);
        free(delivery);
        delivery = next;
    }
}
