#include "net/proxy_header.h"

enum { LINE_BYTES_MAX = 107 }; /* with CRLF; section 2.1 */

/* A port in decimal: 0 to 65535, no leading zero (section 2.1). */
static bool is_port(struct slice text)
{
    unsigned port = 0;
    for (size_t i = 0; i < text.count; i++) {
        if (text.bytes[i] < '0' || text.bytes[i] > '9' || i == 5) {
            return false;
        }
        port = port * 10 + (unsigned)(text.bytes[i] - '0');
    }
    return text.count > 0 && port <= 65535 && (text.count == 1 || text.bytes[0] != '0');
}

static bool has_colon(struct slice text)
{
    return memchr(text.bytes, ':', text.count) != NULL;
}

/* "TCP4 192.0.2.1 192.0.2.2 50000 80": behind "PROXY ", without CRLF. */
static bool parse_line(struct slice line, struct ip_address *io_address)
{
    struct slice family = slice_take(&line, ' ');
    if (slice_equal(family, SLICE("UNKNOWN"))) {
        return true; /* whatever follows is not looked at */
    }
    bool is_v6 = slice_equal(family, SLICE("TCP6"));
    struct slice source = slice_take(&line, ' ');
    struct slice target = slice_take(&line, ' ');
    struct slice source_port = slice_take(&line, ' ');
    struct ip_address client;
    struct ip_address ours;
    if ((!is_v6 && !slice_equal(family, SLICE("TCP4"))) || !ip_address_parse(source, &client) ||
        !ip_address_parse(target, &ours) || !is_port(source_port) || !is_port(line)) {
        return false;
    }
    if (has_colon(source) != is_v6 || has_colon(target) != is_v6) {
        return false;
    }
    *io_address = client;
    return true;
}

static enum proxy_header_result parse_v1(struct slice input, size_t *out_bytes,
                                         struct ip_address *io_address)
{
    static const struct slice start = {"PROXY ", 6};
    size_t shown = input.count < LINE_BYTES_MAX ? input.count : LINE_BYTES_MAX;
    const char *end = memchr(input.bytes, '\n', shown);
    size_t compared = input.count < start.count ? input.count : start.count;
    if (memcmp(input.bytes, start.bytes, compared) != 0 ||
        (end == NULL && shown == LINE_BYTES_MAX)) {
        return PROXY_HEADER_BAD;
    }
    if (end == NULL) {
        return PROXY_HEADER_MORE;
    }
    size_t count = (size_t)(end - input.bytes) + 1;
    if (count < start.count + 2 || end[-1] != '\r' ||
        !parse_line((struct slice){input.bytes + start.count, count - start.count - 2},
                    io_address)) {
        return PROXY_HEADER_BAD;
    }
    *out_bytes = count;
    return PROXY_HEADER_OK;
}

/* Section 2.2: signature, version and command, family and protocol, length, addresses, extras. */
static enum proxy_header_result parse_v2(struct slice input, size_t *out_bytes,
                                         struct ip_address *io_address)
{
    enum { FIXED_BYTES = 16, VERSION_2 = 2, COMMAND_LOCAL = 0, COMMAND_PROXY = 1 };
    enum { FAMILY_LAST = 3, PROTOCOL_LAST = 2 };
    enum { TCP_OVER_IPV4 = 0x11, TCP_OVER_IPV6 = 0x21, IPV4_BYTES = 12, IPV6_BYTES = 36 };
    if (input.count < FIXED_BYTES) {
        return PROXY_HEADER_MORE;
    }
    const uint8_t *bytes = (const uint8_t *)input.bytes;
    unsigned command = bytes[12] & 15;
    size_t count = (size_t)bytes[14] << 8 | bytes[15];
    bool is_known = bytes[13] >> 4 <= FAMILY_LAST && (bytes[13] & 15) <= PROTOCOL_LAST;
    if (bytes[12] >> 4 != VERSION_2 || command > COMMAND_PROXY ||
        (command == COMMAND_PROXY && !is_known) ||
        (command == COMMAND_PROXY && bytes[13] == TCP_OVER_IPV4 && count < IPV4_BYTES) ||
        (command == COMMAND_PROXY && bytes[13] == TCP_OVER_IPV6 && count < IPV6_BYTES)) {
        return PROXY_HEADER_BAD;
    }
    if (input.count < FIXED_BYTES + count) {
        return PROXY_HEADER_MORE;
    }
    *out_bytes = FIXED_BYTES + count;
    if (command == COMMAND_PROXY && bytes[13] == TCP_OVER_IPV4) {
        memset(io_address->bytes, 0, 10);
        memset(io_address->bytes + 10, 0xff, 2);
        memcpy(io_address->bytes + 12, bytes + FIXED_BYTES, 4);
    } else if (command == COMMAND_PROXY && bytes[13] == TCP_OVER_IPV6) {
        memcpy(io_address->bytes, bytes + FIXED_BYTES, IP_ADDRESS_BYTES);
    }
    return PROXY_HEADER_OK;
}

enum proxy_header_result proxy_header_parse(struct slice input, size_t *out_bytes,
                                            struct ip_address *io_address)
{
    static const char signature[12] = "\r\n\r\n\0\r\nQUIT\n";
    size_t compared = input.count < sizeof signature ? input.count : sizeof signature;
    if (compared == 0) {
        return PROXY_HEADER_MORE;
    }
    return memcmp(input.bytes, signature, compared) == 0 ? parse_v2(input, out_bytes, io_address)
                                                         : parse_v1(input, out_bytes, io_address);
}
