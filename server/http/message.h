/* A request and a response as the rest of the server sees them. A request is slices of the
 * connection's input, a response slices of the mapped release: neither owns memory. */
#ifndef CAIRN_HTTP_MESSAGE_H
#define CAIRN_HTTP_MESSAGE_H

#include "http/limits.h"
#include "site/site_list.h"

enum http_method {
    METHOD_GET,
    METHOD_HEAD,
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
    FIELD_IF_NONE_MATCH,
    FIELD_ACCEPT_ENCODING,
    FIELD_ACCEPT,
    FIELD_SEC_FETCH_MODE,
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
    bool has_body;          /* a body follows: it is not read, so the connection must end */
    size_t head_bytes;      /* of the input, empty line included */
    size_t field_count;
    struct http_field fields[REQUEST_FIELDS_MAX];
};

/* What a response needs besides slices of the release: its own field lines, an expanded target.
 * The caller's, of this size; in use until the head is written. */
enum { RESPONSE_SCRATCH_BYTES = 16384 };

struct response {
    unsigned status;
    bool keep_alive;        /* the connection stays open afterwards */
    bool tell_keep_alive;   /* HTTP/1.0: an open connection has to be announced */
    bool has_body;          /* false: HEAD, or a status without one */
    struct slice fields[5]; /* runs of complete field lines, in order; may be empty */
    struct slice location;  /* a redirect's target; the query follows it */
    struct slice query;
    struct slice text; /* a short body that is no file's */
    /* a stored body: */
    struct site *site; /* borrowed for the turn; NULL: none */
    const uint8_t *body;
    uint64_t body_offset; /* in the archive */
    uint64_t body_bytes;
    /* field lines by rules of the site, for a path that no entry has: */
    const struct index *rules; /* NULL: none */
    struct slice rules_path;   /* canonical */
    bool rules_vary;           /* the body was negotiated: Vary says so, whatever the rules say */
};

#endif
