/* Where a site answers: for which hosts, below which prefix. */
#ifndef CAIRN_SITE_MOUNT_H
#define CAIRN_SITE_MOUNT_H

#include "common/error.h"
#include "common/slice.h"

#include <stddef.h>

struct mount {
    size_t host_count; /* at least 1 */
    char **hosts;      /* lower case; ".example.com" is every name below it, "" every other host */
    char *prefix;      /* canonical, "/docs"; "" for the root */
    char *prefix_url;  /* the same, percent-encoded */
};

/* `hosts`: "a.example,*.b.example,*", NULL or empty for "*"; `prefix`: "/docs", NULL or "/" for the
 * root. ERR_USAGE with a sentence. The mount is the caller's. */
int mount_parse(const char *hosts, const char *prefix, struct mount *out_mount,
                struct error *error) CAIRN_MUST_CHECK;

/* Every host, at the root. */
struct mount mount_everywhere(void);

/* The same hosts, in the same order, and the same prefix? */
bool mount_equal(const struct mount *a, const struct mount *b);

/* Does a path lie below a prefix, or at it? "/docs" covers "/docs" and "/docs/...", not "/docsify";
 * an empty one covers all. */
static inline bool mount_prefix_covers(struct slice prefix, struct slice path)
{
    return slice_starts_with(path, prefix) &&
           (path.count == prefix.count || prefix.count == 0 || path.bytes[prefix.count] == '/');
}

struct mount mount_copy(const struct mount *mount);
void mount_fini(struct mount *mount);

/* The hosts as mount_parse() takes them. The caller frees it. */
char *mount_hosts_text(const struct mount *mount);

enum { HOST_NAME_BYTES_MAX = 255 };

/* The name in a Host field or a target: without port and last dot, in lower case, an IPv6 address
 * in its brackets. Empty if it is longer than a name can be. */
struct slice host_name(struct slice host, char buffer[HOST_NAME_BYTES_MAX]);

#endif
