/* libcairn reads what cairn-pack writes: an archive (NAME.cairn), which holds the bytes of all
 * releases of a site, and an index (NAME.000042.idx) for each release, which says what is answered
 * for which path. cairn-archive(5) and cairn-index(5) describe the files.
 *
 *     struct cairn_release *release;
 *     struct cairn_error error;
 *     if (cairn_release_open("site.idx", &release, &error) != 0) {
 *         fprintf(stderr, "%s\n", error.text);
 *         return 1;
 *     }
 *     const struct cairn_entry *entry = cairn_release_find(release, "/about.html", 11);
 *     ...
 *     cairn_release_close(release);
 *
 * Results. A function that can fail returns 0 or more, or a negative number: one of enum
 * cairn_status, or -errno from the system. It then fills *error, unless `error` is NULL, and leaves
 * its other outputs as they were. The library prints nothing and keeps no error of its own. What is
 * passed to it has to be what it gave out, and not closed: that is not checked. If there is no
 * memory for the few hundred bytes that a handle takes, the process ends (abort()), with a line on
 * standard error.
 *
 * Lifetime. An archive or a release is opened and closed; everything else that is handed out
 * (entries, representations, texts, digests, paths) belongs to it, is read-only, must not be freed,
 * and is valid until it is closed.
 *
 * Threads. There is no state besides the handles. A handle never changes once it is open, so any
 * number of threads may use it at the same time; the last one closes it.
 *
 * Files. Both files are mapped, and both are opened once: a new release, a link that leads
 * elsewhere, or a file that is removed, changes nothing of what is open. Cairn never changes what
 * an index refers to. Who cuts such a file short takes pages from under the mapping, and the system
 * raises SIGBUS where they are touched; the functions that read a representation's bytes through
 * the descriptor, which is all but cairn_representation_bytes(), return an error then.
 *
 * Stability. Structures without members here are opaque. The others, and the numbers of all enums,
 * stay as they are as long as the library's soname does; enums may get more members. */
#ifndef CAIRN_H
#define CAIRN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct cairn_archive;        /* an archive, as it was when it was opened */
struct cairn_release;        /* one release: its index and its archive, which belong together */
struct cairn_entry;          /* what a release has for one path */
struct cairn_representation; /* one stored form of a file: as it is, or in a content coding */

/* A run of bytes, without a NUL behind it. Empty: count is 0. */
struct cairn_text {
    const char *bytes;
    size_t count;
};

/* What went wrong: a line for a person, in English, which names the file. Without newline, and
 * without control characters, whatever the files held. */
struct cairn_error {
    char text[1024];
};

enum cairn_status {
    CAIRN_OK = 0,
    CAIRN_FORMAT = -10001,          /* not what the format says */
    CAIRN_DAMAGED = -10002,         /* the right format, but a checksum or digest is wrong */
    CAIRN_VERSION_UNKNOWN = -10003, /* a version of the format that this library does not know */
    CAIRN_BINDING = -10004,         /* an index and an archive that do not belong together */
    CAIRN_CHANGED = -10005,         /* a file was changed while it was read */
    CAIRN_UNTRUSTED = -10012,       /* not signed by the key that was asked for */
};

enum {
    CAIRN_UUID_BYTES = 16,
    CAIRN_DIGEST_BYTES = 32,     /* SHA-256 */
    CAIRN_ETAG_BYTES = 25,       /* an entity tag with its quotes, and a NUL */
    CAIRN_PATH_BYTES_MAX = 4096, /* the longest key of an index */
};

/* The version of the library that runs, such as "0.1.0". Static. */
const char *cairn_version(void);

/* A few words for a result of any function here. Static, or valid until the thread's next call. */
const char *cairn_status_text(int status);

/* ---- archives ---- */

/* Opens an archive, to see which releases it holds. Those that are added later do not show up.
 * CAIRN_FORMAT, CAIRN_VERSION_UNKNOWN, CAIRN_DAMAGED or -errno. */
int cairn_archive_open(const char *path, struct cairn_archive **out_archive,
                       struct cairn_error *error);
void cairn_archive_close(struct cairn_archive *archive); /* takes NULL */

/* CAIRN_UUID_BYTES bytes. Copies of an archive have the same. */
const uint8_t *cairn_archive_uuid(const struct cairn_archive *archive);

/* When it was made: Unix time in seconds. */
int64_t cairn_archive_created(const struct cairn_archive *archive);

/* How many releases it holds. Those that are damaged, and what is older than these, do not count.
 */
