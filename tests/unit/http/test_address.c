/* Addresses: what is one and how it is written, and blocks of them against a bit-by-bit model. */
#include "http/address.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

/* In memory of its own, so that a read behind it is found. */
static bool parse(struct slice text, struct ip_address *out_address)
{
    char *bytes = malloc(text.count + (text.count == 0));
    memcpy(bytes, text.bytes, text.count);
    bool parsed = ip_address_parse((struct slice){bytes, text.count}, out_address);
    free(bytes);
    return parsed;
}

static struct ip_address address_of(const char *text)
{
    struct ip_address address;
    cr_assert(parse(slice_of_string(text), &address), "%s", text);
    return address;
}

#define MAPPED "\0\0\0\0\0\0\0\0\0\0\xff\xff"

static const struct {
    const char *text;
    const char *bytes;     /* 16 */
    const char *formatted; /* NULL: as it was */
} goods[] = {
    {"192.0.2.1", MAPPED "\xc0\0\2\1", NULL},
    {"0.0.0.0", MAPPED "\0\0\0\0", NULL}, /* an address, not "none" */
    {"255.255.255.255", MAPPED "\xff\xff\xff\xff", NULL},
    {"2001:db8::1", "\x20\1\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\1", NULL},
    {"::1", "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\1", NULL},
    {"1::", "\0\1\0\0\0\0\0\0\0\0\0\0\0\0\0\0", NULL},
    {"1:2:3:4:5:6:7:8", "\0\1\0\2\0\3\0\4\0\5\0\6\0\7\0\x08", NULL},
    {"ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
     "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", NULL},
    /* the canonical text (RFC 5952): lower case, no leading zeros, the longest run of zeros */
    {"2001:DB8::A", "\x20\1\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x0a", "2001:db8::a"},
    {"2001:0db8:0000:0000:0001:0000:0000:0001", "\x20\1\x0d\xb8\0\0\0\0\0\1\0\0\0\0\0\1",
     "2001:db8::1:0:0:1"},
    {"1:0:0:2:0:0:0:3", "\0\1\0\0\0\0\0\2\0\0\0\0\0\0\0\3", "1:0:0:2::3"},
    /* an IPv4 address in an IPv6 one is the IPv4 address, however it is written */
    {"::ffff:192.0.2.1", MAPPED "\xc0\0\2\1", "192.0.2.1"},
    {"::ffff:c000:201", MAPPED "\xc0\0\2\1", "192.0.2.1"},
    {"::FFFF:0:0", MAPPED "\0\0\0\0", "0.0.0.0"},
    /* other IPv6 addresses with an IPv4 tail stay what they are; the longest text there is */
    {"64:ff9b::192.0.2.1", "\0\x64\xff\x9b\0\0\0\0\0\0\0\0\xc0\0\2\1", "64:ff9b::c000:201"},
    {"ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255",
     "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff",
     "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"},
    /* which nobody can have: none */
    {"::", "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", "unix"},
};

Test(address, good_texts)
{
    for (size_t i = 0; i < ARRAY_COUNT(goods); i++) {
        struct ip_address address;
        memset(&address, 0xaa, sizeof address);
        cr_expect(parse(slice_of_string(goods[i].text), &address), "%s", goods[i].text);
        cr_expect(memcmp(address.bytes, goods[i].bytes, sizeof address.bytes) == 0, "%s",
                  goods[i].text);
        char *text = malloc(IP_ADDRESS_TEXT_BYTES);
        ip_address_format(&address, text);
        cr_expect_str_eq(text, goods[i].formatted == NULL ? goods[i].text : goods[i].formatted,
                         "%s", goods[i].text);
        free(text);
    }
}

#define BAD(literal)                                                                               \
    {                                                                                              \
        (literal), sizeof(literal) - 1                                                             \
    }

