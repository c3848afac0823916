#include "net/sending.h"

#include "common/mem.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/sendfile.h>
#include <sys/socket.h>

static enum write_result write_problem(void)
{
    return errno == EAGAIN || errno == EINTR ? WRITE_FULL : WRITE_FAILED;
}

/* The rest of a head, if it did not fit at once. */
static enum write_result write_head(struct turn *turn, struct conn *conn)
{
    struct conn_buffer *head = conn->head;
    while (head != NULL && head->start < head->end) {
        ssize_t sent = send(conn->fd, head->bytes + head->start, head->end - head->start,
                            MSG_NOSIGNAL | (conn->body_bytes > 0 ? MSG_MORE : 0));
        if (sent < 0) {
            return write_problem();
        }
        head->start += (size_t)sent;
        counter_add(&turn->counters.bytes, (uint64_t)sent);
        conn_moved(conn, (uint64_t)sent);
    }
    conn_buffer_drop(&conn->head);
    return WRITE_DONE;
}

/* Bytes that the release committed are not there. */
static void note_lost_body(struct site *site)
{
    site_set_damaged(site, "its archive was cut short, or cannot be read any more");
}

/* Has the next piece of the archive read: the connection waits for it. Always WRITE_COLD. */
static enum write_result read_from_disk(struct turn *turn, struct conn *conn, struct site *site,
                                        uint64_t offset, uint64_t bytes)
{
    struct disk_read *read = mem_zeroed(1, sizeof *read);
    /* whole blocks, as they are asked about */
    uint64_t start = offset / RESIDENCY_BLOCK_BYTES * RESIDENCY_BLOCK_BYTES;
    uint64_t wanted = (offset + bytes - start + RESIDENCY_BLOCK_BYTES - 1) / RESIDENCY_BLOCK_BYTES *
                      RESIDENCY_BLOCK_BYTES;
    uint64_t piece = wanted < DISK_READ_BYTES_MAX ? wanted : DISK_READ_BYTES_MAX;
    uint64_t behind = wanted - piece;
    *read = (struct disk_read){
        .home = &turn->mailbox,
        .site = site_ref(site),
        .offset = start,
        .bytes = piece,
        .ahead_bytes = behind < DISK_READ_BYTES_MAX ? behind : DISK_READ_BYTES_MAX,
        .conn = conn,
    };
    conn->read = read;
    conn->waits++;
    counter_add(&turn->counters.disk_reads, 1);
    disk_readers_submit(turn->disk_readers, read);
    return WRITE_COLD;
}

/* How many of the bytes can be sent without waiting for a disk. `least` of them if the connection
 * has waited several times in vain, because memory is so short that they go before they are sent,
 * or because they cannot be read: so that it gets on. */
static uint64_t warm_bytes(struct turn *turn, const struct conn *conn, const struct site *site,
                           uint64_t offset, uint64_t bytes, uint64_t least)
{
    uint64_t warm = residency_prefix(&turn->residency, site->archive, offset, bytes);
    return warm < least && conn->waits >= DISK_WAITS_MAX ? least : warm;
}

static enum write_result write_body(struct turn *turn, struct conn *conn)
{
    while (conn->body_bytes > 0) {
        if (turn->conn_bytes >= TURN_BODY_BYTES_MAX) {
            return WRITE_FULL; /* the others first; epoll tells at once that there is room */
        }
        off_t offset = (off_t)conn->body_offset;
        uint64_t next =
            conn->body_bytes < TURN_BODY_BYTES_MAX ? conn->body_bytes : TURN_BODY_BYTES_MAX;
        uint64_t least = next < RESIDENCY_BLOCK_BYTES ? next : RESIDENCY_BLOCK_BYTES;
        size_t piece = (size_t)warm_bytes(turn, conn, conn->site, conn->body_offset, next, least);
        if (piece == 0) {
            return read_from_disk(turn, conn, conn->site, conn->body_offset, conn->body_bytes);
        }
        conn->waits = 0;
        ssize_t sent = sendfile(conn->fd, conn->site->archive->fd, &offset, piece);
        if (sent < 0 && errno == EIO) {
            note_lost_body(conn->site);
        }
        if (sent < 0) {
            return write_problem();
        }
        if (sent == 0) {
            note_lost_body(conn->site);
            return WRITE_FAILED; /* somebody cut the archive short: end, never pad */
        }
        conn->body_offset += (uint64_t)sent;
        conn->body_bytes -= (uint64_t)sent;
        turn_count_sent(turn, (uint64_t)sent);
        conn_moved(conn, (uint64_t)sent);
    }
    return WRITE_DONE;
}

