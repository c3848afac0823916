#include "http/h1_write.h"

#include "common/field_lines.h"
#include "http/rule_fields.h"

static const struct {
    unsigned status;
    struct slice line;
} status_lines[] = {
    {200, SLICE("HTTP/1.1 200 OK\r\n")},
    {206, SLICE("HTTP/1.1 206 Partial Content\r\n")},
    {304, SLICE("HTTP/1.1 304 Not Modified\r\n")},
    {404, SLICE("HTTP/1.1 404 Not Found\r\n")},
    {204, SLICE("HTTP/1.1 204 No Content\r\n")},
    {301, SLICE("HTTP/1.1 301 Moved Permanently\r\n")},
    {302, SLICE("HTTP/1.1 302 Found\r\n")},
    {303, SLICE("HTTP/1.1 303 See Other\r\n")},
    {307, SLICE("HTTP/1.1 307 Temporary Redirect\r\n")},
    {308, SLICE("HTTP/1.1 308 Permanent Redirect\r\n")},
    {400, SLICE("HTTP/1.1 400 Bad Request\r\n")},
    {401, SLICE("HTTP/1.1 401 Unauthorized\r\n")},
    {403, SLICE("HTTP/1.1 403 Forbidden\r\n")},
    {405, SLICE("HTTP/1.1 405 Method Not Allowed\r\n")},
    {408, SLICE("HTTP/1.1 408 Request Timeout\r\n")},
    {409, SLICE("HTTP/1.1 409 Conflict\r\n")},
    {410, SLICE("HTTP/1.1 410 Gone\r\n")},
    {411, SLICE("HTTP/1.1 411 Length Required\r\n")},
    {412, SLICE("HTTP/1.1 412 Precondition Failed\r\n")},
    {413, SLICE("HTTP/1.1 413 Content Too Large\r\n")},
    {414, SLICE("HTTP/1.1 414 URI Too Long\r\n")},
    {415, SLICE("HTTP/1.1 415 Unsupported Media Type\r\n")},
    {416, SLICE("HTTP/1.1 416 Range Not Satisfiable\r\n")},
    {417, SLICE("HTTP/1.1 417 Expectation Failed\r\n")},
    {421, SLICE("HTTP/1.1 421 Misdirected Request\r\n")},
    {426, SLICE("HTTP/1.1 426 Upgrade Required\r\n")},
    {429, SLICE("HTTP/1.1 429 Too Many Requests\r\n")},
    {431, SLICE("HTTP/1.1 431 Request Header Fields Too Large\r\n")},
    {500, SLICE("HTTP/1.1 500 Internal Server Error\r\n")},
    {501, SLICE("HTTP/1.1 501 Not Implemented\r\n")},
    {503, SLICE("HTTP/1.1 503 Service Unavailable\r\n")},
    {505, SLICE("HTTP/1.1 505 HTTP Version Not Supported\r\n")},
};

static struct slice status_line(unsigned status)
{
    for (size_t i = 0; i < ARRAY_COUNT(status_lines); i++) {
        if (status_lines[i].status == status) {
            return status_lines[i].line;
        }
    }
    return SLICE("HTTP/1.1 500 Internal Server Error\r\n");
}

void date_line_set(struct date_line *date, int64_t seconds)
{
    if (date->seconds == seconds) {
        return;
    }
    date->seconds = seconds;
    memcpy(date->bytes, "Date: ", 6);
    http_date_format(seconds, date->bytes + 6);
    memcpy(date->bytes + 6 + HTTP_DATE_BYTES, "\r\n", 2);
}

struct head_writer {
    char *at;
    size_t left;
    bool is_full;
};

static void put(struct head_writer *writer, struct slice text)
{
    if (text.count == 0) {
        return;
    }
    if (text.count > writer->left) {
        writer->is_full = true;
        return;
    }
    memcpy(writer->at, text.bytes, text.count);
    writer->at += text.count;
    writer->left -= text.count;
}

/* The query stands before a fragment (RFC 3986 §3). */
static void put_location(struct head_writer *writer, const struct response *response)
{
    struct slice target = response->location;
    const char *mark = memchr(target.bytes, '#', target.count);
    size_t count = mark == NULL ? target.count : (size_t)(mark - target.bytes);
    put(writer, SLICE("Location: "));
    put(writer, response->location_prefix);
    put(writer, (struct slice){target.bytes, count});
    put(writer, response->query);
    put(writer, slice_after(target, count));
    put(writer, SLICE("\r\n"));
}

/* Is there a line of this name ("X-Name:") in a head? */
static bool has_line(struct slice head, struct slice name)
{
    (void)field_line_take(&head); /* the status line */
    while (head.count > 0) {
        if (field_line_is(field_line_take(&head), name)) {
            return true;
        }
    }
    return false;
}

/* Those of the added lines whose names are not in the head yet: what the site says goes before. */
static void put_added(struct head_writer *writer, const char *head, struct slice added)
{
    struct slice written = {head, (size_t)(writer->at - head)};
    while (added.count > 0) {
        struct slice line = field_line_take(&added);
        const char *colon = memchr(line.bytes, ':', line.count);
        size_t name = colon == NULL ? line.count : (size_t)(colon - line.bytes) + 1;
        if (!has_line(written, (struct slice){line.bytes, name})) {
            put(writer, line);
        }
    }
}

static void put_rules(struct head_writer *writer, const struct response *response)
{
    size_t count = rule_fields_write(response->rules, response->rules_path, response->rules_vary,
                                     writer->at, writer->left);
    if (count > writer->left) { /* made of a path so long that they do not fit: without them */
        put(writer, response->rules_vary ? SLICE("Vary: Accept-Encoding\r\n") : SLICE(""));
        count = 0;
    }
    writer->at += count;
    writer->left -= count;
}

size_t h1_write_head(const struct response *response, const struct head_common *common,
                     char *buffer, size_t capacity)
{
    struct head_writer writer = {buffer, capacity, false};
    put(&writer, status_line(response->status));
    put(&writer, (struct slice){common->date.bytes, sizeof common->date.bytes});
    if (response->location.count > 0) {
        put_location(&writer, response);
    }
    for (size_t i = 0; i < ARRAY_COUNT(response->fields); i++) {
        put(&writer, response->fields[i]);
    }
    if (response->rules != NULL) {
        put_rules(&writer, response);
    }
    if (common->added.count > 0) {
        put_added(&writer, buffer, common->added);
    }
    if (!response->keep_alive) {
        put(&writer, SLICE("Connection: close\r\n"));
    } else if (response->tell_keep_alive) {
        put(&writer, SLICE("Connection: keep-alive\r\n"));
    }
    put(&writer, SLICE("\r\n"));
    if (response->has_body) {
        put(&writer, response->text);
    }
    return writer.is_full ? 0 : (size_t)(writer.at - buffer);
}
