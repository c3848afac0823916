/* The PROXY protocol, text and binary: tables of headers, whole and in every prefix. */
#include "net/proxy_header.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

static struct ip_address address_of(const char *text)
{
    struct ip_address address;
    cr_assert(ip_address_parse(slice_of_string(text), &address), "%s", text);
    return address;
}

/* The peer, whose address stays if the header has none. */
#define PEER "203.0.113.1"

struct outcome {
    enum proxy_header_result result;
    size_t bytes; /* (size_t)-1: not set */
    char address[IP_ADDRESS_TEXT_BYTES];
};

/* In a block of exactly that size, so that a read behind the input is found. */
static struct outcome parse(struct slice input)
{
    struct outcome outcome = {.bytes = (size_t)-1};
    struct ip_address address = address_of(PEER);
    char *bytes = malloc(input.count + (input.count == 0));
    memcpy(bytes, input.bytes, input.count);
    outcome.result =
        proxy_header_parse((struct slice){bytes, input.count}, &outcome.bytes, &address);
    free(bytes);
    ip_address_format(&address, outcome.address);
    return outcome;
}

/* As a good header of `bytes`, then as every beginning of it, then with something behind it. */
static void check_good(struct slice input, const char *address, const char *what)
{
    struct outcome outcome = parse(input);
    cr_expect(outcome.result == PROXY_HEADER_OK, "%s: %d", what, (int)outcome.result);
    cr_expect(outcome.bytes == input.count, "%s: %zu bytes", what, outcome.bytes);
    cr_expect_str_eq(outcome.address, address, "%s: %s", what, outcome.address);
    for (size_t count = 0; count < input.count; count++) {
        outcome = parse((struct slice){input.bytes, count});
        cr_expect(outcome.result == PROXY_HEADER_MORE, "%s, %zu bytes: %d", what, count,
                  (int)outcome.result);
        cr_expect_str_eq(outcome.address, PEER, "%s, %zu bytes: %s", what, count, outcome.address);
    }
    static const struct slice behinds[] = {
        {"G", 1}, {"\r\n", 2}, {"PROXY UNKNOWN\r\n", 15}, {"\0", 1}};
    for (size_t i = 0; i < ARRAY_COUNT(behinds); i++) {
        char *longer = malloc(input.count + behinds[i].count);
        memcpy(longer, input.bytes, input.count);
        memcpy(longer + input.count, behinds[i].bytes, behinds[i].count);
        outcome = parse((struct slice){longer, input.count + behinds[i].count});
        cr_expect(outcome.result == PROXY_HEADER_OK && outcome.bytes == input.count,
                  "%s and more: %d, %zu", what, (int)outcome.result, outcome.bytes);
        cr_expect_str_eq(outcome.address, address, "%s and more: %s", what, outcome.address);
        free(longer);
    }
}

/* Refused, with the peer's address left alone; no beginning of it is taken for a header, and what
 * was refused once stays so. */
static void check_bad(struct slice input, const char *what)
{
    struct outcome outcome = parse(input);
    cr_expect(outcome.result == PROXY_HEADER_BAD, "%s: %d", what, (int)outcome.result);
    cr_expect_str_eq(outcome.address, PEER, "%s: %s", what, outcome.address);
    bool was_bad = false;
    for (size_t count = 0; count < input.count; count++) {
        outcome = parse((struct slice){input.bytes, count});
        cr_expect(outcome.result != PROXY_HEADER_OK, "%s, %zu bytes", what, count);
        cr_expect(!was_bad || outcome.result == PROXY_HEADER_BAD, "%s, %zu bytes", what, count);
        was_bad |= outcome.result == PROXY_HEADER_BAD;
    }
}

/* ---- version 1 (section 2.1) ---- */

#define LONGEST "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"

