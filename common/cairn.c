#include "common/cairn.h"

#include "common/mem.h"
#include "common/opened_release.h"
#include "common/path.h"
#include "common/read_at.h"
#include "common/sha256.h"
#include "common/signature.h"
#include "common/validators.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

/* The public structures are ours under other names: an entry or a representation is a row in the
 * mapping of the index, so none of them is allocated. */

struct cairn_archive {
    struct archive *archive;
    struct commit *commits; /* the oldest first */
    char **index_paths;     /* of each */
    size_t count;
};

struct cairn_release {
    struct opened_release opened;
    char signer[KEY_ID_TEXT_BYTES]; /* empty: it is not signed */
};

_Static_assert((int)CAIRN_FORMAT == (int)ERR_FORMAT && (int)CAIRN_DAMAGED == (int)ERR_DAMAGED &&
                   (int)CAIRN_VERSION_UNKNOWN == (int)ERR_VERSION &&
                   (int)CAIRN_BINDING == (int)ERR_BINDING &&
                   (int)CAIRN_CHANGED == (int)ERR_CHANGED && (int)CAIRN_UNTRUSTED == (int)ERR_TRUST,
               "codes go out as they are");
_Static_assert((int)CAIRN_FILE == (int)ENTRY_FILE && (int)CAIRN_REDIRECT == (int)ENTRY_REDIRECT &&
                   (int)CAIRN_GONE == (int)ENTRY_TOMBSTONE,
               "and so do kinds");
_Static_assert((int)CAIRN_IDENTITY == (int)CODEC_IDENTITY && (int)CAIRN_GZIP == (int)CODEC_GZIP &&
                   (int)CAIRN_BR == (int)CODEC_BR && (int)CAIRN_ZSTD == (int)CODEC_ZSTD,
               "and codings");
_Static_assert((int)CAIRN_UUID_BYTES == (int)UUID_BYTES &&
                   (int)CAIRN_DIGEST_BYTES == (int)DIGEST_BYTES &&
                   (int)CAIRN_ETAG_BYTES == (int)ETAG_BYTES + 1 &&
                   (int)CAIRN_PATH_BYTES_MAX == (int)PATH_BYTES_MAX &&
                   sizeof(struct cairn_error) == sizeof(struct error),
               "and lengths");

static const struct index *index_of(const struct cairn_release *release)
{
    return release->opened.index;
}

static const struct index_entry *row_of(const struct cairn_entry *entry)
{
    return (const struct index_entry *)entry;
}

static const struct index_representation *form_of(const struct cairn_representation *representation)
{
    return (const struct index_representation *)representation;
}

static struct cairn_text text_of(struct slice slice)
{
    return (struct cairn_text){slice.bytes, slice.count};
}

/* Gives the sentence to the caller, who may not want it. */
static int fail(int status, const struct error *error, struct cairn_error *out_error)
{
    if (out_error != NULL) {
        memcpy(out_error->text, error->text, sizeof out_error->text);
    }
    return status;
}

const char *cairn_version(void)
{
    return CAIRN_VERSION;
}

const char *cairn_status_text(int status)
{
    return status >= 0 ? "no error" : error_name(status);
}

/* ---- archives ---- */

int cairn_archive_open(const char *path, struct cairn_archive **out_archive,
                       struct cairn_error *out_error)
{
    struct error error = {""};
    struct cairn_archive *archive = mem_zeroed(1, sizeof *archive);
    int status = archive_open(path, 0, &archive->archive, &error);
    if (status == 0) {
        status = release_commits(archive->archive, &archive->commits, &archive->count, &error);
    }
    if (status != 0) {
        cairn_archive_close(archive);
        return fail(status, &error, out_error);
    }
    archive->index_paths = mem_zeroed(archive->count, sizeof *archive->index_paths);
    char *stem = release_stem(path);
    for (size_t i = 0; i < archive->count; i++) {
        archive->index_paths[i] = release_numbered_path(stem, archive->commits[i].release);
    }
    free(stem);
    *out_archive = archive;
    return 0;
}

