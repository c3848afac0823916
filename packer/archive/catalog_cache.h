/* What a run knows of an archive, kept beside it in NAME.cache, so that the next run need not read
 * every record header, nor files that have not changed. Only a help: it is taken when it was made
 * for exactly this archive at exactly this length, by a program with the same layout, and is whole;
 * else the records are read. It may be deleted at any time. Not part of a release. */
#ifndef CAIRN_PACKER_CATALOG_CACHE_H
#define CAIRN_PACKER_CATALOG_CACHE_H

#include "packer/archive/catalog.h"

/* Fills the catalog: false if there is no cache that fits the archive, whose last commit ends at
 * committed_bytes. */
bool catalog_cache_load(const char *path, const uint8_t uuid[UUID_BYTES], uint64_t committed_bytes,
                        struct catalog *out_catalog);

/* Writes the cache by way of `temporary_path`. The states of files that were not settled at `now_s`
 * are left out. A failure leaves the old cache, which does not fit any more, or none. */
int catalog_cache_save(const char *path, const char *temporary_path, const uint8_t uuid[UUID_BYTES],
                       uint64_t committed_bytes, int64_t now_s, struct catalog *catalog,
                       struct error *error) CAIRN_MUST_CHECK;

#endif
