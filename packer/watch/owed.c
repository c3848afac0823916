#include "packer/watch/owed.h"

#include "common/clock.h"
#include "common/mem.h"
#include "packer/push.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { AGAIN_MS = 1000 };

void owed_init(struct owed *owed, const char *socket_path, bool quiet, FILE *messages)
{
    *owed = (struct owed){
        .socket_path = socket_path,
        .quiet = quiet,
        .messages = messages,
        .again_ms = -1,
    };
}

static void drop_announcement(struct owed *owed)
{
    free(owed->announcement);
    owed->announcement = NULL;
}

void owed_fini(struct owed *owed)
{
    drop_announcement(owed);
    free(owed->index);
    owed->index = NULL;
}

void owed_add_release(struct owed *owed, const char *index_path)
{
    drop_announcement(owed);
    free(owed->index);
    owed->index = mem_string(index_path, strlen(index_path));
    owed->is_index_told = false;
}

void owed_announce(struct owed *owed, const char *command)
{
    drop_announcement(owed);
    owed->announcement = mem_string(command, strlen(command));
}

static int tell_release(struct owed *owed, struct error *error)
{
    if (owed->index == NULL || owed->is_index_told) {
        return 0;
    }
    int status =
        push_release(owed->socket_path, owed->index, "", owed->quiet, owed->messages, error);
    owed->is_index_told = status == 0;
    return status;
}

/* That a server knows no such command, or that nobody can listen there, is no failure. */
static int tell_announcement(struct owed *owed, struct error *error)
{
    int status = push_command(owed->socket_path, owed->announcement, error);
    if (status == 0 || status == ERR_REFUSED) {
        drop_announcement(owed);
        return 0;
    }
    return status;
}

static bool was_away(int status)
{
    return status == -ECONNREFUSED || status == -ENOENT || status == -ECONNRESET ||
           status == -EPIPE;
}

static void tell_failure(struct owed *owed, const struct error *error)
{
    if (strcmp(owed->told.text, error->text) != 0) {
        fprintf(owed->messages, "cairn-pack: %s\n", error->text);
        owed->told = *error;
    }
}

void owed_tell(struct owed *owed)
{
    owed->again_ms = -1;
    if (owed->socket_path == NULL) {
        return;
    }
    struct error error = {""};
    int status = tell_release(owed, &error);
    bool is_refused = status == ERR_REFUSED;
    if (status == 0 || is_refused) {
        struct error late = {""};
        int late_status = owed->announcement == NULL ? 0 : tell_announcement(owed, &late);
        if (late_status != 0) {
            status = late_status;
            error = late;
        }
    }
    if (status == 0) {
        owed->told = (struct error){""};
        return;
    }
    tell_failure(owed, &error);
    if (was_away(status)) {
        owed->is_index_told = false;
    }
    if (status != ERR_REFUSED) { /* a server that says no has its reasons */
        owed->again_ms = monotonic_ms() + AGAIN_MS;
    }
}
