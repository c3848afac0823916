/* What the process asks of the system for itself before it does anything. Main thread, before there
 * are others, which inherit it. */
#ifndef CAIRN_SERVER_PROCESS_SETUP_H
#define CAIRN_SERVER_PROCESS_SETUP_H

#include "common/error.h"

/* A descriptor per connection: take as many as the system lets us. */
void process_raise_descriptor_limit(void);

/* Signals that mean something arrive on a descriptor, between two commands, and nowhere else.
 * Returns it, the caller's to close, or -errno. */
int process_open_signals(struct error *error) CAIRN_MUST_CHECK;

#endif
