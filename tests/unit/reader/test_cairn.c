/* libcairn: what other programs read of a release, held against what was packed. */
#include "common/cairn.h"

#include "common/mem.h"
#include "common/sha256.h"
#include "samples.h"
#include "scratch.h"

#include "common/key.h"
#include "common/release.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

static const char page[] = "<title>cairn</title>\n";

static void make_key(const char *path, const char *public_path)
{
    struct private_key *key;
    struct error error = {""};
    cr_assert(private_key_new(&key, &error) == 0, "%s", error.text);
    cr_assert(private_key_write(key, path, public_path, &error) == 0, "%s", error.text);
    private_key_free(key);
}

/* Release 1 is not signed; release 2 has another page, and is. */
static void enter(void)
{
    scratch_enter();
    unsetenv("SOURCE_DATE_EPOCH");
    make_key("key", "key.pub");
    make_key("other", "other.pub");
    char *text = mem_zeroed(40001, 1);
    memset(text, 'a', 40000);
    scratch_file("site/index.html", page);
    scratch_file("site/404.html", "missing\n");
    scratch_file("site/a b.html", "a space\n");
    scratch_file("site/folder/index.html", "folder\n");
    scratch_file("site/long.txt", text);
    scratch_file("site/empty.txt", "");
    scratch_file("site/_redirects", "/old /new/%20place 301\n");
    free(text);
    sample_pack("site.cairn");
    scratch_file("site/second.html", "second\n");
    sample_pack_signed("site.cairn", "key");
}

TestSuite(cairn, .init = enter, .fini = scratch_leave);

static struct cairn_release *open_release(const char *path)
{
    struct cairn_release *release = NULL;
    struct cairn_error error = {""};
    cr_assert(cairn_release_open(path, &release, &error) == 0, "%s", error.text);
    return release;
}

static const struct cairn_entry *find(const struct cairn_release *release, const char *key)
{
    return cairn_release_find(release, key, strlen(key));
}

static bool is_text(struct cairn_text text, const char *expected)
{
    return text.count == strlen(expected) && memcmp(text.bytes, expected, text.count) == 0;
}

Test(cairn, an_archive_tells_its_releases)
{
    struct cairn_archive *archive = NULL;
    struct cairn_error error = {""};
    cr_assert(cairn_archive_open("site.cairn", &archive, &error) == 0, "%s", error.text);
    cr_expect(cairn_archive_release_count(archive) == 2);
    cr_expect(cairn_archive_created(archive) > 0);
    for (size_t i = 0; i < 2; i++) {
        struct cairn_release *release = open_release(cairn_archive_index_path(archive, i));
        cr_expect(cairn_archive_release_number(archive, i) == i + 1);
        cr_expect(cairn_release_number(release) == i + 1);
        cr_expect(cairn_release_created(release) == cairn_archive_release_created(archive, i));
        cr_expect(memcmp(cairn_release_archive_uuid(release), cairn_archive_uuid(archive),
                         CAIRN_UUID_BYTES) == 0);
        cr_expect((find(release, "/second.html") != NULL) == (i == 1));
        cairn_release_close(release);
    }
    cairn_archive_close(archive);
}

Test(cairn, an_archive_stands_for_its_newest_release)
{
    struct cairn_release *release = open_release("site.cairn");
    cr_expect(cairn_release_number(release) == 2);
    cr_expect(!cairn_release_is_overlay(release));
    cr_expect(strstr(cairn_release_archive_path(release), "site.cairn") != NULL);
    cairn_release_close(release);
}

Test(cairn, paths_are_found_as_keys_and_as_urls)
{
    struct cairn_release *release = open_release("site.idx");
    const struct cairn_entry *entry = find(release, "/a b.html");
    cr_assert(entry != NULL);
    static const char *const spellings[] = {"/a%20b.html", "/./a%20b.html", "//x/..//a%20b.html"};
    for (size_t i = 0; i < ARRAY_COUNT(spellings); i++) {
        cr_expect(cairn_release_find_url(release, spellings[i], strlen(spellings[i])) == entry,
                  "%s", spellings[i]);
    }
    cr_expect(cairn_release_find_url(release, "/a%2", 4) == NULL);
    cr_expect(find(release, "/a%20b.html") == NULL);
    cr_expect(find(release, "") == NULL);
    cr_expect(cairn_release_missing(release) == find(release, "/404.html"));
    cairn_release_close(release);
}

