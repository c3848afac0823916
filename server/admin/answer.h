/* Which answer a request to the admin address gets. No sockets, no clock: one thread.
 * docs/admin.md.
 */
#ifndef CAIRN_ADMIN_ANSWER_H
#define CAIRN_ADMIN_ANSWER_H

#include "admin/history.h"
#include "admin/hosts.h"
#include "admin/page.h"
#include "admin/token.h"
#include "http/message.h"

/* What answers depend upon. */
struct admin_context {
    struct metrics_sources metrics; /* the list of sites is held while it is looked at */
    struct admin_hosts hosts;
    struct admin_token *token;
    struct admin_history *history;
    struct admin_page *page;
    struct refusals *refusals;
    const char *sandbox; /* what is in force, in a word */
    bool is_draining;    /* the process ends when open responses are out */
    int64_t now_ms;      /* monotonic */
    int64_t now_s;       /* Unix time */
};

/* A request with what the parser leaves to its caller. */
struct admin_request {
    const struct request *request;
    struct slice method; /* as it was sent */
    struct slice body;
};

/* One of these: a body with what goes with it; a control command (docs/control.md) whose reply will
 * be the answer; the page, which has answers of its own (page.h). */
struct admin_answer {
    unsigned status;
    const char *type;  /* a media type; NULL: plain text */
    const char *allow; /* 405: the methods that there are; else NULL */
    char *body;        /* the caller's to free, as `command` */
    size_t body_bytes;
    char *command;
    bool is_change; /* of a command: else it asks */
    bool is_page;
};

/* Answers a request that could be read. */
void admin_answer(const struct admin_context *context, const struct admin_request *request,
                  struct admin_answer *out_answer);

/* The answer that the reply to a command comes to; empty: nobody has carried it out. */
void admin_answer_reply(struct slice reply, struct admin_answer *out_answer);

/* An answer of plain text: a line for a person, without its end. */
void admin_answer_text(struct admin_answer *out_answer, unsigned status, const char *format, ...)
    CAIRN_PRINTF(3, 4);

/* The same for a program: {"error": "..."}. */
void admin_answer_error(struct admin_answer *out_answer, unsigned status, const char *format, ...)
    CAIRN_PRINTF(3, 4);

#endif
