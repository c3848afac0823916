/* Addresses of clients, and lists of those that are trusted with something. Pure functions. */
#ifndef CAIRN_HTTP_ADDRESS_H
#define CAIRN_HTTP_ADDRESS_H

#include "common/error.h"
#include "common/slice.h"

#include <stddef.h>
#include <stdint.h>

enum { IP_ADDRESS_BYTES = 16, IP_ADDRESS_TEXT_BYTES = 48 };

/* IPv6, or IPv4 mapped into it (RFC 4291 §2.5.5.2). All zero ("::", which nobody can have): there
 * is none, as on a Unix socket. */
struct ip_address {
    uint8_t bytes[IP_ADDRESS_BYTES];
};

/* "192.0.2.1", "2001:db8::1"; without brackets, port or zone. */
bool ip_address_parse(struct slice text, struct ip_address *out_address);

/* Writes the same, NUL-terminated; "unix" if there is none. */
void ip_address_format(const struct ip_address *address, char out[IP_ADDRESS_TEXT_BYTES]);

/* Addresses and blocks of them (RFC 4632). */
struct address_list {
    size_t count;
    struct address_block {
        struct ip_address base;
        unsigned bits; /* of `base` that count; of 128 */
    } * blocks;
    bool has_unix; /* peers on Unix sockets */
};

/* Adds the members of a comma-separated list: "10.0.0.0/8,::1,unix". ERR_USAGE with a sentence. */
int address_list_add(struct address_list *list, const char *text,
                     struct error *error) CAIRN_MUST_CHECK;

bool address_list_has(const struct address_list *list, const struct ip_address *address);

void address_list_fini(struct address_list *list);

#endif
