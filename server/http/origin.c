#include "http/origin.h"

#include "common/mem.h"
#include "http/address.h"
#include "http/token.h"

#include <stdlib.h>

/* Of a web page: an authority with the port that its scheme stands for if it names none. */
struct origin {
    unsigned scheme_port; /* 80: http; 443: https */
    struct slice host;    /* of an address in brackets with them */
    unsigned port;
};

/* ":PORT", or nothing for `otherwise`. */
static bool parse_port(struct slice text, unsigned otherwise, unsigned *out_port)
{
    unsigned port = 0;
    for (size_t i = 1; i < text.count; i++) {
        if (text.bytes[i] < '0' || text.bytes[i] > '9' || i > 5) {
            return false;
        }
        port = port * 10 + (unsigned)(text.bytes[i] - '0');
    }
    *out_port = text.count <= 1 ? otherwise : port;
    return port <= 65535 && (text.count == 0 || text.bytes[0] == ':');
}

/* HOST[:PORT] */
static bool parse_authority(struct slice text, unsigned scheme_port, struct origin *out_origin)
{
    struct slice rest = text;
    struct slice host;
    if (slice_starts_with(text, SLICE("["))) {
        host.bytes = text.bytes;
        host.count = slice_take(&rest, ']').count + 1;
        rest = slice_after(text, host.count);
    } else {
        host = slice_take(&rest, ':');
        rest = slice_after(text, host.count);
    }
    if (host.count == 0 || host.count > text.count) {
        return false;
    }
    out_origin->scheme_port = scheme_port;
    out_origin->host = host;
    return parse_port(rest, scheme_port, &out_origin->port);
}

/* Names, and addresses in brackets. A '*' could be one of a name's characters, but would be meant
 * as something else. */
static bool is_host(struct slice host)
{
    if (slice_starts_with(host, SLICE("["))) {
        struct ip_address unused;
        struct slice inside = {host.bytes + 1, host.count - 2};
        return inside.count > 0 && memchr(inside.bytes, ':', inside.count) != NULL &&
               ip_address_parse(inside, &unused);
    }
    for (size_t i = 0; i < host.count; i++) {
        if (!is_reg_name_byte((unsigned char)host.bytes[i]) || host.bytes[i] == '*') {
            return false;
        }
    }
    return true;
}

/* scheme "://" host [ ":" port ] (RFC 6454 §6.2, §7.1) */
static bool parse_origin(struct slice text, struct origin *out_origin)
{
    static const struct {
        struct slice start;
        unsigned port;
    } schemes[] = {{{"http://", 7}, 80}, {{"https://", 8}, 443}};
    for (size_t i = 0; i < ARRAY_COUNT(schemes); i++) {
        struct slice start = {text.bytes, schemes[i].start.count};
        if (text.count > start.count && slice_equal_ignoring_case(start, schemes[i].start)) {
            return parse_authority(slice_after(text, start.count), schemes[i].port, out_origin) &&
                   is_host(out_origin->host);
        }
    }
    return false;
}

int origin_list_add(struct origin_list *list, const char *text, struct error *error)
{
    struct slice rest = slice_of_string(text);
    while (rest.count > 0) {
        struct slice member = slice_trim(slice_take(&rest, ','));
        struct origin origin;
        if (!parse_origin(member, &origin)) {
            return error_set(error, ERR_USAGE,
                             "%.*s: not an origin such as https://example.com or "
                             "http://example.com:8080",
                             (int)member.count, member.bytes);
        }
        list->texts = mem_resize(list->texts, list->count + 1, sizeof *list->texts);
        list->texts[list->count++] = mem_string(member.bytes, member.count);
    }
    return 0;
}

void origin_list_fini(struct origin_list *list)
{
    for (size_t i = 0; i < list->count; i++) {
        free(list->texts[i]);
    }
    free(list->texts);
    *list = (struct origin_list){0};
}

static bool is_same_place(const struct origin *a, const struct origin *b)
{
    return slice_equal_ignoring_case(a->host, b->host) && a->port == b->port;
}

/* This machine, whatever resolves the name (RFC 6761 §6.3; Secure Contexts, W3C, §3.1). */
static bool is_loopback(struct slice host)
{
    static const struct slice names[] = {{"localhost", 9}, {".localhost", 10}};
    struct ip_address address;
    if (host.bytes[host.count - 1] == '.') {
        host.count--;
    }
    if (slice_equal(host, SLICE("[::1]")) || slice_equal_ignoring_case(host, names[0])) {
        return true;
    }
    if (ip_address_parse(host, &address)) { /* IPv6 has brackets: this is IPv4 */
        return address.bytes[12] == 127;
    }
    size_t end = names[1].count;
    return host.count > end &&
           slice_equal_ignoring_case(slice_after(host, host.count - end), names[1]);
}

bool origin_is_allowed(const struct request *request, const struct origin_list *others)
{
    struct slice text;
    size_t lines = request_lines(request, SLICE("Origin"), &text);
    struct origin origin, other;
    if (lines == 0) {
        return true;
    }
    if (lines > 1 || !parse_origin(text, &origin)) {
        return false;
    }
    if (parse_authority(request->host, origin.scheme_port, &other) &&
        is_same_place(&origin, &other)) {
        return true;
    }
    if (others->is_loopback && is_loopback(origin.host)) {
        return true;
    }
    for (size_t i = 0; i < others->count; i++) {
        if (parse_origin(slice_of_string(others->texts[i]), &other) &&
            other.scheme_port == origin.scheme_port && is_same_place(&origin, &other)) {
            return true;
        }
    }
    return false;
}
