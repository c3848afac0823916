/* What a command of cairn-pack was asked for: its flags, in tables (common/options.h), and where
 * they end up. */
#ifndef CAIRN_PACKER_REQUEST_H
#define CAIRN_PACKER_REQUEST_H

#include "common/options.h"
#include "packer/add.h"

struct request {
    struct add_options add;
    struct site_options site;
    bool as_json;
    bool is_dry_run;
    bool is_watch;
    bool has_effort; /* somebody said which */
    bool is_archive; /* verify: all of it */
    size_t keep;
    size_t port;          /* dev; 0: nobody said */
    const char *listen;   /* dev; NULL: nobody said */
    const char *push;     /* a control socket; NULL: none */
    const char *sign;     /* a file with a private key; NULL: none */
    const char **trusted; /* files with public keys; owned */
    size_t trusted_count;
};

void request_init(struct request *request);
void request_fini(struct request *request);

extern const struct option_group request_publish_group;
extern const struct option_group request_ignored_group; /* the same, where nothing is published */
extern const struct option_group request_read_group;
extern const struct option_group request_site_group; /* how a site is compiled */
extern const struct option_group request_json_group;
extern const struct option_group request_verify_group;
extern const struct option_group request_rebuild_group;
extern const struct option_group request_compact_group;
extern const struct option_group request_dev_group;

#endif
