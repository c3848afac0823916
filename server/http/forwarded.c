#include "http/forwarded.h"

/* The last member of a comma-separated list, and the list without it. Commas in quotes are none. */
static struct slice take_last(struct slice *list)
{
    size_t start = 0;
    bool is_quoted = false;
    for (size_t i = 0; i < list->count; i++) {
        char byte = list->bytes[i];
        if (byte == '"') {
            is_quoted = !is_quoted;
        } else if (byte == '\\' && is_quoted) {
            i++;
        } else if (byte == ',' && !is_quoted) {
            start = i + 1;
        }
    }
    struct slice last = slice_trim(slice_after(*list, start));
    list->count = start > 0 ? start - 1 : 0;
    return last;
}

/* "192.0.2.1", "192.0.2.1:80", "[2001:db8::1]", "[2001:db8::1]:80", "2001:db8::1". */
static bool parse_node(struct slice node, struct ip_address *out_address)
{
    if (node.count >= 2 && node.bytes[0] == '"' && node.bytes[node.count - 1] == '"') {
        node = (struct slice){node.bytes + 1, node.count - 2};
    }
    if (node.count > 0 && node.bytes[0] == '[') {
        const char *end = memchr(node.bytes, ']', node.count);
        return end != NULL &&
               ip_address_parse((struct slice){node.bytes + 1, (size_t)(end - node.bytes) - 1},
                                out_address);
    }
    if (ip_address_parse(node, out_address)) {
        return true;
    }
    return ip_address_parse(slice_take(&node, ':'), out_address);
}

/* The node that a forwarded-element names with "for=" (RFC 7239 §4). */
static bool parse_element(struct slice element, struct ip_address *out_address)
{
    while (element.count > 0) {
        struct slice value = slice_take(&element, ';');
        struct slice name = slice_trim(slice_take(&value, '='));
        if (slice_equal_ignoring_case(name, SLICE("for"))) {
            return parse_node(slice_trim(value), out_address);
        }
    }
    return false;
}

struct ip_address forwarded_client(const struct request *request, const struct ip_address *peer,
                                   const struct address_list *trusted)
{
    struct ip_address client = *peer;
    bool is_forwarded = request_has(request, FIELD_FORWARDED);
    enum http_field_id id = is_forwarded ? FIELD_FORWARDED : FIELD_X_FORWARDED_FOR;
    if (!request_has(request, id)) {
        return client;
    }
    for (size_t i = request->field_count; i > 0; i--) { /* several lines are one list */
        if (request->fields[i - 1].id != id) {
            continue;
        }
        struct slice list = request->fields[i - 1].value;
        while (list.count > 0) {
            struct slice member = take_last(&list);
            struct ip_address address;
            if (!address_list_has(trusted, &client) ||
                !(is_forwarded ? parse_element(member, &address) : parse_node(member, &address))) {
                return client;
            }
            client = address;
        }
    }
    return client;
}
