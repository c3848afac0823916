/* The cairn-serve of `cairn-pack dev`: a process of its own that takes commands on its standard
 * input, and ends with the one that started it. One thread. */
#ifndef CAIRN_PACKER_DEV_SERVER_H
#define CAIRN_PACKER_DEV_SERVER_H

#include "common/error.h"

#include <stddef.h>
#include <sys/types.h>

struct dev_server {
    pid_t process; /* 0: there is none */
    int command_fd;
    int reply_fd; /* readable: it said something that nobody asked for, or has ended */
    char *line;   /* of what it said: the newest, owned */
    size_t line_capacity;
};

struct dev_server_options {
    const char *listen;   /* an address as cairn-serve takes it; NULL: on 127.0.0.1 */
    size_t port;          /* there; 0: the first that is free, from 8080 on */
    const char *archives; /* the folder of what it serves */
    const char *index;
};

/* Starts the cairn-serve that CAIRN_SERVE names, lies beside this program, or is on the PATH, and
 * waits until it serves. *out_url is its own; the caller frees. dev_server_stop() in any case. */
int dev_server_start(struct dev_server *server, const struct dev_server_options *options,
                     char **out_url, struct error *error) CAIRN_MUST_CHECK;

/* Has it carry out a command; ERR_REFUSED with its words if it does not. */
int dev_server_command(struct dev_server *server, const char *command,
                       struct error *error) CAIRN_MUST_CHECK;

/* The same, whatever it answers: a failure is only that it does not. */
int dev_server_tell(struct dev_server *server, const char *command,
                    struct error *error) CAIRN_MUST_CHECK;

void dev_server_stop(struct dev_server *server);

#endif
