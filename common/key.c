#include "common/key.h"

#include "common/mem.h"
#include "common/sha256.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FILE_BYTES_MAX = 16384, RAW_BYTES = 32 };

static const char algorithm[] = "ED25519";

struct private_key {
    EVP_PKEY *pair;
    struct key_id id;
};

struct public_key {
    EVP_PKEY *key;
    struct key_id id;
};

/* What OpenSSL fails at here only without memory or with a broken installation. */
static void must(int result)
{
    if (result != 1) {
        fputs("cairn: OpenSSL has no Ed25519\n", stderr);
        abort();
    }
}

const char *key_id_text(const struct key_id *id, char out[KEY_ID_TEXT_BYTES])
{
    for (size_t i = 0; i < KEY_ID_BYTES; i++) {
        snprintf(out + 2 * i, 3, "%02x", id->bytes[i]);
    }
    return out;
}

static struct key_id id_of(const EVP_PKEY *key)
{
    uint8_t raw[RAW_BYTES];
    size_t count = sizeof raw;
    must(EVP_PKEY_get_raw_public_key(key, raw, &count));
    uint8_t digest[DIGEST_BYTES];
    struct sha256_stream *stream = sha256_stream_new();
    sha256(stream, raw, count, digest);
    sha256_stream_free(stream);
    struct key_id id;
    memcpy(id.bytes, digest, sizeof id.bytes);
    return id;
}

static struct private_key *private_key_of(EVP_PKEY *pair)
{
    struct private_key *key = mem_zeroed(1, sizeof *key);
    *key = (struct private_key){pair, id_of(pair)};
    return key;
}

static struct public_key *public_key_of(EVP_PKEY *half)
{
    struct public_key *key = mem_zeroed(1, sizeof *key);
    *key = (struct public_key){half, id_of(half)};
    return key;
}

int private_key_new(struct private_key **out_key, struct error *error)
{
    EVP_PKEY *pair = EVP_PKEY_Q_keygen(NULL, NULL, algorithm);
    if (pair == NULL) {
        ERR_clear_error();
        return error_set(error, -EIO, "OpenSSL could not make a key");
    }
    *out_key = private_key_of(pair);
    return 0;
}

/* ---- files ---- */

/* A key file's text; wiped at the end. */
struct text {
    char bytes[FILE_BYTES_MAX + 1];
    size_t count;
};

static int fail(const char *path, struct error *error)
{
    return error_set(error, -errno, "%s: %s", path, strerror(errno));
}

static int read_text(int fd, const char *path, struct text *text, struct error *error)
{
    for (;;) {
        ssize_t got = read(fd, text->bytes + text->count, sizeof text->bytes - text->count);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got < 0) {
            return fail(path, error);
        }
        if (got == 0) {
            return 0;
        }
        text->count += (size_t)got;
        if (text->count == sizeof text->bytes) {
            return error_set(error, ERR_LIMIT, "%s: more than %d bytes: no key is so long", path,
                             FILE_BYTES_MAX);
        }
    }
}

/* A pipe has no mode that matters: who wrote into it had the key. */
static int check_mode(int fd, const char *path, struct error *error)
{
    struct stat status;
    if (fstat(fd, &status) != 0) {
        return fail(path, error);
    }
    if (S_ISREG(status.st_mode) && (status.st_mode & (S_IRWXG | S_IRWXO)) != 0) {
        return error_set(error, -EACCES,
                         "%s: its mode is %04o, and a private key must be its owner's alone "
                         "(chmod 600)",
                         path, (unsigned)(status.st_mode & 07777));
    }
    return 0;
}

static int open_text(const char *path, bool is_private, struct text *text, struct error *error)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (fd < 0) {
        return fail(path, error);
    }
    int status = is_private ? check_mode(fd, path, error) : 0;
    if (status == 0) {
        status = read_text(fd, path, text, error);
    }
    close(fd);
    return status;
}

static bool has(const struct text *text, const char *words)
{
    return memmem(text->bytes, text->count, words, strlen(words)) != NULL;
}

static const char *text_problem(const struct text *text, bool is_private)
{
    static const char begin[] = "-----BEGIN ";
    const char *first = memmem(text->bytes, text->count, begin, sizeof begin - 1);
    if (first == NULL) {
        return "no key in PEM form";
    }
    const char *rest = first + sizeof begin - 1;
    size_t left = text->count - (size_t)(rest - text->bytes);
    if (memmem(rest, left, begin, sizeof begin - 1) != NULL) {
        return "more than one key or certificate in a file";
    }
    if (!is_private && has(text, "PRIVATE KEY-----")) {
        return "this is a private key; the public one is needed here (cairn-pack keygen writes it "
               "to KEY.pub)";
    }
    if (is_private && has(text, "-----BEGIN PUBLIC KEY-----")) {
        return "this is a public key; the private one is needed to sign";
    }
    return NULL;
}

/* OpenSSL would ask at the terminal otherwise. */
static int refuse_passphrase(char *buffer, int capacity, int is_writing, void *argument)
{
    (void)buffer;
    (void)capacity;
    (void)is_writing;
    *(bool *)argument = true;
    return -1;
}

