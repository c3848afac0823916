/* Files that appear whole or not at all. */
#ifndef CAIRN_PACKER_ATOMIC_FILE_H
#define CAIRN_PACKER_ATOMIC_FILE_H

#include "common/error.h"

/* Writes `path` by way of `temporary_path` (same folder; overwritten if it is there): bytes, fsync,
 * rename. The folder is not yet synced: directory_sync(). */
int atomic_file_write(const char *path, const char *temporary_path, const void *bytes, size_t count,
                      struct error *error) CAIRN_MUST_CHECK;

/* Points the symbolic link `path` at `target`, in one step. */
int atomic_file_link(const char *path, const char *temporary_path, const char *target,
                     struct error *error) CAIRN_MUST_CHECK;

/* Makes the names in the folder of `path` durable. */
int directory_sync(const char *path, struct error *error) CAIRN_MUST_CHECK;

#endif