Test(cairn, entries_tell_what_they_are)
{
    struct cairn_release *release = open_release("site.idx");
    const struct cairn_entry *file = find(release, "/index.html");
    const struct cairn_entry *folder = find(release, "/folder/");
    const struct cairn_entry *redirect = find(release, "/old");
    cr_assert(file != NULL && folder != NULL && redirect != NULL);
    cr_expect(cairn_entry_kind(file) == CAIRN_FILE && cairn_entry_status(file) == 200);
    cr_expect(!cairn_entry_is_derived(file) && cairn_entry_is_derived(folder));
    cr_expect(!cairn_entry_is_immutable(file));
    cr_expect(is_text(cairn_entry_path(release, file), "/index.html"));
    cr_expect(is_text(cairn_entry_location(release, file), ""));
    cr_expect(
        is_text(cairn_entry_field(release, file, "content-type"), "text/html; charset=utf-8"));
    cr_expect(cairn_entry_field(release, file, "Cache-Control").count > 0);
    cr_expect(is_text(cairn_entry_field(release, file, "X-Absent"), ""));
    cr_expect(cairn_entry_kind(redirect) == CAIRN_REDIRECT);
    cr_expect(cairn_entry_status(redirect) == 301);
    cr_expect(is_text(cairn_entry_location(release, redirect), "/new/%20place"));
    cr_expect(cairn_entry_representation_count(redirect) == 0);
    cr_expect(cairn_entry_representation(release, redirect, 0) == NULL);
    cairn_release_close(release);
}

Test(cairn, all_entries_are_there_once_and_in_order)
{
    struct cairn_release *release = open_release("site.idx");
    size_t count = cairn_release_entry_count(release);
    const struct cairn_entry **entries = mem_zeroed(count, sizeof *entries);
    cairn_release_sort(release, entries);
    for (size_t i = 0; i < count; i++) {
        struct cairn_text path = cairn_entry_path(release, entries[i]);
        cr_expect(cairn_release_find(release, path.bytes, path.count) == entries[i]);
        size_t places = 0;
        for (size_t j = 0; j < count; j++) {
            places += cairn_release_entry(release, j) == entries[i];
        }
        cr_expect(places == 1);
        if (i > 0) {
            struct cairn_text before = cairn_entry_path(release, entries[i - 1]);
            size_t shorter = before.count < path.count ? before.count : path.count;
            int order = memcmp(before.bytes, path.bytes, shorter);
            cr_expect(order < 0 || (order == 0 && before.count < path.count));
        }
    }
    free(entries);
    cairn_release_close(release);
}

Test(cairn, a_representation_is_read_in_parts_and_whole)
{
    struct cairn_release *release = open_release("site.idx");
    const struct cairn_entry *entry = find(release, "/long.txt");
    const struct cairn_representation *form = cairn_entry_representation(release, entry, 0);
    char bytes[40000];
    struct cairn_error error = {""};
    cr_expect(cairn_representation_coding(form) == CAIRN_IDENTITY);
    cr_expect(cairn_representation_length(form) == 40000);
    cr_expect(cairn_representation_modified(form) == SCRATCH_MODIFIED_S);
    cr_expect(cairn_representation_read(release, form, 39990, bytes, 100, &error) == 10);
    cr_expect(cairn_representation_read(release, form, 40000, bytes, 100, &error) == 0);
    cr_expect(cairn_representation_read(release, form, UINT64_MAX, bytes, 100, &error) == 0);
    cr_expect(cairn_representation_read_verified(release, form, bytes, 39999, &error) == -ENOBUFS);
    cr_expect(strstr(error.text, "do not fit") != NULL, "%s", error.text);
    cr_expect(cairn_representation_read_verified(release, form, bytes, 40000, &error) == 40000);
    cr_expect(memcmp(bytes, cairn_representation_bytes(release, form), 40000) == 0);
    cr_expect(bytes[0] == 'a' && bytes[39999] == 'a');

    const struct cairn_entry *nothing = find(release, "/empty.txt");
    form = cairn_entry_representation(release, nothing, 0);
    cr_expect(cairn_representation_length(form) == 0);
    cr_expect(cairn_representation_read_verified(release, form, bytes, 0, &error) == 0);
    cr_expect(cairn_representation_verify(release, form, &error) == 0);
    cairn_release_close(release);
}

