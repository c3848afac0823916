/* An archive, open for appending: the lock, the end of what is committed, and a buffer. Nothing
 * that is committed is ever written again; what a crash left behind the last commit is skipped.
 * One thread. Order of publishing: docs/format.md, "Writing". */
#ifndef CAIRN_PACKER_ARCHIVE_WRITER_H
#define CAIRN_PACKER_ARCHIVE_WRITER_H

#include "common/archive.h"

struct archive_writer {
    int fd;
    char *path;             /* absolute, links followed; owned */
    bool is_new;            /* created by this writer and nothing committed yet */
    bool is_torn;           /* a record was begun and not ended: nothing more can be committed */
    struct archive *reader; /* everything before `begin_offset` */
    bool has_commit;        /* the archive has a release already: `last_commit` */
    struct commit last_commit;
    uint64_t begin_offset; /* where this release's records start */
    uint64_t offset;       /* where the next record goes */
    uint8_t *buffer;       /* bytes before `offset` that are not in the file yet */
    size_t buffered;
};

/* Opens the archive and takes its lock, or creates it with this superblock. `wait`: for as long as
 * another writer holds the lock; else that is ERR_BUSY. The caller closes *out_writer. */
int archive_writer_open(const char *path, bool wait, const struct superblock *superblock,
                        struct archive_writer **out_writer, struct error *error) CAIRN_MUST_CHECK;

/* The same for an archive that must be there already. */
int archive_writer_open_existing(const char *path, struct archive_writer **out_writer,
                                 struct error *error) CAIRN_MUST_CHECK;

/* Starts a record: sets record->offset and the computed fields, writes header and path. Exactly
 * record->stored_bytes of payload must follow, then archive_writer_end_record(). */
int archive_writer_begin_record(struct archive_writer *writer, struct record *record,
                                struct error *error) CAIRN_MUST_CHECK;
int archive_writer_payload(struct archive_writer *writer, const void *bytes, size_t count,
                           struct error *error) CAIRN_MUST_CHECK;
int archive_writer_end_record(struct archive_writer *writer, const struct record *record,
                              struct error *error) CAIRN_MUST_CHECK;

/* All of a record whose payload is in one piece, record->stored_bytes of it. */
int archive_writer_record(struct archive_writer *writer, struct record *record, const void *payload,
                          struct error *error) CAIRN_MUST_CHECK;

/* Reads bytes of the archive, committed or written by this writer, all of them before its end. */
int archive_writer_read_back(struct archive_writer *writer, uint64_t offset, void *out_bytes,
                             size_t count, struct error *error) CAIRN_MUST_CHECK;

/* Hands what is buffered to the system, so that other threads can read it from the descriptor. */
int archive_writer_flush(struct archive_writer *writer, struct error *error) CAIRN_MUST_CHECK;

/* The committed length once a commit record follows what has been written. */
uint64_t archive_writer_committed_bytes(const struct archive_writer *writer);

/* Makes the records durable, then the commit record. commit->begin_offset, committed_bytes and
 * previous_offset are set here. */
int archive_writer_commit(struct archive_writer *writer, struct commit *commit,
                          struct error *error) CAIRN_MUST_CHECK;

/* Lets `reader` see what has been committed since: its mapping ends where the file ended. */
int archive_writer_refresh(struct archive_writer *writer, struct error *error) CAIRN_MUST_CHECK;

/* Gives up the lock. Without a commit, the space of what was appended goes back to the file system
 * (the file keeps its length, since a server may have it mapped), and a new file is removed. Takes
 * NULL. */
void archive_writer_close(struct archive_writer *writer);

#endif
