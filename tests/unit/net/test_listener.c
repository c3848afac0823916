/* Listening addresses as a person writes them, and sockets on a port that the system chooses. */
#include "net/listener.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <string.h>
#include <unistd.h>

static const struct {
    const char *text;
    const char *shown; /* NULL: refused */
} rows[] = {
    {"127.0.0.1:8080", "127.0.0.1:8080"},
    {"0.0.0.0:80", "0.0.0.0:80"},
    {"8080", "127.0.0.1:8080"},
    {"0", "127.0.0.1:0"},
    {"127.0.0.1:0", "127.0.0.1:0"},
    {"127.0.0.1:65535", "127.0.0.1:65535"},
    {"127.0.0.1:00080", "127.0.0.1:80"},
    {"[::1]:8080", "[::1]:8080"},
    {"[::]:80", "[::]:80"},
    {"[2001:db8::1]:1", "[2001:db8::1]:1"},
    {"[127.0.0.1]:80", "127.0.0.1:80"},
    /* ports that are none */
    {"", NULL},
    {":", NULL},
    {"127.0.0.1:", NULL},
    {"127.0.0.1", NULL},
    {"127.0.0.1:65536", NULL},
    {"127.0.0.1:99999", NULL},
    {"127.0.0.1:100000", NULL},
    {"127.0.0.1:-1", NULL},
    {"127.0.0.1:+1", NULL},
    {"127.0.0.1: 80", NULL},
    {"127.0.0.1:80 ", NULL},
    {"127.0.0.1:0x50", NULL},
    {"127.0.0.1:http", NULL},
    {"65536", NULL},
    {"http", NULL},
    /* hosts that are none */
    {"::1:8080", NULL},
    {"::", NULL},
    {"[::1]", NULL},
    {"[::1:80", NULL},
    {"::1]:80", NULL},
    {"[]:80", NULL},
    {"[x]:80", NULL},
    {"256.0.0.1:80", NULL},
    {"a b:80", NULL},
};

Test(listener, addresses)
{
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        struct listen_address address = {.socket_address_bytes = 9999};
        struct error error = {""};
        char shown[ADDRESS_TEXT_BYTES] = "";
        int status = listen_address_parse(rows[i].text, &address, &error);
        if (rows[i].shown == NULL) {
            cr_expect(status == ERR_USAGE, "\"%s\": %d", rows[i].text, status);
            cr_expect(address.socket_address_bytes == 9999, "\"%s\": touched", rows[i].text);
            cr_expect(strncmp(error.text, rows[i].text, strlen(rows[i].text)) == 0, "%s",
                      error.text);
            continue;
        }
        cr_assert(status == 0, "\"%s\": %s", rows[i].text, error.text);
        listen_address_text(&address, shown);
        cr_expect(strcmp(shown, rows[i].shown) == 0, "\"%s\": %s", rows[i].text, shown);
        cr_expect(!address.is_dual_stack, "\"%s\"", rows[i].text);
    }
}

Test(listener, port_alone_with_colon_is_every_address)
{
    struct listen_address address;
    char shown[ADDRESS_TEXT_BYTES];
    cr_assert(listen_address_parse(":8080", &address, NULL) == 0);
    listen_address_text(&address, shown);
    const char *wanted = address.is_dual_stack ? "[::]:8080" : "0.0.0.0:8080";
    cr_expect(strcmp(shown, wanted) == 0, "%s", shown);
}

Test(listener, bracket_hint_for_ipv6)
{
    struct listen_address address;
    struct error error = {""};
    cr_expect(listen_address_parse("::1:80", &address, &error) == ERR_USAGE);
    cr_expect(strstr(error.text, "brackets") != NULL, "%s", error.text);
}

static uint16_t port_of(int fd)
{
    struct sockaddr_in address;
    socklen_t bytes = sizeof address;
    cr_assert(getsockname(fd, (struct sockaddr *)&address, &bytes) == 0);
    return ntohs(address.sin_port);
}

static void close_all(const int *fds, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        close(fds[i]);
    }
}

Test(listener, opens_one_socket_per_worker_on_one_port)
{
    enum { SOCKETS = 4 };
    struct listen_address address;
    struct error error = {""};
    int fds[SOCKETS];
    cr_assert(listen_address_parse("127.0.0.1:0", &address, NULL) == 0);
    cr_assert(listen_open(&address, fds, SOCKETS, &error) == 0, "%s", error.text);
    const struct sockaddr_in *in = (const void *)&address.socket_address;
    uint16_t port = ntohs(in->sin_port);
    cr_expect(port != 0, "the address was told the port");
    for (size_t i = 0; i < SOCKETS; i++) {
        int accepting = 0;
        socklen_t bytes = sizeof accepting;
        cr_expect(port_of(fds[i]) == port, "socket %zu", i);
        cr_expect(getsockopt(fds[i], SOL_SOCKET, SO_ACCEPTCONN, &accepting, &bytes) == 0);
        cr_expect(accepting == 1, "socket %zu", i);
        cr_expect((fcntl(fds[i], F_GETFL) & O_NONBLOCK) != 0, "socket %zu", i);
        cr_expect((fcntl(fds[i], F_GETFD) & FD_CLOEXEC) != 0, "socket %zu", i);
    }
    close_all(fds, SOCKETS);
}

Test(listener, refuses_an_address_that_somebody_listens_on)
{
    struct listen_address address;
    struct error error = {""};
    int first[1];
    int second[3];
    cr_assert(listen_address_parse("127.0.0.1:0", &address, NULL) == 0);
    cr_assert(listen_open(&address, first, 1, NULL) == 0);
    struct listen_address same = address; /* with the port */
    cr_expect(listen_open(&same, second, 3, &error) == -EADDRINUSE);
    char text[ADDRESS_TEXT_BYTES];
    listen_address_text(&address, text);
    cr_expect(strncmp(error.text, text, strlen(text)) == 0, "%s", error.text);
    close_all(first, 1);
    cr_expect(listen_open(&same, second, 3, &error) == 0, "%s", error.text);
    close_all(second, 3);
}

/* To look whether an address can be had takes nothing from whoever has it or gets it. */
Test(listener, check_leaves_the_address_alone)
{
    struct listen_address address;
    struct error error = {""};
    int fds[2];
    cr_assert(listen_address_parse("127.0.0.1:0", &address, &error) == 0);
    cr_expect(listen_check(&address, &error) == 0, "%s", error.text);
    cr_assert(listen_open(&address, fds, 2, &error) == 0, "%s", error.text);
    cr_expect(listen_check(&address, &error) == -EADDRINUSE);
    cr_expect(strstr(error.text, "127.0.0.1:") != NULL, "%s", error.text);
    close(fds[0]);
    close(fds[1]);
    cr_expect(listen_check(&address, &error) == 0, "%s", error.text);
    cr_assert(listen_address_parse("192.0.2.1:80", &address, &error) == 0);
    cr_expect(listen_check(&address, &error) == -EADDRNOTAVAIL, "%s", error.text);
}
