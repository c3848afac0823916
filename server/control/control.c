#include "server/control/control.h"

#include "common/mem.h"
#include "http/limits.h"
#include "net/unix_socket.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

enum channel_kind {
    CHANNEL_STDIN,
    CHANNEL_FIFO,
    CHANNEL_LISTENER,
    CHANNEL_CLIENT,
    CHANNEL_INSIDE, /* the other end is in this process: it never gives way, and stays here */
};

struct channel {
    enum channel_kind kind;
    int in_fd;            /* -1: ended */
    int out_fd;           /* -1: replies go to the log */
    const char *path;     /* of a FIFO or listener */
    struct reply unsent;  /* what out_fd has not taken yet */
    bool is_closing;      /* a client: once `unsent` is out */
    int64_t heard_ms;     /* a client: when it came, or something of it */
    int64_t rest_end_ms;  /* what it is ready for failed: it is not polled before */
    size_t waiting_count; /* of bytes that were read, and are not carried out yet */
    char waiting[CONTROL_READ_BYTES];
    struct line_reader reader;
};

struct control {
    struct command_context *context;
    struct channel **channels; /* [0] is standard input */
    size_t count;
    size_t capacity;
    const char *const *paths; /* as they were given */
    size_t path_count;
    int64_t now_ms; /* of this turn */
};

/* For want of descriptors or memory, mostly: polled at once, it would be ready again at once. */
static void rest(const struct control *control, struct channel *channel)
{
    channel->rest_end_ms = control->now_ms + ACCEPT_REST_MS;
}

static struct channel *add_channel(struct control *control, enum channel_kind kind, int in_fd,
                                   int out_fd)
{
    if (control->count == control->capacity) {
        control->capacity = mem_capacity(control->capacity, control->count + 1);
        control->channels =
            mem_resize(control->channels, control->capacity, sizeof(struct channel *));
    }
    struct channel *channel = mem_zeroed(1, sizeof *channel);
    channel->kind = kind;
    channel->in_fd = in_fd;
    channel->out_fd = out_fd;
    control->channels[control->count++] = channel;
    return channel;
}

static bool is_connection(const struct channel *channel)
{
    return channel->kind == CHANNEL_CLIENT || channel->kind == CHANNEL_INSIDE;
}

static void free_channel(struct channel *channel)
{
    if (channel->kind == CHANNEL_LISTENER && channel->in_fd >= 0) {
        unlink(channel->path);
    }
    if (channel->kind != CHANNEL_STDIN && channel->in_fd >= 0) {
        close(channel->in_fd);
    }
    free(channel->unsent.text);
    free(channel);
}

/* ---- replies ---- */

static void log_lines(const char *text, size_t count)
{
    while (count > 0) {
        const char *end = memchr(text, '\n', count);
        size_t line = end == NULL ? count : (size_t)(end - text);
        fprintf(stderr, "cairn-serve: %.*s\n", (int)line, text);
        line += end != NULL;
        text += line;
        count -= line;
    }
}

/* Writes what the other side takes now, never more than a pipe takes without blocking. */
static void write_unsent(struct channel *channel)
{
    struct reply *unsent = &channel->unsent;
    size_t piece = unsent->count < PIPE_BUF ? unsent->count : PIPE_BUF;
    ssize_t sent = is_connection(channel) ? send(channel->out_fd, unsent->text, unsent->count,
                                                 MSG_NOSIGNAL | MSG_DONTWAIT)
                                          : write(channel->out_fd, unsent->text, piece);
    if (sent < 0 && (errno == EAGAIN || errno == EINTR)) {
        return;
    }
    if (sent < 0) {
        unsent->count = 0; /* nobody reads it any more */
        channel->is_closing = true;
        if (channel->kind == CHANNEL_STDIN) {
            channel->out_fd = -1;
        }
        return;
    }
    unsent->count -= (size_t)sent;
    memmove(unsent->text, unsent->text + sent, unsent->count);
}

static void send_reply(struct channel *channel, const char *text, size_t count)
{
    if (channel->out_fd < 0) {
        log_lines(text, count);
        return;
    }
    reply_format(&channel->unsent, "%.*s", (int)count, text);
}

void control_print(struct control *control, const char *text, size_t count)
{
    send_reply(control->channels[0], text, count);
}

/* ---- commands ---- */

static void finish_event(struct control *control, struct channel *channel, enum line_event event,
                         struct slice line)
{
    struct reply reply = {0};
    if (event == LINE_READY) {
        command_run(control->context, line, &reply);
    } else {
        command_reject(event, &reply);
    }
    send_reply(channel, reply.text, reply.count);
    free(reply.text);
}