static const struct {
    const char *line;
    const char *address;
} good_lines[] = {
    {"PROXY TCP4 192.0.2.1 192.0.2.2 56324 443\r\n", "192.0.2.1"},
    {"PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n", "255.255.255.255"},
    {"PROXY TCP4 0.0.0.0 0.0.0.0 0 0\r\n", "0.0.0.0"},
    {"PROXY TCP4 192.0.2.1 192.0.2.2 1 65534\r\n", "192.0.2.1"},
    {"PROXY TCP6 2001:db8::1 2001:db8::2 56324 443\r\n", "2001:db8::1"},
    {"PROXY TCP6 2001:DB8:0:0:0:0:0:1 ::1 1 2\r\n", "2001:db8::1"},
    {"PROXY TCP6 " LONGEST " " LONGEST " 65535 65535\r\n", LONGEST},
    {"PROXY TCP6 ::ffff:192.0.2.1 ::ffff:192.0.2.2 1 2\r\n", "192.0.2.1"},
    /* what follows UNKNOWN is not looked at, whatever it is; 107 bytes are the longest */
    {"PROXY UNKNOWN\r\n", PEER},
    {"PROXY UNKNOWN \r\n", PEER},
    {"PROXY UNKNOWN 192.0.2.1 192.0.2.2 56324 443\r\n", PEER},
    {"PROXY UNKNOWN nonsense\r\n", PEER},
    {"PROXY UNKNOWN " LONGEST " " LONGEST " 65535 65535\r\n", PEER},
};

Test(proxy_header, good_lines)
{
    for (size_t i = 0; i < ARRAY_COUNT(good_lines); i++) {
        check_good(slice_of_string(good_lines[i].line), good_lines[i].address, good_lines[i].line);
    }
}

#define BAD(literal)                                                                               \
    {                                                                                              \
        (literal), sizeof(literal) - 1                                                             \
    }

static const struct slice bad_lines[] = {
    /* another protocol */
    BAD("GET / HTTP/1.1\r\n"),
    BAD("POST / HTTP/1.1\r\n"), /* it starts alike */
    BAD("PROXY\r\n"),
    BAD("PROXY\t"),
    BAD("proxy TCP4 192.0.2.1 192.0.2.2 1 2\r\n"),
    BAD("PROXZ"),
    BAD(" PROXY UNKNOWN\r\n"),
    BAD("\r\nPROXY UNKNOWN\r\n"),
    BAD("\n"),
    BAD("\r\n\r\n\1"),
    BAD("\0"),
    BAD("\x16\x03\x01"),
    /* families */
    BAD("PROXY \r\n"),
    BAD("PROXY \n"),
    BAD("PROXY  UNKNOWN\r\n"),
    BAD("PROXY unknown\r\n"),
    BAD("PROXY UNKNOWNX\r\n"),
    BAD("PROXY UNKNOW\r\n"),
    BAD("PROXY UNKNOWN\tx\r\n"),
    BAD("PROXY TCP4\r\n"),
    BAD("PROXY TCP5 192.0.2.1 192.0.2.2 1 2\r\n"),
    BAD("PROXY TCP 192.0.2.1 192.0.2.2 1 2\r\n"),
    BAD("PROXY TCP44 192.0.2.1 192.0.2.2 1 2\r\n"),
    BAD("PROXY UDP4 192.0.2.1 192.0.2.2 1 2\r\n"),
    BAD("PROXY tcp4 192.0.2.1 192.0.2.2 1 2\r\n"),
    /* line ends */
    BAD("PROXY UNKNOWN\n"),
    BAD("PROXY TCP4 192.0.2.1 192.0.2.2 1 2\n"),
    BAD("PROXY TCP4 192.0.2.1 192.0.2.2 1 2 \r\n"),
    BAD("PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\r\n"),
    BAD("PROXY TCP4 192.0.2.1 192.0.2.2 1\n2\r\n"),
    BAD("PROXY UNKNOWN a\nb\r\n"),
    /* exactly one space between, and nothing missing or too much */
    BAD("PROXY TCP4  192.0.2.1 192.0.2.2 1 2\r\n"),
    BAD("PROXY TCP4 192.0.2.1  192.0.2.2 1 2\r\n"),
    BAD("PROXY TCP4 192.0.2.1 192.0.2.2  1 2\r\n"),
    BAD("PROXY TCP4 192.0.2.1 192.0.2.2 1  2\r\n"),
    BAD("PROXY TCP4\t192.0.2.1 192.0.2.2 1 2\r\n"),
    BAD("PROXY TCP4 192.0.2.1\r\n"),
    BAD("PROXY TCP4 192.0.2.1 192.0.2.2\r\n"),
    BAD("PROXY TCP4 192.0.2.1 192.0.2.2 1\r\n"),
    BAD("PROXY TCP4 192.0.2.1 192.0.2.2 1 \r\n"),
    BAD("PROXY TCP4 192.0.2.1 192.0.2.2 1 2 3\r\n"),
    /* addresses: those of the family, both of them */
    BAD("PROXY TCP4 192.0.2.256 192.0.2.2 1 2\r\n"),
    BAD("PROXY TCP4 192.0.2.01 192.0.2.2 1 2\r\n"),
    BAD("PROXY TCP4 192.0.2 192.0.2.2 1 2\r\n"),
    BAD("PROXY TCP4 192.0.2.1 x 1 2\r\n"),
    BAD("PROXY TCP4 192.0.2.1 192.0.2.2.3 1 2\r\n"),
    BAD("PROXY TCP4 2001:db8::1 2001:db8::2 1 2\r\n"),
    BAD("PROXY TCP4 2001:db8::1 192.0.2.2 1 2\r\n"),
    BAD("PROXY TCP4 ::ffff:192.0.2.1 192.0.2.2 1 2\r\n"),
    BAD("PROXY TCP4 192.0.2.1 2001:db8::2 1 2\r\n"),
    BAD("PROXY TCP6 192.0.2.1 192.0.2.2 1 2\r\n"),
    BAD("PROXY TCP6 192.0.2.1 2001:db8::2 1 2\r\n"),
    BAD("PROXY TCP6 2001:db8::1 192.0.2.2 1 2\r\n"),
    BAD("PROXY TCP6 2001:db8::g 2001:db8::2 1 2\r\n"),
    BAD("PROXY TCP6 [2001:db8::1] [2001:db8::2] 1 2\r\n"),
    BAD("PROXY TCP6 fe80::1%eth0 2001:db8::2 1 2\r\n"),
    BAD("PROXY TCP4 192.0.2.1\0 192.0.2.2 1 2\r\n"),
    /* ports: 0 to 65535, no zero in front */
    BAD("PROXY TCP4 192.0.2.1 192.0.2.2 65536 2\r\n"),
    BAD("PROXY TCP4 192.0.2.1 192.0.2.2 1 65536\r\n"),
    BAD("PROXY TCP4 192.0.2.1 192.0.2.2 100000 2\r\n"),
    BAD("PROXY TCP4 192.0.2.1 192.0.2.2 4294967297 2\r\n"),
    BAD("PROXY TCP4 192.0.2.1 192.0.2.2 01 2\r\n"),
    BAD("PROXY TCP4 192.0.2.1 192.0.2.2 1 00\r\n"),
    BAD("PROXY TCP4 192.0.2.1 192.0.2.2 -1 2\r\n"),
    BAD("PROXY TCP4 192.0.2.1 192.0.2.2 +1 2\r\n"),
    BAD("PROXY TCP4 192.0.2.1 192.0.2.2 1a 2\r\n"),
    BAD("PROXY TCP4 192.0.2.1 192.0.2.2 1 2\0\r\n"),
};

