/* A release as the archive's records tell it, without its index: every path, its content and time,
 * the rule files, the options. What extract, rebuild and compact start from. */
#ifndef CAIRN_PACKER_RELEASE_VIEW_H
#define CAIRN_PACKER_RELEASE_VIEW_H

#include "packer/release/site_index.h"

struct release_view {
    const struct archive *archive;
    struct commit commit;
    struct catalog catalog;
    struct stored_file *files; /* sorted by name */
    size_t file_count;
    char **names; /* of all paths that are bound; owned */
    size_t name_count;
    struct site_options options;
    struct rule_texts texts; /* of the archive's mapping */
    size_t lost_count;       /* paths whose records cannot be read */
};

/* Reads the records up to the commit. The archive must outlive the view. release_view_fini() in any
 * case. */
int release_view_init(struct release_view *view, const struct archive *archive,
                      const struct commit *commit, struct error *error) CAIRN_MUST_CHECK;
void release_view_fini(struct release_view *view);

/* The SHA-256 of all stored bytes of these files, coded forms included, where it is not known. */
void release_view_digest(struct release_view *view);

/* The index of the release, made again. `stem`: where the indexes of the releases before it are,
 * for an overlay. The caller frees out_image->bytes. */
int release_view_index(struct release_view *view, const char *stem, struct index_image *out_image,
                       struct error *error) CAIRN_MUST_CHECK;

/* The bytes of a content. */
const uint8_t *release_view_bytes(const struct release_view *view, const struct content *content);

#endif
