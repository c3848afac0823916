#include "samples.h"

#include "common/mem.h"
#include "packer/add.h"
#include "scratch.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

static void add_entry(struct index_writer *writer, struct slice word,
                      const struct representation_input *form)
{
    struct slice path = slice_after(word, 1);
    switch (word.bytes[0]) {
    case 'F':
        index_writer_file(writer, path, 200, 0, form, 1);
        break;
    case 'I':
        index_writer_file(writer, path, 200, ENTRY_IMMUTABLE, form, 1);
        break;
    case 'N':
        index_writer_not_found(writer, index_writer_file(writer, path, 200, 0, form, 1));
        break;
    case 'R':
        index_writer_redirect(writer, path, 301, ENTRY_KEEP_QUERY, SLICE("/new/"),
                              index_writer_head(writer, SLICE("Content-Length: 0\r\n"),
                                                SLICE("Cache-Control: no-cache\r\n")));
        break;
    case 'T':
        index_writer_tombstone(writer, path, 404);
        break;
    case 'G':
        index_writer_tombstone(writer, path, 410);
        break;
    default:
        cr_assert(false, "%.*s", (int)word.count, word.bytes);
    }
}

void sample_entries(struct index_writer *writer, const char *words,
                    const struct representation_input *form)
{
    for (const char *at = words + strspn(words, " "); *at != '\0'; at += strspn(at, " ")) {
        size_t count = strcspn(at, " ");
        add_entry(writer, (struct slice){at, count}, form);
        at += count;
    }
}

static void *map_copy(const void *bytes, size_t count, size_t map_bytes)
{
    void *map = mmap(NULL, map_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    cr_assert(map != MAP_FAILED);
    memcpy(map, bytes, count);
    return map;
}

struct index *sample_index(struct index_writer *writer, const struct index_properties *properties)
{
    struct index_image image;
    struct error error = {""};
    int status = index_writer_finish(writer, properties, &image, &error);
    cr_assert(status == 0, "%s", error.text);
    index_writer_free(writer);
    struct index *index = mem_zeroed(1, sizeof *index);
    void *map = map_copy(image.bytes, image.count, image.count);
    status = index_init(map, image.count, index, &error);
    cr_assert(status == 0, "%s", error.text);
    free(image.bytes);
    return index;
}

struct archive *sample_archive(const void *bytes, size_t count, size_t map_bytes)
{
    struct archive *archive = mem_zeroed(1, sizeof *archive);
    atomic_init(&archive->references, 1);
    archive->fd = -1;
    archive->map = map_copy(bytes, count, map_bytes);
    archive->map_bytes = map_bytes;
    archive->path = mem_string("site.cairn", 10);
    return archive;
}

struct record sample_record(struct archive_writer *writer, struct record record,
                            const void *payload, size_t count)
{
    record.stored_bytes = count;
    record.payload_hash = hash128(payload, count);
    struct error error = {""};
    int status = archive_writer_begin_record(writer, &record, &error);
    if (status == 0) {
        status = archive_writer_payload(writer, payload, count, &error);
    }
    if (status == 0) {
        status = archive_writer_end_record(writer, &record, &error);
    }
    cr_assert(status == 0, "%s", error.text);
    return record;
}

static void pack(const char *archive_path, const struct private_key *sign_key, bool is_overlay)
{
    FILE *messages = fopen("/dev/null", "w");
    cr_assert(messages != NULL);
    struct site_options site;
    site_options_init(&site);
    site.overlay = is_overlay;
    struct add_options options = {.site_directory = "site",
                                  .archive_path = archive_path,
                                  .sign_key = sign_key,
                                  .site = &site,
                                  .messages = messages};
    struct add_result result;
    struct error error = {""};
    int status = add_release(&options, &result, &error);
    cr_assert(status == 0, "%s", error.text);
    add_result_fini(&result);
    site_options_fini(&site);
    fclose(messages);
}

void sample_pack(const char *archive_path)
{
    pack(archive_path, NULL, false);
}

void sample_pack_overlay(const char *archive_path)
{
    pack(archive_path, NULL, true);
}

void sample_pack_signed(const char *archive_path, const char *key_path)
{
    struct private_key *key;
    struct error error = {""};
    cr_assert(private_key_read(key_path, &key, &error) == 0, "%s", error.text);
    pack(archive_path, key, false);
    private_key_free(key);
}

uint64_t sample_last_commit(const struct archive *archive, struct commit *out_commit)
{
    uint64_t file_bytes, end;
    struct error error = {""};
    cr_assert(archive_file_bytes(archive, &file_bytes, &error) == 0, "%s", error.text);
    cr_assert(archive_last_commit(archive, file_bytes, out_commit, &end, &error) == 1, "%s",
              error.text);
    return end;
}

/* Writes the newest commit record again, of another index. */
static void forge_commit(const char *archive_path, uint64_t index_bytes,
                         const struct hash128 *index_checksum)
{
    struct archive *archive;
    struct commit commit;
    cr_assert(archive_open(archive_path, 0, &archive, NULL) == 0);
    uint64_t end = sample_last_commit(archive, &commit);
    commit.index_bytes = index_bytes;
    commit.index_checksum = *index_checksum;
    uint8_t bytes[COMMIT_RECORD_BYTES];
    commit_encode(&commit, bytes + RECORD_HEADER_BYTES);
    struct record record = {
        .offset = end - COMMIT_RECORD_BYTES,
        .kind = RECORD_COMMIT,
        .path = SLICE(""),
        .stored_bytes = COMMIT_PAYLOAD_BYTES,
        .modified_s = commit.created_s,
        .payload_hash = hash128(bytes + RECORD_HEADER_BYTES, COMMIT_PAYLOAD_BYTES),
    };
    record_encode(&record, archive->superblock.uuid, bytes);
    archive_unref(archive);
    scratch_patch(archive_path, (off_t)record.offset, bytes, sizeof bytes);
}

bool sample_may_forge(const char *index_path, size_t at)
{
    size_t count;
    struct index index;
    uint8_t *bytes = scratch_read(index_path, &count);
    cr_assert(at < count);
    uint8_t *old = mem_zeroed(count, 1);
    memcpy(old, bytes, count);
    bytes[at] ^= 1;
    bool is_section_count = at >= 84 && at < 88; /* sealing goes by it */
    bool may = false;
    if (!is_section_count) {
        index_image_seal(bytes, count); /* which undoes a change to a checksum */
        may = memcmp(bytes, old, count) != 0 && index_init(bytes, count, &index, NULL) == 0;
    }
    free(old);
    free(bytes);
    return may;
}

void sample_forge_index(const char *archive_path, const char *index_path, size_t at)
{
    size_t count;
    uint8_t *bytes = scratch_read(index_path, &count);
    cr_assert(at < count);
    bytes[at] ^= 1;
    index_image_seal(bytes, count);
    scratch_patch(index_path, 0, bytes, count);
    struct index index;
    struct error error = {""};
    cr_assert(index_init(bytes, count, &index, &error) == 0, "%s", error.text);
    forge_commit(archive_path, count, &index.checksum);
    free(bytes);
}
