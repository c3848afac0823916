/* The control channels: standard input, FIFOs, Unix sockets and their clients. Reads command lines,
 * has them carried out one after the other, and brings the replies back: to standard output, to the
 * log (a FIFO has no way back), to the client. Runs in the main thread's poll loop, never blocks
 * on a reader or writer. docs/control.md. */
#ifndef CAIRN_SERVER_CONTROL_H
#define CAIRN_SERVER_CONTROL_H

#include "server/control/command.h"

#include <poll.h>

struct control;

/* Sockets that listen already, by the place of their path; -1: none. */
struct control_handed {
    int *fds;
    size_t count;
    int *client_fds;
    size_t client_count;
};

/* Opens the channels: standard input, and each path, which is a FIFO or becomes a Unix socket of
 * mode 0600 (one that nobody listens on any more is replaced), unless it was handed over: that one
 * is taken out of *handed, and so are the clients. `context` stays the caller's. */
int control_new(struct command_context *context, const char *const *paths, size_t path_count,
                const struct control_handed *handed, struct control **out_control,
                struct error *error) CAIRN_MUST_CHECK;

/* Takes commands from a connection of this very process, too, which another thread holds the other
 * end of; takes the socket over. */
void control_attach(struct control *control, int fd);

/* Gives the sockets to a user and group. */
int control_give(const struct control *control, uid_t uid, gid_t gid,
                 struct error *error) CAIRN_MUST_CHECK;

/* The listening socket of the path at this place; *out_fd is -1 if that is a FIFO. False: there is
 * no such path. */
bool control_listener(const struct control *control, size_t place, int *out_fd);

/* The socket of a client that another process can go on with, since it is between two commands and
 * has all its replies. False: there are no more than `number` of them. */
bool control_client(const struct control *control, size_t number, int *out_fd);

/* Another process takes commands from here on: no more is read, the sockets' names stay, and
 * replies that are under way go out. A client that is not handed over (control_client()) is told if
 * a command of its own was not carried out. */
void control_release(struct control *control);

/* Removes the sockets that it made. Takes NULL. */
void control_free(struct control *control);

/* How many entries control_poll_fds() may fill now. */
size_t control_poll_count(const struct control *control);

/* Fills in what to poll for; returns how many. */
size_t control_poll_fds(struct control *control, int64_t now_ms, struct pollfd *out_fds);

/* How long until a channel that rests wants to be polled again, or a client that waits to be taken
 * may be: call control_poll_fds() then. -1: there is none. */
int64_t control_wait_ms(const struct control *control, int64_t now_ms);

/* Acts upon what poll() found, in the order in which control_poll_fds() gave it. */
void control_turn(struct control *control, int64_t now_ms, const struct pollfd *fds, size_t count);

/* Queues text for standard output: the `ready` line, replies. */
void control_print(struct control *control, const char *text, size_t count);

/* Before the end: hands over what is still unsent to those who take it at once. */
void control_flush(struct control *control);

#endif
