/* Are the bytes in an archive those that a signed index tells? Hashes what a release can answer
 * with, on several threads; of the lowest priority once something is served, so that the workers go
 * on. */
#ifndef CAIRN_SERVER_CONTENT_CHECK_H
#define CAIRN_SERVER_CONTENT_CHECK_H

#include "site/site_list.h"

/* Hashes every representation's stored bytes. What a loaded release of the same mapping tells of
 * the same path with the same digest was hashed when that one was loaded, and is not read again.
 * ERR_TRUST with a sentence that names the archive and the path, -EIO if something cannot be read,
 * -ECANCELED if the process is told to end meanwhile. */
int content_check(const struct site_list *sites, const struct index *index,
                  const struct archive *archive, struct error *error) CAIRN_MUST_CHECK;

#endif