Test(cairn, coded_forms_have_names_tags_and_fields_of_their_own)
{
    struct cairn_release *release = open_release("site.idx");
    const struct cairn_entry *entry = find(release, "/long.txt");
    unsigned count = cairn_entry_representation_count(entry);
    char tags[4][CAIRN_ETAG_BYTES] = {""};
    cr_assert(count > 1 && count <= 4);
    for (unsigned i = 0; i < count; i++) {
        const struct cairn_representation *form = cairn_entry_representation(release, entry, i);
        const char *name = cairn_coding_name(cairn_representation_coding(form));
        struct cairn_text coding = cairn_representation_field(release, form, "Content-Encoding");
        struct cairn_text entity;
        struct cairn_text policy;
        cr_expect(is_text(coding, i == 0 ? "" : name));
        cairn_representation_head(release, form, &entity, &policy);
        cr_expect(entity.count > 2 && memcmp(entity.bytes + entity.count - 2, "\r\n", 2) == 0);
        cr_expect(policy.count > 2 && memcmp(policy.bytes + policy.count - 2, "\r\n", 2) == 0);
        cairn_representation_etag(release, form, tags[i]);
        cr_expect(strlen(tags[i]) == CAIRN_ETAG_BYTES - 1 && tags[i][0] == '"');
        for (unsigned j = 0; j < i; j++) {
            cr_expect(strcmp(tags[i], tags[j]) != 0);
        }
        uint8_t digest[CAIRN_DIGEST_BYTES];
        struct sha256_stream *stream = sha256_stream_new();
        sha256(stream, cairn_representation_bytes(release, form),
               (size_t)cairn_representation_length(form), digest);
        sha256_stream_free(stream);
        cr_expect(memcmp(digest, cairn_representation_digest(release, form), sizeof digest) == 0);
    }
    cr_expect(cairn_entry_representation(release, entry, count) == NULL);
    cr_expect(cairn_coding_name((enum cairn_coding)77) == NULL);
    cairn_release_close(release);
}

Test(cairn, a_damaged_byte_is_seen_where_it_is_read)
{
    struct cairn_release *release = open_release("site.idx");
    const struct cairn_entry *entry = find(release, "/index.html");
    const struct cairn_representation *form = cairn_entry_representation(release, entry, 0);
    struct cairn_error error = {""};
    char bytes[sizeof page];
    cr_assert(cairn_release_verify(release, &error) == 0, "%s", error.text);
    const char *mapped = cairn_representation_bytes(release, form);
    size_t count;
    uint8_t *archive = scratch_read("site.cairn", &count);
    const uint8_t *at = memmem(archive, count, page, sizeof page - 1);
    cr_assert(at != NULL);
    scratch_patch("site.cairn", at - archive, "X", 1);
    free(archive);
    cr_expect(mapped[0] == 'X');
    cr_expect(cairn_representation_read(release, form, 0, bytes, sizeof bytes, &error) ==
              (int64_t)sizeof page - 1);
    cr_expect(cairn_representation_read_verified(release, form, bytes, sizeof bytes, &error) ==
              CAIRN_DAMAGED);
    cr_expect(cairn_representation_verify(release, form, &error) == CAIRN_DAMAGED);
    cr_expect(cairn_representation_verify(release, form, NULL) == CAIRN_DAMAGED);
    cr_expect(cairn_release_verify(release, &error) == CAIRN_DAMAGED);
    cr_expect(strncmp(error.text, "/", 1) == 0 && strstr(error.text, "site.cairn") != NULL, "%s",
              error.text);
    cairn_release_close(release);
}