void cairn_archive_close(struct cairn_archive *archive)
{
    if (archive == NULL) {
        return;
    }
    for (size_t i = 0; i < archive->count; i++) {
        free(archive->index_paths[i]);
    }
    free(archive->index_paths);
    free(archive->commits);
    archive_unref(archive->archive);
    free(archive);
}

const uint8_t *cairn_archive_uuid(const struct cairn_archive *archive)
{
    return archive->archive->superblock.uuid;
}

int64_t cairn_archive_created(const struct cairn_archive *archive)
{
    return archive->archive->superblock.created_s;
}

size_t cairn_archive_release_count(const struct cairn_archive *archive)
{
    return archive->count;
}

uint64_t cairn_archive_release_number(const struct cairn_archive *archive, size_t i)
{
    assert(i < archive->count);
    return archive->commits[i].release;
}

int64_t cairn_archive_release_created(const struct cairn_archive *archive, size_t i)
{
    assert(i < archive->count);
    return archive->commits[i].created_s;
}

const char *cairn_archive_index_path(const struct cairn_archive *archive, size_t i)
{
    assert(i < archive->count);
    return archive->index_paths[i];
}

/* ---- releases ---- */

int cairn_release_open(const char *path, struct cairn_release **out_release,
                       struct cairn_error *out_error)
{
    struct error error = {""};
    struct opened_release opened;
    int status = opened_release_init(&opened, path, &error);
    if (status != 0) {
        return fail(status, &error, out_error);
    }
    struct cairn_release *release = mem_zeroed(1, sizeof *release);
    release->opened = opened;
    (void)opened_release_signer(&release->opened, release->signer);
    *out_release = release;
    return 0;
}

void cairn_release_close(struct cairn_release *release)
{
    if (release != NULL) {
        opened_release_fini(&release->opened);
        free(release);
    }
}

uint64_t cairn_release_number(const struct cairn_release *release)
{
    return index_of(release)->release;
}

int64_t cairn_release_created(const struct cairn_release *release)
{
    return index_of(release)->created_s;
}

const uint8_t *cairn_release_archive_uuid(const struct cairn_release *release)
{
    return index_of(release)->archive_uuid;
}

const char *cairn_release_archive_path(const struct cairn_release *release)
{
    return release->opened.archive->path;
}

bool cairn_release_is_overlay(const struct cairn_release *release)
{
    return (index_of(release)->flags & INDEX_OVERLAY) != 0;
}

const char *cairn_release_signer(const struct cairn_release *release)
{
    return release->signer[0] == '\0' ? NULL : release->signer;
}

int cairn_release_check_signature(const struct cairn_release *release, const char *public_key_path,
                                  struct cairn_error *out_error)
{
    struct error error = {""};
    struct trust trust = {0};
    struct key_id signer;
    int status = trust_add(&trust, public_key_path, &error);
    if (status == 0) {
        struct error why = {""};
        status = signature_check(index_of(release), release->opened.archive, &trust, &signer, &why);
        if (status != 0) {
            error_set(&error, status, "%s: %s", release->opened.archive->path, why.text);
        }
    }
    trust_fini(&trust);
    return status == 0 ? 0 : fail(status, &error, out_error);
}

/* ---- entries ---- */

const struct cairn_entry *cairn_release_find(const struct cairn_release *release, const char *key,
                                             size_t key_bytes)
{
    struct hash128 hash = hash128(key, key_bytes);
    return (const struct cairn_entry *)index_find(index_of(release), &hash,
                                                  (struct slice){key, key_bytes});
}

const struct cairn_entry *cairn_release_find_url(const struct cairn_release *release,
                                                 const char *path, size_t path_bytes)
{
    char buffer[PATH_BYTES_MAX];
    struct slice key;
    return path_canonical((struct slice){path, path_bytes}, buffer, &key) == PATH_OK
               ? cairn_release_find(release, key.bytes, key.count)
               : NULL;
}

