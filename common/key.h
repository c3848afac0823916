/* Ed25519 keys (RFC 8032), by OpenSSL: who signs a release, and whose signatures count. In files
 * they are PEM, PKCS#8 (RFC 8410) the private one and SubjectPublicKeyInfo the public one, as
 * `openssl genpkey -algorithm ed25519` and `openssl pkey -pubout` write them too. A private key's
 * bytes are wiped where they were read and never printed. Keys are read-only after they are made:
 * any number of threads. */
#ifndef CAIRN_COMMON_KEY_H
#define CAIRN_COMMON_KEY_H

#include "common/error.h"
#include "common/format.h"

#include <stdbool.h>

/* The first bytes of the SHA-256 of the raw public key: the same of both halves of a pair. */
struct key_id {
    uint8_t bytes[KEY_ID_BYTES];
};

enum { KEY_ID_TEXT_BYTES = 2 * KEY_ID_BYTES + 1 };

/* Lower-case hexadecimal, with a NUL. Returns `out`. */
const char *key_id_text(const struct key_id *id, char out[KEY_ID_TEXT_BYTES]);

struct private_key;
struct public_key;

/* A new one, of the system's random numbers. */
int private_key_new(struct private_key **out_key, struct error *error) CAIRN_MUST_CHECK;

/* Reads a file, or a pipe. A file that anybody but its owner may read or write is refused, as are
 * keys of another kind, encrypted ones, and more than one in a file. *error names the file. */
int private_key_read(const char *path, struct private_key **out_key,
                     struct error *error) CAIRN_MUST_CHECK;
int public_key_read(const char *path, struct public_key **out_key,
                    struct error *error) CAIRN_MUST_CHECK;

/* Writes both halves, the private one to `path` with mode 0600, the other one to `public_path`.
 * Neither may be there yet; a failure leaves neither. */
int private_key_write(const struct private_key *key, const char *path, const char *public_path,
                      struct error *error) CAIRN_MUST_CHECK;

const struct key_id *private_key_id(const struct private_key *key);
const struct key_id *public_key_id(const struct public_key *key);

/* The same message and key always give the same signature. */
void private_key_sign(const struct private_key *key, const void *message, size_t count,
                      uint8_t out_signature[SIGNATURE_BYTES]);

bool public_key_verifies(const struct public_key *key, const void *message, size_t count,
                         const uint8_t signature[SIGNATURE_BYTES]);

void private_key_free(struct private_key *key); /* wipes it; takes NULL */
void public_key_free(struct public_key *key);   /* takes NULL */

/* Of the library that the program runs with. */
const char *key_library_version(void);

#endif
