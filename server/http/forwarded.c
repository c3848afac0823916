#include "http/forwarded.h"

/* The last place of `separator` in the text, or the first; outside quoted strings (RFC 9110 §5.6.4)
 * if there can be any. The length of the text: it is not there. */
static size_t find(struct slice text, char separator, bool has_quotes, bool wants_last)
{
    size_t found = text.count;
    bool is_quoted = false;
    for (size_t i = 0; i < text.count; i++) {
        char byte = text.bytes[i];
        if (has_quotes && byte == '"') {
            is_quoted = !is_quoted;
        } else if (byte == '\\' && is_quoted) {
            i++;
        } else if (byte == separator && !is_quoted) {
            found = i;
            if (!wants_last) {
                break;
            }
        }
    }
    return found;
}

/* The last member of a comma-separated list; the list becomes what stands before it. */
static struct slice take_last(struct slice *list, bool has_quotes)
{
    size_t comma = find(*list, ',', has_quotes, true);
    bool is_alone = comma == list->count;
    struct slice last = slice_trim(is_alone ? *list : slice_after(*list, comma + 1));
    list->count = is_alone ? 0 : comma;
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
        size_t end = find(element, ';', true, false);
        struct slice value = {element.bytes, end};
        element = slice_after(element, end + 1);
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
            struct slice member = take_last(&list, is_forwarded);
            struct ip_address address;
            if (member.count == 0) {
                continue; /* an empty member (RFC 9110 §5.6.1.2) */
            }
            if (!address_list_has(trusted, &client) ||
                !(is_forwarded ? parse_element(member, &address) : parse_node(member, &address))) {
                return client;
            }
            client = address;
        }
    }
    return client;
}
