#include "net/access_log.h"

#include "common/http_date.h"
#include "common/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* What of a line's parts is shown; escaped, a byte takes four. */
enum { SHOWN_BYTES_MAX = 2048, LINE_BYTES_MAX = 3 * 4 * SHOWN_BYTES_MAX + 256 };

int access_log_open(const char *path, int *out_fd, struct error *error)
{
    int fd = strcmp(path, "-") == 0
                 ? fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 0)
                 : open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NONBLOCK, 0640);
    if (fd < 0) {
        return error_set(error, -errno, "%s: %s%s", path, strerror(errno),
                         errno == ENXIO ? " (nobody reads this FIFO)" : "");
    }
    *out_fd = fd;
    return 0;
}

void access_log_init(struct access_log *log, int fd)
{
    log->fd = fd;
    log->count = 0;
    log->bytes = fd >= 0 ? mem_aligned(64, ACCESS_LOG_BYTES) : NULL;
    atomic_init(&log->lost, 0);
}

void access_log_fini(struct access_log *log)
{
    access_log_flush(log);
    free(log->bytes);
    log->bytes = NULL;
}

static void lose(struct access_log *log, uint64_t lines)
{
    uint64_t lost = atomic_load_explicit(&log->lost, memory_order_relaxed);
    atomic_store_explicit(&log->lost, lost + lines, memory_order_relaxed);
}

/* Lines that were begun are written to their end before others, also after a part of them is out.
 */
void access_log_flush(struct access_log *log)
{
    while (log->count > 0) {
        ssize_t written = write(log->fd, log->bytes, log->count);
        if (written < 0 && errno == EINTR) {
            continue;
        }
        if (written < 0 && errno == EAGAIN) {
            return; /* another turn; what does not fit until then is lost */
        }
        if (written <= 0) { /* a full disk, a reader that is gone */
            uint64_t lines = 0;
            for (size_t i = 0; i < log->count; i++) {
                lines += log->bytes[i] == '\n';
            }
            lose(log, lines);
            log->count = 0;
            return;
        }
        log->count -= (size_t)written;
        memmove(log->bytes, log->bytes + written, log->count);
    }
}

/* In quotes; what is not plain text, and the quote and the backslash, as \xHH, so that nothing that
 * a client sends can end the field or the line. */
static size_t put_quoted(char *out, struct slice text)
{
    static const char digits[] = "0123456789abcdef";
    size_t count = 0;
    out[count++] = '"';
    if (text.count == 0) {
        out[count++] = '-';
    }
    for (size_t i = 0; i < text.count && i < SHOWN_BYTES_MAX; i++) {
        unsigned char byte = (unsigned char)text.bytes[i];
        if (byte < 0x20 || byte >= 0x7f || byte == '"' || byte == '\\') {
            out[count++] = '\\';
            out[count++] = 'x';
            out[count++] = digits[byte >> 4];
            out[count++] = digits[byte & 15];
        } else {
            out[count++] = (char)byte;
        }
    }
    out[count++] = '"';
    return count;
}

static struct slice field_named(const struct request *request, struct slice name)
{
    for (size_t i = 0; request != NULL && i < request->field_count; i++) {
        if (slice_equal_ignoring_case(request->fields[i].name, name)) {
            return request->fields[i].value;
        }
    }
    return (struct slice){"", 0};
}

/* "06/Nov/1994:08:49:37 +0000" from "Sun, 06 Nov 1994 08:49:37 GMT". */
static void format_time(int64_t seconds, char out[27])
{
    char date[HTTP_DATE_BYTES];
    http_date_format(seconds, date);
    snprintf(out, 27, "%.2s/%.3s/%.4s:%.8s +0000", date + 5, date + 8, date + 12, date + 17);
}

void access_log_add(struct access_log *log, const struct exchange *exchange)
{
    char line[LINE_BYTES_MAX];
    char client[IP_ADDRESS_TEXT_BYTES];
    char time[27];
    ip_address_format(&exchange->client, client);
    format_time(exchange->begun_ns / 1000000000, time);
    size_t count = (size_t)snprintf(line, sizeof line, "%s - - [%s] ", client, time);
    count += put_quoted(line + count, exchange->line);
    count += (size_t)snprintf(line + count, sizeof line - count, " %u %" PRIu64 " ",
                              exchange->status, exchange->body_bytes);
    count += put_quoted(line + count, field_named(exchange->request, SLICE("Referer")));
    line[count++] = ' ';
    count += put_quoted(line + count, field_named(exchange->request, SLICE("User-Agent")));
    line[count++] = '\n';
    if (count > ACCESS_LOG_BYTES - log->count) {
        access_log_flush(log);
    }
    if (count > ACCESS_LOG_BYTES - log->count) {
        lose(log, 1);
        return;
    }
    memcpy(log->bytes + log->count, line, count);
    log->count += count;
}