/* The key in the text; NULL with *out_why. */
static EVP_PKEY *parse(const struct text *text, bool is_private, const char **out_why)
{
    *out_why = text_problem(text, is_private);
    if (*out_why != NULL) {
        return NULL;
    }
    bool is_encrypted = false;
    BIO *bio = BIO_new_mem_buf(text->bytes, (int)text->count);
    must(bio != NULL);
    EVP_PKEY *key = is_private
                        ? PEM_read_bio_PrivateKey(bio, NULL, refuse_passphrase, &is_encrypted)
                        : PEM_read_bio_PUBKEY(bio, NULL, refuse_passphrase, &is_encrypted);
    BIO_free(bio);
    ERR_clear_error();
    if (key == NULL) {
        *out_why = is_encrypted ? "the key is encrypted; give it decrypted, such as by "
                                  "<(openssl pkey -in KEY)"
                                : "damaged, or no key of the kind that is needed";
    } else if (!EVP_PKEY_is_a(key, algorithm)) {
        *out_why = "not an Ed25519 key";
        EVP_PKEY_free(key);
        key = NULL;
    }
    return key;
}

static int read_key(const char *path, bool is_private, EVP_PKEY **out_key, struct error *error)
{
    struct text text = {.count = 0};
    const char *why;
    int status = open_text(path, is_private, &text, error);
    if (status == 0) {
        *out_key = parse(&text, is_private, &why);
        status = *out_key != NULL ? 0 : error_set(error, ERR_FORMAT, "%s: %s", path, why);
    }
    OPENSSL_cleanse(&text, sizeof text);
    return status;
}

int private_key_read(const char *path, struct private_key **out_key, struct error *error)
{
    EVP_PKEY *pair = NULL;
    int status = read_key(path, true, &pair, error);
    if (status == 0) {
        *out_key = private_key_of(pair);
    }
    return status;
}

int public_key_read(const char *path, struct public_key **out_key, struct error *error)
{
    EVP_PKEY *half = NULL;
    int status = read_key(path, false, &half, error);
    if (status == 0) {
        *out_key = public_key_of(half);
    }
    return status;
}

/* A file that was not there before; removed again if it does not get all of its bytes. */
static int write_new(const char *path, mode_t mode, BIO *bio, struct error *error)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, mode);
    if (fd < 0) {
        return fail(path, error);
    }
    char *bytes;
    long count = BIO_get_mem_data(bio, &bytes);
    int status = 0;
    for (long done = 0; done < count && status == 0;) {
        ssize_t written = write(fd, bytes + done, (size_t)(count - done));
        if (written < 0 && errno != EINTR) {
            status = fail(path, error);
        }
        done += written > 0 ? written : 0;
    }
    if (status == 0 && fsync(fd) != 0) {
        status = fail(path, error);
    }
    if (close(fd) != 0 && status == 0) {
        status = fail(path, error);
    }
    if (status != 0) {
        unlink(path);
    }
    return status;
}

int private_key_write(const struct private_key *key, const char *path, const char *public_path,
                      struct error *error)
{
    BIO *secret = BIO_new(BIO_s_secmem()); /* wiped when it grows and at its end */
    BIO *open = BIO_new(BIO_s_mem());
    must(secret != NULL && open != NULL);
    must(PEM_write_bio_PKCS8PrivateKey(secret, key->pair, NULL, NULL, 0, NULL, NULL));
    must(PEM_write_bio_PUBKEY(open, key->pair));
    int status = write_new(path, 0600, secret, error);
    if (status == 0) {
        status = write_new(public_path, 0644, open, error);
        if (status != 0) {
            unlink(path);
        }
    }
    BIO_free(secret);
    BIO_free(open);
    return status;
}

/* ---- use ---- */

const struct key_id *private_key_id(const struct private_key *key)
{
    return &key->id;
}

const struct key_id *public_key_id(const struct public_key *key)
{
    return &key->id;
}

void private_key_sign(const struct private_key *key, const void *message, size_t count,
                      uint8_t out_signature[SIGNATURE_BYTES])
{
    size_t signature_bytes = SIGNATURE_BYTES;
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    must(context != NULL);
    must(EVP_DigestSignInit(context, NULL, NULL, NULL, key->pair));
    must(EVP_DigestSign(context, out_signature, &signature_bytes, message, count));
    EVP_MD_CTX_free(context);
}

bool public_key_verifies(const struct public_key *key, const void *message, size_t count,
                         const uint8_t signature[SIGNATURE_BYTES])
{
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    must(context != NULL);
    must(EVP_DigestVerifyInit(context, NULL, NULL, NULL, key->key));
    bool is_good = EVP_DigestVerify(context, signature, SIGNATURE_BYTES, message, count) == 1;
    EVP_MD_CTX_free(context);
    ERR_clear_error();
    return is_good;
}

void private_key_free(struct private_key *key)
{
    if (key != NULL) {
        EVP_PKEY_free(key->pair);
        free(key);
    }
}

void public_key_free(struct public_key *key)
{
    if (key != NULL) {
        EVP_PKEY_free(key->key);
        free(key);
    }
}

const char *key_library_version(void)
{
    return OpenSSL_version(OPENSSL_VERSION_STRING);
}
