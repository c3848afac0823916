/* Names that a bundler made from the bytes of the file ("index-BwX3kZ9q.js"): what is under such a
 * name never changes, so it may be kept for a year without asking (RFC 8246). A name that is
 * wrongly believed keeps its readers on old bytes for that long, so in doubt a name proves nothing.
 * Pure functions. */
#ifndef CAIRN_PACKER_FINGERPRINT_H
#define CAIRN_PACKER_FINGERPRINT_H

#include "common/slice.h"

/* Sets out_flags[i] for each of the `count` names, which are paths below the site directory
 * ("assets/index-BwX3kZ9q.js"), in any order: does the name prove what the file holds?
 *
 * Proof is a token that bundlers put behind the last '-' or '.' of a name: hexadecimal digits (8,
 * 10, 12, 16, 20 and more), or 8 characters of base64url or base32, that mix digits and letters as
 * no word or number does. Such a token that might be a word after all (no
 * digit in it) counts if others in the same folder, of the same form, are beyond doubt. A whole
 * name counts if it is 20 hexadecimal digits or more, and less than that in a folder that a
 * framework keeps for such files (_astro, _nuxt, _next/static); everything below SvelteKit's
 * _app/immutable counts. HTML, names without an extension, and media types that no bundler emits
 * never count, nor do digits alone, nor a UUID. */
void fingerprint_judge(const struct slice *names, size_t count, bool *out_flags);

#endif