const struct cairn_entry *cairn_release_missing(const struct cairn_release *release)
{
    uint32_t position = index_of(release)->not_found_entry;
    return position == 0 ? NULL : cairn_release_entry(release, position - 1);
}

size_t cairn_release_entry_count(const struct cairn_release *release)
{
    return index_of(release)->entry_count;
}

const struct cairn_entry *cairn_release_entry(const struct cairn_release *release, size_t i)
{
    assert(i < index_of(release)->entry_count);
    return (const struct cairn_entry *)&index_of(release)->entries[i];
}

void cairn_release_sort(const struct cairn_release *release, const struct cairn_entry **out_entries)
{
    struct entry_row *rows = sorted_entries(index_of(release));
    for (uint32_t i = 0; i < index_of(release)->entry_count; i++) {
        out_entries[i] = (const struct cairn_entry *)rows[i].entry;
    }
    free(rows);
}

enum cairn_kind cairn_entry_kind(const struct cairn_entry *entry)
{
    return (enum cairn_kind)row_of(entry)->kind;
}

unsigned cairn_entry_status(const struct cairn_entry *entry)
{
    return row_of(entry)->status;
}

bool cairn_entry_is_immutable(const struct cairn_entry *entry)
{
    return (row_of(entry)->flags & ENTRY_IMMUTABLE) != 0;
}

bool cairn_entry_is_derived(const struct cairn_entry *entry)
{
    return (row_of(entry)->flags & ENTRY_DERIVED) != 0;
}

struct cairn_text cairn_entry_path(const struct cairn_release *release,
                                   const struct cairn_entry *entry)
{
    return text_of(index_path(index_of(release), row_of(entry)));
}

struct cairn_text cairn_entry_location(const struct cairn_release *release,
                                       const struct cairn_entry *entry)
{
    const struct index_entry *row = row_of(entry);
    return row->kind == ENTRY_REDIRECT
               ? text_of(index_text(index_of(release), row->target.text_at, row->target.bytes))
               : (struct cairn_text){"", 0};
}

/* The field in one of the two runs of lines of a head. */
static struct cairn_text find_field(const struct cairn_release *release, uint32_t head_row,
                                    const char *name)
{
    struct index_head_text head = index_head(index_of(release), head_row);
    struct slice wanted = slice_of_string(name);
    struct slice value = head_field(head.entity, wanted);
    return text_of(value.count > 0 ? value : head_field(head.policy, wanted));
}

struct cairn_text cairn_entry_field(const struct cairn_release *release,
                                    const struct cairn_entry *entry, const char *name)
{
    const struct index_entry *row = row_of(entry);
    switch (row->kind) {
    case ENTRY_FILE:
        return find_field(release, row->first.head, name);
    case ENTRY_REDIRECT:
        return find_field(release, row->target.head, name);
    default:
        return (struct cairn_text){"", 0};
    }
}

/* ---- representations ---- */

unsigned cairn_entry_representation_count(const struct cairn_entry *entry)
{
    return row_of(entry)->representation_count;
}

const struct cairn_representation *cairn_entry_representation(const struct cairn_release *release,
                                                              const struct cairn_entry *entry,
                                                              unsigned i)
{
    return (const struct cairn_representation *)index_representation(index_of(release),
                                                                     row_of(entry), i);
}

enum cairn_coding cairn_representation_coding(const struct cairn_representation *representation)
{
    return (enum cairn_coding)form_of(representation)->codec;
}

const char *cairn_coding_name(enum cairn_coding coding)
{
    static const char *const names[] = {"identity", "gzip", "br", "zstd"};
    return (size_t)coding < ARRAY_COUNT(names) ? names[coding] : NULL;
}

