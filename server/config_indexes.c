#include "server/config_indexes.h"

#include "common/mem.h"

#include <string.h>

static int check_mounts(const struct config *config, struct error *error)
{
    for (size_t i = 0; i < config->index_count; i++) {
        struct mount mount;
        int status =
            mount_parse(config->indexes[i].hosts, config->indexes[i].prefix, &mount, error);
        if (status != 0) {
            return status;
        }
        mount_fini(&mount);
    }
    return 0;
}

/* INDEX arguments and the words that belong to them. A path that begins like one of these is
 * written with "./" before it. */
int config_read_indexes(struct config *config, struct error *error)
{
    const struct settings *settings = &config->settings;
    config->indexes = mem_zeroed(settings->operand_count + 1, sizeof *config->indexes);
    for (size_t i = 0; i < settings->operand_count; i++) {
        const char *word = settings->operands[i].text;
        bool is_host = strncmp(word, "host=", 5) == 0;
        bool is_prefix = strncmp(word, "at=", 3) == 0;
        if ((is_host || is_prefix) && config->index_count == 0) {
            return error_set(error, ERR_USAGE, "%s: it belongs behind an INDEX", word);
        }
        if (is_host) {
            config->indexes[config->index_count - 1].hosts = word + 5;
        } else if (is_prefix) {
            config->indexes[config->index_count - 1].prefix = word + 3;
        } else {
            config->indexes[config->index_count++].path = word;
        }
    }
    return check_mounts(config, error);
}
