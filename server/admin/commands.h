/* Control commands that the admin address has carried out: lines to the control thread over a
 * socket, one after the other, and their replies. Never blocks: the control thread may be busy for
 * as long as a load takes. One thread. */
#ifndef CAIRN_ADMIN_COMMANDS_H
#define CAIRN_ADMIN_COMMANDS_H

#include "common/slice.h"

#include <stdbool.h>

enum {
    ADMIN_COMMANDS_MAX = 8,           /* that wait */
    ADMIN_QUESTIONS_MAX = 4,          /* of them, those that change nothing: anybody may ask */
    ADMIN_REPLY_BYTES_MAX = 32 << 20, /* more than any has (server/control/report.h) */
};

struct admin_commands {
    int fd; /* -1: nobody carries them out any more */
    struct admin_command {
        char *line;                /* with its end */
        bool is_change;            /* else a question */
        void *sender;              /* NULL: it has gone */
    } waiting[ADMIN_COMMANDS_MAX]; /* the first is under way */
    size_t count;
    size_t sent; /* of the first line */
    char *reply;
    size_t reply_count;
    size_t reply_capacity;
    size_t row_start; /* of the row that has not ended */
    bool has_reply;
};

/* Takes over the socket, which does not block. */
void admin_commands_init(struct admin_commands *commands, int fd);
void admin_commands_fini(struct admin_commands *commands);

/* Queues a line (without its end), which it copies. False: there are too many, of its kind or in
 * all, or nobody to carry it out. */
bool admin_commands_submit(struct admin_commands *commands, const char *line, bool is_change,
                           void *sender);

/* The sender does not wait any more: what is under way is carried out all the same, what has not
 * begun is not. */
void admin_commands_forget(struct admin_commands *commands, const void *sender);

/* The events to poll `fd` for (poll(2)). */
short admin_commands_events(const struct admin_commands *commands);

/* Sends and receives what can be now. */
void admin_commands_run(struct admin_commands *commands);

/* A command that has come to its end: whose, and its reply, rows and last line, valid until the
 * next call; empty: the control thread has gone. False: there is none. */
bool admin_commands_take(struct admin_commands *commands, void **out_sender,
                         struct slice *out_reply);

#endif
