/* Ed25519 keys: the vectors of RFC 8032, and files that are no key, or none that may be used. */
#include "common/key.h"

#include "scratch.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

TestSuite(key, .init = scratch_enter, .fini = scratch_leave);

/* RFC 8032 §7.1, TEST 1, 2, 3 and SHA(abc); keys as DER in base64. */
static const struct vector {
    const char *private_key;
    const char *public_key;
    const char *message;
    const char *signature;
} vectors[] = {
    {"MC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g",
     "MCowBQYDK2VwAyEA11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=", "",
     "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b"
     "4"
     "6bd25bf5f0595bbe24655141438e7a100b"},
    {"MC4CAQAwBQYDK2VwBCIEIEzNCJso/5banbbDRuwRTg9bijGfNaumJNqM9u1PuKb7",
     "MCowBQYDK2VwAyEAPUAXw+hDiVqStwqnTRt+vJyYLM8uxJaMwM1V8Sr0Zgw=", "72",
     "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11"
     "d"
     "8c387b2eaeb4302aeeb00d291612bb0c00"},
    {"MC4CAQAwBQYDK2VwBCIEIMWqjfQ/n4N77bdELzHct7Fm04U1B28JS4XOOi4LRFj3",
     "MCowBQYDK2VwAyEA/FHNjmIYoaONpH7QAjDwWAgW7RO6MwOsXeuRFUiQgCU=", "af82",
     "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc"
     "6"
     "594a7c15e9716ed28dc027beceea1ec40a"},
    {"MC4CAQAwBQYDK2VwBCIEIIM/5iQJI3udYux3WHUgkR6adZzsHRl1W32pAbltyj1C",
     "MCowBQYDK2VwAyEA7Bcrk61eVjv0kyxw4SRQNMNUZ+8u/U1k6/gZaDRn4r8=",
     "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a2192992a274fc1a836ba3c23a3fee"
     "b"
     "bd454d4423643ce80e2a9ac94fa54ca49f",
     "dc2a4459e7369633a52b1bf277839a00201009a3efbf3ecb69bea2186c26b58909351fc9ac90b3ecfdfbc7c66431e"
     "0"
     "303dca179c138ac17ad9bef1177331a704"},
};

static const char rsa_private[] =
    "-----BEGIN PRIVATE KEY-----\n"
    "MIICdgIBADANBgkqhkiG9w0BAQEFAASCAmAwggJcAgEAAoGBANRAyeEPgzgcph1G\n"
    "eQJYUilc4inW+joQA5b5NxHb/QOpX14DynJWbsC2R89X2cc3vFn6B5pPEKunO9zm\n"
    "xxwif2DmPy3LvPtPB/thHtGkVpuQqYVH1JVjBNUOc+t7IdEv5q+E6O0GHeIrxsoG\n"
    "Y9rO7qoMWZ5nDckU1Arex5M3E6gnAgMBAAECgYEAr8XLqV8QWuqWwk23LrL3r5tl\n"
    "DCMk6+qRHnjaGyckO+EKwi+/erqLU3pgs5vcFPfaOmUt4KMzegOvNnvDTlBfTNyd\n"
    "lCoTcrh6BymK2fWhTfgyPqywrgxpWuBKRjcxLRbh/a9U4C+Oi4Bm6fmB7lZbeSeO\n"
    "JCszYjX1RabfN3upF7kCQQDs/DR6jcUQrvqfgN2j6oo+O6NO7WLAMtH4J+MV9CGE\n"
    "MAG6RG7AGhhLQ5x3c7ii1fynVIGuhO6V5Y5i34m1YEI9AkEA5UiS6jw9rEpMIS0v\n"
    "GOuiHAJorEVR52SFq9htw4iKrQZGFtFYANfCxNYgowSuVo8LnUu8HgLgqytHiUPo\n"
    "CnWuMwJAemGz6CYWQotaOcyeqOuSAJljuHq2qHKWJATVLJ0qQc1Y1wxH9USEjzmX\n"
    "L8i+7Lh9BRyK68kSPK6TXVP7FYNkMQJAWlJZla5/eRSXouYizIVeifwk8eAo4KeH\n"
    "xOdwbfum7XwwNiLnsQVN866Kks1wRCb7o05HX+cwTB2zg45dpWkwYwJAVJFFfdqn\n"
    "15GH0H7w4McVtj06HLHv2cc1IMBoKyfoXoPfn8EoKo3oznXt0qKaNp406PLtAjkN\n"
    "pKPU7cmXwloNNA==\n"
    "-----END PRIVATE KEY-----\n";
