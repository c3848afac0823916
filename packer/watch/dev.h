/* `cairn-pack dev`: a site as it is being written, packed at every change and served to the one who
 * writes it, by the two programs as they are. */
#ifndef CAIRN_PACKER_DEV_H
#define CAIRN_PACKER_DEV_H

#include "packer/add.h"

struct dev_options {
    struct add_options add; /* the archive is found by itself */
    const char *listen;     /* as cairn-serve takes it; NULL: on 127.0.0.1 */
    size_t port;            /* there; 0: the first that is free, from 8080 on */
};

/* Prints where it serves, and a line for each change, on `out`. INT, TERM and HUP end it with 0;
 * nothing is left then. */
int dev(const struct dev_options *options, FILE *out, struct error *error) CAIRN_MUST_CHECK;

#endif
