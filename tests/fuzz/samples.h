/* What the targets of files and connections are made of: a scratch folder, a small real site in
 * several releases, and memory between two pages that nobody may touch. What goes wrong ends the
 * process. One thread. */
#ifndef CAIRN_TESTS_FUZZ_SAMPLES_H
#define CAIRN_TESTS_FUZZ_SAMPLES_H

#include "common/error.h"
#include "common/slice.h"

#include <stdio.h>

/* ---- files ---- */

/* A new folder of its own in memory (/dev/shm, or where TMPDIR says), `depth` folders below one
 * that is removed at exit, so that what climbs out of it stays in that one. Absolute; the caller
 * frees. */
char *fuzz_scratch(unsigned depth);

/* Writes a file, its folders made; always with the same time. */
void fuzz_write(const char *folder, const char *name, const void *bytes, size_t count);

/* All bytes of a file; the caller frees. */
uint8_t *fuzz_read(const char *path, size_t *out_count);

/* Removes a file, or a folder with all that is in it, or nothing. */
void fuzz_remove(const char *path);

/* How many names are below a folder, folders included, links not followed. */
size_t fuzz_names_below(const char *path);

/* Where messages go that nobody reads. */
FILE *fuzz_nowhere(void);

/* ---- a site ---- */

/* Bytes that cannot be compressed, the same for the same count. The caller frees. */
uint8_t *fuzz_noise(size_t count);

/* Writes the sample site below FOLDER/site: pages, missing pages of two folders, a script with a
 * fingerprint, a style sheet that is worth coding, `_redirects` and `_headers`. */
void fuzz_write_site(const char *folder);

/* Packs FOLDER/site into FOLDER/site.cairn as the next release, the same bytes every time. Returns
 * what add_release() does. */
int fuzz_pack(const char *folder, bool is_overlay, struct error *error);

/* Packs three releases into FOLDER/site.cairn: all of the site; one with a changed, a moved and a
 * missing file; an overlay with tombstones. Their indexes: site.000001.idx and so on. */
void fuzz_pack_releases(const char *folder);

/* ---- memory ---- */

/* Grows as it is needed; zero-initialised. */
struct guarded {
    uint8_t *start; /* a page that faults before it, and one behind start + capacity */
    size_t capacity;
};

/* A copy that ends where the page behind begins, and one that starts right behind the page before.
 * Valid until the next. */
uint8_t *guarded_at_end(struct guarded *guarded, const void *bytes, size_t count);
uint8_t *guarded_at_start(struct guarded *guarded, const void *bytes, size_t count);

/* ---- edits ---- */

/* Bytes that grow. */
struct part {
    uint8_t *bytes; /* owned */
    size_t count;
    size_t capacity;
};

void part_set(struct part *part, const void *bytes, size_t count);
void part_insert(struct part *part, size_t at, const void *bytes, size_t count);
void part_cut(struct part *part, size_t at, size_t count);

/* Takes one edit of `part` off the input: an operation, a place and what it needs. `may_resize`:
 * else edits that would change the length are passed over. */
void part_edit(struct part *part, struct slice *input, bool may_resize);

/* ---- allocations ---- */

/* From here on, in a program with the address sanitizer, a single allocation of more than `most`
 * bytes ends the process: a length in a file is no reason to take memory. */
void fuzz_limit_allocations(size_t most);

#endif
