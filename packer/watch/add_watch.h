/* `cairn-pack add --watch`: a release at every change, until a signal or the reader's end. */
#ifndef CAIRN_PACKER_ADD_WATCH_H
#define CAIRN_PACKER_ADD_WATCH_H

#include "packer/add.h"

struct add_watch_options {
    struct add_options add;
    const char *push; /* a control socket; NULL: none */
};

/* Prints the line that loads each release on standard output. INT, TERM and HUP end it, and so does
 * that nobody reads the lines any more: each with 0. */
int add_watch(const struct add_watch_options *options, struct error *error) CAIRN_MUST_CHECK;

#endif