uint64_t cairn_representation_length(const struct cairn_representation *representation)
{
    return form_of(representation)->stored_bytes;
}

int64_t cairn_representation_modified(const struct cairn_representation *representation)
{
    return representation_modified_s(form_of(representation));
}

/* The index was checked when it was opened; whoever overwrites it in place since then gets a digest
 * that fits nothing. */
const uint8_t *cairn_representation_digest(const struct cairn_release *release,
                                           const struct cairn_representation *representation)
{
    static const uint8_t none[DIGEST_BYTES];
    const uint8_t *digest = index_digest(index_of(release), form_of(representation));
    return digest == NULL ? none : digest;
}

void cairn_representation_etag(const struct cairn_release *release,
                               const struct cairn_representation *representation,
                               char out_etag[CAIRN_ETAG_BYTES])
{
    etag_format(cairn_representation_digest(release, representation), out_etag);
    out_etag[ETAG_BYTES] = '\0';
}

struct cairn_text cairn_representation_field(const struct cairn_release *release,
                                             const struct cairn_representation *representation,
                                             const char *name)
{
    return find_field(release, form_of(representation)->head, name);
}

void cairn_representation_head(const struct cairn_release *release,
                               const struct cairn_representation *representation,
                               struct cairn_text *out_entity, struct cairn_text *out_policy)
{
    struct index_head_text head = index_head(index_of(release), form_of(representation)->head);
    *out_entity = text_of(head.entity);
    *out_policy = text_of(head.policy);
}

/* Where the stored bytes are: taken out of the mapping once, and bounded by what is mapped, so that
 * nobody who overwrites the index meanwhile leads a reader elsewhere. */
struct extent {
    uint64_t offset;
    uint64_t bytes;
};

static struct extent extent_of(const struct cairn_release *release,
                               const struct cairn_representation *representation)
{
    struct extent extent = {form_of(representation)->payload_offset,
                            form_of(representation)->stored_bytes};
    uint64_t end = index_of(release)->committed_bytes;
    bool is_inside = extent.offset <= end && extent.bytes <= end - extent.offset;
    return is_inside ? extent : (struct extent){0, 0};
}

const void *cairn_representation_bytes(const struct cairn_release *release,
                                       const struct cairn_representation *representation)
{
    return release->opened.archive->map + extent_of(release, representation).offset;
}

/* Up to `count` bytes of the extent from `offset` on. */
static int64_t read_part(const struct cairn_release *release, const struct extent *extent,
                         uint64_t offset, void *out_bytes, size_t count, struct error *error)
{
    const struct archive *archive = release->opened.archive;
    if (offset >= extent->bytes) {
        return 0;
    }
    if (count > extent->bytes - offset) {
        count = (size_t)(extent->bytes - offset);
    }
    ssize_t got = read_at(archive->fd, out_bytes, count, extent->offset + offset);
    if (got < 0) {
        return error_set(error, (int)got, "%s: %s", archive->path, error_name((int)got));
    }
    if ((size_t)got < count) {
        return error_set(error, ERR_CHANGED, "%s: somebody cut it short", archive->path);
    }
    return got;
}

int64_t cairn_representation_read(const struct cairn_release *release,
                                  const struct cairn_representation *representation,
                                  uint64_t offset, void *out_bytes, size_t count,
                                  struct cairn_error *out_error)
{
    struct error error = {""};
    struct extent extent = extent_of(release, representation);
    int64_t got = read_part(release, &extent, offset, out_bytes, count, &error);
    return got >= 0 ? got : fail((int)got, &error, out_error);
}

static int compare_digest(const struct cairn_release *release,
                          const struct cairn_representation *representation,
                          const uint8_t digest[DIGEST_BYTES], struct error *error)
{
    if (memcmp(digest, cairn_representation_digest(release, representation), DIGEST_BYTES) == 0) {
        return 0;
    }
    return error_set(error, ERR_DAMAGED, "%s: the bytes from %" PRIu64 " on do not have the digest",
                     release->opened.archive->path, form_of(representation)->payload_offset);
}

