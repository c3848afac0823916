/* Every limit of the server in one place, with its reason. Bytes unless the name says otherwise.
 * First those that --limit NAME=VALUE sets, then those that are part of how the server works. */
#ifndef CAIRN_HTTP_LIMITS_H
#define CAIRN_HTTP_LIMITS_H

#include "common/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum limit_unit {
    LIMIT_COUNT,
    LIMIT_BYTES, /* k, m and g after the number: times 1024 and so on */
    LIMIT_MS,    /* ms, s, m, h after the number; without any: seconds */
};

/* LIMIT(member, name, unit, default, least, most, reason): the settable ones. */
#define HTTP_LIMITS(LIMIT)                                                                         \
    LIMIT(head_bytes, "head-size", LIMIT_BYTES, 16384, 256, REQUEST_HEAD_BYTES_MAX,                \
          "a request head: browsers stay under 4k, cookies of big sites under 8k; longer: 431")    \
    LIMIT(target_bytes, "target-length", LIMIT_BYTES, 8192, 64, REQUEST_HEAD_BYTES_MAX,            \
          "a request target: RFC 9112 wants 8000 for the whole line; longer: 414")                 \
    LIMIT(fields, "field-count", LIMIT_COUNT, 100, 1, REQUEST_FIELDS_MAX,                          \
          "field lines in a request: browsers send about 15; more: 431")                           \
    LIMIT(body_bytes, "body-size", LIMIT_BYTES, 1 << 20, 0, INT64_MAX,                             \
          "a request body, which is read and dropped: files take none; longer: 413")               \
    LIMIT(ranges, "range-count", LIMIT_COUNT, 100, 1, RANGES_MAX,                                  \
          "ranges in one request: readers of PDF ask for dozens; more: the whole file")            \
    LIMIT(connection_requests, "connection-requests", LIMIT_COUNT, 0, 0, UINT32_MAX,               \
          "requests on one connection before it is closed; 0: no limit, they cost nothing")        \
    LIMIT(connections, "connections", LIMIT_COUNT, 0, 0, UINT32_MAX,                               \
          "open at a time; 0: as many as there are descriptors. At the limit, and out of "         \
          "descriptors, the one that was idle for longest gives way")                              \
    LIMIT(address_connections, "address-connections", LIMIT_COUNT, 0, 0, UINT32_MAX,               \
          "open at a time from one address; 0: no limit, for a proxy in front is one address")     \
    LIMIT(first_byte_ms, "first-byte-time", LIMIT_MS, 20000, 10, LIMIT_MS_MAX,                     \
          "from a connection to its first byte; browsers open some ahead of need")                 \
    LIMIT(head_ms, "head-time", LIMIT_MS, 20000, 10, LIMIT_MS_MAX,                                 \
          "from the first byte of a request head to its end; longer: 408")                         \
    LIMIT(body_rate, "body-rate", LIMIT_BYTES, 256, 0, UINT32_MAX,                                 \
          "bytes a second, below which a body in flight is given up, in either direction: "        \
          "slower than any network that works; 0: any progress will do")                           \
    LIMIT(rate_ms, "rate-time", LIMIT_MS, 30000, 10, LIMIT_MS_MAX,                                 \
          "the time over which body-rate is measured: a train goes through a tunnel")              \
    LIMIT(idle_ms, "idle-time", LIMIT_MS, 75000, 10, LIMIT_MS_MAX,                                 \
          "between two requests: longer than proxies keep (nginx: 60 s), so that the client "      \
          "is the one who closes")                                                                 \
    LIMIT(linger_ms, "linger-time", LIMIT_MS, 5000, 10, LIMIT_MS_MAX,                              \
          "after the last answer, without a byte from the client, until its end is not waited "    \
          "for any more (RFC 9112 §9.6)")                                                          \
    LIMIT(event_listeners, "event-listeners", LIMIT_COUNT, 0, 0, UINT32_MAX,                       \
          "browsers that listen for events at a time; 0, and at most: half of the connections "    \
          "and descriptors there may be, so that pages go before them. More: 503")                 \
    LIMIT(event_message_bytes, "event-message-size", LIMIT_BYTES, 65536, 0, INT64_MAX,             \
          "a message from a listener, which is checked and dropped: pages have nothing to say "    \
          "there; longer: 1009")                                                                   \
    LIMIT(event_ping_ms, "event-ping-time", LIMIT_MS, 30000, 10, LIMIT_MS_MAX,                     \
          "a listener's silence until it is asked for a sign of life: shorter than what proxies "  \
          "take for its end (nginx: 60 s)")                                                        \
    LIMIT(event_pong_ms, "event-pong-time", LIMIT_MS, 20000, 10, LIMIT_MS_MAX,                     \
          "from then on until it is taken for gone")                                               \
    LIMIT(event_stall_ms, "event-stall-time", LIMIT_MS, 10000, 10, LIMIT_MS_MAX,                   \
          "a listener that takes nothing of what it is told, until it is cut off; it asks "        \
          "again when it can")                                                                     \
    LIMIT(drain_ms, "drain-time", LIMIT_MS, 30000, 0, LIMIT_MS_MAX,                                \
          "from TERM to the end, for responses that are under way")                                \
    LIMIT(log_bytes, "log-buffer", LIMIT_BYTES, 1 << 20, 65536, 1 << 30,                           \
          "lines of the access log that each worker keeps until they are written: 5,000 of "       \
          "them, so that a disk may hesitate; more: lost")

