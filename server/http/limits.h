/* Every limit of the server in one place, with its reason. Bytes unless the name says otherwise. */
#ifndef CAIRN_HTTP_LIMITS_H
#define CAIRN_HTTP_LIMITS_H

enum {
    /* A whole request head, and what one read takes. Browsers stay under 4 KiB, cookies of big
     * sites under 8 KiB; nginx and h2o allow about as much. Longer: 431. */
    REQUEST_HEAD_BYTES_MAX = 16384,

    /* A request target. RFC 9112 §3 wants at least 8000 for the whole line. Longer: 414. */
    REQUEST_TARGET_BYTES_MAX = 8192,

    /* Field lines in a request. Browsers send about 15. More: 431. */
    REQUEST_FIELDS_MAX = 100,

    /* One response head. A stored head is the site owner's: this holds the largest policies seen.
     */
    RESPONSE_HEAD_BYTES_MAX = 32768,

    /* A body up to this leaves with its head in one write from the mapping; a longer one by
     * sendfile, which costs a second system call and saves the copy. */
    BODY_IN_BATCH_BYTES_MAX = 32768,

    /* Responses to pipelined requests that leave in one write, and when to write before more are
     * made: enough to fill a socket buffer, not so much that the rest has to be thrown away. */
    BATCH_RESPONSES_MAX = 64,
    BATCH_BODY_BYTES = 262144,

    /* What one connection may send before the others of its worker get their turn. */
    TURN_BODY_BYTES_MAX = 4 << 20,

    /* New connections that a worker takes before it goes on with those it has. */
    TURN_ACCEPTS_MAX = 64,

    /* How long listeners rest when there is no descriptor for another connection and none idle. */
    ACCEPT_REST_MS = 100,

    /* Between two requests. Longer than what proxies keep (nginx upstream: 60 s), so that it is the
     * client that closes. */
    IDLE_TIMEOUT_MS = 75000,

    /* From the first byte of a request head to its end. */
    HEAD_TIMEOUT_MS = 30000,

    /* Without a single byte leaving. */
    WRITE_TIMEOUT_MS = 60000,

    /* After the last response, for the client to close (RFC 9112 §9.6). */
    LINGER_TIMEOUT_MS = 2000,

    /* From TERM to the end, for responses that are under way. */
    DRAIN_TIMEOUT_MS = 30000,

    /* While draining: for a connection that has not sent its first request yet, and how often the
     * loop looks. */
    DRAIN_UNSERVED_MS = 1000,
    DRAIN_TURN_MS = 50,

    /* A command line of the control channel: a path (4096) with every byte escaped, and words. */
    CONTROL_LINE_BYTES_MAX = 16384,

    /* What is read of a control channel at once, and how many bytes of replies may wait for their
     * reader before no more commands are taken from it. */
    CONTROL_READ_BYTES = 4096,
    CONTROL_UNSENT_BYTES = 65536,

    /* Clients of the control socket at a time. */
    CONTROL_CLIENTS_MAX = 64,
};

#endif