int64_t cairn_representation_read_verified(const struct cairn_release *release,
                                           const struct cairn_representation *representation,
                                           void *out_bytes, size_t room,
                                           struct cairn_error *out_error)
{
    struct error error = {""};
    struct extent extent = extent_of(release, representation);
    if (extent.bytes > room) {
        error_set(&error, -ENOBUFS, "%s: %" PRIu64 " bytes do not fit into %zu",
                  release->opened.archive->path, extent.bytes, room);
        return fail(-ENOBUFS, &error, out_error);
    }
    int64_t got = read_part(release, &extent, 0, out_bytes, room, &error);
    int status = got < 0 ? (int)got : 0;
    if (status == 0) {
        uint8_t digest[DIGEST_BYTES];
        struct sha256_stream *sha256_stream = sha256_stream_new();
        sha256(sha256_stream, out_bytes, (size_t)got, digest);
        sha256_stream_free(sha256_stream);
        status = compare_digest(release, representation, digest, &error);
    }
    return status == 0 ? got : fail(status, &error, out_error);
}

static int verify(const struct cairn_release *release,
                  const struct cairn_representation *representation,
                  struct sha256_stream *sha256_stream, struct error *error)
{
    struct extent extent = extent_of(release, representation);
    uint8_t piece[16384]; /* threads of other programs may have little stack */
    uint8_t digest[DIGEST_BYTES];
    sha256_stream_restart(sha256_stream);
    for (uint64_t offset = 0; offset < extent.bytes;) {
        int64_t got = read_part(release, &extent, offset, piece, sizeof piece, error);
        if (got < 0) {
            return (int)got;
        }
        sha256_stream_add(sha256_stream, piece, (size_t)got);
        offset += (uint64_t)got;
    }
    sha256_stream_value(sha256_stream, digest);
    return compare_digest(release, representation, digest, error);
}

int cairn_representation_verify(const struct cairn_release *release,
                                const struct cairn_representation *representation,
                                struct cairn_error *out_error)
{
    struct error error = {""};
    struct sha256_stream *sha256_stream = sha256_stream_new();
    int status = verify(release, representation, sha256_stream, &error);
    sha256_stream_free(sha256_stream);
    return status == 0 ? 0 : fail(status, &error, out_error);
}

/* What several paths share is read for each of them: `cairn-pack verify` does it once. */
static int verify_all(const struct cairn_release *release, struct error *error)
{
    struct sha256_stream *sha256_stream = sha256_stream_new();
    int status = 0;
    for (size_t i = 0; i < cairn_release_entry_count(release) && status == 0; i++) {
        const struct cairn_entry *entry = cairn_release_entry(release, i);
        unsigned count = cairn_entry_representation_count(entry);
        for (unsigned j = 0; j < count && status == 0; j++) {
            struct error detail = {""};
            const struct cairn_representation *form = cairn_entry_representation(release, entry, j);
            status = form == NULL
                         ? error_set(&detail, ERR_CHANGED, "the index was overwritten meanwhile")
                         : verify(release, form, sha256_stream, &detail);
            if (status != 0) {
                struct cairn_text path = cairn_entry_path(release, entry);
                error_set(error, status, "%.*s: %s", (int)path.count, path.bytes, detail.text);
            }
        }
    }
    sha256_stream_free(sha256_stream);
    return status;
}

int cairn_release_verify(const struct cairn_release *release, struct cairn_error *out_error)
{
    struct error error = {""};
    struct error detail = {""};
    int status = index_check_deep(index_of(release), &detail);
    if (status != 0) {
        error_set(&error, status, "the index of %s: %s", release->opened.archive->path,
                  detail.text);
    } else {
        status = verify_all(release, &error);
    }
    return status == 0 ? 0 : fail(status, &error, out_error);
}
