/* What the server was told: flag over environment over default. */
#ifndef CAIRN_SERVER_CONFIG_H
#define CAIRN_SERVER_CONFIG_H

#include "common/error.h"
#include "net/listener.h"

enum { CONFIG_LISTENERS_MAX = 64, CONFIG_CONTROLS_MAX = 16, CONFIG_WORKERS_MAX = 1024 };

struct config {
    struct listen_address listeners[CONFIG_LISTENERS_MAX];
    size_t listener_count;
    const char *controls[CONFIG_CONTROLS_MAX]; /* paths: a FIFO, or a Unix socket to be made */
    size_t control_count;
    size_t worker_count;
    size_t retain;  /* releases kept in the list */
    char **indexes; /* of argv */
    size_t index_count;
    char *owned[2]; /* copies of environment values that `controls` points into */
};

enum config_result {
    CONFIG_RUN,
    CONFIG_EXIT,  /* --help or --version: said it */
    CONFIG_USAGE, /* the words are off: said why */
};

enum config_result config_init(struct config *config, int argc, char **argv);
void config_fini(struct config *config);

#endif