static const char rsa_public[] =
    "-----BEGIN PUBLIC KEY-----\n"
    "MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDUQMnhD4M4HKYdRnkCWFIpXOIp\n"
    "1vo6EAOW+TcR2/0DqV9eA8pyVm7AtkfPV9nHN7xZ+geaTxCrpzvc5sccIn9g5j8t\n"
    "y7z7Twf7YR7RpFabkKmFR9SVYwTVDnPreyHRL+avhOjtBh3iK8bKBmPazu6qDFme\n"
    "Zw3JFNQK3seTNxOoJwIDAQAB\n"
    "-----END PUBLIC KEY-----\n";
static const char x25519_private[] =
    "-----BEGIN PRIVATE KEY-----\n"
    "MC4CAQAwBQYDK2VuBCIEINAMMmk/lhPPIMp3VNUx63GlvMyjoQ6yAg30D9SI92Nt\n"
    "-----END PRIVATE KEY-----\n";
static const char encrypted[] = "-----BEGIN ENCRYPTED PRIVATE KEY-----\n"
                                "MIGbMFcGCSqGSIb3DQEFDTBKMCkGCSqGSIb3DQEFDDAcBAi9crk5tPehrgICCAAw\n"
                                "DAYIKoZIhvcNAgkFADAdBglghkgBZQMEAQIEEG04RoySoW2hOyUtsWx6ZVsEQEg2\n"
                                "o85d33hydD8W8RI9inIAM2SYPfNAjE+u8Ip5ACQzZgGvNPgIqQGX1SmXv1spLuJ0\n"
                                "0AtfbLFUUCmzX6SSnEY=\n"
                                "-----END ENCRYPTED PRIVATE KEY-----\n";
static const char encrypted_as_of_old[] =
    "-----BEGIN EC PRIVATE KEY-----\n"
    "Proc-Type: 4,ENCRYPTED\n"
    "DEK-Info: AES-128-CBC,3A37FDE579ABC086C6CF991937C04E36\n"
    "\n"
    "UQ1wDACEsjpmTQafAU/XTKWA5/WGfrqSMEdEa+U+iu8hFyH2no/WPPIWeGFc0rLw\n"
    "1fjd++KZYm+vZdmTA1mM3Drx3qj875jGcanGRAKW65sYckmmTRe+icOGjxV57Qt8\n"
    "3xqEtx4tj1wmjs1l2Dqlt1dDDHqhWsxMbi6ml3Y1/AQ=\n"
    "-----END EC PRIVATE KEY-----\n";
static const char certificate[] =
    "-----BEGIN CERTIFICATE-----\n"
    "MIIBLDCB36ADAgECAhQeq7qFDO1jinuZdHYMpHqt1FJBcjAFBgMrZXAwDDEKMAgG\n"
    "A1UEAwwBeDAeFw0yNjExMjExNTM1MDNaFw0zNjExMTgxNTM1MDNaMAwxCjAIBgNV\n"
    "BAMMAXgwKjAFBgMrZXADIQDXWpgBgrEKt9VL/tPJZAc6DuFy89qmIyWvAhpo9wdR\n"
    "GqNTMFEwHQYDVR0OBBYEFFsnqlWJF5dw5HV1sWKh3tl7i/xtMB8GA1UdIwQYMBaA\n"
    "FFsnqlWJF5dw5HV1sWKh3tl7i/xtMA8GA1UdEwEB/wQFMAMBAf8wBQYDK2VwA0EA\n"
    "WTZ18y0dThTU719HK6WnBjXTMinHV+5h7QZLEV59A5oCmiG0OHmgVCa0vT4ECAO4\n"
    "wjPTb5CXHtm1z+reZ+uTBQ==\n"
    "-----END CERTIFICATE-----\n";

