/* Speaks to a server's control socket (docs/control.md): a command out, its rows and its last line
 * in. Blocks for as long as it was told. One thread. */
#ifndef CAIRN_COMMON_CONTROL_CLIENT_H
#define CAIRN_COMMON_CONTROL_CLIENT_H

#include "common/error.h"

#include <stdint.h>
#include <stdio.h>

struct control_client;

/* Connects. `timeout_ms`: for each answer; 0: for ever. The client is the caller's to close. */
int control_client_open(const char *path, int64_t timeout_ms, struct control_client **out_client,
                        struct error *error) CAIRN_MUST_CHECK;
void control_client_close(struct control_client *client); /* takes NULL */

/* Sends one line (without its end) and reads the reply. Its rows go to `rows`, which may be NULL,
 * and the last line to *out_last, which the caller frees. Returns 0 if that is `ok ...`,
 * ERR_REFUSED if it is `error ...`; what else goes wrong has a sentence in *error, and no last line
 * (NULL). */
int control_client_send(struct control_client *client, const char *line, FILE *rows,
                        char **out_last, struct error *error) CAIRN_MUST_CHECK;

#endif