/* Who does not take replies has no more commands carried out. */
static bool is_full(const struct channel *channel)
{
    return channel->unsent.count > CONTROL_UNSENT_BYTES;
}

/* Carries out what was read, as long as its replies are taken: a few bytes may ask for many. */
static void take_waiting(struct control *control, struct channel *channel)
{
    struct slice input = {channel->waiting, channel->waiting_count};
    struct slice line;
    enum line_event event = LINE_READY;
    while (event != LINE_MORE && !is_full(channel)) {
        event = line_reader_take(&channel->reader, &input, &line);
        if (event != LINE_MORE) {
            finish_event(control, channel, event, line);
        }
    }
    memmove(channel->waiting, input.bytes, input.count);
    channel->waiting_count = input.count;
}

static void end_input(struct control *control, struct channel *channel)
{
    enum line_event event = line_reader_end(&channel->reader);
    if (event != LINE_MORE) {
        finish_event(control, channel, event, (struct slice){"", 0});
    }
}

/* Opens what is at the path. *out_fd is -1 if that is no FIFO any more. False: it cannot be told
 * now. */
static bool open_again(const char *path, int *out_fd)
{
    struct stat status;
    *out_fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    if (*out_fd < 0) {
        return errno == ENOENT || errno == ENOTDIR || errno == EACCES || errno == ELOOP;
    }
    bool is_told = fstat(*out_fd, &status) == 0;
    if (!is_told || !S_ISFIFO(status.st_mode)) {
        close(*out_fd);
        *out_fd = -1;
    }
    return is_told;
}

/* The last writer of a FIFO has closed it. It is opened anew before the old descriptor is closed,
 * so that a writer that comes in between finds a reader; the new one waits without reporting an
 * end. Until that succeeds, the old one keeps reporting it. */
static void reopen_fifo(const struct control *control, struct channel *channel)
{
    int fd;
    if (!open_again(channel->path, &fd)) {
        rest(control, channel);
        return;
    }
    if (fd < 0) {
        fprintf(stderr, "cairn-serve: %s: the control FIFO is gone; commands from it end\n",
                channel->path);
    }
    close(channel->in_fd);
    channel->in_fd = fd;
}

static void on_end(struct control *control, struct channel *channel)
{
    end_input(control, channel);
    if (channel->kind == CHANNEL_FIFO) {
        reopen_fifo(control, channel);
    } else if (is_connection(channel)) {
        channel->is_closing = true; /* it still gets its replies */
    } else {
        channel->in_fd = -1; /* standard input: the server goes on */
    }
}

static void on_readable(struct control *control, struct channel *channel)
{
    assert(channel->waiting_count == 0);
    ssize_t count = read(channel->in_fd, channel->waiting, sizeof channel->waiting);
    if (count > 0) {
        channel->heard_ms = control->now_ms;
        channel->waiting_count = (size_t)count;
        take_waiting(control, channel);
    } else if (count == 0 || (errno != EAGAIN && errno != EINTR)) {
        /* EIO: a terminal that this process is not in the foreground of */
        on_end(control, channel);
    }
}

/* The client that gives way to another one, if there are as many as there may be: the one that has
 * been silent for longest. NULL: there is room. */
static struct channel *client_to_shed(const struct control *control)
{
    struct channel *oldest = NULL;
    size_t count = 0;
    for (size_t i = 0; i < control->count; i++) {
        struct channel *channel = control->channels[i];
        if (channel->kind == CHANNEL_CLIENT) {
            count++;
            oldest = oldest == NULL || channel->heard_ms < oldest->heard_ms ? channel : oldest;
        }
    }
    return count < CONTROL_CLIENTS_MAX ? NULL : oldest;
}

/* Until a client may give way; 0: now, or there is no need. */
static int64_t shed_wait_ms(const struct control *control, int64_t now_ms)
{
    const struct channel *oldest = client_to_shed(control);
    int64_t left = oldest == NULL ? 0 : oldest->heard_ms + CONTROL_SILENT_MS - now_ms;
    return left > 0 ? left : 0;
}

/* The socket's mode keeps others out; should somebody have changed it, the system still tells who
 * is at the other end (unix(7), SO_PEERCRED). */
static bool may_command(int fd, uid_t *out_uid)
{
    struct ucred peer;
    socklen_t bytes = sizeof peer;
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &bytes) != 0) {
        *out_uid = (uid_t)-1;
        return false;
    }
    *out_uid = peer.uid;
    return peer.uid == 0 || peer.uid == geteuid();
}

