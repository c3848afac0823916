/* The header that a load balancer sends before everything else, to say who the client is: the PROXY
 * protocol, version 1 (text) and 2 (binary), HAProxy's doc/proxy-protocol.txt. Pure functions. */
#ifndef CAIRN_NET_PROXY_HEADER_H
#define CAIRN_NET_PROXY_HEADER_H

#include "http/address.h"

enum proxy_header_result {
    PROXY_HEADER_OK,   /* the first *out_bytes of the input are it */
    PROXY_HEADER_MORE, /* a good beginning */
    PROXY_HEADER_BAD,
};

/* More than this is not waited for. */
enum { PROXY_HEADER_BYTES_MAX = 16 + 65535 };

/* *io_address becomes that of the client; it stays for a connection of the balancer's own (LOCAL,
 * UNKNOWN) and for all but TCP over IP. */
enum proxy_header_result proxy_header_parse(struct slice input, size_t *out_bytes,
                                            struct ip_address *io_address);

#endif
