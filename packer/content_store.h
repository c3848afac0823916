/* Puts the files of a release into the archive: reads each once (large ones twice), stores what the
 * archive does not have, and records what changed by path. One thread. */
#ifndef CAIRN_PACKER_CONTENT_STORE_H
#define CAIRN_PACKER_CONTENT_STORE_H

#include "packer/archive_writer.h"
#include "packer/catalog.h"
#include "packer/walk.h"

/* Where the bytes of a file are. */
struct stored_file {
    const char *name; /* of the walk */
    uint64_t payload_offset;
    uint64_t stored_bytes;
    struct hash128 hash;
    int64_t modified_s; /* as published */
};

struct content_store {
    struct archive_writer *writer;
    struct catalog catalog;
    int64_t created_s; /* no file is published with a later time (SOURCE_DATE_EPOCH) */
    uint8_t *buffer;
    struct hash128_stream *stream;
    uint64_t file_bytes;   /* read so far */
    uint64_t stored_count; /* contents that were new */
};

void content_store_init(struct content_store *store, struct archive_writer *writer,
                        int64_t created_s);
void content_store_fini(struct content_store *store);

/* Stores one file of the site directory `root`. Fails with its name if it cannot be read, or is not
 * what the walk saw, or changes while it is read (ERR_CHANGED). */
int content_store_add(struct content_store *store, const char *root, const struct walk_file *file,
                      struct stored_file *out_file, struct error *error) CAIRN_MUST_CHECK;

/* Records the paths of earlier releases that this one did not add. */
int content_store_record_gone(struct content_store *store, struct error *error) CAIRN_MUST_CHECK;

#endif
