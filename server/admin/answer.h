/* Which answer a request to the admin address gets. No sockets, no clock: one thread.
 * docs/admin.md.
 */
#ifndef CAIRN_ADMIN_ANSWER_H
#define CAIRN_ADMIN_ANSWER_H

#include "admin/hosts.h"
#include "http/message.h"
#include "server/metrics_snapshot.h"

/* What answers depend upon. */
struct admin_context {
    struct metrics_sources metrics; /* the list of sites is held while it is looked at */
    struct admin_hosts hosts;
    bool is_draining; /* the process ends when open responses are out */
};

/* A request with what the parser leaves to its caller. */
struct admin_request {
    const struct request *request;
    struct slice method; /* as it was sent */
    struct slice body;
};

struct admin_answer {
    unsigned status;
    const char *type;  /* a media type; NULL: plain text */
    const char *allow; /* 405: the methods that there are; else NULL */
    char *body;        /* the caller's to free */
    size_t body_bytes;
};

/* Answers a request that could be read. */
void admin_answer(const struct admin_context *context, const struct admin_request *request,
                  struct admin_answer *out_answer);

/* An answer of plain text: a line for a person, without its end. */
void admin_answer_text(struct admin_answer *out_answer, unsigned status, const char *format, ...)
    CAIRN_PRINTF(3, 4);

#endif
