/* What the server was told: flag over environment over default. */
#ifndef CAIRN_SERVER_CONFIG_H
#define CAIRN_SERVER_CONFIG_H

#include "common/options.h"
#include "net/listener.h"
#include "net/loop.h"
#include "server/loader.h"

enum sandbox_mode {
    SANDBOX_ON, /* as much of it as the kernel can */
    SANDBOX_OFF,
    SANDBOX_REQUIRE, /* all of it, or no start */
};

enum { CONFIG_LISTENERS_MAX = 64, CONFIG_CONTROLS_MAX = 16, CONFIG_WORKERS_MAX = 1024 };

struct config {
    struct listen_address listeners[CONFIG_LISTENERS_MAX];
    size_t listener_count;
    bool is_default_listener;                  /* nobody said where to listen */
    size_t socket_mode;                        /* of Unix sockets that are listened on */
    const char *controls[CONFIG_CONTROLS_MAX]; /* paths: a FIFO, or a Unix socket to be made */
    size_t control_count;
    struct listen_address admin; /* the admin address */
    bool has_admin;
    const char **admin_hosts; /* names that it answers for; owned */
    size_t admin_host_count;
    const char *admin_token_file; /* NULL: nothing can be changed there */
    const char *admin_page; /* the index of the status page; NULL: the one that is installed */
    bool has_meters;        /* answers are counted, for somebody wants to know */
    size_t worker_count;
    size_t disk_reader_count;
    bool is_deferring;            /* connections are taken when they have sent something */
    bool is_preloading;           /* archives are read before they are served */
    size_t retain;                /* releases kept of a site */
    uint64_t retain_for_s;        /* how long, after another one came on top; 0: for good */
    struct load_request *indexes; /* to load at the start; words of the settings */
    size_t index_count;
    struct limits limits;
    struct address_list proxy_from;
    struct address_list forwarded_from;
    const char **trusted; /* files with the public keys of those who may sign; owned */
    size_t trusted_count;
    bool is_check;          /* to be said what a start would do, and no more */
    bool is_quiet;          /* no lines about a good start */
    const char *access_log; /* a path, "-" or "fd:N" (server/log_file.h); NULL: none */
    enum access_format log_format;
    char *added_fields;           /* complete lines; NULL: none */
    struct event_endpoint events; /* its path is empty: there is none */
    bool is_secure;               /* the preset of them is wanted */
    bool is_live;                 /* pages reload in browsers as they change */
    bool is_live_anywhere;        /* also where other machines reach it */
    enum sandbox_mode sandbox;
    const char **archives; /* folders that indexes may be loaded from, besides those of `indexes` */
    size_t archive_count;
    const char *user;         /* USER[:GROUP] to become; NULL: nobody else */
    struct settings settings; /* whose strings the others point into */
};

enum config_result {
    CONFIG_RUN,
    CONFIG_EXIT,  /* --help, --limits or --version: said it */
    CONFIG_USAGE, /* the words are off: said why */
};

enum config_result config_init(struct config *config, int argc, char **argv);
void config_fini(struct config *config);

/* Are its addresses to be listened on, beside so many sockets that were given? In place of the
 * default those are. */
bool config_opens_listeners(const struct config *config, size_t given_count);

/* May this INDEX come after the start? With --live-reload, which may be started in one line with
 * what makes the first release; unless something is there. A link that leads nowhere is. */
bool config_awaits(const struct config *config, const char *index_path);

/* The keys to trust. They are read again by a successor: that is how they are changed. */
int config_read_trust(const struct config *config, struct trust *trust,
                      struct error *error) CAIRN_MUST_CHECK;

#endif
