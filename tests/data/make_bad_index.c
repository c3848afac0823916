/* Makes tests/data/bad_index: one damaged index per rule that a reader checks, each from the same
 * small good one (good.idx with good.cairn), and EXPECTED, which says what the refusal must tell.
 * The same bytes at every run. Usage: make_bad_index DIRECTORY (which must exist). */
#include "common/mem.h"
#include "common/path.h"
#include "common/sha256.h"
#include "packer/archive/archive_writer.h"
#include "packer/release/index_writer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *directory;
static FILE *expected;

static _Noreturn void give_up(const char *what)
{
    fprintf(stderr, "make_bad_index: %s\n", what);
    exit(1);
}

static void write_file(const char *name, const void *bytes, size_t count)
{
    char *path = mem_format("%s/%s", directory, name);
    FILE *file = fopen(path, "wb");
    if (file == NULL || fwrite(bytes, 1, count, file) != count || fclose(file) != 0) {
        give_up(path);
    }
    free(path);
}

/* ---- the good release ---- */

struct good {
    struct index_image image;
    uint8_t *archive;
    size_t archive_bytes;
};

static const struct superblock superblock = {
    .uuid = {0xca, 0x1f, 0x2a, 3, 4, 5, 0x86, 7, 0x88, 9, 10, 11, 12, 13, 14, 15},
    .created_s = 1000000000,
};

static struct representation_input store(struct archive_writer *writer, const char *name,
                                         const char *content)
{
    struct error error = {""};
    struct record record = {
        .kind = RECORD_CONTENT,
        .path = slice_of_string(name),
        .stored_bytes = strlen(content),
        .modified_s = superblock.created_s,
        .payload_hash = hash128(content, strlen(content)),
    };
    if (archive_writer_begin_record(writer, &record, &error) != 0 ||
        archive_writer_payload(writer, content, strlen(content), &error) != 0 ||
        archive_writer_end_record(writer, &record, &error) != 0) {
        give_up(error.text);
    }
    return (struct representation_input){
        .payload_offset = record.payload_offset,
        .stored_bytes = record.stored_bytes,
    };
}

/* Three files, one of them with two representations, a redirect, and a page for missing paths. */
static void put_site(struct archive_writer *archive, struct index_writer *index)
{
    static const char *const paths[] = {"/a.html", "/b/index.html", "/404.html"};
    static const char *const contents[] = {"<p>a\n", "<p>b is longer\n", "<p>nothing here\n"};
    uint32_t shared = index_writer_head(index, SLICE("Content-Type: text/html; charset=utf-8\r\n"),
                                        SLICE("Accept-Ranges: bytes\r\n"));
    struct sha256_stream *stream = sha256_stream_new();
    for (size_t i = 0; i < ARRAY_COUNT(paths); i++) {
        struct representation_input forms[2];
        uint8_t digest[DIGEST_BYTES];
        sha256(stream, contents[i], strlen(contents[i]), digest);
        forms[0] = store(archive, paths[i] + 1, contents[i]);
        forms[0].head = shared;
        forms[0].digest = digest;
        forms[1] = forms[0]; /* not really coded, which nobody looks at */
        forms[1].codec = CODEC_GZIP;
        uint32_t file =
            index_writer_file(index, slice_of_string(paths[i]), 200, 0, forms, i == 0 ? 2 : 1);
        if (i == 1) {
            index_writer_file(index, SLICE("/b/"), 200, ENTRY_DERIVED, forms, 1);
            index_writer_redirect(index, SLICE("/b"), 301, ENTRY_KEEP_QUERY, SLICE("/b/"), shared);
        } else if (i == 2) {
            index_writer_not_found(index, file);
        }
    }
    sha256_stream_free(stream);
    struct rule_input rule = {
        .kind = RULE_ROUTE,
        .status = 302,
        .pattern = SLICE("/old/\x01"),
        .host = SLICE(""),
        .query = SLICE(""),
        .target = SLICE("/new/\x02 "),
        .head = shared,
    };
    index_writer_rule(index, &rule);
}

static void make_good(struct good *good)
{
    struct error error = {""};
    struct archive_writer *archive;
    char *path = mem_format("%s/good.cairn", directory);
    unlink(path);
    if (archive_writer_open(path, false, &superblock, &archive, &error) != 0) {
        give_up(error.text);
    }
    struct index_writer *index = index_writer_new();
    put_site(archive, index);
    struct index_properties properties = {
        .release = 1,
        .committed_bytes = archive_writer_committed_bytes(archive),
        .created_s = superblock.created_s,
    };
    memcpy(properties.archive_uuid, superblock.uuid, UUID_BYTES);
    if (index_writer_finish(index, &properties, &good->image, &error) != 0) {
        give_up(error.text);
    }
    struct commit commit = {
        .release = 1,
        .created_s = superblock.created_s,
        .index_bytes = good->image.count,
        .index_checksum = good->image.checksum,
    };
    if (archive_writer_commit(archive, &commit, &error) != 0) {
        give_up(error.text);
    }
    good->archive_bytes = commit.committed_bytes;
    good->archive = mem_zeroed(good->archive_bytes, 1);
    if (archive_writer_read_back(archive, 0, good->archive, good->archive_bytes, &error) != 0) {
        give_up(error.text);
    }
    index_writer_free(index);
    archive_writer_close(archive);
    write_file("good.idx", good->image.bytes, good->image.count);
    free(path);
}