/* Goes on with the next of several parts: the text before it becomes the head to send. False: there
 * is none. */
static bool begin_part(struct conn *conn)
{
    struct conn_parts *parts = conn->parts;
    if (parts == NULL || parts->next > parts->multipart.ranges.count) {
        return false;
    }
    size_t bytes = multipart_text(&parts->multipart, parts->next, NULL, 0);
    conn_buffer_reserve(&conn->head, bytes + 1); /* and a NUL */
    conn->head->end = multipart_text(&parts->multipart, parts->next, conn->head->bytes, bytes + 1);
    if (parts->next < parts->multipart.ranges.count) {
        conn->body_offset = parts->body_offset + parts->multipart.ranges.at[parts->next].first;
        conn->body_bytes = parts->multipart.ranges.at[parts->next].bytes;
    }
    parts->next++;
    return true;
}

/* What is left of the response under way. */
static enum write_result write_rest(struct turn *turn, struct conn *conn)
{
    enum write_result result;
    do {
        result = write_head(turn, conn);
        if (result == WRITE_DONE) {
            result = write_body(turn, conn);
        }
    } while (result == WRITE_DONE && begin_part(conn));
    return result;
}

/* The response is out; its site is the caller's to give back. */
static void end_response(struct turn *turn, struct conn *conn)
{
    free(conn->parts);
    conn->parts = NULL;
    conn->site = NULL;
    counter_add(&turn->counters.requests, 1);
}

enum write_result sending_rest(struct turn *turn, struct conn *conn)
{
    enum write_result result = write_rest(turn, conn);
    if (result == WRITE_DONE) {
        struct site *site = conn->site;
        end_response(turn, conn);
        site_unref(site);
    }
    return result;
}

/* The response that the socket took only `sent` bytes of becomes the connection's own: what is left
 * of its head is copied. Its site is borrowed, as long as the turn lasts. */
static void adopt_response(struct turn *turn, struct conn *conn, struct batch_response *response,
                           size_t sent)
{
    if (sent < response->text_bytes) {
        conn_buffer_reserve(&conn->head, response->text_bytes - sent);
        conn->head->end = response->text_bytes - sent;
        memcpy(conn->head->bytes, turn->batch.text + response->text_at + sent, conn->head->end);
    }
    size_t body_sent = sent > response->text_bytes ? sent - response->text_bytes : 0;
    conn->body_offset = response->body_offset + body_sent;
    conn->body_bytes = response->body_bytes + response->file_bytes - body_sent;
    conn->site = response->site;
    conn->parts = response->parts;
    response->parts = NULL;
    conn->close_after = !response->keep_alive;
    conn->requests++;
}

/* Goes on with the connection's new response. Its site is counted only if it outlives the turn: the
 * count is shared by all workers, and most bodies are out at once. */
static enum write_result begin_rest(struct turn *turn, struct conn *conn, bool is_text_out)
{
    enum write_result result = is_text_out ? write_rest(turn, conn) : WRITE_FULL;
    if (result == WRITE_DONE) {
        end_response(turn, conn);
    } else if (conn->site != NULL) {
        (void)site_ref(conn->site); /* conn_close() and sending_rest() give it back */
    }
    return result;
}

