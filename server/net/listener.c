#include "net/listener.h"

#include "common/mem.h"
#include "net/unix_socket.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

/* Splits at the last colon outside brackets; the brackets go. Without a colon it is all port. */
static void split(char *text, const char **out_host, const char **out_port)
{
    char *colon = strrchr(text, ':');
    if (colon == NULL) {
        *out_host = "127.0.0.1";
        *out_port = text;
        return;
    }
    *colon = '\0';
    *out_port = colon + 1;
    size_t count = strlen(text);
    if (count >= 2 && text[0] == '[' && text[count - 1] == ']') {
        text[count - 1] = '\0';
        text++;
    }
    *out_host = text;
}

static bool is_port(const char *text)
{
    size_t count = strspn(text, "0123456789");
    return count > 0 && count <= 5 && text[count] == '\0' && strtol(text, NULL, 10) <= 65535;
}

static int resolve(const char *host, const char *port, struct listen_address *address)
{
    struct addrinfo hints = {
        .ai_family = AF_UNSPEC,
        .ai_socktype = SOCK_STREAM,
        .ai_flags = AI_PASSIVE | AI_NUMERICSERV,
    };
    struct addrinfo *found = NULL;
    int status = getaddrinfo(host, port, &hints, &found);
    if (status == 0) {
        memcpy(&address->socket_address, found->ai_addr, found->ai_addrlen);
        address->socket_address_bytes = found->ai_addrlen;
        freeaddrinfo(found);
    }
    return status;
}

/* Is there IPv6 on this machine at all? */
static bool has_ipv6(void)
{
    int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0) {
        close(fd);
    }
    return fd >= 0;
}

static int parse_unix(const char *path, struct listen_address *out_address, struct error *error)
{
    struct listen_address address = {.socket_address_bytes = sizeof(struct sockaddr_un)};
    struct sockaddr_un *un = (void *)&address.socket_address;
    if (*path == '\0' || strlen(path) >= sizeof un->sun_path) {
        return error_set(error, ERR_USAGE, "unix:%s: not a path of 1 to %zu bytes", path,
                         sizeof un->sun_path - 1);
    }
    un->sun_family = AF_UNIX;
    memcpy(un->sun_path, path, strlen(path));
    *out_address = address;
    return 0;
}

int listen_address_parse(const char *text, struct listen_address *out_address, struct error *error)
{
    if (strncmp(text, "unix:", 5) == 0) {
        return parse_unix(text + 5, out_address, error);
    }
    char *copy = mem_string(text, strlen(text));
    const char *host;
    const char *port;
    split(copy, &host, &port);
    struct listen_address address = {0};
    int status = 0;
    if (!is_port(port)) {
        status = error_set(error, ERR_USAGE, "%s: not an address (HOST:PORT, :PORT or PORT)", text);
    } else if (*host == '\0' && text[0] == '[') {
        status = error_set(error, ERR_USAGE, "%s: no address in the brackets", text);
    } else if (*host == '\0') {
        address.is_dual_stack = has_ipv6();
        host = address.is_dual_stack ? "::" : "0.0.0.0";
    } else if (strchr(host, ':') != NULL && text[0] != '[') {
        status =
            error_set(error, ERR_USAGE, "%s: an IPv6 address goes in brackets: [::1]:8080", text);
    }
    if (status == 0) {
        int failure = resolve(host, port, &address);
        if (failure != 0) {
            status = error_set(error, ERR_USAGE, "%s: %s", text, gai_strerror(failure));
        }
    }
    free(copy);
    if (status == 0) {
        *out_address = address;
    }
    return status;
}

static const char *unix_path(const struct listen_address *address)
{
    return ((const struct sockaddr_un *)(const void *)&address->socket_address)->sun_path;
}

void listen_address_remove(const struct listen_address *address)
{
    if (address->socket_address.ss_family == AF_UNIX) {
        unlink(unix_path(address));
    }
}

const char *listen_address_path(const struct listen_address *address)
{
    return address->socket_address.ss_family == AF_UNIX ? unix_path(address) : NULL;
}

bool listen_address_is_local(const struct listen_address *address)
{
    const struct sockaddr_in *in = (const void *)&address->socket_address;
    const struct sockaddr_in6 *in6 = (const void *)&address->socket_address;
    switch (address->socket_address.ss_family) {
    case AF_UNIX:
        return true;
    case AF_INET:
        return ntohl(in->sin_addr.s_addr) >> 24 == 127;
    case AF_INET6:
        return IN6_IS_ADDR_LOOPBACK(&in6->sin6_addr) ||
               (IN6_IS_ADDR_V4MAPPED(&in6->sin6_addr) && in6->sin6_addr.s6_addr[12] == 127);
    default:
        return false;
    }
}

