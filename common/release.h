/* A release on disk: an index and the archive that it names. The index knows the archive by UUID,
 * committed length and the commit record there, which in turn knows the index by checksum; the file
 * is found by its name, beside the index: NAME.000042.idx (or the link NAME.idx) belongs to
 * NAME.cairn, or to NAME if there is no such file. Pure look-ups, no state. */
#ifndef CAIRN_COMMON_RELEASE_H
#define CAIRN_COMMON_RELEASE_H

#include "common/archive.h"
#include "common/index.h"

/* The absolute path of the index with every link followed; the caller frees *out_path. */
int release_index_path(const char *path, char **out_path, struct error *error) CAIRN_MUST_CHECK;

/* The path of the archive beside the index at `index_path`; the caller frees *out_path. */
int release_archive_path(const char *index_path, char **out_path,
                         struct error *error) CAIRN_MUST_CHECK;

/* NAME for the archive NAME.cairn, with its directory: what index names are made of. The caller
 * frees the result. */
char *release_stem(const char *archive_path);

/* STEM.NNNNNN.idx; the caller frees. */
char *release_numbered_path(const char *stem, uint64_t release);

/* Do this index and this archive belong together, and is all that the index needs committed?
 * ERR_BINDING and a sentence if not. */
int release_bind(const struct index *index, const struct archive *archive,
                 struct error *error) CAIRN_MUST_CHECK;

/* Every commit of the archive, oldest first, as far back as they can be reached; the caller frees
 * *out_commits. On failure a negative code, and a sentence in *error. */
int release_commits(const struct archive *archive, struct commit **out_commits, size_t *out_count,
                    struct error *error) CAIRN_MUST_CHECK;

#endif