struct limits {
#define LIMIT(member, name, unit, value, least, most, reason) uint64_t member;
    HTTP_LIMITS(LIMIT)
#undef LIMIT
};

/* Which limit it was that something came up against: LIMIT_ID_head_bytes and so on. */
enum limit_id {
#define LIMIT(member, name, unit, value, least, most, reason) LIMIT_ID_##member,
    HTTP_LIMITS(LIMIT)
#undef LIMIT
        LIMITS_COUNT
};

/* As --limit takes it: "head-size". */
const char *limits_name(enum limit_id limit);

/* The defaults. */
void limits_init(struct limits *limits);

/* Sets one: "head-size=32k". ERR_USAGE with a sentence that names what is possible. */
int limits_set(struct limits *limits, const char *text, struct error *error) CAIRN_MUST_CHECK;

/* A line for people: the name, the default, and the reason of the limit at `position`; false: there
 * is none there. Writes what fits, with NUL. */
bool limits_describe(size_t position, char *out, size_t capacity);

/* The limit at `position`, if it is not the default: "head-size=32k (16k)", else nothing. False:
 * there is none there. */
bool limits_compare(const struct limits *limits, size_t position, char *out, size_t capacity);

enum {
    /* What --limit may ask for at most: the sizes of buffers that each worker has once. */
    REQUEST_HEAD_BYTES_MAX = 65536,
    REQUEST_FIELDS_MAX = 1000,
    RANGES_MAX = 1000,
    LIMIT_MS_MAX = 86400000,

    /* One response head. A stored head is the site owner's: this holds the largest policies seen.
     */
    RESPONSE_HEAD_BYTES_MAX = 32768,

    /* Ranges that lie closer together than this are sent as one: about what the head of another
     * part costs (RFC 9110 §15.3.7.2). */
    RANGE_GAP_BYTES = 80,

    /* A body shorter than this is copied and leaves with its head in one write; a longer one goes
     * by sendfile, which needs a second system call and copies nothing (docs/decisions.md). */
    SENDFILE_BYTES_LEAST = 16384,

    /* What sendfile sends in one piece: 16 pages, wherever in the first one it begins. Each further
     * piece is another push, and where the system paces what is sent (BBR), that costs more than
     * copying does, up to this. */
    SENDFILE_PIECE_BYTES = 15 * 4096,
    PACED_COPY_BYTES_MAX = 1 << 20,

    /* Responses to pipelined requests that leave in one write, and when to write before more are
     * made: enough to fill a socket buffer, not so much that the rest has to be thrown away. */
    BATCH_RESPONSES_MAX = 64,
    BATCH_BODY_BYTES = 262144,