static void on_listener(struct control *control, struct channel *channel)
{
    int fd = accept4(channel->in_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0) {
        if (errno != EAGAIN && errno != EINTR && errno != ECONNABORTED) {
            rest(control, channel);
        }
        return;
    }
    struct channel *silent = client_to_shed(control);
    if (silent != NULL) {
        silent->unsent.count = 0;
        silent->is_closing = true;
    }
    struct channel *client = add_channel(control, CHANNEL_CLIENT, fd, fd);
    client->heard_ms = control->now_ms;
    uid_t uid;
    if (!may_command(fd, &uid)) {
        reply_format(&client->unsent,
                     "error connection: commands are for user %lu and root, not for user %lu\n",
                     (unsigned long)geteuid(), (unsigned long)uid);
        client->is_closing = true;
        write_unsent(client);
    }
}

/* ---- turning ---- */

size_t control_poll_count(const struct control *control)
{
    return 2 * control->count;
}

static bool wants_input(const struct control *control, const struct channel *channel)
{
    if (channel->in_fd < 0 || channel->is_closing || channel->waiting_count > 0 ||
        is_full(channel)) {
        return false;
    }
    if (channel->rest_end_ms > control->now_ms) {
        return false;
    }
    if (channel->kind == CHANNEL_LISTENER) {
        return shed_wait_ms(control, control->now_ms) == 0; /* the others wait in its queue */
    }
    return true;
}

size_t control_poll_fds(struct control *control, int64_t now_ms, struct pollfd *out_fds)
{
    control->now_ms = now_ms;
    for (size_t i = 0; i < control->count; i++) {
        struct channel *channel = control->channels[i];
        struct pollfd *pair = &out_fds[2 * i];
        pair[0] = (struct pollfd){.fd = wants_input(control, channel) ? channel->in_fd : -1,
                                  .events = POLLIN};
        pair[1] = (struct pollfd){.fd = channel->unsent.count > 0 ? channel->out_fd : -1,
                                  .events = POLLOUT};
    }
    return 2 * control->count;
}

int64_t control_wait_ms(const struct control *control, int64_t now_ms)
{
    int64_t shed = shed_wait_ms(control, now_ms);
    int64_t least = shed > 0 ? shed : -1;
    for (size_t i = 0; i < control->count; i++) {
        int64_t left = control->channels[i]->rest_end_ms - now_ms;
        if (left > 0 && (least < 0 || left < least)) {
            least = left;
        }
    }
    return least;
}

static void drop_closed(struct control *control)
{
    size_t kept = 0;
    for (size_t i = 0; i < control->count; i++) {
        struct channel *channel = control->channels[i];
        if (is_connection(channel) && channel->is_closing && channel->unsent.count == 0) {
            free_channel(channel);
        } else {
            control->channels[kept++] = channel;
        }
    }
    control->count = kept;
}

void control_turn(struct control *control, int64_t now_ms, const struct pollfd *fds, size_t count)
{
    control->now_ms = now_ms;
    for (size_t i = 0; 2 * i < count; i++) {
        struct channel *channel = control->channels[i];
        if (fds[2 * i].revents != 0 && channel->kind == CHANNEL_LISTENER) {
            on_listener(control, channel);
        } else if (fds[2 * i].revents != 0) {
            on_readable(control, channel);
        }
        if (channel->unsent.count > 0) {
            bool is_ready = fds[2 * i + 1].revents != 0 || is_connection(channel);
            if (is_ready) {
                write_unsent(channel);
            }
        }
        if (channel->waiting_count > 0 && !channel->is_closing) {
            take_waiting(control, channel);
        }
    }
    drop_closed(control);
}

void control_flush(struct control *control)
{
    for (size_t i = 0; i < control->count; i++) {
        struct channel *channel = control->channels[i];
        struct pollfd out = {.fd = channel->out_fd, .events = POLLOUT};
        while (channel->unsent.count > 0 && poll(&out, 1, 0) > 0) {
            size_t before = channel->unsent.count;
            write_unsent(channel);
            if (channel->unsent.count == before) {
                break;
            }
        }
    }
}

/* ---- opening ---- */

static int fail(const char *path, struct error *error)
{
    return error_set(error, -errno, "%s: %s", path, strerror(errno));
}

static int open_fifo(struct control *control, const char *path, struct error *error)
{
    int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0) {
        return fail(path, error);
    }
    add_channel(control, CHANNEL_FIFO, fd, -1)->path = path;
    return 0;
}

