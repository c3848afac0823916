/* Signed releases: whose signature counts, and that no byte of what it is of can be another one,
 * even where all checksums are right. */
#include "common/signature.h"

#include "common/mem.h"
#include "samples.h"
#include "scratch.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <unistd.h>

static void make_key(const char *path)
{
    struct private_key *key;
    struct error error = {""};
    char *public_path = mem_format("%s.pub", path);
    cr_assert(private_key_new(&key, &error) == 0, "%s", error.text);
    cr_assert(private_key_write(key, path, public_path, &error) == 0, "%s", error.text);
    private_key_free(key);
    free(public_path);
}

static void enter_scratch(void)
{
    scratch_enter();
    unsetenv("SOURCE_DATE_EPOCH");
    make_key("a");
    make_key("b");
    scratch_file("site/index.html", "<title>signed</title>\n");
    scratch_file("site/other.html", "<title>other</title>\n");
}

TestSuite(signature, .init = enter_scratch, .fini = scratch_leave);

static struct trust trust_of(const char *first, const char *second)
{
    struct trust trust = {0};
    struct error error = {""};
    cr_assert(trust_add(&trust, first, &error) == 0, "%s", error.text);
    cr_assert(second == NULL || trust_add(&trust, second, &error) == 0, "%s", error.text);
    return trust;
}

/* The status of the newest release; a release that cannot even be opened is none. */
static int check(const struct trust *trust, struct key_id *out_id, struct error *error)
{
    struct index *index = NULL;
    struct archive *archive = NULL;
    int status = index_open("site.idx", &index, error);
    cr_assert(status == 0, "%s", error->text);
    status = archive_open("site.cairn", 0, &archive, error);
    cr_assert(status == 0, "%s", error->text);
    status = release_bind(index, archive, error);
    if (status == 0) {
        status = signature_check(index, archive, trust, out_id, error);
    }
    archive_unref(archive);
    index_close(index);
    return status;
}

Test(signature, counts_if_its_key_is_trusted)
{
    struct trust a = trust_of("a.pub", NULL);
    struct trust b = trust_of("b.pub", NULL);
    struct trust both = trust_of("b.pub", "a.pub");
    struct error error = {""};
    struct key_id id;
    char text[KEY_ID_TEXT_BYTES];
    sample_pack_signed("site.cairn", "a");
    cr_expect(check(&a, &id, &error) == 0, "%s", error.text);
    cr_expect(memcmp(id.bytes, public_key_id(a.keys[0])->bytes, sizeof id.bytes) == 0);
    cr_expect(check(&both, &id, &error) == 0, "%s", error.text);
    cr_expect(check(&b, &id, &error) == ERR_TRUST);
    cr_expect(strstr(error.text, "release 1: signed by key ") != NULL &&
                  strstr(error.text, key_id_text(public_key_id(a.keys[0]), text)) != NULL &&
                  strstr(error.text, "which is not trusted") != NULL,
              "%s", error.text);
    sample_pack("site.cairn");
    cr_expect(check(&both, &id, &error) == ERR_TRUST);
    cr_expect(strcmp(error.text, "release 2: it is not signed") == 0, "%s", error.text);
    trust_fini(&a);
    trust_fini(&b);
    trust_fini(&both);
}

Test(signature, a_key_that_is_named_twice_counts_once)
{
    struct trust trust = trust_of("a.pub", "a.pub");
    cr_expect(trust.count == 1);
    cr_expect(trust_add(&trust, "absent.pub", NULL) < 0 && trust.count == 1);
    trust_fini(&trust);
}

/* Somebody without the key, who knows the format: every checksum is right afterwards. Which bytes
 * he may change at all, the reader of indexes decides; the signature refuses each of them. */
Test(signature, forged_index_with_right_checksums)
{
    struct trust trust = trust_of("a.pub", NULL);
    struct error error = {""};
    struct key_id id;
    sample_pack_signed("site.cairn", "a");
    size_t count = (size_t)scratch_length("site.000001.idx");
    size_t forged = 0;
    for (size_t at = 0; at < count; at++) {
        if (!sample_may_forge("site.000001.idx", at)) {
            continue;
        }
        sample_forge_index("site.cairn", "site.000001.idx", at);
        int status = check(&trust, &id, &error);
        bool is_bound =
            status != ERR_BINDING; /* the UUID, the release and the length count there */
        cr_expect(status == ERR_TRUST || !is_bound, "byte %zu: %d", at, status);
        cr_expect(!is_bound || strstr(error.text, "this is not what key ") != NULL, "%s",
                  error.text);
        forged += is_bound;
        sample_forge_index("site.cairn", "site.000001.idx", at);
    }
    cr_expect(forged > 200, "%zu of %zu bytes", forged, count);
    cr_expect(check(&trust, &id, &error) == 0, "%s", error.text);
    trust_fini(&trust);
}