/* ---- damage ---- */

/* Where a field is: in the header, in a row of the section table, or in a section. */
enum place {
    HEADER,
    ROW_1, /* of the section table: hash function, entries, representations, heads, text, rules */
    ROW_2,
    ROW_3,
    ROW_4,
    ROW_5,
    ROW_6,
    PART_1, /* the sections themselves */
    PART_2,
    PART_3,
    PART_4,
    PART_5,
    PART_6,
};

struct damage {
    const char *name;
    enum place place;
    unsigned offset;
    unsigned bytes; /* of the value */
    uint64_t value;
    enum { SET, FLIP } how;
    bool is_sealed; /* checksums put right, so that the rule behind them is reached */
    const char *expected;
};

enum { RAW = 0, SEALED = 1 };

static const struct damage damages[] = {
    {"magic", HEADER, 0, 1, 0xff, FLIP, RAW, "not a Cairn index"},
    {"version", HEADER, 8, 2, 9, SET, SEALED, "format version 9.0"},
    {"flags_reserved", HEADER, 12, 4, 0x80, SET, SEALED, "the header sets reserved bits"},
    {"header_reserved", HEADER, 104, 1, 1, SET, SEALED, "the header sets reserved bits"},
    {"header_bit", HEADER, 33, 1, 4, FLIP, RAW, "the header has a wrong checksum"},
    {"table_bit", ROW_3, 9, 1, 4, FLIP, RAW, "the header has a wrong checksum"},
    {"file_length", HEADER, 56, 8, 64, SET, SEALED, "and its header says 64"},
    {"sections_many", HEADER, 84, 4, 33, SET, RAW, "counts 33 sections"},
    {"section_unknown", ROW_5, 0, 4, 77, SET, SEALED, "section 77 is not known here"},
    {"section_flags", ROW_2, 4, 4, 2, SET, SEALED, "section entries: reserved flags"},
    {"section_twice", ROW_5, 0, 4, 4, SET, SEALED, "section heads: twice"},
    {"section_moved", ROW_4, 8, 8, 64, SET, SEALED, "section heads: not where it belongs"},
    {"section_huge", ROW_5, 16, 8, UINT64_MAX, SET, SEALED, "section text: not where it belongs"},
    {"section_long", ROW_5, 16, 8, 1 << 20, SET, SEALED, "truncated in section text"},
    {"hash_function_bit", PART_1, 20, 1, 1, FLIP, RAW, "section hash function: wrong checksum"},
    {"entries_bit", PART_2, 40, 1, 1, FLIP, RAW, "section entries: wrong checksum"},
    {"representations_bit", PART_3, 9, 1, 1, FLIP, RAW, "section representations: wrong checksum"},
    {"heads_bit", PART_4, 4, 1, 1, FLIP, RAW, "section heads: wrong checksum"},
    {"text_bit", PART_5, 3, 1, 1, FLIP, RAW, "section text: wrong checksum"},
    {"entry_count", HEADER, 64, 4, 4, SET, SEALED, "section entries: its length contradicts"},
    {"more_count", HEADER, 68, 4, 2, SET, SEALED,
     "section representations: its length contradicts"},
    {"head_count", HEADER, 72, 4, 9, SET, SEALED, "section heads: its length contradicts"},
    {"function_algorithm", PART_1, 0, 4, 3, SET, SEALED, "unknown algorithm"},
    {"function_hash", PART_1, 4, 4, 1, SET, SEALED, "unknown algorithm"},
    {"function_graph_zero", PART_1, 12, 4, 0, SET, SEALED, "graph does not fit its keys"},
    {"function_graph_huge", PART_1, 12, 4, 0x70000000, SET, SEALED, "graph does not fit its keys"},
    {"function_graph_small", PART_1, 12, 4, 1, SET, SEALED, "graph does not fit its keys"},
    {"function_outside", PART_1, 12, 4, 4096, SET, SEALED, "point outside its bytes"},
    {"function_ranks", PART_1, 16, 4, 1 << 20, SET, SEALED, "point outside its bytes"},
    {"function_block", PART_1, 24, 1, 31, SET, SEALED, "rank table does not fit"},
    {"path_outside", PART_2, 16, 4, 0x7fffffff, SET, SEALED, "its path lies outside the text"},
    {"path_empty", PART_2, 24, 2, 0, SET, SEALED, "its path lies outside the text"},
    {"path_long", PART_2, 24, 2, PATH_BYTES_MAX + 1, SET, SEALED, "its path lies outside the text"},
    {"entry_kind", PART_2, 28, 1, 200, SET, SEALED, "representations of what is no file"},
    {"entry_flags", PART_2, 29, 1, 0x80, SET, SEALED, "reserved bits are set"},
    {"entry_reserved", PART_2, 31, 1, 1, SET, SEALED, "reserved bits are set"},
    {"tombstone_forms", PART_2, 28, 1, ENTRY_TOMBSTONE, SET, SEALED,
     "representations of what is no file"},
    {"redirect_forms", PART_2, 28, 1, ENTRY_REDIRECT, SET, SEALED,
     "representations of what is no file"},
    {"file_status", PART_2, 26, 2, 403, SET, SEALED, "a file with a status other than 200"},
    {"file_bare", PART_2, 30, 1, 0, SET, SEALED, "a file without representation"},
    {"file_more", PART_2, 30, 1, 9, SET, SEALED, "lie outside their section"},
    {"body_before", PART_2, 32, 8, 0, SET, SEALED, "outside the committed archive"},
    {"body_behind", PART_2, 32, 8, UINT64_MAX - 8, SET, SEALED, "outside the committed archive"},
    {"body_long", PART_2, 40, 8, UINT64_MAX, SET, SEALED, "outside the committed archive"},
    {"digest_outside", PART_2, 48, 4, 0x7fffffff, SET, SEALED, "its digest lies outside the text"},
    {"form_head", PART_2, 52, 4, 1000, SET, SEALED, "its head does not exist"},
    {"first_coded", PART_2, 61, 1, 2, SET, SEALED, "its first representation is not identity"},
    {"coding", PART_3, 29, 1, 99, SET, SEALED, "its content coding is not known here"},
    {"form_reserved", PART_2, 62, 2, 1, SET, SEALED, "reserved bits are set"},
    {"more_body", PART_3, 0, 8, UINT64_MAX - 8, SET, SEALED, "representation 0: its bytes lie"},
    {"head_outside", PART_4, 0, 4, 0x7fffffff, SET, SEALED, "head 0: it lies outside"},
    {"head_long", PART_4, 4, 2, 0xffff, SET, SEALED, "head 0: it lies outside"},
    {"head_reserved", PART_4, 8, 1, 1, SET, SEALED, "head 0: it lies outside"},
    {"rule_outside", PART_6, 0, 4, 0x7fffffff, SET, SEALED, "rule 0: its text lies outside"},
    {"rule_status", PART_6, 28, 2, 304, SET, SEALED, "rule 0: a status that no rule has"},
    {"rule_head", PART_6, 24, 4, 1000, SET, SEALED, "rule 0: its head does not exist"},
    {"rule_kind", PART_6, 30, 1, 9, SET, SEALED, "rule 0: its kind is not known here"},
    {"rule_reserved", PART_6, 40, 1, 1, SET, SEALED, "rule 0: reserved bits are set"},
    {"rule_count", HEADER, 100, 4, 2, SET, SEALED, "section rules: its length contradicts"},
    {"rules_bit", PART_6, 3, 1, 1, FLIP, RAW, "section rules: wrong checksum"},
    {"immutable_count", HEADER, 80, 4, 3, SET, SEALED, "count of immutable entries is wrong"},
    {"not_found_outside", HEADER, 76, 4, 1000, SET, SEALED, "page for missing paths is no file"},
    {"archive_uuid", HEADER, 16, 1, 0xff, FLIP, SEALED, "not the archive that this index was made"},
    {"committed_more", HEADER, 40, 8, 1 << 20, SET, SEALED, "but this index needs 1048576"},
    {"committed_odd", HEADER, 40, 8, 513, SET, SEALED, "outside the committed archive"},
    {"other_index", HEADER, 48, 8, 5, SET, SEALED, "commit record names another index"},
};