static const struct slice bads[] = {
    BAD(""),
    BAD(" "),
    BAD("unix"),
    BAD("unknown"),
    BAD("localhost"),
    BAD("*"),
    /* IPv4: four numbers, decimal */
    BAD("192.0.2"),
    BAD("192.0.2."),
    BAD("192.0.2.1."),
    BAD(".192.0.2.1"),
    BAD("192.0..1"),
    BAD("192.0.2.1.1"),
    BAD("192.0.2.256"),
    BAD("192.0.2.1000"),
    BAD("192.0.2.01"), /* octal to some */
    BAD("192.0.2.0x1"),
    BAD("192.0.2.-1"),
    BAD("192.0.2.+1"),
    BAD("3221225985"),
    BAD("192.0.2.1 "),
    BAD(" 192.0.2.1"),
    BAD("192.0.2.1\n"),
    BAD("192.0.2.1\0"),
    BAD("192.0.2.1\0x"),
    BAD("\0"),
    /* IPv6: RFC 4291 section 2.2 */
    BAD(":"),
    BAD(":::"),
    BAD("1"),
    BAD("1:2:3:4:5:6:7"),
    BAD("1:2:3:4:5:6:7:"),
    BAD(":2:3:4:5:6:7:8"),
    BAD("1:2:3:4:5:6:7:8:9"),
    BAD("1::2::3"),
    BAD("12345::"),
    BAD("g::"),
    BAD("::192.0.2"),
    BAD("::192.0.2.256"),
    BAD("192.0.2.1::"),
    BAD("1:2:3:4:5:6:7:192.0.2.1"),
    BAD("::1\0"),
    /* without brackets, port, zone or length */
    BAD("[::1]"),
    BAD("[::1"),
    BAD("192.0.2.1:80"),
    BAD("[::1]:80"),
    BAD("fe80::1%eth0"),
    BAD("fe80::1%1"),
    BAD("10.0.0.0/8"),
    BAD("::1/128"),
    /* longer than any: 47 bytes, 48, and more than the text of an address has */
    BAD("0000:0000:0000:0000:0000:0000:0000:000000000001"),
    BAD("0000:0000:0000:0000:0000:0000:0000:0000000000001"),
    BAD("0000:0000:0000:0000:0000:0000:0000:000000000000000000000000000000000000000001"),
};

Test(address, bad_texts_leave_the_address_alone)
{
    for (size_t i = 0; i < ARRAY_COUNT(bads); i++) {
        struct ip_address address;
        struct ip_address before;
        memset(&address, 0xaa, sizeof address);
        before = address;
        cr_expect(!parse(bads[i], &address), "row %zu: %s", i, bads[i].bytes);
        cr_expect(memcmp(&address, &before, sizeof address) == 0, "row %zu: %s", i, bads[i].bytes);
    }
}

/* No beginning of an IPv4 address is one, unless it is by itself. */
Test(address, a_slice_ends_where_it_ends)
{
    static const char text[] = "10.20.30.49";
    struct ip_address address;
    for (size_t count = 0; count < sizeof text; count++) {
        cr_expect(parse((struct slice){text, count}, &address) == (count >= 10), "%zu", count);
    }
    cr_expect(parse((struct slice){text, 10}, &address) && address.bytes[15] == 4);
}

Test(address, what_is_formatted_is_parsed_to_the_same)
{
    srand48(7);
    for (int i = 0; i < 20000; i++) {
        struct ip_address address;
        for (size_t j = 0; j < IP_ADDRESS_BYTES; j++) {
            long value = lrand48();
            address.bytes[j] = value % 3 == 0 ? 0 : (uint8_t)(value >> 8);
        }
        if (i % 4 == 0) {
            memcpy(address.bytes, MAPPED, 12);
        }
        address.bytes[15] |= 1; /* not none */
        char text[IP_ADDRESS_TEXT_BYTES];
        ip_address_format(&address, text);
        struct ip_address again = address_of(text);
        cr_expect(memcmp(&again, &address, sizeof again) == 0, "%s", text);
    }
}

/* ---- lists ---- */

/* The list of `text`, which has to be a good one. */
static struct address_list list_of(const char *text)
{
    struct address_list list = {0};
    struct error error = {.text = ""};
    char *copy = strdup(text);
    cr_assert(address_list_add(&list, copy, &error) == 0, "%s: %s", text, error.text);
    free(copy);
    return list;
}