/* Commands are its owner's alone. */
enum { CONTROL_SOCKET_MODE = 0600 };

static int open_socket(struct control *control, const char *path, struct error *error)
{
    int fd;
    int status = unix_socket_listen(path, CONTROL_SOCKET_MODE, CONTROL_CLIENTS_MAX, &fd, error);
    if (status == 0) {
        add_channel(control, CHANNEL_LISTENER, fd, -1)->path = path;
    }
    return status;
}

static int open_path(struct control *control, const char *path, struct error *error)
{
    struct stat status;
    bool exists = lstat(path, &status) == 0;
    if (!exists && errno != ENOENT) {
        return fail(path, error);
    }
    if (exists && S_ISLNK(status.st_mode) && stat(path, &status) != 0) {
        return fail(path, error);
    }
    if (exists && S_ISFIFO(status.st_mode)) {
        return open_fifo(control, path, error);
    }
    if (exists && !S_ISSOCK(status.st_mode)) {
        return error_set(error, ERR_FORMAT, "%s: neither a FIFO nor a socket", path);
    }
    return open_socket(control, path, error);
}

int control_new(struct command_context *context, const char *const *paths, size_t path_count,
                const struct control_handed *handed, struct control **out_control,
                struct error *error)
{
    struct control *control = mem_zeroed(1, sizeof *control);
    control->context = context;
    control->paths = paths;
    control->path_count = path_count;
    add_channel(control, CHANNEL_STDIN, STDIN_FILENO, STDOUT_FILENO);
    int status = 0;
    for (size_t i = 0; i < path_count && status == 0; i++) {
        if (i < handed->count && handed->fds[i] >= 0) {
            add_channel(control, CHANNEL_LISTENER, handed->fds[i], -1)->path = paths[i];
            handed->fds[i] = -1;
        } else {
            status = open_path(control, paths[i], error);
        }
    }
    if (status != 0) {
        control_free(control);
        return status;
    }
    for (size_t i = 0; i < handed->client_count; i++) {
        int fd = handed->client_fds[i];
        add_channel(control, CHANNEL_CLIENT, fd, fd);
        handed->client_fds[i] = -1;
    }
    *out_control = control;
    return 0;
}

void control_attach(struct control *control, int fd)
{
    add_channel(control, CHANNEL_INSIDE, fd, fd);
}

int control_give(const struct control *control, uid_t uid, gid_t gid, struct error *error)
{
    for (size_t i = 0; i < control->count; i++) {
        const struct channel *channel = control->channels[i];
        if (channel->kind == CHANNEL_LISTENER && lchown(channel->path, uid, gid) != 0) {
            return fail(channel->path, error);
        }
    }
    return 0;
}

bool control_listener(const struct control *control, size_t place, int *out_fd)
{
    if (place >= control->path_count) {
        return false;
    }
    *out_fd = -1;
    for (size_t i = 0; i < control->count; i++) {
        const struct channel *channel = control->channels[i];
        if (channel->kind == CHANNEL_LISTENER && channel->path == control->paths[place]) {
            *out_fd = channel->in_fd;
        }
    }
    return true;
}

static bool has_part(const struct channel *channel)
{
    return channel->waiting_count > 0 || line_reader_has_part(&channel->reader);
}

bool control_client(const struct control *control, size_t number, int *out_fd)
{
    for (size_t i = 0; i < control->count; i++) {
        const struct channel *channel = control->channels[i];
        bool is_ready = channel->kind == CHANNEL_CLIENT && channel->in_fd >= 0 &&
                        !channel->is_closing && channel->unsent.count == 0 && !has_part(channel);
        if (is_ready && number-- == 0) {
            *out_fd = channel->in_fd;
            return true;
        }
    }
    return false;
}

void control_release(struct control *control)
{
    for (size_t i = 0; i < control->count; i++) {
        struct channel *channel = control->channels[i];
        if (is_connection(channel)) {
            if (has_part(channel) && !channel->is_closing) {
                reply_format(&channel->unsent,
                             "error not carried out: another process has taken over; ask again\n");
            }
            channel->is_closing = true;
        } else {
            if (channel->kind != CHANNEL_STDIN && channel->in_fd >= 0) {
                close(channel->in_fd);
            }
            channel->in_fd = -1;
        }
    }
}

void control_free(struct control *control)
{
    if (control != NULL) {
        for (size_t i = 0; i < control->count; i++) {
            free_channel(control->channels[i]);
        }
        free(control->channels);
        free(control);
    }
}
