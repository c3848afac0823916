/* Canonical paths: the keys of an index. A key starts with '/', is percent-decoded, has no empty,
 * '.' or '..' segment and no NUL, and ends in '/' if it names a directory. The server makes it from
 * a request's target, the packer from a file's name, both here. Pure functions, no allocation. */
#ifndef CAIRN_COMMON_PATH_H
#define CAIRN_COMMON_PATH_H

#include "common/slice.h"

/* The longest key. Linux has no longer path either (PATH_MAX). */
enum { PATH_BYTES_MAX = 4096 };

/* A percent-encoded key needs at most this. */
enum { PATH_ENCODED_BYTES_MAX = 3 * PATH_BYTES_MAX };

enum path_status {
    PATH_OK,
    PATH_BAD,    /* not a path at all: 400 (a lone '%', '%00', no leading '/') */
    PATH_ABSENT, /* a valid path that no key can equal: 404 ('%2F' inside a segment, or longer than
                    PATH_BYTES_MAX at any moment while it is made canonical) */
};

/* Makes the key of an absolute path as it stands in a request target, without query:
 * percent-decodes once, removes dot segments (RFC 3986 §5.2.4, never above the root), merges runs
 * of '/'. *out_key is the input itself where it plainly is a key already, else a slice of `buffer`
 * (PATH_BYTES_MAX bytes). Untouched unless PATH_OK. */
enum path_status path_canonical(struct slice target, char *buffer, struct slice *out_key);

/* Writes the key as the path of a URL (RFC 3986 §3.3: what is not a pchar or '/' is
 * percent-encoded) into `buffer` of PATH_ENCODED_BYTES_MAX bytes. Returns the length. */
size_t path_encode(struct slice key, char *buffer);

/* Can the file with this path below the site's root ("docs/a b.html") be served? It must be UTF-8
 * without control characters, not too long, and such that a client that asks for it, properly
 * encoded, gets to it. Returns NULL or, as a static string, the rule that it breaks. */
const char *path_name_problem(struct slice name);

#endif