static size_t of_hex(const char *text, uint8_t *out)
{
    size_t count = strlen(text) / 2;
    for (size_t i = 0; i < count; i++) {
        const char pair[] = {text[2 * i], text[2 * i + 1], '\0'};
        out[i] = (uint8_t)strtoul(pair, NULL, 16);
    }
    return count;
}

static void put_pem(const char *path, mode_t mode, const char *label, const char *base64)
{
    char text[512];
    snprintf(text, sizeof text, "-----BEGIN %s-----\n%s\n-----END %s-----\n", label, base64, label);
    scratch_file(path, text);
    cr_assert(chmod(path, mode) == 0);
}

static void put_private(const char *path, mode_t mode)
{
    put_pem(path, mode, "PRIVATE KEY", vectors[0].private_key);
}

static struct private_key *read_private(const char *path)
{
    struct private_key *key = NULL;
    struct error error = {""};
    cr_assert(private_key_read(path, &key, &error) == 0, "%s", error.text);
    return key;
}

static struct public_key *read_public(const char *path)
{
    struct public_key *key = NULL;
    struct error error = {""};
    cr_assert(public_key_read(path, &key, &error) == 0, "%s", error.text);
    return key;
}

static bool is_same_id(const struct key_id *a, const struct key_id *b)
{
    return memcmp(a->bytes, b->bytes, sizeof a->bytes) == 0;
}

Test(key, vectors_of_rfc_8032)
{
    for (size_t i = 0; i < ARRAY_COUNT(vectors); i++) {
        uint8_t message[64];
        uint8_t wanted[SIGNATURE_BYTES];
        uint8_t signature[SIGNATURE_BYTES];
        size_t count = of_hex(vectors[i].message, message);
        cr_assert(of_hex(vectors[i].signature, wanted) == SIGNATURE_BYTES);
        put_pem("private", 0600, "PRIVATE KEY", vectors[i].private_key);
        put_pem("public", 0644, "PUBLIC KEY", vectors[i].public_key);
        struct private_key *private_key = read_private("private");
        struct public_key *public_key = read_public("public");
        private_key_sign(private_key, message, count, signature);
        cr_expect(memcmp(signature, wanted, sizeof wanted) == 0, "vector %zu", i);
        cr_expect(public_key_verifies(public_key, message, count, signature), "vector %zu", i);
        cr_expect(is_same_id(private_key_id(private_key), public_key_id(public_key)));
        for (size_t bit = 0; bit < 8 * SIGNATURE_BYTES; bit++) {
            signature[bit / 8] ^= (uint8_t)(1u << bit % 8);
            cr_expect(!public_key_verifies(public_key, message, count, signature),
                      "vector %zu, bit %zu", i, bit);
            signature[bit / 8] ^= (uint8_t)(1u << bit % 8);
        }
        message[0] ^= 1;
        cr_expect(!public_key_verifies(public_key, message, count == 0 ? 1 : count, signature));
        private_key_free(private_key);
        public_key_free(public_key);
    }
}

Test(key, id_is_the_beginning_of_the_digest)
{
    char text[KEY_ID_TEXT_BYTES];
    put_pem("public", 0644, "PUBLIC KEY", vectors[0].public_key);
    struct public_key *key = read_public("public");
    /* sha256sum of the 32 bytes d75a98... */
    cr_expect(strcmp(key_id_text(public_key_id(key), text), "21fe31dfa154a261626bf854046fd227") ==
                  0,
              "%s", text);
    public_key_free(key);
}