size_t cairn_archive_release_count(const struct cairn_archive *archive);

/* Of the i-th release, 0 the oldest: its number, when it was made (Unix time in seconds), and the
 * path where its index belongs, for cairn_release_open(). i is less than the count. The index is a
 * file of its own, and may be absent; `cairn-pack rebuild` makes it again. */
uint64_t cairn_archive_release_number(const struct cairn_archive *archive, size_t i);
int64_t cairn_archive_release_created(const struct cairn_archive *archive, size_t i);
const char *cairn_archive_index_path(const struct cairn_archive *archive, size_t i);

/* ---- releases ---- */

/* Opens a release by the path of its index, or by that of its archive: then the newest one. The
 * archive lies beside the index and is found by its name. Everything in the index is checked, its
 * checksums and every reference; of the archive, that it is the one and holds what the index needs.
 * The bytes of the site are not read: cairn_representation_verify(), cairn_release_verify().
 * CAIRN_FORMAT, CAIRN_VERSION_UNKNOWN, CAIRN_DAMAGED, CAIRN_BINDING or -errno. */
int cairn_release_open(const char *path, struct cairn_release **out_release,
                       struct cairn_error *error);
void cairn_release_close(struct cairn_release *release); /* takes NULL */

/* Its number in the archive, when it was made (Unix time in seconds), and which archive it is. */
uint64_t cairn_release_number(const struct cairn_release *release);
int64_t cairn_release_created(const struct cairn_release *release);
const uint8_t *cairn_release_archive_uuid(const struct cairn_release *release);
const char *cairn_release_archive_path(const struct cairn_release *release);

/* Is it only what differs from the release before? A path that it lacks is then answered by that.
 */
bool cairn_release_is_overlay(const struct cairn_release *release);

/* The id of the key that has signed it, 32 hexadecimal digits; NULL if it is not signed. That says
 * who claims it, not that it is so. */
const char *cairn_release_signer(const struct cairn_release *release);

/* Has the private half of the key in this file (PEM, KEY.pub of `cairn-pack keygen`) signed exactly
 * this index? CAIRN_UNTRUSTED if not. The index holds the digests of all bytes: together with
 * cairn_release_verify(), or with representations that are read verified, nothing is left that
 * somebody else can have altered. */
int cairn_release_check_signature(const struct cairn_release *release, const char *public_key_path,
                                  struct cairn_error *error);

/* Reads everything that the release can be answered with and compares it with the digests; checks
 * the paths, too. CAIRN_DAMAGED and the first path that is not right, CAIRN_CHANGED or -errno. */
int cairn_release_verify(const struct cairn_release *release, struct cairn_error *error);

/* ---- entries ---- */

/* The entry of a key, or NULL. A key is what a client asks for: it starts with '/', is
 * percent-decoded, and ends in '/' if it names a folder. Takes the same time however many there
 * are.
 *
 * A server may answer otherwise: rules that depend on the request may come first, and for what is
 * not here older releases, rules and the page for missing paths are asked. */
const struct cairn_entry *cairn_release_find(const struct cairn_release *release, const char *key,
                                             size_t key_bytes);

/* The same for a path as it stands in a URL, without query: percent-encoded, with "." and "..". */
const struct cairn_entry *cairn_release_find_url(const struct cairn_release *release,
                                                 const char *path, size_t path_bytes);

/* What is shown for missing paths at the root of the site: its 404.html; NULL if there is none. */
const struct cairn_entry *cairn_release_missing(const struct cairn_release *release);

/* How many entries there are, and the i-th (i is less than the count) in the order of the index,
 * which means nothing. */
size_t cairn_release_entry_count(const struct cairn_release *release);
const struct cairn_entry *cairn_release_entry(const struct cairn_release *release, size_t i);

/* All entries by the bytes of their keys, ascending, into an array of cairn_release_entry_count()
 * pointers that the caller owns. */
void cairn_release_sort(const struct cairn_release *release,
                        const struct cairn_entry **out_entries);

enum cairn_kind {
    CAIRN_FILE = 1,     /* has representations */
    CAIRN_REDIRECT = 2, /* leads elsewhere */
    CAIRN_GONE = 3,     /* answered with an error, whatever older releases have */
};

enum cairn_kind cairn_entry_kind(const struct cairn_entry *entry);

/* The status of the answer: 200, 301, 302, 303, 307, 308, 404 or 410. */
unsigned cairn_entry_status(const struct cairn_entry *entry);