static size_t place_offset(const uint8_t *bytes, enum place place)
{
    if (place == HEADER) {
        return 0;
    }
    if (place <= ROW_6) {
        return INDEX_HEADER_BYTES + (size_t)(place - ROW_1) * INDEX_SECTION_ROW_BYTES;
    }
    uint64_t offset;
    size_t row = INDEX_HEADER_BYTES + (size_t)(place - PART_1) * INDEX_SECTION_ROW_BYTES;
    memcpy(&offset, bytes + row + 8, sizeof offset);
    return offset;
}

/* For rules about a file's entry: the first one that has two representations. */
static size_t file_entry(const struct good *good)
{
    size_t offset = place_offset(good->image.bytes, PART_2);
    while (good->image.bytes[offset + 30] != 2) {
        offset += sizeof(struct index_entry);
    }
    return offset;
}

static void expect(const char *name, const char *text)
{
    fprintf(expected, "%s.idx\t%s\n", name, text);
}

/* Each has the good archive beside it, so that nothing but the rule is at fault. */
static void write_index(const struct good *good, const char *name, const uint8_t *bytes,
                        size_t count, const char *text)
{
    char *index_name = mem_format("%s.idx", name);
    char *archive_name = mem_format("%s.cairn", name);
    write_file(index_name, bytes, count);
    write_file(archive_name, good->archive, good->archive_bytes);
    expect(name, text);
    free(index_name);
    free(archive_name);
}

