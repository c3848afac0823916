/* Frames of the WebSocket protocol (RFC 6455 §5), as a server that sends and hardly listens needs
 * them. What a client says in messages is checked to the letter and dropped as it comes; its
 * control frames are handed out. Bytes may come in any pieces, and the events are the same; the
 * state is struct ws_reader and nothing else. No allocation, no clock, no I/O. */
#ifndef CAIRN_HTTP_WS_FRAME_H
#define CAIRN_HTTP_WS_FRAME_H

#include "common/slice.h"

#include <stdint.h>

/* RFC 6455 §5.2; others are reserved. */
enum ws_opcode {
    WS_CONTINUATION = 0x0,
    WS_TEXT = 0x1,
    WS_BINARY = 0x2,
    WS_CLOSE = 0x8,
    WS_PING = 0x9,
    WS_PONG = 0xa,
};

/* RFC 6455 §7.4.1, and what IANA has registered since. */
enum ws_code {
    WS_CODE_NORMAL = 1000,
    WS_CODE_GOING_AWAY = 1001,
    WS_CODE_PROTOCOL_ERROR = 1002,
    WS_CODE_NONE = 1005, /* a Close frame without a code: never sent as one */
    WS_CODE_BAD_DATA = 1007,
    WS_CODE_POLICY = 1008,
    WS_CODE_TOO_BIG = 1009,
    WS_CODE_INTERNAL_ERROR = 1011,
    WS_CODE_SERVICE_RESTART = 1012,
    WS_CODE_TRY_AGAIN_LATER = 1013,
};

enum {
    WS_CONTROL_PAYLOAD_BYTES_MAX = 125, /* RFC 6455 §5.5 */
    WS_CLOSE_REASON_BYTES_MAX = 123,    /* behind its code */

    /* What a reader can leave of its input at most, for the caller to keep until more has come: a
     * masked control frame but its last byte. */
    WS_UNREAD_BYTES_MAX = 2 + 4 + WS_CONTROL_PAYLOAD_BYTES_MAX - 1,

    WS_HEADER_BYTES_MAX = 10, /* of a frame without a mask */
    WS_CONTROL_FRAME_BYTES_MAX = 2 + WS_CONTROL_PAYLOAD_BYTES_MAX,
};

/* What has been read of a client. All zero at the start. */
struct ws_reader {
    uint64_t payload_left;  /* of the data frame that is under way */
    uint64_t message_bytes; /* of the message, with the whole frame that is under way */
    uint8_t mask[4];        /* of that frame; mask[0] is for the next byte */
    uint8_t message;        /* enum ws_opcode; WS_CONTINUATION: none is open */
    uint8_t utf8;           /* enum utf8_state of a text */
    bool is_last_frame;     /* the frame under way ends the message */
    bool is_over;           /* WS_CLOSED or WS_FAILED was said */
};

enum ws_event_kind {
    WS_MORE,    /* nothing else until more bytes come */
    WS_MESSAGE, /* a data message has come to its end */
    WS_PINGED,
    WS_PONGED,
    WS_CLOSED, /* the client's Close frame; what comes behind it is ignored (RFC 6455 §5.5.1) */
    WS_FAILED, /* the client broke the protocol; what comes behind is ignored (§7.1.7) */
};

struct ws_event {
    enum ws_event_kind kind;
    size_t used; /* of the input; the caller gives the rest again, with what follows it */
    enum ws_opcode message; /* WS_MESSAGE: WS_TEXT or WS_BINARY */
    uint64_t message_bytes;
    struct slice
        payload;     /* WS_PINGED, WS_PONGED; WS_CLOSED: the reason. Within the input, unmasked */
    unsigned code;   /* WS_CLOSED: as sent, or WS_CODE_NONE. WS_FAILED: to be sent */
    const char *why; /* WS_FAILED: the rule that was broken; a static sentence */
};

/* Goes on to the next event, over as much of the input as that takes: called again, with the bytes
 * behind out_event->used, until it says WS_MORE. The bytes it uses are unmasked where they are. A
 * data frame's payload is used as it comes, a frame's header and a control frame only when they are
 * whole. `message_bytes_max`: a message that is announced as longer fails with 1009 before its
 * bytes are looked at. A text fails at the byte that makes it wrong (RFC 6455 §8.1). Once it has
 * said WS_CLOSED or WS_FAILED it takes whatever comes, and says WS_MORE. */
void ws_read(struct ws_reader *reader, char *input, size_t count, uint64_t message_bytes_max,
             struct ws_event *out_event);

/* May the code stand in a Close frame (RFC 6455 §7.4; IANA's WebSocket Close Code Number Registry)?
 * 1000 to 1003, 1007 to 1014, 3000 to 4999. */
bool ws_code_is_sendable(unsigned code);

/* The header of an unmasked frame that is a whole message. Returns its bytes: 2, 4 or 10. */
size_t ws_write_header(enum ws_opcode opcode, uint64_t payload_bytes,
                       char out[WS_HEADER_BYTES_MAX]);

/* A whole Ping or Pong. `payload` is at most WS_CONTROL_PAYLOAD_BYTES_MAX. Returns its bytes. */
size_t ws_write_control(enum ws_opcode opcode, struct slice payload,
                        char out[WS_CONTROL_FRAME_BYTES_MAX]);

/* A whole Close frame. `code` is sendable, or WS_CODE_NONE: neither code nor reason are written. A
 * reason (UTF-8) that does not fit is cut between two characters. Returns its bytes. */
size_t ws_write_close(unsigned code, struct slice reason, char out[WS_CONTROL_FRAME_BYTES_MAX]);

#endif