Test(key, what_is_made_is_read_again)
{
    struct private_key *key;
    struct error error = {""};
    struct stat status;
    mode_t old = umask(0);
    cr_assert(private_key_new(&key, &error) == 0, "%s", error.text);
    cr_assert(private_key_write(key, "k", "k.pub", &error) == 0, "%s", error.text);
    umask(old);
    cr_expect(stat("k", &status) == 0 && (status.st_mode & 07777) == 0600);
    cr_expect(stat("k.pub", &status) == 0 && (status.st_mode & 07777) == 0644);
    struct private_key *again = read_private("k");
    struct public_key *public_key = read_public("k.pub");
    cr_expect(is_same_id(private_key_id(key), private_key_id(again)));
    cr_expect(is_same_id(private_key_id(key), public_key_id(public_key)));
    private_key_free(key);
    private_key_free(again);
    public_key_free(public_key);
}

/* A key that is overwritten is lost; one without its other half is of no use. */
Test(key, nothing_is_overwritten_and_no_half_is_left)
{
    struct private_key *key;
    struct error error = {""};
    cr_assert(private_key_new(&key, &error) == 0, "%s", error.text);
    scratch_file("k", "precious");
    cr_expect(private_key_write(key, "k", "k.pub", &error) == -EEXIST);
    cr_expect(strstr(error.text, "k: ") != NULL, "%s", error.text);
    cr_expect(scratch_has("k", "precious") && !scratch_exists("k.pub"));
    scratch_file("l.pub", "precious");
    cr_expect(private_key_write(key, "l", "l.pub", &error) == -EEXIST);
    cr_expect(scratch_has("l.pub", "precious") && !scratch_exists("l"));
    scratch_link("elsewhere", "m");
    cr_expect(private_key_write(key, "m", "m.pub", &error) == -EEXIST);
    cr_expect(!scratch_exists("elsewhere"));
    cr_expect(private_key_write(key, "none/k", "none/k.pub", &error) == -ENOENT);
    private_key_free(key);
}

Test(key, files_that_are_no_key)
{
    char both[1024];
    char damaged[] =
        "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIE\n-----END PRIVATE KEY-----\n";
    snprintf(both, sizeof both, "-----BEGIN PUBLIC KEY-----\n%s\n-----END PUBLIC KEY-----\n",
             vectors[1].public_key);
    const struct {
        const char *text;
        const char *as_private;
        const char *as_public;
    } rows[] = {
        {"", "no key in PEM form", "no key in PEM form"},
        {"\0\1\2garbage\xff", "no key in PEM form", "no key in PEM form"},
        {"-----BEGIN ", "damaged", "damaged"},
        {damaged, "damaged", "this is a private key"},
        {rsa_private, "not an Ed25519 key", "this is a private key"},
        {rsa_public, "this is a public key", "not an Ed25519 key"},
        {x25519_private, "not an Ed25519 key", "this is a private key"},
        {encrypted, "encrypted", "this is a private key"},
        {encrypted_as_of_old, "encrypted", "this is a private key"},
        {certificate, "damaged, or no key of the kind", "damaged, or no key of the kind"},
        {both, "this is a public key", NULL},
    };
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        struct private_key *private_key = NULL;
        struct public_key *public_key = NULL;
        struct error error = {""};
        scratch_file("k", rows[i].text);
        cr_assert(chmod("k", 0600) == 0);
        cr_expect(private_key_read("k", &private_key, &error) == ERR_FORMAT, "row %zu", i);
        cr_expect(strncmp(error.text, "k: ", 3) == 0, "%s", error.text);
        cr_expect(strstr(error.text, rows[i].as_private) != NULL, "row %zu: %s", i, error.text);
        int status = public_key_read("k", &public_key, &error);
        cr_expect(status == (rows[i].as_public == NULL ? 0 : ERR_FORMAT), "row %zu", i);
        cr_expect(rows[i].as_public == NULL || strstr(error.text, rows[i].as_public) != NULL,
                  "row %zu: %s", i, error.text);
        cr_expect(private_key == NULL && (public_key == NULL || status == 0));
        public_key_free(public_key);
    }
}

