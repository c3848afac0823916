/* The flags of cairn-serve, with their variables, defaults and texts; their subject is a struct
 * config (server/config.h). */
#ifndef CAIRN_SERVER_CONFIG_OPTIONS_H
#define CAIRN_SERVER_CONFIG_OPTIONS_H

#include "common/options.h"

const struct option_table *config_options(void);

#endif