static struct archive *open_archive(struct commit *out_commit)
{
    struct archive *archive;
    cr_assert(archive_open("site.cairn", 0, &archive, NULL) == 0);
    (void)sample_last_commit(archive, out_commit);
    return archive;
}

static struct signature read_signature(void)
{
    struct commit commit;
    struct archive *archive = open_archive(&commit);
    struct signature signature;
    const char *why;
    cr_assert(signature_decode(archive->map, &commit, archive->superblock.uuid, &signature, &why) ==
              0);
    archive_unref(archive);
    return signature;
}

/* Puts another signature in place, with right checksums. */
static void forge_signature(const struct signature *signature)
{
    struct commit commit;
    struct archive *archive = open_archive(&commit);
    uint8_t bytes[SIGNATURE_RECORD_BYTES];
    uint8_t *payload = bytes + RECORD_HEADER_BYTES;
    signature_encode(signature, payload);
    struct record record = {
        .offset = commit.committed_bytes - COMMIT_RECORD_BYTES - SIGNATURE_RECORD_BYTES,
        .kind = RECORD_SIGNATURE,
        .path = SLICE(""),
        .stored_bytes = SIGNATURE_PAYLOAD_BYTES,
        .modified_s = commit.created_s,
        .payload_hash = hash128(payload, SIGNATURE_PAYLOAD_BYTES),
    };
    record_encode(&record, archive->superblock.uuid, bytes);
    archive_unref(archive);
    scratch_patch("site.cairn", (off_t)record.offset, bytes, sizeof bytes);
}

Test(signature, forged_signature_with_right_checksums)
{
    struct trust trust = trust_of("a.pub", "b.pub");
    struct error error = {""};
    struct key_id id;
    sample_pack_signed("site.cairn", "a");
    const struct signature good = read_signature();
    for (size_t at = 0; at < SIGNATURE_BYTES; at++) {
        struct signature forged = good;
        forged.bytes[at] ^= 0x10;
        forge_signature(&forged);
        cr_expect(check(&trust, &id, &error) == ERR_TRUST, "byte %zu", at);
        cr_expect(strstr(error.text, "this is not what key ") != NULL, "%s", error.text);
    }
    for (size_t at = 0; at < KEY_ID_BYTES; at++) {
        struct signature forged = good;
        forged.key_id[at] ^= 1;
        forge_signature(&forged);
        cr_expect(check(&trust, &id, &error) == ERR_TRUST, "byte %zu", at);
        cr_expect(strstr(error.text, "which is not trusted") != NULL, "%s", error.text);
    }
    struct signature other = good; /* the other trusted key's name */
    memcpy(other.key_id, public_key_id(trust.keys[1])->bytes, sizeof other.key_id);
    forge_signature(&other);
    cr_expect(check(&trust, &id, &error) == ERR_TRUST);
    forge_signature(&good);
    cr_expect(check(&trust, &id, &error) == 0, "%s", error.text);
    trust_fini(&trust);
}

/* A good signature of the same key, but of another release. */
Test(signature, of_another_release)
{
    struct trust trust = trust_of("a.pub", NULL);
    struct error error = {""};
    struct key_id id;
    sample_pack_signed("site.cairn", "a");
    const struct signature first = read_signature();
    scratch_file("site/index.html", "<title>second</title>\n");
    sample_pack_signed("site.cairn", "a");
    cr_expect(check(&trust, &id, &error) == 0, "%s", error.text);
    forge_signature(&first);
    cr_expect(check(&trust, &id, &error) == ERR_TRUST);
    trust_fini(&trust);
}

/* What is signed begins with words of its own: a signature of the index alone, or of its digest,
 * which the same key may have made for something else, is none. */
Test(signature, of_the_index_without_the_words)
{
    struct trust trust = trust_of("a.pub", NULL);
    struct error error = {""};
    struct key_id id;
    sample_pack_signed("site.cairn", "a");
    struct private_key *key;
    cr_assert(private_key_read("a", &key, &error) == 0, "%s", error.text);
    struct signature forged = read_signature();
    size_t count;
    uint8_t *index = scratch_read("site.000001.idx", &count);
    struct signature again = signature_make(key, index, count);
    cr_expect(memcmp(&again, &forged, sizeof again) == 0, "the same every time");
    private_key_sign(key, index, count, forged.bytes);
    forge_signature(&forged);
    cr_expect(check(&trust, &id, &error) == ERR_TRUST);
    free(index);
    private_key_free(key);
    trust_fini(&trust);
}