static void write_damaged(const struct good *good, const struct damage *damage)
{
    size_t count = good->image.count;
    uint8_t *bytes = mem_zeroed(count, 1);
    memcpy(bytes, good->image.bytes, count);
    size_t offset =
        (damage->place == PART_2 ? file_entry(good) : place_offset(bytes, damage->place)) +
        damage->offset;
    for (unsigned i = 0; i < damage->bytes; i++) {
        uint8_t byte = (uint8_t)(damage->value >> (8 * i));
        bytes[offset + i] = damage->how == SET ? byte : bytes[offset + i] ^ byte;
    }
    if (damage->is_sealed) {
        index_image_seal(bytes, count);
    }
    write_index(good, damage->name, bytes, count, damage->expected);
    free(bytes);
}

static void write_truncated(const struct good *good)
{
    static const struct {
        const char *name;
        enum place place;
        const char *expected;
    } cuts[] = {
        {"truncated_header", HEADER, "truncated in the header"},
        {"truncated_table", ROW_3, "truncated in the section table"},
        {"truncated_hash_function", PART_1, "truncated in section hash function"},
        {"truncated_entries", PART_2, "truncated in section entries"},
        {"truncated_representations", PART_3, "truncated in section representations"},
        {"truncated_heads", PART_4, "truncated in section heads"},
        {"truncated_text", PART_5, "truncated in section text"},
        {"truncated_rules", PART_6, "truncated in section rules"},
    };
    for (size_t i = 0; i < ARRAY_COUNT(cuts); i++) {
        size_t count = place_offset(good->image.bytes, cuts[i].place) + 20;
        write_index(good, cuts[i].name, good->image.bytes, count, cuts[i].expected);
    }
    write_index(good, "empty", good->image.bytes, 0, "the file is empty");
    uint8_t *longer = mem_zeroed(good->image.count + 64, 1);
    memcpy(longer, good->image.bytes, good->image.count);
    write_index(good, "longer", longer, good->image.count + 64, "its sections fill");
    free(longer);
}

/* The index is good, the archive is not its own. */
static void write_archives(const struct good *good)
{
    uint8_t *archive = mem_zeroed(good->archive_bytes, 1);
    memcpy(archive, good->archive, good->archive_bytes);
    write_file("archive_missing.idx", good->image.bytes, good->image.count);
    expect("archive_missing", "No such file");
    write_file("archive_short.idx", good->image.bytes, good->image.count);
    write_file("archive_short.cairn", archive, good->archive_bytes - 1);
    expect("archive_short", "but this index needs");
    archive[good->archive_bytes - 100] ^= 1;
    write_file("archive_commit.idx", good->image.bytes, good->image.count);
    write_file("archive_commit.cairn", archive, good->archive_bytes);
    expect("archive_commit", "checksum");
    archive[20] ^= 1;
    write_file("archive_superblock.idx", good->image.bytes, good->image.count);
    write_file("archive_superblock.cairn", archive, good->archive_bytes);
    expect("archive_superblock", "superblock has a wrong checksum");
    write_file("archive_other.idx", good->image.bytes, good->image.count);
    write_file("archive_other.cairn",
               "not an archive, just text of a certain length, you see....\n", 60);
    expect("archive_other", "not a Cairn archive");
    write_file("is_archive.idx", good->archive, good->archive_bytes);
    expect("is_archive", "this is an archive");
    free(archive);
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        give_up("usage: make_bad_index DIRECTORY");
    }
    directory = argv[1];
    char *path = mem_format("%s/EXPECTED", directory);
    expected = fopen(path, "w");
    if (expected == NULL) {
        give_up(path);
    }
    struct good good;
    make_good(&good);
    for (size_t i = 0; i < ARRAY_COUNT(damages); i++) {
        write_damaged(&good, &damages[i]);
    }
    write_truncated(&good);
    write_archives(&good);
    if (fclose(expected) != 0) {
        give_up(path);
    }
    free(path);
    free(good.image.bytes);
    free(good.archive);
    return 0;
}
