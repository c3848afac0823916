/* What libcairn is for, as a small program: looks into an archive or an index.
 *
 *     cc -o read_archive read_archive.c $(pkg-config --cflags --libs cairn)
 *
 *     read_archive releases site.cairn            the releases of an archive
 *     read_archive list site.idx                  the paths of a release
 *     read_archive cat site.idx /about.html       a file's bytes, checked before they are written
 *     read_archive verify site.idx [KEY.pub]      everything, and who has signed it
 *
 * Valid C99 and C++. Exit codes: 0 ok, 1 failed, 2 usage. */
#include <cairn.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static int failed(const char *text)
{
    fprintf(stderr, "read_archive: %s\n", text);
    return 1;
}

static const char *time_text(int64_t unix_s, char *buffer, size_t room)
{
    time_t seconds = (time_t)unix_s;
    struct tm *utc = gmtime(&seconds);
    if (utc == NULL || strftime(buffer, room, "%Y-%m-%dT%H:%M:%SZ", utc) == 0) {
        return "-";
    }
    return buffer;
}

static int print_releases(const char *path)
{
    struct cairn_archive *archive;
    struct cairn_error error;
    if (cairn_archive_open(path, &archive, &error) != 0) {
        return failed(error.text);
    }
    for (size_t i = 0; i < cairn_archive_release_count(archive); i++) {
        char created[32];
        printf("%" PRIu64 " %s %s\n", cairn_archive_release_number(archive, i),
               time_text(cairn_archive_release_created(archive, i), created, sizeof created),
               cairn_archive_index_path(archive, i));
    }
    cairn_archive_close(archive);
    return 0;
}

static void print_entry(const struct cairn_release *release, const struct cairn_entry *entry)
{
    struct cairn_text path = cairn_entry_path(release, entry);
    struct cairn_text location = cairn_entry_location(release, entry);
    struct cairn_text type = cairn_entry_field(release, entry, "Content-Type");
    printf("%u %.*s", cairn_entry_status(entry), (int)path.count, path.bytes);
    if (location.count > 0) {
        printf(" -> %.*s", (int)location.count, location.bytes);
    }
    if (type.count > 0) {
        printf(" (%.*s)", (int)type.count, type.bytes);
    }
    for (unsigned i = 0; i < cairn_entry_representation_count(entry); i++) {
        const struct cairn_representation *form = cairn_entry_representation(release, entry, i);
        char etag[CAIRN_ETAG_BYTES];
        cairn_representation_etag(release, form, etag);
        printf(" %s=%" PRIu64 " %s", cairn_coding_name(cairn_representation_coding(form)),
               cairn_representation_length(form), etag);
    }
    putchar('\n');
}

static int print_list(const struct cairn_release *release)
{
    size_t count = cairn_release_entry_count(release);
    const struct cairn_entry **entries =
        (const struct cairn_entry **)calloc(count + 1, sizeof *entries);
    if (entries == NULL) {
        return failed("out of memory");
    }
    cairn_release_sort(release, entries);
    for (size_t i = 0; i < count; i++) {
        print_entry(release, entries[i]);
    }
    free(entries);
    return 0;
}

static int print_bytes(const struct cairn_release *release, const char *path)
{
    const struct cairn_entry *entry = cairn_release_find_url(release, path, strlen(path));
    if (entry == NULL || cairn_entry_kind(entry) != CAIRN_FILE) {
        return failed("no file has this path");
    }
    const struct cairn_representation *form = cairn_entry_representation(release, entry, 0);
    size_t room = (size_t)cairn_representation_length(form);
    void *bytes = malloc(room + 1);
    if (bytes == NULL) {
        return failed("out of memory");
    }
    struct cairn_error error;
    int64_t count = cairn_representation_read_verified(release, form, bytes, room, &error);
    if (count < 0) {
        free(bytes);
        return failed(error.text);
    }
    size_t written = fwrite(bytes, 1, (size_t)count, stdout);
    free(bytes);
    return written == (size_t)count ? 0 : failed("standard output cannot be written");
}

static int print_verdict(const struct cairn_release *release, const char *public_key_path)
{
    struct cairn_error error;
    const char *signer = cairn_release_signer(release);
    if (public_key_path != NULL &&
        cairn_release_check_signature(release, public_key_path, &error) != 0) {
        return failed(error.text);
    }
    if (cairn_release_verify(release, &error) != 0) {
        return failed(error.text);
    }
    printf("ok: release %" PRIu64 ", %zu paths, %s%s\n", cairn_release_number(release),
           cairn_release_entry_count(release), signer == NULL ? "not signed" : "signed by ",
           signer == NULL ? "" : signer);
    return 0;
}

int main(int argc, char **argv)
{
    const char *command = argc > 2 ? argv[1] : "";
    if (argc == 3 && strcmp(command, "releases") == 0) {
        return print_releases(argv[2]);
    }
    int is_list = argc == 3 && strcmp(command, "list") == 0;
    int is_cat = argc == 4 && strcmp(command, "cat") == 0;
    int is_verify = argc <= 4 && strcmp(command, "verify") == 0;
    if (!is_list && !is_cat && !is_verify) {
        fprintf(stderr, "usage: read_archive releases ARCHIVE\n"
                        "       read_archive list|verify INDEX|ARCHIVE [KEY.pub]\n"
                        "       read_archive cat INDEX|ARCHIVE PATH\n");
        return 2;
    }
    struct cairn_release *release;
    struct cairn_error error;
    if (cairn_release_open(argv[2], &release, &error) != 0) {
        return failed(error.text);
    }
    int result = is_list  ? print_list(release)
                 : is_cat ? print_bytes(release, argv[3])
                          : print_verdict(release, argc == 4 ? argv[3] : NULL);
    cairn_release_close(release);
    if (fflush(stdout) != 0 && result == 0) {
        result = failed("standard output cannot be written");
    }
    return result;
}
