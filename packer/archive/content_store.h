/* Puts the files of a release into the archive: reads what has changed since the last run, on all
 * cores, stores what the archive does not have, and records what changed by path. What is written
 * depends on the files and the archive, not on the number of threads. */
#ifndef CAIRN_PACKER_CONTENT_STORE_H
#define CAIRN_PACKER_CONTENT_STORE_H

#include "packer/archive/archive_writer.h"
#include "packer/archive/catalog.h"
#include "packer/progress.h"
#include "packer/site/walk.h"

/* A file of the release, and where its bytes are. */
struct stored_file {
    const char *name;   /* of the walk */
    int64_t modified_s; /* as published */
    uint32_t content;   /* row of the catalog */
    uint8_t role;       /* enum file_role */
    bool is_rebound;    /* the path has had other bytes in an earlier release */
    bool was_read;      /* in this run: it is new, or looks changed */
};

struct content_store {
    struct archive_writer *writer;
    struct catalog catalog;
    int64_t created_s;         /* no file is published with a later time (SOURCE_DATE_EPOCH) */
    bool read_all;             /* even files that look unchanged */
    unsigned thread_count;     /* 0: one per processor */
    struct progress *progress; /* may be NULL */
    uint64_t file_bytes;       /* of all files */
    uint64_t read_count;       /* files that were read */
    uint64_t stored_count;     /* contents that were new */
    uint64_t stored_bytes;     /* of these */
    uint8_t *buffer;
};

/* Takes over the catalog. The rest of the fields are the caller's to set. */
void content_store_init(struct content_store *store, struct archive_writer *writer,
                        const struct catalog *catalog, int64_t created_s);
void content_store_fini(struct content_store *store);

/* Stores every file of the walk; out_files has as many places. Fails with the name of a file that
 * cannot be read, or is not what the walk saw, or changes while it is read (ERR_CHANGED). */
int content_store_add(struct content_store *store, const struct walk *walk,
                      struct stored_file *out_files, struct error *error) CAIRN_MUST_CHECK;

/* For a release more: the path is no file of it unless it is added again, and is read then. */
void content_store_forget(struct content_store *store, const char *name);

/* The same for all paths; those that were settled at `now_s` (file_state.h) and are what they were
 * need not be read. */
void content_store_forget_all(struct content_store *store, int64_t now_s);

/* Binds a path to a content that the archive has, if it is not bound to it already. */
int content_store_bind(struct content_store *store, struct slice path, int64_t modified_s,
                       uint32_t content, struct error *error) CAIRN_MUST_CHECK;

/* Records the paths of earlier releases that this one did not add. */
int content_store_record_gone(struct content_store *store, struct error *error) CAIRN_MUST_CHECK;

/* Records how the index is made, if that is not what the archive's last record of it says. */
int content_store_record_options(struct content_store *store, struct slice options,
                                 struct error *error) CAIRN_MUST_CHECK;

#endif