    /* What one read takes. */
    READ_BYTES = 16384,

    /* The first size of a buffer for a request head that did not come at once. */
    INPUT_BYTES_LEAST = 256,

    /* What is read from a disk at once for a connection that waits for it. */
    DISK_READ_BYTES_MAX = 512 * 1024,

    /* How often a connection waits for a disk before it sends what it can get. */
    DISK_WAITS_MAX = 4,

    /* What one connection may send before the others of its worker get their turn. */
    TURN_BODY_BYTES_MAX = 4 << 20,

    /* New connections that a worker takes before it goes on with those it has. */
    TURN_ACCEPTS_MAX = 64,

    /* An answer up to this is not waited for when the client asked for the connection's end: what a
     * socket takes at once. */
    PLAIN_END_BYTES_MAX = 65536,

    /* How long listeners rest when there is no descriptor for another connection and none idle. */
    ACCEPT_REST_MS = 100,

    /* A connection in the middle of a request is not given up for another one before this. */
    SHED_HEAD_MS = 1000,

    /* The same for one that takes its answer slowly, and how many of them are looked at for one
     * that is to be given up. */
    SHED_WRITING_MS = 5000,
    SHED_LOOKS_MAX = 64,

    /* linger_ms is granted this many times to a client that goes on sending. */
    LINGER_TURNS_MAX = 6,

    /* While draining: for a connection that may be sending another request, or its first, and how
     * often the loop looks. */
    DRAIN_IDLE_MS = 1000,
    DRAIN_TURN_MS = 50,

    /* Messages that may wait for a listener behind the one that it takes: one that releases outrun
     * is better told at once what is served then, and is cut off. */
    EVENT_BEHIND_MAX = 16,

    /* What may be kept for one that takes slowly, for what it takes holds on to all that was said
     * since, to whomever: about a hundred of the largest messages. */
    EVENT_BEHIND_BYTES_MAX = 64 << 20,

    /* What the thread of events does before it looks at its sockets again: listeners that are told
     * a message, that come in, or whose time is up, hosts that a message may concern; what it reads
     * of a listener at once. */
    EVENT_TURN_LISTENERS = 256,
    EVENT_READ_BYTES = 4096,

    /* Pongs that wait behind a message for a listener to take it; of more pings than that, some
     * have no answer (RFC 6455 §5.5.3). */
    EVENT_UNSENT_BYTES = 1024,

    /* For the end of a connection: the other side's Close, and its end. */
    EVENT_CLOSE_MS = 2000,

    /* A command line of the control channel: a path (4096) with every byte escaped, and words. */
    CONTROL_LINE_BYTES_MAX = 16384,

    /* What is read of a control channel at once, and how many bytes of replies may wait for their
     * reader before no more commands are taken from it. */
    CONTROL_READ_BYTES = 4096,
    CONTROL_UNSENT_BYTES = 65536,

    /* Clients of the control socket at a time; and how long one of them has been silent before it
     * gives way to another. */
    CONTROL_CLIENTS_MAX = 64,
    CONTROL_SILENT_MS = 5000,

    /* The admin address: a person's browser, a collector of metrics, a health check, and the same
     * again. At the limit, the connection that has been at the same thing for longest gives way.
     * Heads are those of browsers without a site's cookies; bodies name a release. */
    ADMIN_CONNECTIONS_MAX = 32,
    ADMIN_HEAD_BYTES_MAX = 8192,
    ADMIN_BODY_BYTES_MAX = 16384,
    ADMIN_INPUT_BYTES = ADMIN_HEAD_BYTES_MAX + ADMIN_BODY_BYTES_MAX,

    /* From its first byte to a request's end; for taking an answer; between two requests (longer
     * than metrics are collected at intervals, mostly); for the end of the connection. */
    ADMIN_READ_MS = 10000,
    ADMIN_WRITE_MS = 20000,
    ADMIN_IDLE_MS = 75000,
    ADMIN_LINGER_MS = 2000,
};

#endif
