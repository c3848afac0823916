#include "common/sha1.h"

#include "common/mem.h"

#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>

struct sha1 {
    EVP_MD *kind;
    EVP_MD_CTX *context;
};

/* OpenSSL fails here only without memory or with a broken installation. */
static void must(int result)
{
    if (result != 1) {
        fputs("cairn: OpenSSL has no SHA-1\n", stderr);
        abort();
    }
}

struct sha1 *sha1_new(void)
{
    struct sha1 *sha1 = mem_zeroed(1, sizeof *sha1);
    sha1->kind = EVP_MD_fetch(NULL, "SHA1", NULL);
    sha1->context = EVP_MD_CTX_new();
    must(sha1->kind != NULL && sha1->context != NULL);
    must(EVP_DigestInit_ex2(sha1->context, sha1->kind, NULL));
    return sha1;
}

void sha1_digest(struct sha1 *sha1, struct slice bytes, uint8_t out_digest[SHA1_BYTES])
{
    must(EVP_DigestInit_ex2(sha1->context, sha1->kind, NULL));
    must(EVP_DigestUpdate(sha1->context, bytes.bytes, bytes.count));
    must(EVP_DigestFinal_ex(sha1->context, out_digest, NULL));
}

void sha1_free(struct sha1 *sha1)
{
    if (sha1 != NULL) {
        EVP_MD_CTX_free(sha1->context);
        EVP_MD_free(sha1->kind);
        free(sha1);
    }
}
