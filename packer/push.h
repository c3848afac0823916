/* `cairn-pack add --push`: a server is told of a release and asked whether it serves it. */
#ifndef CAIRN_PACKER_PUSH_H
#define CAIRN_PACKER_PUSH_H

#include "common/error.h"

#include <stdbool.h>
#include <stdio.h>

/* Has the server at this control socket load the index that was just published, and waits for what
 * it says, which goes to `messages` unless `quiet`. A failure if that is no `ok`. `traceparent` is
 * that of the span that waits; empty: nobody records any. */
int push_release(const char *socket_path, const char *index_path, const char *traceparent,
                 bool quiet, FILE *messages, struct error *error) CAIRN_MUST_CHECK;

/* Has the server carry out any other command. As control_client_send(); what it says is of no
 * interest. */
int push_command(const char *socket_path, const char *command,
                 struct error *error) CAIRN_MUST_CHECK;

#endif
