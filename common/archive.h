/* An archive, open for reading: its descriptor and one mapping. The mapping is longer than the file
 * (address space costs nothing), so what is appended later shows up in place; nobody touches bytes
 * past the committed length of an index that was checked against this archive. The descriptor is
 * held and never reopened by path. Counted, because several releases share it; the count may
 * be changed from any thread, everything else is read-only after archive_open(). */
#ifndef CAIRN_COMMON_ARCHIVE_H
#define CAIRN_COMMON_ARCHIVE_H

#include "common/error.h"
#include "common/record.h"

#include <stdatomic.h>
#include <sys/types.h>

struct archive {
    atomic_uint references;
    int fd;
    const uint8_t *map;
    uint64_t map_bytes; /* reserved; the file may be shorter */
    struct superblock superblock;
    dev_t device;
    ino_t inode;
    char *path;             /* for messages; owned */
    bool is_residency_told; /* mincore() tells which pages are in memory: it does so to who owns the
                               file or may write it */
};

/* How much address space to keep ready for an archive that grows under a running server. */
#define ARCHIVE_RESERVE_BYTES (UINT64_C(64) << 30)

/* Opens and maps the archive and checks its superblock. `reserve_bytes` of address space are kept
 * for growth (0: none); where the system refuses so much, as much as the file needs. One
 * reference, the caller's. On failure a negative code, and a sentence in *error. */
int archive_open(const char *path, uint64_t reserve_bytes, struct archive **out_archive,
                 struct error *error) CAIRN_MUST_CHECK;

/* Finds out is_residency_told anew: after the process has become another user. */
void archive_ask_residency(struct archive *archive);

struct archive *archive_ref(struct archive *archive);
void archive_unref(struct archive *archive); /* the last one unmaps; takes NULL */

/* The file's length now. On failure a negative code, and a sentence in *error. */
int archive_file_bytes(const struct archive *archive, uint64_t *out_bytes,
                       struct error *error) CAIRN_MUST_CHECK;

/* Finds the newest commit record by looking back from the end of `file_bytes` bytes, over whatever
 * a crash left behind it. Returns 1; 0, and *out_end_offset = SUPERBLOCK_BYTES, if there is none; a
 * negative code, and a sentence in *error, if the file cannot be read: that tells nothing about
 * what it holds. The mapping must cover file_bytes. */
int archive_last_commit(const struct archive *archive, uint64_t file_bytes,
                        struct commit *out_commit, uint64_t *out_end_offset,
                        struct error *error) CAIRN_MUST_CHECK;

/* After damage: the next place behind *offset, before `end`, where a record starts that is whole
 * but for its payload. False if there is none. Takes time in proportion to what is skipped. */
bool archive_resync(const struct archive *archive, uint64_t end, uint64_t *offset);

/* Walks the records of one commit, first to last, the commit record excluded. Start with
 * *offset = commit->begin_offset. Returns 1 with a record, 0 at the end, a negative code with *why
 * at bytes that are no record. */
int archive_next_record(const struct archive *archive, const struct commit *commit,
                        uint64_t *offset, struct record *out_record, const char **why);

#endif
