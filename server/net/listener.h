/* Listening addresses, as a person writes them, and the sockets for them. */
#ifndef CAIRN_NET_LISTENER_H
#define CAIRN_NET_LISTENER_H

#include "common/error.h"

#include <stdbool.h>
#include <sys/socket.h>

enum { ADDRESS_TEXT_BYTES = 128 };

struct listen_address {
    struct sockaddr_storage socket_address;
    socklen_t socket_address_bytes;
    bool is_dual_stack; /* ":80": all addresses, IPv6 and IPv4 */
    /* set by the caller before listen_open(): */
    mode_t socket_mode; /* of a Unix socket */
    bool is_deferred;   /* connections come when their first bytes are there (tcp(7),
                           TCP_DEFER_ACCEPT); of no meaning for a Unix socket */
};

/* "127.0.0.1:8080", "[::1]:8080", "localhost:8080", ":8080" (all addresses), "8080" (the port, on
 * the loopback), "unix:/run/cairn.sock". Port 0 lets the system choose. ERR_USAGE with a sentence.
 */
int listen_address_parse(const char *text, struct listen_address *out_address,
                         struct error *error) CAIRN_MUST_CHECK;

/* Opens one listening socket per worker on the same address (SO_REUSEPORT: the kernel spreads
 * connections over them; a Unix socket is one that they share), non-blocking. An address that
 * another process listens on is refused, which SO_REUSEPORT alone would not do. With port 0, all
 * get the port that the first one got, and *address is set to it. The caller closes the `count`
 * descriptors; on failure none is open. */
int listen_open(struct listen_address *address, int *fds, size_t count,
                struct error *error) CAIRN_MUST_CHECK;

/* Can an address of the network be bound to now? -EADDRINUSE: somebody listens there. Nobody can
 * connect meanwhile. */
int listen_check(const struct listen_address *address, struct error *error) CAIRN_MUST_CHECK;

/* "127.0.0.1:40123", "[::1]:80": to be put behind "http://"; or "unix:/run/cairn.sock". */
void listen_address_text(const struct listen_address *address, char out[ADDRESS_TEXT_BYTES]);

/* Does the system pace what such a socket sends, with a timer for what goes out later (BBR)? */
bool listen_is_paced(int fd);

/* Removes a Unix socket from its folder; does nothing for other addresses. */
void listen_address_remove(const struct listen_address *address);

/* Can only this machine connect: a loopback address (RFC 1122 §3.2.1.3, RFC 4291 §2.5.3), or a Unix
 * socket? */
bool listen_address_is_local(const struct listen_address *address);

/* The path of a Unix socket; NULL: it is none. */
const char *listen_address_path(const struct listen_address *address);

#endif
