/* What is known of one answer when it has ended: when its last byte was handed to the system, or
 * when it was given up. The access log takes it, and whoever else wants to know of answers.
 * Worker's thread. Where nobody wants to know, no clock is read and nothing is kept. */
#ifndef CAIRN_NET_EXCHANGE_H
#define CAIRN_NET_EXCHANGE_H

#include "http/address.h"
#include "http/message.h"
#include "telemetry/trace_context.h"

/* Slices are the connection's or the list's: valid as long as the call that hands it over. */
struct exchange {
    struct ip_address peer;        /* of the connection */
    struct ip_address client;      /* behind trusted proxies: as they say */
    const struct request *request; /* NULL: it could not be understood, or did not come whole */
    struct slice line;             /* the request line as it came; may be cut, or empty */
    int64_t begun_ns;              /* Unix time when the whole head of the request had been read */
    uint64_t duration_ns;          /* from then on */
    size_t method;                 /* in method_names */
    unsigned status;
    bool is_whole;            /* all of it was handed to the system */
    enum codec codec;         /* of the representation; CODEC_COUNT: the answer has none */
    uint64_t body_bytes;      /* handed to the system */
    uint64_t announced_bytes; /* of the body */
    uint64_t site_id;         /* of the site that answered; 0: none did, and the rest is empty */
    uint64_t release;
    struct slice host;                /* for which it answered, as in struct mount */
    struct slice prefix;              /* below which */
    struct host_meter *meter;         /* of that host; NULL: nobody counts, or it is gone */
    uint8_t trace_id[TRACE_ID_BYTES]; /* all zero: none */
    uint8_t span_id[SPAN_ID_BYTES];
};

/* The same of an answer that outlives its turn. The connection's, at most as long as a request
 * head, a host and a prefix. */
struct exchange_record {
    struct exchange exchange; /* but for the request, and what is known at the end */
    int64_t head_ns;          /* as in struct exchange_clock */
    uint64_t unsent_bytes;    /* of the answer, when the connection was closed */
    size_t head_bytes;
    char bytes[]; /* the head, or what there is of it; host; prefix */
};

/* A worker's. Nanoseconds of the monotonic clock, but for the last two. */
struct exchange_clock {
    bool is_on;        /* somebody wants to know of answers */
    int64_t read_ns;   /* when the last input of this connection was read */
    int64_t head_ns;   /* when the head of the request that is answered next was; 0: never */
    int64_t origin_ns; /* Unix time at which the clock was 0, as of `set_ns` */
    int64_t set_ns;
};

struct turn;
struct conn;

/* Input was read just now. */
void exchange_note_read(struct turn *turn);

/* A batch was written that answers the first `done` bytes of the input: hands over the exchanges
 * that have ended with it. One that goes on gets a record. `is_failed`: it could not be written to
 * its end, and the connection will be closed. */
void exchange_batch_written(struct turn *turn, struct conn *conn, struct slice input, size_t done,
                            bool is_failed);

/* The connection goes to somebody else with the answer to the request that the input begins with:
 * the exchange ends with that. */
void exchange_given_away(struct turn *turn, const struct conn *conn, struct slice input,
                         unsigned status);

/* The connection's own response is out. */
void exchange_rest_written(struct turn *turn, struct conn *conn);

/* The end of a turn: hands over those of connections that were closed in it in the middle of a
 * response. Before they are recycled. */
void exchange_closed(struct turn *turn);

#endif
