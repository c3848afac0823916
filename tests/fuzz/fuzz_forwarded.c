/* Addresses, lists of trusted ones, and the client that proxies tell of: beside a reading from the
 * front, and a comparison bit by bit. Input: the peer's address, the list, then field lines, "F"
 * for Forwarded and "X" for X-Forwarded-For before the value. */
#include "fuzz.h"

#include "http/address.h"
#include "http/forwarded.h"

#include <arpa/inet.h>

enum { NODES_MAX = 4096 };

static bool slow_address(struct slice text, struct ip_address *out_address)
{
    char *string = calloc(text.count + 1, 1);
    memcpy(string, text.bytes, text.count);
    char mapped[64];
    snprintf(mapped, sizeof mapped, "::ffff:%.50s", string);
    struct in_addr unused;
    bool is_v4 = inet_pton(AF_INET, string, &unused) == 1;
    bool is_address = strlen(string) == text.count &&
                      inet_pton(AF_INET6, is_v4 ? mapped : string, out_address->bytes) == 1;
    free(string);
    return is_address;
}

static bool has_bits(const struct ip_address *a, const struct ip_address *b, unsigned bits)
{
    for (unsigned i = 0; i < bits; i++) {
        if (((a->bytes[i / 8] ^ b->bytes[i / 8]) >> (7 - i % 8) & 1) != 0) {
            return false;
        }
    }
    return true;
}

static bool is_none(const struct ip_address *address)
{
    return has_bits(address, &(struct ip_address){{0}}, 128);
}

static bool slow_has(const struct address_list *list, const struct ip_address *address)
{
    bool has = false;
    for (size_t i = 0; i < list->count; i++) {
        FUZZ_CHECK(list->blocks[i].bits <= 128);
        has |= has_bits(&list->blocks[i].base, address, list->blocks[i].bits);
    }
    return is_none(address) ? list->has_unix : has;
}

static bool check_address(struct slice text, struct ip_address *out_address)
{
    char *copy = fuzz_copy(text);
    struct ip_address expected;
    bool is_address = ip_address_parse((struct slice){copy, text.count}, out_address);
    FUZZ_CHECK(is_address == slow_address(text, &expected));
    if (is_address) {
        char written[IP_ADDRESS_TEXT_BYTES];
        struct ip_address again;
        FUZZ_CHECK(has_bits(out_address, &expected, 128));
        ip_address_format(out_address, written);
        if (is_none(out_address)) {
            FUZZ_CHECK(strcmp(written, "unix") == 0);
        } else {
            FUZZ_CHECK(ip_address_parse(slice_of_string(written), &again));
            FUZZ_CHECK(has_bits(out_address, &again, 128));
        }
    }
    free(copy);
    return is_address;
}

/* ---- from the front ---- */

/* Takes what stands before `separator` off *text: not in quotes, if there can be any. */
static struct slice take_part(struct slice *text, char separator, bool has_quotes)
{
    size_t i = 0;
    for (bool is_quoted = false; i < text->count; i++) {
        if (has_quotes && text->bytes[i] == '"') {
            is_quoted = !is_quoted;
        } else if (is_quoted && text->bytes[i] == '\\') {
            i++;
        } else if (!is_quoted && text->bytes[i] == separator) {
            break;
        }
    }
    struct slice part = {text->bytes, i < text->count ? i : text->count};
    *text = slice_after(*text, i + 1);
    return part;
}

static bool read_node(struct slice node, struct ip_address *out_address)
{
    if (node.count >= 2 && node.bytes[0] == '"' && node.bytes[node.count - 1] == '"') {
        node = (struct slice){node.bytes + 1, node.count - 2};
    }
    struct slice rest = node;
    if (slice_starts_with(node, SLICE("["))) {
        struct slice inside = slice_take(&rest, ']');
        return inside.count < node.count && slow_address(slice_after(inside, 1), out_address);
    }
    return slow_address(node, out_address) || slow_address(slice_take(&rest, ':'), out_address);
}

static bool read_element(struct slice element, struct ip_address *out_address)
{
    while (element.count > 0) {
        struct slice value = take_part(&element, ';', true);
        struct slice name = slice_take(&value, '=');
        if (slice_equal_ignoring_case(slice_trim(name), SLICE("for"))) {
            return read_node(slice_trim(value), out_address);
        }
    }
    return false;
}

static struct ip_address slow_client(const struct request *request, const struct ip_address *peer,
                                     const struct address_list *trusted)
{
    static struct slice members[NODES_MAX];
    size_t count = 0;
    bool is_forwarded = request_has(request, FIELD_FORWARDED);
    for (size_t i = 0; i < request->field_count; i++) {
        struct slice list = request->fields[i].value;
        while ((request->fields[i].id == FIELD_FORWARDED) == is_forwarded && list.count > 0) {
            struct slice member = slice_trim(take_part(&list, ',', is_forwarded));
            FUZZ_CHECK(count < NODES_MAX);
            members[count] = member;
            count += member.count > 0;
        }
    }
    struct ip_address client = *peer;
    struct ip_address next;
    while (count > 0 && slow_has(trusted, &client) &&
           (is_forwarded ? read_element(members[count - 1], &next)
                         : read_node(members[count - 1], &next))) {
        client = next;
        count--;
    }
    return client;
}

/* ---- */

/* The list as an option has it. False: refused, which is said. */
static bool read_list(struct slice text, struct address_list *list)
{
    char *string = calloc(text.count + 1, 1);
    memcpy(string, text.bytes, text.count);
    struct error error = {""};
    int status = address_list_add(list, string, &error);
    FUZZ_CHECK(status == 0 || (status == ERR_USAGE && error.text[0] != '\0'));
    free(string);
    return status == 0;
}

static void add_line(struct request *request, struct slice line)
{
    if (line.count > 0 && (line.bytes[0] == 'F' || line.bytes[0] == 'X') &&
        request->field_count < REQUEST_FIELDS_MAX) {
        struct slice value = slice_trim(slice_after(line, 1));
        enum http_field_id id = line.bytes[0] == 'F' ? FIELD_FORWARDED : FIELD_X_FORWARDED_FOR;
        request->fields[request->field_count++] =
            (struct http_field){.value = {fuzz_copy(value), value.count}, .id = id};
        request->known |= UINT32_C(1) << id;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count)
{
    static struct request request;
    if (count > NODES_MAX) {
        return 0;
    }
    struct slice input = fuzz_input(bytes, count);
    struct address_list trusted = {0};
    struct ip_address peer = {{0}};
    (void)check_address(slice_take(&input, '\n'), &peer);
    (void)read_list(slice_take(&input, '\n'),
                    &trusted); /* what it added before it refused, counts */
    FUZZ_CHECK(address_list_has(&trusted, &peer) == slow_has(&trusted, &peer));
    request.field_count = 0;
    request.known = 0;
    while (input.count > 0) {
        add_line(&request, slice_take(&input, '\n'));
    }
    struct ip_address client = forwarded_client(&request, &peer, &trusted);
    struct ip_address expected = slow_client(&request, &peer, &trusted);
    FUZZ_CHECK(has_bits(&client, &expected, 128));
    FUZZ_CHECK(slow_has(&trusted, &peer) || has_bits(&client, &peer, 128));
    for (size_t i = 0; i < request.field_count; i++) {
        free((void *)(uintptr_t)request.fields[i].value.bytes);
    }
    address_list_fini(&trusted);
    return 0;
}
