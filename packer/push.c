#include "packer/push.h"

#include "common/control_client.h"
#include "common/mem.h"

#include <stdlib.h>

enum { PATIENCE_MS = 60000 };

int push_command(const char *socket_path, const char *command, struct error *error)
{
    struct control_client *client;
    int status = control_client_open(socket_path, PATIENCE_MS, &client, error);
    if (status != 0) {
        return status;
    }
    char *last;
    status = control_client_send(client, command, NULL, &last, error);
    free(last);
    control_client_close(client);
    return status;
}

int push_release(const char *socket_path, const char *index_path, const char *traceparent,
                 bool quiet, FILE *messages, struct error *error)
{
    struct control_client *client;
    int status = control_client_open(socket_path, PATIENCE_MS, &client, error);
    if (status != 0) {
        return status;
    }
    char *last;
    char *line = mem_format("load index %s%s%s", index_path,
                            *traceparent == '\0' ? "" : " traceparent=", traceparent);
    status = control_client_send(client, line, messages, &last, error);
    if (last != NULL && status != 0) {
        error_set(error, status, "packed, but the server did not take it: %s", last);
    } else if (last != NULL && !quiet) {
        fprintf(messages, "cairn-pack: %s\n", last);
    }
    free(last);
    free(line);
    control_client_close(client);
    return status;
}
