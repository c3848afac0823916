#include "admin/commands.h"

#include "common/mem.h"
#include "server/control/report.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

_Static_assert(REPORT_JSON_BYTES_MAX + 2 * REPORT_ROW_BYTES_MAX <= ADMIN_REPLY_BYTES_MAX,
               "a reply that is too long ends the channel");

void admin_commands_init(struct admin_commands *commands, int fd)
{
    *commands = (struct admin_commands){.fd = fd};
}

static void end(struct admin_commands *commands)
{
    if (commands->fd >= 0) {
        close(commands->fd);
        commands->fd = -1;
    }
}

void admin_commands_fini(struct admin_commands *commands)
{
    end(commands);
    for (size_t i = 0; i < commands->count; i++) {
        free(commands->waiting[i].line);
    }
    free(commands->reply);
    *commands = (struct admin_commands){.fd = -1};
}

static size_t count_questions(const struct admin_commands *commands)
{
    size_t questions = 0;
    for (size_t i = 0; i < commands->count; i++) {
        questions += !commands->waiting[i].is_change;
    }
    return questions;
}

bool admin_commands_submit(struct admin_commands *commands, const char *line, bool is_change,
                           void *sender)
{
    if (commands->fd < 0 || commands->count == ADMIN_COMMANDS_MAX ||
        (!is_change && count_questions(commands) == ADMIN_QUESTIONS_MAX)) {
        return false;
    }
    commands->waiting[commands->count++] = (struct admin_command){
        .line = mem_format("%s\n", line), .is_change = is_change, .sender = sender};
    return true;
}

static void drop(struct admin_commands *commands, size_t i)
{
    assert(i < commands->count);
    free(commands->waiting[i].line);
    commands->count--;
    memmove(&commands->waiting[i], &commands->waiting[i + 1],
            (commands->count - i) * sizeof commands->waiting[0]);
}

void admin_commands_forget(struct admin_commands *commands, const void *sender)
{
    if (commands->count > 0 && commands->waiting[0].sender == sender) {
        commands->waiting[0].sender = NULL;
    }
    for (size_t i = commands->count; i-- > 1;) {
        if (commands->waiting[i].sender == sender) {
            drop(commands, i);
        }
    }
}

/* Of the line that is under way, how much has not been sent. */
static struct slice unsent(const struct admin_commands *commands)
{
    return commands->count == 0 || commands->has_reply
               ? (struct slice){"", 0}
               : slice_after(slice_of_string(commands->waiting[0].line), commands->sent);
}

short admin_commands_events(const struct admin_commands *commands)
{
    return (short)(POLLIN | (unsent(commands).count > 0 ? POLLOUT : 0));
}

static void send_line(struct admin_commands *commands)
{
    struct slice line = unsent(commands);
    ssize_t count = line.count == 0 ? 0 : send(commands->fd, line.bytes, line.count, MSG_NOSIGNAL);
    if (count > 0) {
        commands->sent += (size_t)count;
    } else if (count < 0 && errno != EAGAIN && errno != EINTR) {
        end(commands);
    }
}

/* Rows up to one that begins with a word that ends a reply (docs/control.md). */
static bool find_end(struct admin_commands *commands)
{
    struct slice rest =
        slice_after((struct slice){commands->reply, commands->reply_count}, commands->row_start);
    const char *newline;
    while (rest.count > 0 && (newline = memchr(rest.bytes, '\n', rest.count)) != NULL) {
        size_t row = (size_t)(newline - rest.bytes) + 1;
        bool is_last =
            slice_starts_with(rest, SLICE("ok ")) || slice_starts_with(rest, SLICE("error "));
        commands->row_start += row;
        rest = slice_after(rest, row);
        if (is_last) {
            return true;
        }
    }
    return false;
}

static void receive(struct admin_commands *commands)
{
    enum { PIECE_BYTES = 16384 };
    if (commands->reply_capacity - commands->reply_count < PIECE_BYTES) {
        commands->reply_capacity =
            mem_capacity(commands->reply_capacity, commands->reply_count + PIECE_BYTES);
        commands->reply = mem_resize(commands->reply, commands->reply_capacity, 1);
    }
    ssize_t count = recv(commands->fd, commands->reply + commands->reply_count, PIECE_BYTES, 0);
    if (count > 0) {
        commands->reply_count += (size_t)count;
        commands->has_reply = commands->count > 0 && find_end(commands);
    }
    bool is_over = count == 0 || (count < 0 && errno != EAGAIN && errno != EINTR);
    if (is_over || commands->reply_count > ADMIN_REPLY_BYTES_MAX) {
        end(commands);
    }
}

void admin_commands_run(struct admin_commands *commands)
{
    if (commands->fd >= 0) {
        send_line(commands);
    }
    if (commands->fd >= 0 && !commands->has_reply) {
        receive(commands);
    }
}

/* The first is done. */
static void drop_first(struct admin_commands *commands)
{
    drop(commands, 0);
    commands->sent = 0;
    commands->reply_count = 0;
    commands->row_start = 0;
    commands->has_reply = false;
}

bool admin_commands_take(struct admin_commands *commands, void **out_sender,
                         struct slice *out_reply)
{
    bool is_lost = commands->fd < 0 && commands->count > 0;
    if (!commands->has_reply && !is_lost) {
        return false;
    }
    *out_sender = commands->waiting[0].sender;
    *out_reply = commands->has_reply ? (struct slice){commands->reply, commands->row_start}
                                     : (struct slice){"", 0};
    drop_first(commands);
    return true;
}
