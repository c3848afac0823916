/* `cairn-pack add`: one release of a site directory, appended and published. */
#ifndef CAIRN_PACKER_ADD_H
#define CAIRN_PACKER_ADD_H

#include "common/error.h"

#include <stdbool.h>
#include <stdio.h>

struct add_options {
    const char *site_directory;
    const char *archive_path;
    bool wait;        /* for another cairn-pack to give up the lock */
    bool allow_empty; /* a site without a single file may be published */
    bool quiet;       /* no summary */
    FILE *messages;   /* what was left out, and the summary */
};

/* Packs and publishes, and sets *out_index_path to the new index (absolute; the caller frees).
 * On failure nothing is published, and *error names the file that is the reason. The time and, for
 * a new archive, the UUID come from SOURCE_DATE_EPOCH where that is set, so that the same tree
 * gives the same bytes. */
int add_release(const struct add_options *options, char **out_index_path,
                struct error *error) CAIRN_MUST_CHECK;

#endif
