/* The floor of the comparison: a bare epoll server that parses nothing. Each read is answered with
 * the bytes of a file, head included, as often as told. What a server needs beyond this is its own.
 *   floor [--per-read N] [--close] [--walk] FILE
 *
 * --per-read N  answers each read N times in one write: N requests that arrive together
 * --close       closes the connection behind each answer
 * --walk        writes another copy of the bytes each time, out of 512 MB: no body is in the
 *               processor's caches, as with many different files
 *
 * The first line on standard output is `ready http://127.0.0.1:PORT/`; SIGTERM ends it. */
#include "common/mem.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

enum { EVENTS = 256, READ_BYTES = 16384, FDS_MAX = 65536 };
#define WALK_BYTES ((size_t)512 << 20)

struct floor {
    int epoll_fd;
    int listen_fd;
    bool closes;
    char *answer; /* as it is written for one read */
    size_t answer_bytes;
    size_t copies; /* of it, one behind the other */
    size_t next;
    struct {
        const char *at; /* what a full socket did not take */
        size_t left;
    } rests[FDS_MAX];
};

static void fail(const char *what)
{
    perror(what);
    exit(1);
}

static void read_answer(struct floor *floor, const char *path, size_t per_read, bool walks)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct stat info;
    if (fd < 0 || fstat(fd, &info) != 0) {
        fail(path);
    }
    size_t bytes = (size_t)info.st_size;
    floor->answer_bytes = per_read * bytes;
    floor->copies =
        walks && WALK_BYTES > floor->answer_bytes ? WALK_BYTES / floor->answer_bytes : 1;
    size_t count = floor->copies * per_read;
    floor->answer = mem_resize(NULL, count, bytes);
    for (size_t i = 0; i < count; i++) {
        if (pread(fd, floor->answer + i * bytes, bytes, 0) != (ssize_t)bytes) {
            fail(path);
        }
    }
    close(fd);
}

static void listen_anywhere(struct floor *floor)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t bytes = sizeof address;
    int on = 1;
    floor->listen_fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    floor->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event event = {.events = EPOLLIN, .data.fd = floor->listen_fd};
    if (setsockopt(floor->listen_fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) != 0 ||
        bind(floor->listen_fd, (struct sockaddr *)&address, sizeof address) != 0 ||
        listen(floor->listen_fd, SOMAXCONN) != 0 ||
        getsockname(floor->listen_fd, (struct sockaddr *)&address, &bytes) != 0 ||
        epoll_ctl(floor->epoll_fd, EPOLL_CTL_ADD, floor->listen_fd, &event) != 0) {
        fail("listen");
    }
    printf("ready http://127.0.0.1:%u/\n", ntohs(address.sin_port));
    fflush(stdout);
}

static void accept_all(struct floor *floor)
{
    int fd;
    while ((fd = accept4(floor->listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
        struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
        if (fd >= FDS_MAX || epoll_ctl(floor->epoll_fd, EPOLL_CTL_ADD, fd, &event) != 0) {
            close(fd);
            continue;
        }
        floor->rests[fd].left = 0;
    }
}

static void watch(const struct floor *floor, int fd, uint32_t events)
{
    struct epoll_event event = {.events = events, .data.fd = fd};
    (void)epoll_ctl(floor->epoll_fd, EPOLL_CTL_MOD, fd, &event);
}

/* Writes what is left. `was_full`: of an answer that the socket did not take at once. */
static void write_rest(struct floor *floor, int fd, bool was_full)
{
    size_t left = floor->rests[fd].left;
    ssize_t sent = send(fd, floor->rests[fd].at, left, MSG_NOSIGNAL);
    if (sent < 0 && errno != EAGAIN) {
        close(fd);
        return;
    }
    sent = sent < 0 ? 0 : sent;
    floor->rests[fd].at += sent;
    floor->rests[fd].left = left - (size_t)sent;
    if (floor->rests[fd].left > 0) {
        if (!was_full) {
            watch(floor, fd, EPOLLOUT);
        }
    } else if (floor->closes) {
        close(fd);
    } else if (was_full) {
        watch(floor, fd, EPOLLIN);
    }
}

static void on_connection(struct floor *floor, int fd, uint32_t events)
{
    static char input[READ_BYTES];
    if ((events & EPOLLOUT) != 0) {
        write_rest(floor, fd, true);
        return;
    }
    ssize_t got = read(fd, input, sizeof input);
    if (got <= 0) {
        close(fd);
        return;
    }
    floor->rests[fd].at = floor->answer + floor->next * floor->answer_bytes;
    floor->rests[fd].left = floor->answer_bytes;
    floor->next = floor->next + 1 == floor->copies ? 0 : floor->next + 1;
    write_rest(floor, fd, false);
}

int main(int argc, char **argv)
{
    static struct floor floor;
    size_t per_read = 1;
    bool walks = false;
    int i = 1;
    for (; i < argc - 1; i++) {
        if (strcmp(argv[i], "--close") == 0) {
            floor.closes = true;
        } else if (strcmp(argv[i], "--walk") == 0) {
            walks = true;
        } else if (strcmp(argv[i], "--per-read") == 0 && i + 1 < argc - 1) {
            per_read = strtoul(argv[++i], NULL, 10);
        }
    }
    if (argc < 2 || per_read == 0) {
        fprintf(stderr, "usage: floor [--per-read N] [--close] [--walk] FILE\n");
        return 2;
    }
    read_answer(&floor, argv[argc - 1], per_read, walks);
    listen_anywhere(&floor);
    for (;;) {
        struct epoll_event events[EVENTS];
        int ready = epoll_wait(floor.epoll_fd, events, EVENTS, -1);
        for (int at = 0; at < ready; at++) {
            if (events[at].data.fd == floor.listen_fd) {
                accept_all(&floor);
            } else {
                on_connection(&floor, events[at].data.fd, events[at].events);
            }
        }
    }
}
