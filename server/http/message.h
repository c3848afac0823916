/* A request and a response as the rest of the server sees them. A request is slices of the
 * connection's input, a response slices of the mapped release: neither owns memory. */
#ifndef CAIRN_HTTP_MESSAGE_H
#define CAIRN_HTTP_MESSAGE_H

#include "http/multipart.h"
#include "site/site_list.h"

enum http_method {
    METHOD_GET,
    METHOD_HEAD,
    METHOD_OPTIONS,
    METHOD_NOT_ALLOWED, /* known (RFC 9110 §9.3, RFC 5789), but not for files: 405 */
    METHOD_UNKNOWN,     /* 501 */
};

/* The fields that the server acts upon. */
enum http_field_id {
    FIELD_OTHER,
    FIELD_HOST,
    FIELD_CONNECTION,
    FIELD_CONTENT_LENGTH,
    FIELD_TRANSFER_ENCODING,
    FIELD_EXPECT,
    FIELD_IF_MATCH,
    FIELD_IF_UNMODIFIED_SINCE,
    FIELD_IF_NONE_MATCH,
    FIELD_IF_MODIFIED_SINCE,
    FIELD_IF_RANGE,
    FIELD_RANGE,
    FIELD_ACCEPT_ENCODING,
    FIELD_ACCEPT,
    FIELD_SEC_FETCH_MODE,
    FIELD_FORWARDED,
    FIELD_X_FORWARDED_FOR,
    FIELD_TRACEPARENT,
};

/* How long the body of a request is (RFC 9112 §6.3). */
enum body_framing {
    BODY_NONE,
    BODY_LENGTH,
    BODY_CHUNKED,
};

/* What of a request needs an answer of its own, although its form is right. */
enum request_refusal {
    REFUSE_NOTHING,
    REFUSE_EXPECTATION, /* 417: an Expect that is not known (RFC 9110 §10.1.1) */
    REFUSE_ORIGIN,      /* 421: https on a connection that is not secured (RFC 9110 §7.4) */
};

struct http_field {
    struct slice name;
    struct slice value; /* without the white space around it */
    enum http_field_id id;
};

struct request {
    enum http_method method;
    struct slice path;      /* as sent: percent-encoded; starts with '/' */
    struct slice query;     /* with its '?'; empty if there is none */
    struct slice host;      /* of the target or the Host field; may be empty */
    unsigned version_minor; /* HTTP/1.x: 0 or 1 */
    bool keep_alive;        /* the client lets the connection stay open */
    bool is_asterisk;       /* OPTIONS *: the server, no path */
    bool expects_continue;  /* the client may wait for an answer before it sends the body */
    enum request_refusal refusal;
    enum body_framing body;
    uint64_t body_bytes; /* BODY_LENGTH: more than 0 */
    size_t head_bytes;   /* of the input, empty line included */
    uint32_t known;      /* bit 1 << id: such a field is there */
    size_t field_count;
    struct http_field fields[REQUEST_FIELDS_MAX];
};

/* Is a field of this kind there at all? Saves looking through them. */
static inline bool request_has(const struct request *request, enum http_field_id id)
{
    return (request->known >> id & 1) != 0;
}

/* The value of a field that may come once (RFC 9110 §5.3). False if it is not there, or comes more
 * than once, which makes it void. */
bool request_field(const struct request *request, enum http_field_id id, struct slice *out_value);

/* How many lines of this name there are; the value of the first, if there is one. By comparison
 * with each line, for names that few requests have. */
size_t request_lines(const struct request *request, struct slice name, struct slice *out_first);

/* Is `member` in the comma-separated list that the lines of this name are together (RFC 9110 §5.3)?
 * Members compare without case. */
bool request_list_has(const struct request *request, struct slice name, struct slice member);

/* What the connection is for, behind the head of an answer. */
enum response_sequel {
    SEQUEL_HTTP,         /* more requests, or nothing */
    SEQUEL_WEBSOCKET,    /* the answer is a 101, which is left to who speaks the protocol */
    SEQUEL_EVENT_STREAM, /* a body without end, of what happens */
};

struct response {
    unsigned status;
    bool keep_alive;        /* the connection stays open afterwards */
    bool tell_keep_alive;   /* HTTP/1.0: an open connection has to be announced */
    bool has_body;          /* false: HEAD, or a status without one */
    struct slice fields[6]; /* runs of complete field lines, in order; may be empty */
    struct slice location;  /* a redirect's target: behind the prefix, before the query */
    struct slice location_prefix;
    struct slice query;
    struct slice text; /* a short body that is no file's */
    /* where the answer comes from; borrowed for the turn: */
    const struct site_stack *stack; /* NULL: no site was asked */
    const struct site *origin;      /* whose release decided; NULL: without a stack */
    enum codec codec; /* of the representation that is sent, or that a 304 stands for */
    /* a stored body: */
    struct site *site; /* borrowed for the turn; NULL: none */
    const uint8_t *body;
    uint64_t body_offset; /* in the archive */
    uint64_t body_bytes;
    const struct multipart *multipart; /* several ranges of that body; NULL: it is one */
    /* field lines by rules of the site, for a path that no entry has: */
    const struct index *rules; /* NULL: none */
    struct slice rules_path;   /* canonical */
    bool rules_vary;           /* the body was negotiated: Vary says so, whatever the rules say */
    enum response_sequel sequel;
    struct slice websocket_key; /* of the request; empty: it is no SEQUEL_WEBSOCKET */
};

#endif
