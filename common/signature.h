/* Who stands for a release: a signature in its archive, right before the commit record, over the
 * SHA-256 of the whole index, which in turn names the archive, the release and the SHA-256 of all
 * that is served. docs/format.md, "Signature record". */
#ifndef CAIRN_COMMON_SIGNATURE_H
#define CAIRN_COMMON_SIGNATURE_H

#include "common/key.h"
#include "common/release.h"

/* The keys whose signatures count. Zeroed: none. */
struct trust {
    struct public_key **keys;
    size_t count;
};

/* Adds the public key in a file; one that is there already counts once. */
int trust_add(struct trust *trust, const char *path, struct error *error) CAIRN_MUST_CHECK;
void trust_fini(struct trust *trust);

/* The signature of an index, by its bytes. */
struct signature signature_make(const struct private_key *key, const void *index, size_t count);

/* Has a trusted key signed this release? Its index and archive are bound to each other
 * (release_bind()). *out_key_id is whose signature it is. ERR_TRUST and a sentence, which begins
 * with the release and names no file, if it is not signed, by another key, or if a byte of the
 * index or signature is another one. Says nothing about the content's bytes. */
int signature_check(const struct index *index, const struct archive *archive,
                    const struct trust *trust, struct key_id *out_key_id,
                    struct error *error) CAIRN_MUST_CHECK;

#endif
