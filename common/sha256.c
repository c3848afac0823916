#include "common/sha256.h"

#include "common/mem.h"

#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>

struct sha256_stream {
    EVP_MD *kind;
    EVP_MD_CTX *context;
};

/* OpenSSL fails here only without memory or with a broken installation. */
static void must(int result)
{
    if (result != 1) {
        fputs("cairn: OpenSSL has no SHA-256\n", stderr);
        abort();
    }
}

struct sha256_stream *sha256_stream_new(void)
{
    struct sha256_stream *stream = mem_zeroed(1, sizeof *stream);
    stream->kind = EVP_MD_fetch(NULL, "SHA256", NULL);
    stream->context = EVP_MD_CTX_new();
    must(stream->kind != NULL && stream->context != NULL);
    sha256_stream_restart(stream);
    return stream;
}

void sha256_stream_restart(struct sha256_stream *stream)
{
    must(EVP_DigestInit_ex2(stream->context, stream->kind, NULL));
}

void sha256_stream_add(struct sha256_stream *stream, const void *bytes, size_t count)
{
    must(EVP_DigestUpdate(stream->context, bytes, count));
}

void sha256_stream_value(struct sha256_stream *stream, uint8_t out_digest[DIGEST_BYTES])
{
    must(EVP_DigestFinal_ex(stream->context, out_digest, NULL));
}

void sha256_stream_free(struct sha256_stream *stream)
{
    if (stream != NULL) {
        EVP_MD_CTX_free(stream->context);
        EVP_MD_free(stream->kind);
        free(stream);
    }
}

void sha256(struct sha256_stream *stream, const void *bytes, size_t count,
            uint8_t out_digest[DIGEST_BYTES])
{
    sha256_stream_restart(stream);
    sha256_stream_add(stream, bytes, count);
    sha256_stream_value(stream, out_digest);
}
