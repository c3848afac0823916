/* The functions of calls.txt that are not the C library's: they ask the system, or fail, on their
 * own. */
#include "wrap.h"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <seccomp.h>
#include <stdarg.h>
#include <stddef.h>

/* ---- libsystemd ---- */

WRAP_NEGATIVE(sd_listen_fds_with_names, (int unset, char ***names), (unset, names))
WRAP_NEGATIVE(sd_notify, (int unset, const char *state), (unset, state))

/* ---- libseccomp ---- */

WRAP(scmp_filter_ctx, seccomp_init, (uint32_t action), (action), NULL)
WRAP_NEGATIVE(seccomp_attr_set,
              (scmp_filter_ctx filter, enum scmp_filter_attr what, uint32_t value),
              (filter, what, value))
WRAP_NEGATIVE(seccomp_export_bpf, (scmp_filter_ctx filter, int fd), (filter, fd))

int __wrap_seccomp_rule_add(scmp_filter_ctx filter, uint32_t action, int number, unsigned count,
                            ...);
int __wrap_seccomp_rule_add(scmp_filter_ctx filter, uint32_t action, int number, unsigned count,
                            ...)
{
    static struct call call = {"seccomp_rule_add", NULL};
    struct scmp_arg_cmp comparisons[6];
    va_list list;
    va_start(list, count);
    for (unsigned i = 0; i < count && i < 6; i++) {
        comparisons[i] = va_arg(list, struct scmp_arg_cmp);
    }
    va_end(list);
    int error = -error_of(&call);
    return error != 0 ? error : seccomp_rule_add_array(filter, action, number, count, comparisons);
}

/* ---- OpenSSL: without memory, or a broken installation ---- */

WRAP(EVP_MD *, EVP_MD_fetch, (OSSL_LIB_CTX * library, const char *name, const char *properties),
     (library, name, properties), NULL)
WRAP(EVP_MD_CTX *, EVP_MD_CTX_new, (void), (), NULL)
WRAP_RESULT(EVP_DigestInit_ex2,
            (EVP_MD_CTX * context, const EVP_MD *kind, const OSSL_PARAM *parameters),
            (context, kind, parameters))
WRAP_RESULT(EVP_DigestUpdate, (EVP_MD_CTX * context, const void *bytes, size_t count),
            (context, bytes, count))
WRAP_RESULT(EVP_DigestFinal_ex, (EVP_MD_CTX * context, unsigned char *out, unsigned *out_count),
            (context, out, out_count))
WRAP_RESULT(EVP_PKEY_get_raw_public_key,
            (const EVP_PKEY *key, unsigned char *out, size_t *out_count), (key, out, out_count))
WRAP_RESULT(EVP_DigestSignInit,
            (EVP_MD_CTX * context, EVP_PKEY_CTX **out, const EVP_MD *kind, ENGINE *engine,
             EVP_PKEY *key),
            (context, out, kind, engine, key))
WRAP_RESULT(EVP_DigestSign,
            (EVP_MD_CTX * context, unsigned char *out, size_t *out_count,
             const unsigned char *bytes, size_t count),
            (context, out, out_count, bytes, count))
WRAP_RESULT(EVP_DigestVerifyInit,
            (EVP_MD_CTX * context, EVP_PKEY_CTX **out, const EVP_MD *kind, ENGINE *engine,
             EVP_PKEY *key),
            (context, out, kind, engine, key))
WRAP_RESULT(EVP_DigestVerify,
            (EVP_MD_CTX * context, const unsigned char *signature, size_t signature_count,
             const unsigned char *bytes, size_t count),
            (context, signature, signature_count, bytes, count))

EVP_PKEY *__real_EVP_PKEY_Q_keygen(OSSL_LIB_CTX *library, const char *properties, const char *type,
                                   ...);
EVP_PKEY *__wrap_EVP_PKEY_Q_keygen(OSSL_LIB_CTX *library, const char *properties, const char *type,
                                   ...);
/* Of kinds of key that have no more parameters. */
EVP_PKEY *__wrap_EVP_PKEY_Q_keygen(OSSL_LIB_CTX *library, const char *properties, const char *type,
                                   ...)
{
    static struct call call = {"EVP_PKEY_Q_keygen", NULL};
    return fails(&call) ? NULL : __real_EVP_PKEY_Q_keygen(library, properties, type);
}

WRAP(BIO *, BIO_new, (const BIO_METHOD *kind), (kind), NULL)
WRAP(BIO *, BIO_new_mem_buf, (const void *bytes, int count), (bytes, count), NULL)
WRAP(EVP_PKEY *, PEM_read_bio_PUBKEY,
     (BIO * bio, EVP_PKEY **out, pem_password_cb *ask, void *argument), (bio, out, ask, argument),
     NULL)
WRAP(EVP_PKEY *, PEM_read_bio_PrivateKey,
     (BIO * bio, EVP_PKEY **out, pem_password_cb *ask, void *argument), (bio, out, ask, argument),
     NULL)
WRAP_RESULT(PEM_write_bio_PUBKEY, (BIO * bio, const EVP_PKEY *key), (bio, key))
WRAP_RESULT(PEM_write_bio_PKCS8PrivateKey,
            (BIO * bio, const EVP_PKEY *key, const EVP_CIPHER *cipher, const char *phrase,
             int count, pem_password_cb *ask, void *argument),
            (bio, key, cipher, phrase, count, ask, argument))