/* Which of two would count is not to be guessed. */
Test(key, one_key_in_a_file)
{
    char text[1024];
    struct public_key *key = NULL;
    struct error error = {""};
    snprintf(text, sizeof text,
             "-----BEGIN PUBLIC KEY-----\n%s\n-----END PUBLIC KEY-----\n"
             "-----BEGIN PUBLIC KEY-----\n%s\n-----END PUBLIC KEY-----\n",
             vectors[0].public_key, vectors[1].public_key);
    scratch_file("k", text);
    cr_expect(public_key_read("k", &key, &error) == ERR_FORMAT);
    cr_expect(strstr(error.text, "more than one key") != NULL, "%s", error.text);
}

Test(key, files_that_cannot_be_read)
{
    static uint8_t big[20000];
    struct private_key *private_key;
    struct public_key *public_key;
    struct error error = {""};
    memset(big, '-', sizeof big);
    scratch_folder("folder");
    scratch_bytes("big", big, sizeof big);
    cr_assert(chmod("big", 0600) == 0 && chmod("folder", 0700) == 0);
    cr_expect(private_key_read("absent", &private_key, &error) == -ENOENT);
    cr_expect(strstr(error.text, "absent: No such file") != NULL, "%s", error.text);
    cr_expect(public_key_read("folder", &public_key, &error) == -EISDIR);
    cr_expect(private_key_read("folder", &private_key, &error) == -EISDIR);
    cr_expect(private_key_read("big", &private_key, &error) == ERR_LIMIT);
    cr_expect(public_key_read("big", &public_key, &error) == ERR_LIMIT);
    cr_expect(public_key_read("/dev/zero", &public_key, &error) == ERR_LIMIT);
}

Test(key, a_private_key_is_its_owners_alone)
{
    static const mode_t good[] = {0600, 0400, 0700};
    static const mode_t bad[] = {0644, 0640, 0604, 0620, 0602, 0660, 0666, 0777, 0610, 0601};
    for (size_t i = 0; i < ARRAY_COUNT(good); i++) {
        put_private("k", 0600);
        cr_assert(chmod("k", good[i]) == 0);
        private_key_free(read_private("k"));
    }
    for (size_t i = 0; i < ARRAY_COUNT(bad); i++) {
        struct private_key *key = NULL;
        struct error error = {""};
        put_private("k", bad[i]);
        cr_expect(private_key_read("k", &key, &error) == -EACCES, "%o", bad[i]);
        cr_expect(strstr(error.text, "chmod 600") != NULL && key == NULL, "%s", error.text);
        cr_expect(strstr(error.text, "MC4C") == NULL, "it tells the key");
    }
}

/* As `<(command)` of a shell gives it. */
Test(key, through_a_pipe)
{
    int fds[2];
    char path[32];
    char text[256];
    snprintf(text, sizeof text, "-----BEGIN PRIVATE KEY-----\n%s\n-----END PRIVATE KEY-----\n",
             vectors[0].private_key);
    cr_assert(pipe(fds) == 0);
    for (size_t at = 0; at < strlen(text); at += 50) { /* it comes in pieces */
        size_t left = strlen(text) - at;
        cr_assert(write(fds[1], text + at, left < 50 ? left : 50) > 0);
    }
    close(fds[1]);
    snprintf(path, sizeof path, "/dev/fd/%d", fds[0]);
    private_key_free(read_private(path));
    close(fds[0]);
}