Test(cairn, an_archive_that_is_cut_short_is_an_error_to_read)
{
    struct cairn_release *release = open_release("site.idx");
    const struct cairn_entry *entry = find(release, "/second.html");
    const struct cairn_representation *form = cairn_entry_representation(release, entry, 0);
    struct cairn_error error = {""};
    char bytes[100];
    cr_assert(truncate("site.cairn", 64) == 0);
    cr_expect(cairn_representation_read(release, form, 0, bytes, sizeof bytes, &error) ==
              CAIRN_CHANGED);
    cr_expect(cairn_representation_verify(release, form, &error) == CAIRN_CHANGED);
    cr_expect(strstr(error.text, "site.cairn: somebody cut it short") != NULL, "%s", error.text);
    cairn_release_close(release);
}

/* Somebody overwrites the index at the first read of the archive. */
static struct {
    bool is_armed;
    off_t offset;
} overwriting;

/* In the place of the system's. */
ssize_t pread(int fd, void *bytes, size_t count, off_t offset)
{
    if (overwriting.is_armed) {
        const uint32_t nowhere = UINT32_MAX;
        overwriting.is_armed = false;
        scratch_patch("site.000002.idx", overwriting.offset, &nowhere, sizeof nowhere);
    }
    return syscall(SYS_pread64, fd, bytes, count, offset);
}

Test(cairn, an_index_that_is_overwritten_meanwhile_is_an_error_to_verify)
{
    struct cairn_release *release = open_release("site.idx");
    const struct cairn_entry *entry = find(release, "/long.txt");
    struct cairn_error error = {""};
    cr_assert(cairn_entry_representation_count(entry) > 1, "it has coded forms");
    size_t count;
    uint8_t *index = scratch_read("site.000002.idx", &count);
    const uint8_t *row = memmem(index, count, entry, sizeof(struct index_entry));
    cr_assert(row != NULL);
    overwriting.offset = row - index + (off_t)offsetof(struct index_entry, more_first);
    free(index);
    overwriting.is_armed = true;
    cr_expect(cairn_release_verify(release, &error) == CAIRN_CHANGED);
    cr_expect(strstr(error.text, "/long.txt: the index was overwritten meanwhile") != NULL, "%s",
              error.text);
    cairn_release_close(release);
}

Test(cairn, signatures_say_who)
{
    struct cairn_release *release = open_release("site.idx");
    struct cairn_error error = {""};
    cr_expect(cairn_release_signer(release) != NULL && strlen(cairn_release_signer(release)) == 32);
    cr_expect(cairn_release_check_signature(release, "key.pub", &error) == 0, "%s", error.text);
    cr_expect(cairn_release_check_signature(release, "other.pub", &error) == CAIRN_UNTRUSTED);
    cr_expect(cairn_release_check_signature(release, "absent.pub", &error) == -ENOENT);
    cr_expect(strstr(error.text, "absent.pub") != NULL);
    cairn_release_close(release);
    release = open_release("site.000001.idx");
    cr_expect(cairn_release_signer(release) == NULL);
    cr_expect(cairn_release_check_signature(release, "key.pub", &error) == CAIRN_UNTRUSTED);
    cairn_release_close(release);
}

Test(cairn, what_fails_leaves_its_outputs_alone_and_says_why)
{
    struct cairn_release *release = NULL;
    struct cairn_archive *archive = NULL;
    struct cairn_error error = {""};
    cr_expect(cairn_release_open("absent.idx", &release, &error) == -ENOENT);
    cr_expect(strstr(error.text, "absent.idx") != NULL);
    cr_expect(cairn_release_open("site/index.html", &release, NULL) == CAIRN_FORMAT);
    cr_expect(cairn_archive_open("site.idx", &archive, &error) == CAIRN_FORMAT);
    cr_expect(strstr(error.text, "site.idx") != NULL);
    scratch_patch("site.000002.idx", 200, "\xff\xff\xff", 3);
    cr_expect(cairn_release_open("site.idx", &release, &error) == CAIRN_DAMAGED);
    cr_expect(release == NULL && archive == NULL);
    cr_expect(strcmp(cairn_status_text(0), "no error") == 0);
    cr_expect(strcmp(cairn_status_text(CAIRN_DAMAGED), "damaged") == 0);
    cr_expect(strcmp(cairn_version(), CAIRN_VERSION) == 0);
    cairn_release_close(NULL);
    cairn_archive_close(NULL);
}
