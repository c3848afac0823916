/* The operands of the server: what to load at the start, and where it shall answer. */
#ifndef CAIRN_SERVER_CONFIG_INDEXES_H
#define CAIRN_SERVER_CONFIG_INDEXES_H

#include "server/config.h"

/* Sets config->indexes from the operands of its settings. ERR_USAGE with a sentence. */
int config_read_indexes(struct config *config, struct error *error) CAIRN_MUST_CHECK;

#endif
