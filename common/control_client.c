#include "common/control_client.h"

#include "common/mem.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

struct control_client {
    char *path;
    int64_t timeout_ms;
    FILE *stream;
};

static int fail(const char *path, struct error *error)
{
    return error_set(error, -errno, "%s: %s", path, strerror(errno));
}

static int connect_to(const char *path, int64_t timeout_ms, int *out_fd, struct error *error)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof address.sun_path) {
        return error_set(error, -ENAMETOOLONG, "%s: %s", path, strerror(ENAMETOOLONG));
    }
    memcpy(address.sun_path, path, strlen(path));
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct timeval limit = {timeout_ms / 1000, timeout_ms % 1000 * 1000};
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit) != 0 ||
        setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit) != 0 ||
        connect(fd, (const struct sockaddr *)&address, sizeof address) != 0) {
        int status = fail(path, error);
        if (fd >= 0) {
            close(fd);
        }
        return status;
    }
    *out_fd = fd;
    return 0;
}

int control_client_open(const char *path, int64_t timeout_ms, struct control_client **out_client,
                        struct error *error)
{
    int fd = -1;
    int status = connect_to(path, timeout_ms, &fd, error);
    if (status != 0) {
        return status;
    }
    FILE *stream = fdopen(fd, "r+");
    if (stream == NULL) {
        status = fail(path, error);
        close(fd);
        return status;
    }
    struct control_client *client = mem_zeroed(1, sizeof *client);
    client->path = mem_string(path, strlen(path));
    client->timeout_ms = timeout_ms;
    client->stream = stream;
    *out_client = client;
    return 0;
}

void control_client_close(struct control_client *client)
{
    if (client != NULL) {
        fclose(client->stream);
        free(client->path);
        free(client);
    }
}

/* Why there was no whole reply. */
static int no_reply(const struct control_client *client, struct error *error)
{
    if (errno == EAGAIN) {
        return error_set(error, -ETIMEDOUT, "%s: no reply within %.1f s", client->path,
                         (double)client->timeout_ms / 1000);
    }
    if (errno != 0 && errno != EPIPE && errno != ECONNRESET) {
        return fail(client->path, error);
    }
    return error_set(error, -ECONNRESET, "%s: the server ended the connection without a reply",
                     client->path);
}

int control_client_send(struct control_client *client, const char *line, FILE *rows,
                        char **out_last, struct error *error)
{
    *out_last = NULL;
    errno = 0;
    if (fprintf(client->stream, "%s\n", line) < 0 || fflush(client->stream) != 0) {
        return no_reply(client, error);
    }
    char *row = NULL;
    size_t capacity = 0;
    ssize_t count;
    while ((count = getline(&row, &capacity, client->stream)) > 0 && row[count - 1] == '\n') {
        bool is_ok = strncmp(row, "ok ", 3) == 0;
        if (is_ok || strncmp(row, "error ", 6) == 0) {
            row[count - 1] = '\0';
            *out_last = row;
            return is_ok ? 0 : ERR_REFUSED;
        }
        if (rows != NULL) {
            fputs(row, rows);
        }
    }
    free(row);
    return no_reply(client, error);
}
