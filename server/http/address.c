#include "http/address.h"

#include "common/mem.h"

#include <arpa/inet.h>
#include <stdlib.h>

enum { MAPPED_BITS = 96, ALL_BITS = 128 };

static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};

static bool is_ipv4(const struct ip_address *address)
{
    return memcmp(address->bytes, mapped, sizeof mapped) == 0;
}

static bool is_none(const struct ip_address *address)
{
    static const struct ip_address none;
    return memcmp(address, &none, sizeof none) == 0;
}

bool ip_address_parse(struct slice text, struct ip_address *out_address)
{
    char string[IP_ADDRESS_TEXT_BYTES];
    if (text.count >= sizeof string || memchr(text.bytes, '\0', text.count) != NULL) {
        return false;
    }
    memcpy(string, text.bytes, text.count);
    string[text.count] = '\0';
    struct ip_address address;
    memcpy(address.bytes, mapped, sizeof mapped);
    if (inet_pton(AF_INET, string, address.bytes + sizeof mapped) != 1 &&
        inet_pton(AF_INET6, string, address.bytes) != 1) {
        return false;
    }
    *out_address = address;
    return true;
}

void ip_address_format(const struct ip_address *address, char out[IP_ADDRESS_TEXT_BYTES])
{
    if (is_none(address)) {
        memcpy(out, "unix", 5);
    } else if (is_ipv4(address)) {
        inet_ntop(AF_INET, address->bytes + sizeof mapped, out, IP_ADDRESS_TEXT_BYTES);
    } else {
        inet_ntop(AF_INET6, address->bytes, out, IP_ADDRESS_TEXT_BYTES);
    }
}

/* The length behind a '/', of the address's own bits. */
static bool parse_bits(struct slice text, unsigned most, unsigned *out_bits)
{
    unsigned bits = 0;
    for (size_t i = 0; i < text.count; i++) {
        if (text.bytes[i] < '0' || text.bytes[i] > '9' || i == 3) {
            return false;
        }
        bits = bits * 10 + (unsigned)(text.bytes[i] - '0');
    }
    *out_bits = bits;
    return text.count > 0 && bits <= most;
}

static bool parse_block(struct slice text, struct address_block *out_block)
{
    struct slice bits = text;
    struct slice address = slice_take(&bits, '/');
    struct address_block block = {.bits = ALL_BITS};
    if (!ip_address_parse(address, &block.base)) {
        return false;
    }
    if (address.count < text.count) {
        unsigned before = is_ipv4(&block.base) ? MAPPED_BITS : 0;
        if (!parse_bits(bits, ALL_BITS - before, &block.bits)) {
            return false;
        }
        block.bits += before;
    }
    *out_block = block;
    return true;
}

int address_list_add(struct address_list *list, const char *text, struct error *error)
{
    struct slice rest = slice_of_string(text);
    while (rest.count > 0) {
        struct slice member = slice_trim(slice_take(&rest, ','));
        struct address_block block;
        if (slice_equal(member, SLICE("unix"))) {
            list->has_unix = true;
        } else if (parse_block(member, &block)) {
            list->blocks = mem_resize(list->blocks, list->count + 1, sizeof *list->blocks);
            list->blocks[list->count++] = block;
        } else {
            return error_set(error, ERR_USAGE,
                             "%.*s: not an address, a block such as 10.0.0.0/8, or \"unix\"",
                             (int)member.count, member.bytes);
        }
    }
    return 0;
}

static bool is_inside(const struct address_block *block, const struct ip_address *address)
{
    size_t whole = block->bits / 8;
    unsigned rest = block->bits % 8;
    return memcmp(block->base.bytes, address->bytes, whole) == 0 &&
           (rest == 0 || ((block->base.bytes[whole] ^ address->bytes[whole]) >> (8 - rest)) == 0);
}

bool address_list_has(const struct address_list *list, const struct ip_address *address)
{
    if (is_none(address)) {
        return list->has_unix;
    }
    for (size_t i = 0; i < list->count; i++) {
        if (is_inside(&list->blocks[i], address)) {
            return true;
        }
    }
    return false;
}

void address_list_fini(struct address_list *list)
{
    free(list->blocks);
    *list = (struct address_list){0};
}
