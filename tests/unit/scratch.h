/* A folder of its own for every test: made under TMPDIR, or /tmp, entered, and removed again with
 * all that is in it; and short ways to put files there and to look at them. For
 * TestSuite(..., .init = scratch_enter, .fini = scratch_leave). Paths are those of open(), from
 * the folder on. What goes wrong aborts the test and names the path. One folder at a time, one
 * thread. */
#ifndef CAIRN_TESTS_SCRATCH_H
#define CAIRN_TESTS_SCRATCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* When every file was changed last that is put here: long ago, and always the same. */
#define SCRATCH_MODIFIED_S 1600000000

void scratch_enter(void); /* an empty folder becomes the working directory */
void scratch_leave(void);

/* The folder: absolute, links followed. Valid until scratch_leave(). */
const char *scratch_root(void);

/* ---- putting: with the folders above, which may be there already ---- */

void scratch_folder(const char *path); /* may be there as well */
void scratch_file(const char *path, const char *text);
void scratch_bytes(const char *path, const void *bytes, size_t count);
void scratch_link(const char *target, const char *path);

/* Overwrites bytes of a file in place. */
void scratch_patch(const char *path, off_t offset, const void *bytes, size_t count);

/* ---- looking ---- */

bool scratch_exists(const char *path);                /* a link too, wherever it leads */
off_t scratch_length(const char *path);               /* in bytes; -1 if nothing is there */
bool scratch_has(const char *path, const char *text); /* a file of these bytes and no others */

/* All bytes of a file; the caller frees. */
uint8_t *scratch_read(const char *path, size_t *out_count);

/* What a link says, or "" if there is none. Valid until the next call. */
const char *scratch_target(const char *path);

#endif
