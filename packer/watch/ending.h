/* The signals that ask a command which goes on to come to its end, as a descriptor. */
#ifndef CAIRN_PACKER_ENDING_H
#define CAIRN_PACKER_ENDING_H

#include "common/error.h"

/* Holds INT, TERM and HUP back from now on; *out_fd gets readable by one of them. */
int ending_open(int *out_fd, struct error *error) CAIRN_MUST_CHECK;

#endif