Test(proxy_header, bad_lines)
{
    for (size_t i = 0; i < ARRAY_COUNT(bad_lines); i++) {
        check_bad(bad_lines[i], bad_lines[i].bytes);
    }
}

/* CRLF has to come within 107 bytes; without it more is waited for up to there, and no further. */
Test(proxy_header, length_of_a_line)
{
    enum { LONGEST_LINE = 107 };
    char input[2 * LONGEST_LINE];
    for (size_t count = 60; count < sizeof input; count++) {
        memset(input, 'x', sizeof input);
        memcpy(input, "PROXY UNKNOWN ", 14);
        enum proxy_header_result result = parse((struct slice){input, count}).result;
        cr_expect(result == (count < LONGEST_LINE ? PROXY_HEADER_MORE : PROXY_HEADER_BAD),
                  "%zu bytes without an end: %d", count, (int)result);
        memcpy(input + count - 2, "\r\n", 2);
        result = parse((struct slice){input, count}).result;
        cr_expect(result == (count <= LONGEST_LINE ? PROXY_HEADER_OK : PROXY_HEADER_BAD),
                  "%zu bytes: %d", count, (int)result);
    }
}

/* ---- version 2 (section 2.2) ---- */

enum { LOCAL = 0x20, PROXY = 0x21 };
enum {
    UNSPEC = 0,
    TCP4 = 0x11,
    UDP4 = 0x12,
    TCP6 = 0x21,
    UDP6 = 0x22,
    STREAM = 0x31,
    DGRAM = 0x32
};
enum { FIXED_BYTES = 16, ALL_BYTES = FIXED_BYTES + 65535 };