static bool has(const struct address_list *list, const char *text)
{
    struct ip_address address = {0};
    if (strcmp(text, "unix") != 0) {
        address = address_of(text);
    }
    return address_list_has(list, &address);
}

static const struct {
    const char *list;
    const char *address; /* "unix": none */
    bool is_in;
} members[] = {
    {"", "192.0.2.1", false},
    {"", "unix", false},
    {"192.0.2.1", "192.0.2.1", true},
    {"192.0.2.1", "192.0.2.2", false},
    {"192.0.2.1", "193.0.2.1", false},
    {"192.0.2.1", "unix", false},
    {"192.0.2.1", "::c000:201", false}, /* not a mapped one */
    {"192.0.2.1", "::ffff:192.0.2.1", true},
    {"::ffff:192.0.2.1", "192.0.2.1", true},
    {"::1", "::1", true},
    {"::1", "127.0.0.1", false},
    {"127.0.0.1", "::1", false},
    {"unix", "unix", true},
    {"unix", "127.0.0.1", false},
    {"unix", "::1", false},
    /* blocks; what the base has behind them does not count */
    {"10.0.0.0/8", "10.0.0.0", true},
    {"10.0.0.0/8", "10.255.255.255", true},
    {"10.0.0.0/8", "9.255.255.255", false},
    {"10.0.0.0/8", "11.0.0.0", false},
    {"10.1.2.3/8", "10.9.9.9", true},
    {"192.0.2.128/25", "192.0.2.128", true},
    {"192.0.2.128/25", "192.0.2.127", false},
    {"192.0.2.1/32", "192.0.2.1", true},
    {"192.0.2.1/32", "192.0.2.0", false},
    {"192.0.2.0/31", "192.0.2.1", true},
    {"192.0.2.0/31", "192.0.2.2", false},
    {"2001:db8::/32", "2001:db8:ffff::", true},
    {"2001:db8::/32", "2001:db9::", false},
    {"2001:db8::/33", "2001:db8:7fff::1", true},
    {"2001:db8::/33", "2001:db8:8000::1", false},
    {"2001:db8::1/128", "2001:db8::1", true},
    {"2001:db8::1/128", "2001:db8::", false},
    /* everything */
    {"0.0.0.0/0", "203.0.113.255", true},
    {"0.0.0.0/0", "::1", false},
    {"0.0.0.0/0", "unix", false},
    {"::/0", "2001:db8::1", true},
    {"::/0", "unix", false},
    /* several */
    {"10.0.0.0/8,::1,unix", "10.1.1.1", true},
    {"10.0.0.0/8,::1,unix", "::1", true},
    {"10.0.0.0/8,::1,unix", "unix", true},
    {"10.0.0.0/8,::1,unix", "::2", false},
    {" 10.0.0.0/8 ,\t::1 , unix ", "::1", true},
    {" 10.0.0.0/8 ,\t::1 , unix ", "unix", true},
    {"10.0.0.0/8,10.0.0.0/8", "10.0.0.1", true},
};

Test(address, members_of_lists)
{
    for (size_t i = 0; i < ARRAY_COUNT(members); i++) {
        struct address_list list = list_of(members[i].list);
        cr_expect(has(&list, members[i].address) == members[i].is_in, "row %zu: %s in \"%s\"", i,
                  members[i].address, members[i].list);
        address_list_fini(&list);
    }
}

