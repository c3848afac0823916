#include "packer/release/salvage.h"

#include "common/mem.h"
#include "packer/release/publish.h"
#include "packer/release/release_commit.h"
#include "packer/release/release_view.h"

#include <inttypes.h>
#include <stdlib.h>

static bool is_whole(const struct release_view *view, uint64_t payload_offset,
                     uint64_t stored_bytes, const struct hash128 *wanted)
{
    struct hash128 hash = hash128(view->archive->map + payload_offset, (size_t)stored_bytes);
    return memcmp(hash.bytes, wanted->bytes, HASH128_BYTES) == 0;
}

/* A damaged coded form is dropped: identity is there. */
static void drop_bad_variants(struct release_view *view)
{
    const struct archive *archive = view->archive;
    for (uint32_t row = 1; row <= view->catalog.variant_count; row++) {
        struct variant *variant = &view->catalog.variants[row];
        struct record record;
        const char *why;
        if (record_decode(archive->map, view->commit.committed_bytes, variant->record_offset,
                          archive->superblock.uuid, &record, &why) != 0 ||
            !is_whole(view, variant->payload_offset, variant->stored_bytes, &record.payload_hash)) {
            variant->codec = CODEC_IDENTITY; /* found by nobody */
        }
    }
}

/* Leaves the files whose bytes are whole; records that the others are gone. */
static int keep_whole(struct release_view *view, struct archive_writer *writer, FILE *messages,
                      struct error *error)
{
    size_t kept = 0;
    for (size_t i = 0; i < view->file_count; i++) {
        const struct stored_file *file = &view->files[i];
        const struct content *content = &view->catalog.contents[file->content];
        if (is_whole(view, content->payload_offset, content->stored_bytes, &content->hash)) {
            view->files[kept++] = *file;
            continue;
        }
        fprintf(messages, "cairn-pack: lost: %s\n", file->name);
        struct record record = {
            .kind = RECORD_GONE,
            .path = slice_of_string(file->name),
            .modified_s = view->commit.created_s,
            .payload_hash = hash128("", 0),
        };
        int status = archive_writer_record(writer, &record, NULL, error);
        if (status != 0) {
            return status;
        }
    }
    view->file_count = kept;
    return 0;
}

/* What a release is laid over may be what is lost: it becomes a whole one, and says so. */
static int make_whole(struct release_view *view, struct archive_writer *writer, struct error *error)
{
    if (!view->options.overlay) {
        return 0;
    }
    view->options.overlay = false;
    char *text = site_options_write(&view->options);
    struct record record = {
        .kind = RECORD_OPTIONS,
        .path = SLICE(""),
        .stored_bytes = strlen(text),
        .modified_s = view->commit.created_s,
        .payload_hash = hash128(text, strlen(text)),
    };
    int status = archive_writer_record(writer, &record, text, error);
    free(text);
    return status;
}

static int commit_view(struct release_view *view, struct archive_writer *writer, const char *stem,
                       const struct private_key *sign_key, struct error *error)
{
    struct index_image image = {0};
    view->commit.committed_bytes = release_committed_bytes(writer, sign_key);
    view->commit.release++;
    int status = release_view_index(view, stem, &image, error);
    if (status == 0) {
        status = release_commit(writer, sign_key, view->commit.release, view->commit.created_s,
                                &image, error);
    }
    if (status == 0) {
        status = publish_index(stem, view->commit.release, &image, error);
    }
    free(image.bytes);
    return status;
}

/* What survived is another release than the one that was signed. */
static void say_if_unsigned(const struct archive_writer *writer, const struct commit *old,
                            const struct private_key *sign_key, FILE *messages)
{
    struct signature signature;
    const char *why;
    if (sign_key == NULL &&
        signature_decode(writer->reader->map, old, writer->reader->superblock.uuid, &signature,
                         &why) != ERR_EMPTY) {
        fprintf(messages,
                "cairn-pack: warning: release %" PRIu64
                " was signed, this one is not: `add --sign` the site again\n",
                old->release);
    }
}

int salvage_release(struct archive_writer *writer, const char *stem,
                    const struct private_key *sign_key, FILE *messages, uint64_t *out_release,
                    struct error *error)
{
    if (!writer->has_commit) {
        return error_set(error, ERR_EMPTY, "%s: it holds no release", writer->path);
    }
    struct release_view view;
    const struct commit old = writer->last_commit;
    int status = release_view_init(&view, writer->reader, &old, error);
    if (status == 0) {
        drop_bad_variants(&view);
        status = keep_whole(&view, writer, messages, error);
    }
    if (status == 0 && view.file_count == 0) {
        status =
            error_set(error, ERR_EMPTY, "%s: nothing of its newest release is whole", writer->path);
    }
    if (status == 0) {
        status = make_whole(&view, writer, error);
    }
    if (status == 0) {
        status = commit_view(&view, writer, stem, sign_key, error);
    }
    if (status == 0) {
        fprintf(messages, "cairn-pack: %zu files survived, as release %" PRIu64 "\n",
                view.file_count, view.commit.release);
        say_if_unsigned(writer, &old, sign_key, messages);
        *out_release = view.commit.release;
    }
    release_view_fini(&view);
    return status;
}