/* A header of the two bytes and `length` bytes of addresses and extras. */
static struct slice binary(char header[ALL_BYTES], unsigned command, unsigned family, size_t length)
{
    static const char signature[12] = "\r\n\r\n\0\r\nQUIT\n";
    static const char ipv4[12] = "\xc0\0\2\1\xc6\x33\x64\1\x1f\x90\1\xbb";
    static const char ipv6[16] = "\x20\1\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\1";
    memcpy(header, signature, sizeof signature);
    header[12] = (char)command;
    header[13] = (char)family;
    header[14] = (char)(length >> 8);
    header[15] = (char)(length & 0xff);
    memset(header + FIXED_BYTES, 0xee, length); /* extras, which nobody looks at */
    struct slice addresses =
        family >> 4 == 2 ? (struct slice){ipv6, sizeof ipv6} : (struct slice){ipv4, sizeof ipv4};
    memcpy(header + FIXED_BYTES, addresses.bytes,
           addresses.count < length ? addresses.count : length);
    return (struct slice){header, FIXED_BYTES + length};
}

static const struct {
    unsigned command, family;
    size_t length;
    const char *address; /* NULL: bad */
} binaries[] = {
    {PROXY, TCP4, 12, "192.0.2.1"},
    {PROXY, TCP4, 13, "192.0.2.1"},
    {PROXY, TCP4, 255, "192.0.2.1"},
    {PROXY, TCP4, 256, "192.0.2.1"},
    {PROXY, TCP4, 300, "192.0.2.1"},
    {PROXY, TCP6, 36, "2001:db8::1"},
    {PROXY, TCP6, 37, "2001:db8::1"},
    {PROXY, TCP6, 300, "2001:db8::1"},
    /* too short for the addresses */
    {PROXY, TCP4, 11, NULL},
    {PROXY, TCP4, 0, NULL},
    {PROXY, TCP6, 35, NULL},
    {PROXY, TCP6, 12, NULL},
    {PROXY, TCP6, 0, NULL},
    /* a connection of the balancer's own, whose family and addresses are ignored */
    {LOCAL, UNSPEC, 0, PEER},
    {LOCAL, UNSPEC, 12, PEER},
    {LOCAL, TCP4, 0, PEER},
    {LOCAL, TCP4, 12, PEER},
    {LOCAL, TCP6, 36, PEER},
    {LOCAL, TCP6, 1, PEER},
    {LOCAL, 0xff, 3, PEER},
    /* no address that there could be here */
    {PROXY, UNSPEC, 0, PEER},
    {PROXY, UNSPEC, 12, PEER},
    {PROXY, UNSPEC, 300, PEER},
    {PROXY, STREAM, 216, PEER},
    {PROXY, DGRAM, 216, PEER},
    /* UDP does not come in through a listener: like UNSPEC, which is how HAProxy takes it */
    {PROXY, UDP4, 12, PEER},
    {PROXY, UDP6, 36, PEER},
    /* commands and versions that there are not */
    {0x22, TCP4, 12, NULL},
    {0x2f, TCP4, 12, NULL},
    {0x22, UNSPEC, 0, NULL},
    {0x11, TCP4, 12, NULL},
    {0x10, UNSPEC, 0, NULL},
    {0x31, TCP4, 12, NULL},
    {0x01, TCP4, 12, NULL},
    {0xa1, TCP4, 12, NULL},
    {0x00, UNSPEC, 0, NULL},
    /* families and protocols that there are not "must be rejected as invalid by receivers" */
    {PROXY, 0x41, 12, NULL},
    {PROXY, 0x40, 0, NULL},
    {PROXY, 0xf1, 300, NULL},
    {PROXY, 0x13, 12, NULL},
    {PROXY, 0x1f, 12, NULL},
    {PROXY, 0x23, 36, NULL},
    {PROXY, 0x03, 0, NULL},
};

Test(proxy_header, binary_headers)
{
    char *header = malloc(ALL_BYTES);
    for (size_t i = 0; i < ARRAY_COUNT(binaries); i++) {
        char what[64];
        snprintf(what, sizeof what, "row %zu: %#04x %#04x, %zu", i, binaries[i].command,
                 binaries[i].family, binaries[i].length);
        struct slice input =
            binary(header, binaries[i].command, binaries[i].family, binaries[i].length);
        if (binaries[i].address != NULL) {
            check_good(input, binaries[i].address, what);
        } else {
            check_bad(input, what);
        }
    }
    free(header);
}