static const struct {
    const char *list;
    const char *named; /* what the sentence has to show */
} wrong[] = {
    {"x", "x: "},
    {"192.0.2.1,x", "x: "},
    {"192.0.2.1,,::1", ": "},
    {",", ": "},
    {" ", ": "},
    {"192.0.2.1 ::1", "192.0.2.1 ::1: "},
    {"192.0.2.1;::1", "192.0.2.1;::1: "},
    {"10.0.0.0/", "10.0.0.0/: "},
    {"10.0.0.0/33", "10.0.0.0/33: "},
    {"10.0.0.0/128", "10.0.0.0/128: "},
    {"10.0.0.0/-1", "10.0.0.0/-1: "},
    {"10.0.0.0/+8", "10.0.0.0/+8: "},
    {"10.0.0.0/8x", "10.0.0.0/8x: "},
    {"10.0.0.0/ 8", "10.0.0.0/ 8: "},
    {"10.0.0.0 /8", "10.0.0.0 /8: "},
    {"10.0.0.0/8/8", "10.0.0.0/8/8: "},
    {"10.0.0.0/255.0.0.0", "10.0.0.0/255.0.0.0: "},
    {"10.0.0.0/4294967304", "10.0.0.0/4294967304: "}, /* 8, if it is cut to 32 bits */
    {"10/8", "10/8: "},
    {"/8", "/8: "},
    {"::/129", "::/129: "},
    {"::1/1000", "::1/1000: "},
    {"[::1]", "[::1]: "},
    {"[::1]/128", "[::1]/128: "},
    {"Unix", "Unix: "},
    {"unix/8", "unix/8: "},
    {"unix:/run/x", "unix:/run/x: "},
    {"localhost", "localhost: "},
};

Test(address, wrong_lists_are_named)
{
    for (size_t i = 0; i < ARRAY_COUNT(wrong); i++) {
        struct address_list list = {0};
        struct error error = {.text = ""};
        char *copy = strdup(wrong[i].list);
        int code = address_list_add(&list, copy, &error);
        cr_expect_eq(code, ERR_USAGE, "\"%s\": %d", wrong[i].list, code);
        cr_expect(strncmp(error.text, wrong[i].named, strlen(wrong[i].named)) == 0, "\"%s\": %s",
                  wrong[i].list, error.text);
        free(copy);
        address_list_fini(&list);
    }
}

Test(address, lists_grow_and_start_anew)
{
    struct address_list list = {0};
    struct error error;
    for (unsigned i = 0; i < 1000; i++) {
        char text[32];
        snprintf(text, sizeof text, "10.%u.%u.0/24", i / 250, i % 250);
        cr_assert(address_list_add(&list, text, &error) == 0);
        cr_assert(list.count == i + 1);
    }
    cr_expect(has(&list, "10.0.0.7") && has(&list, "10.3.249.255") && !has(&list, "10.3.250.0"));
    cr_expect(!has(&list, "unix"));
    cr_assert(address_list_add(&list, "unix", &error) == 0);
    cr_expect(has(&list, "unix") && list.count == 1000);
    address_list_fini(&list);
    cr_expect(list.count == 0 && !has(&list, "10.0.0.7") && !has(&list, "unix"));
    cr_assert(address_list_add(&list, "::1", &error) == 0);
    cr_expect(has(&list, "::1") && !has(&list, "unix"));
    address_list_fini(&list);
}

/* Of every length of block: an address that differs in one bit is inside exactly if that bit is
 * behind the block's. */
Test(address, every_bit_of_every_block)
{
    static const struct {
        const char *base;
        unsigned first, bits; /* the address's own bits, of 128 */
    } bases[] = {{"172.19.254.1", 96, 32}, {"2001:db8:a5a5:5a5a:ff00:ff:1234:fedc", 0, 128}};
    for (size_t i = 0; i < ARRAY_COUNT(bases); i++) {
        for (unsigned bits = 0; bits <= bases[i].bits; bits++) {
            char text[64];
            snprintf(text, sizeof text, "%s/%u", bases[i].base, bits);
            struct address_list list = list_of(text);
            cr_expect(has(&list, bases[i].base), "%s", text);
            for (unsigned bit = 0; bit < 128; bit++) {
                struct ip_address address = address_of(bases[i].base);
                address.bytes[bit / 8] ^= (uint8_t)(0x80 >> bit % 8);
                cr_expect(address_list_has(&list, &address) == (bit >= bases[i].first + bits),
                          "%s: bit %u", text, bit);
            }
            address_list_fini(&list);
        }
    }
}
