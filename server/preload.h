/* Reads an archive into memory before a release of it is served (--preload). */
#ifndef CAIRN_SERVER_PRELOAD_H
#define CAIRN_SERVER_PRELOAD_H

#include "common/archive.h"

/* The first `bytes` bytes of the archive come into the page cache and into the process's page
 * tables; what is there already costs little. Says on standard error what took longer than a
 * moment. Ends early if the process is told to end (SIGTERM or SIGINT is pending), or if something
 * cannot be read: it is only warming. */
void preload_archive(const struct archive *archive, uint64_t bytes);

#endif