/* Any other byte in the signature is another protocol, from that byte on. */
Test(proxy_header, every_byte_of_the_signature)
{
    char *header = malloc(ALL_BYTES);
    for (size_t at = 0; at < 12; at++) {
        for (unsigned byte = 0; byte < 256; byte++) {
            struct slice input = binary(header, PROXY, TCP4, 12);
            bool is_same = (unsigned char)header[at] == byte;
            header[at] = (char)byte;
            for (size_t count = at + 1; count <= input.count; count++) {
                enum proxy_header_result result = parse((struct slice){input.bytes, count}).result;
                enum proxy_header_result wanted = !is_same               ? PROXY_HEADER_BAD
                                                  : count == input.count ? PROXY_HEADER_OK
                                                                         : PROXY_HEADER_MORE;
                bool may_be_v1 = at == 0 && byte == 'P' && count == 1;
                cr_expect(result == (may_be_v1 ? PROXY_HEADER_MORE : wanted),
                          "byte %zu = %u of %zu: %d", at, byte, count, (int)result);
            }
        }
    }
    free(header);
}

/* The longest: it has to be waited for, and nothing can be longer. */
Test(proxy_header, longest_binary_header)
{
    char *header = malloc(ALL_BYTES);
    size_t most = PROXY_HEADER_BYTES_MAX;
    cr_expect(most == ALL_BYTES, "%zu", most);
    for (unsigned command = LOCAL; command <= PROXY; command++) {
        struct slice input = binary(header, command, TCP6, 65535);
        struct outcome outcome = parse(input);
        cr_expect(outcome.result == PROXY_HEADER_OK && outcome.bytes == ALL_BYTES, "%zu",
                  outcome.bytes);
        cr_expect_str_eq(outcome.address, command == LOCAL ? PEER : "2001:db8::1");
        cr_expect(parse((struct slice){header, ALL_BYTES - 1}).result == PROXY_HEADER_MORE);
    }
    free(header);
}

/* The last bytes of the address count too, and those of the target do not. */
Test(proxy_header, every_byte_of_the_address)
{
    static const struct {
        unsigned family;
        size_t length, source_bytes;
    } rows[] = {{TCP4, 12, 4}, {TCP6, 36, 16}};
    char *header = malloc(ALL_BYTES);
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        for (size_t at = 0; at < rows[i].length; at++) {
            struct slice input = binary(header, PROXY, rows[i].family, rows[i].length);
            struct ip_address before = address_of(PEER);
            struct ip_address after = address_of(PEER);
            size_t bytes;
            cr_assert(proxy_header_parse(input, &bytes, &before) == PROXY_HEADER_OK);
            header[FIXED_BYTES + at] ^= 0x55;
            cr_assert(proxy_header_parse(input, &bytes, &after) == PROXY_HEADER_OK);
            for (size_t j = 0; j < IP_ADDRESS_BYTES; j++) {
                bool is_it =
                    j == at + IP_ADDRESS_BYTES - rows[i].source_bytes && at < rows[i].source_bytes;
                cr_expect((before.bytes[j] ^ after.bytes[j]) == (is_it ? 0x55 : 0),
                          "family %#x: byte %zu of the addresses, %zu", rows[i].family, at, j);
            }
        }
    }
    free(header);
}

/* Noise is never taken for a header, and never read behind its end. */
Test(proxy_header, noise)
{
    static const char alphabet[] = "\r\n\0QUIT PROXYTCP46UNKNOWN0123456789.:af\x11\x21";
    srand48(11);
    for (int i = 0; i < 50000; i++) {
        char input[64];
        size_t count = (size_t)lrand48() % sizeof input;
        for (size_t j = 0; j < count; j++) {
            input[j] = alphabet[(size_t)lrand48() % (sizeof alphabet - 1)];
        }
        size_t start = (size_t)lrand48() % 7;
        memcpy(input, "PROXY ", start < count ? start : count);
        struct outcome outcome = parse((struct slice){input, count});
        cr_expect(outcome.result != PROXY_HEADER_OK ||
                  slice_starts_with((struct slice){input, count}, SLICE("PROXY UNKNOWN")));
        cr_expect_str_eq(outcome.address, PEER);
    }
}
