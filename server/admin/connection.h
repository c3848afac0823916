/* A connection to the admin address: reads requests, has them answered one after the other, writes
 * the answers. Never blocks; the loop (admin.c) tells it what its socket is ready for. */
#ifndef CAIRN_ADMIN_CONNECTION_H
#define CAIRN_ADMIN_CONNECTION_H

#include "admin/answer.h"
#include "admin/commands.h"
#include "http/h1_write.h"
#include "http/limits.h"

enum admin_phase {
    ADMIN_READING,   /* a request, or nothing yet */
    ADMIN_WAITING,   /* for the reply to a command */
    ADMIN_WRITING,   /* its answer */
    ADMIN_LINGERING, /* the last answer is out: its reader ends the connection (RFC 9112 §9.6) */
    ADMIN_ENDED,     /* to be closed */
};

struct admin_connection {
    int fd;
    enum admin_phase phase;
    int64_t since_ms;   /* of the phase; reading: of the last request's end */
    int64_t until_ms;   /* when its time is up */
    bool is_last;       /* the answer under way ends the connection */
    bool is_head;       /* and has no body: it was asked for by HEAD */
    bool tells_keeping; /* HTTP/1.0 */
    bool has_continued; /* 100 (Continue) was sent for the request that is being read */
    char *output;
    size_t output_count;
    size_t output_sent;
    size_t input_count;
    char input[ADMIN_INPUT_BYTES];
};

/* What all connections share for a turn, and what is used anew for each answer. */
struct admin_turn {
    struct admin_context context;
    struct admin_commands *commands;
    struct limits limits;
    struct head_common common;
    int64_t now_ms;
    bool is_last; /* no more requests are taken after those that have come */
    struct request request;
    struct response_scratch scratch;
    char head[RESPONSE_HEAD_BYTES_MAX];
};

/* A connection that was just accepted; it owns the socket. */
struct admin_connection *admin_connection_new(int fd, int64_t now_ms);
void admin_connection_free(struct admin_connection *connection); /* takes NULL */

/* The events to poll for (poll(2)). */
short admin_connection_events(const struct admin_connection *connection);

/* Acts upon what poll() found, and upon the clock. */
void admin_connection_run(struct admin_connection *connection, struct admin_turn *turn,
                          short events);

/* The reply to its command (commands.h). */
void admin_connection_reply(struct admin_connection *connection, struct admin_turn *turn,
                            struct slice reply);

/* Could it give way to another one, and how soon: that of the least value goes first; INT64_MAX:
 * it stays. */
int64_t admin_connection_rank(const struct admin_connection *connection);

#endif