/* Does the name prove the content, so that it may be kept for good? */
bool cairn_entry_is_immutable(const struct cairn_entry *entry);

/* Was it made by the packer, another spelling of a file's path, and is no file of the site's tree?
 */
bool cairn_entry_is_derived(const struct cairn_entry *entry);

/* Its key. */
struct cairn_text cairn_entry_path(const struct cairn_release *release,
                                   const struct cairn_entry *entry);

/* Of a redirect: where it leads, the value of Location. Empty otherwise. */
struct cairn_text cairn_entry_location(const struct cairn_release *release,
                                       const struct cairn_entry *entry);

/* The value of a stored response field ("Content-Type", "Cache-Control"; without regard to case) of
 * a redirect, or of a file's first representation; empty if it is not there. ETag, Last-Modified
 * and Content-Length are not stored: they follow from a representation. */
struct cairn_text cairn_entry_field(const struct cairn_release *release,
                                    const struct cairn_entry *entry, const char *name);

/* ---- representations ---- */

/* How many stored forms it has, and the i-th, NULL if there are not so many. A file has at least
 * one, the first, which is its bytes as they are; anything else has none. */
unsigned cairn_entry_representation_count(const struct cairn_entry *entry);
const struct cairn_representation *cairn_entry_representation(const struct cairn_release *release,
                                                              const struct cairn_entry *entry,
                                                              unsigned i);

enum cairn_coding {
    CAIRN_IDENTITY = 0,
    CAIRN_GZIP = 1,
    CAIRN_BR = 2,
    CAIRN_ZSTD = 3,
};

enum cairn_coding cairn_representation_coding(const struct cairn_representation *representation);

/* Its name in Content-Encoding: "gzip", "br", "zstd"; "identity". Static. NULL if it is none. */
const char *cairn_coding_name(enum cairn_coding coding);

/* Bytes as stored, which is what Content-Length says. */
uint64_t cairn_representation_length(const struct cairn_representation *representation);

/* The file's time when it was published, Unix time in seconds; 0: unknown. */
int64_t cairn_representation_modified(const struct cairn_representation *representation);

/* SHA-256 of the stored bytes: CAIRN_DIGEST_BYTES. */
const uint8_t *cairn_representation_digest(const struct cairn_release *release,
                                           const struct cairn_representation *representation);

/* Its strong entity tag, in quotes, with a NUL. */
void cairn_representation_etag(const struct cairn_release *release,
                               const struct cairn_representation *representation,
                               char out_etag[CAIRN_ETAG_BYTES]);

/* The value of a stored response field, as cairn_entry_field(). */
struct cairn_text cairn_representation_field(const struct cairn_release *release,
                                             const struct cairn_representation *representation,
                                             const char *name);

/* All stored response fields, complete lines ("Name: value" CR LF): those that describe the body
 * (Content-Type, Content-Encoding), and the others, which a 304 repeats. */
void cairn_representation_head(const struct cairn_release *release,
                               const struct cairn_representation *representation,
                               struct cairn_text *out_entity, struct cairn_text *out_policy);

/* The stored bytes where they are mapped, cairn_representation_length() of them, not verified.
 * Never NULL. Touching them may read from the disk, or raise SIGBUS ("Files", above). */
const void *cairn_representation_bytes(const struct cairn_release *release,
                                       const struct cairn_representation *representation);

/* Reads up to `count` of the stored bytes from `offset` on, not verified. Returns how many: fewer
 * only at the end, where it is 0. CAIRN_CHANGED if the archive was cut short, or -errno. */
int64_t cairn_representation_read(const struct cairn_release *release,
                                  const struct cairn_representation *representation,
                                  uint64_t offset, void *out_bytes, size_t count,
                                  struct cairn_error *error);

/* Reads all stored bytes into `out_bytes`, which has room for `room` of them, and compares these
 * very bytes with the digest. Returns how many there are. -ENOBUFS if there is not room for all,
 * CAIRN_DAMAGED if they are others (they are in `out_bytes` all the same), CAIRN_CHANGED or -errno.
 */
int64_t cairn_representation_read_verified(const struct cairn_release *release,
                                           const struct cairn_representation *representation,
                                           void *out_bytes, size_t room, struct cairn_error *error);

/* The same without keeping the bytes: reads them piece by piece. */
int cairn_representation_verify(const struct cairn_release *release,
                                const struct cairn_representation *representation,
                                struct cairn_error *error);

#ifdef __cplusplus
}
#endif

#endif
