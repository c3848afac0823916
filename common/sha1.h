/* SHA-1 (FIPS 180-4), by OpenSSL: what the handshake of WebSockets asks for (RFC 6455 §1.3), and
 * nothing that needs strength. */
#ifndef CAIRN_COMMON_SHA1_H
#define CAIRN_COMMON_SHA1_H

#include "common/slice.h"

#include <stdint.h>

enum { SHA1_BYTES = 20 };

struct sha1;

/* Asks OpenSSL for everything it will need, so that it can be used in a sandbox. One thread at a
 * time. Never NULL. */
struct sha1 *sha1_new(void);

/* The digest of bytes in one piece. */
void sha1_digest(struct sha1 *sha1, struct slice bytes, uint8_t out_digest[SHA1_BYTES]);

void sha1_free(struct sha1 *sha1); /* takes NULL */

#endif