void listen_address_text(const struct listen_address *address, char out[ADDRESS_TEXT_BYTES])
{
    char host[INET6_ADDRSTRLEN] = "?";
    if (address->socket_address.ss_family == AF_UNIX) {
        snprintf(out, ADDRESS_TEXT_BYTES, "unix:%s", unix_path(address));
    } else if (address->socket_address.ss_family == AF_INET6) {
        const struct sockaddr_in6 *in6 = (const void *)&address->socket_address;
        inet_ntop(AF_INET6, &in6->sin6_addr, host, sizeof host);
        snprintf(out, ADDRESS_TEXT_BYTES, "[%s]:%u", host, ntohs(in6->sin6_port));
    } else {
        const struct sockaddr_in *in = (const void *)&address->socket_address;
        inet_ntop(AF_INET, &in->sin_addr, host, sizeof host);
        snprintf(out, ADDRESS_TEXT_BYTES, "%s:%u", host, ntohs(in->sin_port));
    }
}

static int set_option(int fd, int level, int name, int value)
{
    return setsockopt(fd, level, name, &value, sizeof value);
}

/* A bound socket. Without `is_shared`, binding fails where anybody listens on the address. */
static int bind_socket(const struct listen_address *address, bool is_shared)
{
    int family = address->socket_address.ss_family;
    int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) {
        return -1;
    }
    bool failed = set_option(fd, SOL_SOCKET, SO_REUSEADDR, 1) != 0 ||
                  (is_shared && set_option(fd, SOL_SOCKET, SO_REUSEPORT, 1) != 0) ||
                  (family == AF_INET6 &&
                   set_option(fd, IPPROTO_IPV6, IPV6_V6ONLY, address->is_dual_stack ? 0 : 1) != 0);
    /* accepted sockets inherit it: a response leaves when it is written, not when the last one is
     * acknowledged */
    failed = failed || set_option(fd, IPPROTO_TCP, TCP_NODELAY, 1) != 0;
    failed =
        failed || (address->is_deferred && set_option(fd, IPPROTO_TCP, TCP_DEFER_ACCEPT, 1) != 0);
    failed = failed || bind(fd, (const struct sockaddr *)&address->socket_address,
                            address->socket_address_bytes) != 0;
    if (failed) {
        int number = errno;
        close(fd);
        errno = number;
        return -1;
    }
    return fd;
}

static int open_all(struct listen_address *address, int *fds, size_t count)
{
    int probe = bind_socket(address, false);
    if (probe < 0 || listen(probe, 1) != 0) {
        if (probe >= 0) {
            close(probe);
        }
        return -1;
    }
    close(probe);
    for (size_t i = 0; i < count; i++) {
        fds[i] = bind_socket(address, true);
        if (fds[i] < 0) {
            return -1;
        }
        socklen_t bytes = sizeof address->socket_address;
        if (i == 0 &&
            getsockname(fds[i], (struct sockaddr *)&address->socket_address, &bytes) != 0) {
            return -1;
        }
    }
    /* Listening starts once all are bound, so that no connection waits in a queue alone. */
    for (size_t i = 0; i < count; i++) {
        if (listen(fds[i], SOMAXCONN) != 0) {
            return -1;
        }
    }
    return 0;
}

bool listen_is_paced(int fd)
{
    char name[64] = "";
    socklen_t bytes = sizeof name - 1;
    return getsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, name, &bytes) == 0 &&
           strncmp(name, "bbr", 3) == 0;
}

static void close_all(const int *fds, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (fds[i] >= 0) {
            close(fds[i]);
        }
    }
}

/* SO_REUSEPORT does not spread connections to a Unix socket: there is one, and as many descriptors
 * of it as there are workers. */
static int open_shared(const struct listen_address *address, int *fds, size_t count,
                       struct error *error)
{
    int status =
        unix_socket_listen(unix_path(address), address->socket_mode, SOMAXCONN, &fds[0], error);
    for (size_t i = 1; status == 0 && i < count; i++) {
        fds[i] = fcntl(fds[0], F_DUPFD_CLOEXEC, 0);
        if (fds[i] < 0) {
            status = error_set(error, -errno, "%s: %s", unix_path(address), strerror(errno));
            close_all(fds, count);
            listen_address_remove(address);
        }
    }
    return status;
}

static int refuse(const struct listen_address *address, int number, struct error *error)
{
    char text[ADDRESS_TEXT_BYTES];
    listen_address_text(address, text);
    return error_set(error, -number, "%s: %s", text, strerror(number));
}

int listen_open(struct listen_address *address, int *fds, size_t count, struct error *error)
{
    for (size_t i = 0; i < count; i++) {
        fds[i] = -1;
    }
    if (address->socket_address.ss_family == AF_UNIX) {
        return open_shared(address, fds, count, error);
    }
    struct listen_address wanted = *address;
    if (open_all(address, fds, count) == 0) {
        return 0;
    }
    int number = errno;
    close_all(fds, count);
    return refuse(&wanted, number, error);
}

int listen_check(const struct listen_address *address, struct error *error)
{
    int fd = bind_socket(address, false);
    if (fd < 0) {
        return refuse(address, errno, error);
    }
    close(fd);
    return 0;
}