/* Which responses are out after `sent` bytes, and how much of the input they answer. */
static enum write_result settle_batch(struct turn *turn, struct conn *conn, size_t sent,
                                      size_t *out_input_bytes)
{
    struct batch *batch = &turn->batch;
    for (size_t i = 0; i < batch->response_count; i++) {
        struct batch_response *response = &batch->responses[i];
        size_t whole = response->text_bytes + response->body_bytes;
        bool has_rest = response->file_bytes > 0 || response->parts != NULL;
        if (sent < whole || has_rest) {
            if (sent == 0 && i > 0) {
                return WRITE_FULL; /* not started: it is made again when there is room */
            }
            *out_input_bytes = response->input_bytes;
            adopt_response(turn, conn, response, sent);
            return begin_rest(turn, conn, sent >= whole);
        }
        sent -= whole;
        *out_input_bytes = response->input_bytes;
        conn->close_after = !response->keep_alive;
        conn->requests++;
        counter_add(&turn->counters.requests, 1);
    }
    return WRITE_DONE;
}

/* The system could not read a body from its mapping. */
static void note_lost_bodies(const struct batch *batch)
{
    for (size_t i = 0; i < batch->response_count; i++) {
        const struct batch_response *response = &batch->responses[i];
        if (response->body != NULL && (site_is_cut(response->site) || batch->response_count == 1)) {
            note_lost_body(response->site);
        }
    }
}

/* Cuts the batch before the first response whose body is on a disk. WRITE_COLD: that is the first
 * of all; it is made again when it was read. */
static enum write_result trim_to_warm(struct turn *turn, struct conn *conn)
{
    struct batch *batch = &turn->batch;
    for (size_t i = 0; i < batch->response_count; i++) {
        const struct batch_response *response = &batch->responses[i];
        uint64_t warm = response->body_bytes == 0
                            ? 0
                            : warm_bytes(turn, conn, response->site, response->body_offset,
                                         response->body_bytes, response->body_bytes);
        if (warm < response->body_bytes && i == 0) {
            return read_from_disk(turn, conn, response->site, response->body_offset + warm,
                                  response->body_bytes - warm);
        }
        if (warm < response->body_bytes) {
            batch_trim(batch, i);
            turn->ends_plainly = false;
        }
    }
    return WRITE_DONE;
}

/* One piece needs no list of pieces, which the system would have to copy and check. */
static ssize_t send_pieces(struct turn *turn, const struct conn *conn, int flags)
{
    struct batch *batch = &turn->batch;
    struct msghdr message = {.msg_iov = batch->pieces, .msg_iovlen = batch_pieces(batch)};
    return message.msg_iovlen == 1
               ? send(conn->fd, batch->pieces[0].iov_base, batch->pieces[0].iov_len, flags)
               : sendmsg(conn->fd, &message, flags);
}

enum write_result sending_batch(struct turn *turn, struct conn *conn, size_t *out_input_bytes)
{
    struct batch *batch = &turn->batch;
    if (trim_to_warm(turn, conn) == WRITE_COLD) {
        return WRITE_COLD;
    }
    conn->waits = 0;
    const struct batch_response *last = &batch->responses[batch->response_count - 1];
    bool has_rest = last->file_bytes > 0 || last->parts != NULL;
    /* what follows, a body or the connection's end, leaves in the same packet */
    int more = has_rest || turn->ends_plainly ? MSG_MORE : 0;
    ssize_t sent = send_pieces(turn, conn, MSG_NOSIGNAL | MSG_DONTWAIT | more);
    if (sent < 0 && errno == EFAULT) {
        note_lost_bodies(batch);
        return WRITE_FAILED;
    }
    if (sent < 0 && write_problem() == WRITE_FAILED) {
        return WRITE_FAILED;
    }
    if (sent > 0) {
        turn_count_sent(turn, (uint64_t)sent);
    }
    return settle_batch(turn, conn, sent > 0 ? (size_t)sent : 0, out_input_bytes);
}
