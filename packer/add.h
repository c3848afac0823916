/* `cairn-pack add`: one release of a site directory, appended and published. */
#ifndef CAIRN_PACKER_ADD_H
#define CAIRN_PACKER_ADD_H

#include "common/key.h"
#include "packer/release/site_index.h"
#include "telemetry/operation.h"

#include <stdio.h>

struct add_options {
    const char *site_directory;
    const char *archive_path;
    const struct private_key *sign_key; /* NULL: not signed */
    const struct site_options *site;
    struct walk_options walk;
    unsigned thread_count;       /* 0: one per processor */
    bool wait;                   /* for another cairn-pack to give up the lock */
    bool allow_empty;            /* a site without a single file may be published */
    bool read_all;               /* even files that look unchanged */
    bool strict;                 /* malformed lines of rule files fail */
    bool quiet;                  /* no summary, no progress */
    FILE *messages;              /* what was left out, progress, and the summary */
    struct operation *operation; /* is told of phases; NULL: nobody is */
};

/* What was done. */
struct add_result {
    char *index_path; /* absolute; owned */
    uint64_t release;
    uint64_t file_count;
    uint64_t path_count; /* entries of the index */
    uint64_t read_count; /* files that were read */
    uint64_t new_count;  /* contents that were new */
    uint64_t file_bytes;
    uint64_t appended_bytes;
    uint64_t index_bytes;
    struct site_savings savings;
    double seconds;
};
void add_result_fini(struct add_result *result);

/* Packs and publishes. On failure nothing is published, and *error names the file that is the
 * reason. The time and, for a new archive, the UUID come from SOURCE_DATE_EPOCH where that is set,
 * so that the same tree gives the same bytes. */
int add_release(const struct add_options *options, struct add_result *out_result,
                struct error *error) CAIRN_MUST_CHECK;

/* The text of a rule file that lies at the root of the site, among these files; empty if there is
 * none. The caller frees *out_text. */
int add_read_rules(struct archive_writer *writer, const struct catalog *catalog,
                   const struct stored_file *files, size_t count, const char *name,
                   struct slice *out_text, struct error *error) CAIRN_MUST_CHECK;

#endif
