#include "common/index.h"

#include "common/fault_guard.h"
#include "common/index_check.h"
#include "common/mem.h"
#include "common/read_at.h"
#include "common/wire.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

struct section {
    const uint8_t *bytes;
    uint64_t count;
    bool is_present;
};

static const char *const section_names[] = {
    [SECTION_HASH_FUNCTION] = "hash function",
    [SECTION_ENTRIES] = "entries",
    [SECTION_REPRESENTATIONS] = "representations",
    [SECTION_HEADS] = "heads",
    [SECTION_TEXT] = "text",
    [SECTION_RULES] = "rules",
};
enum { SECTIONS_KNOWN = ARRAY_COUNT(section_names) };

static const char *section_name(uint32_t id)
{
    return id > 0 && id < SECTIONS_KNOWN ? section_names[id] : "of an unknown kind";
}

struct header {
    uint64_t file_bytes;
    uint32_t section_count;
    uint64_t salt;
    uint64_t table_end; /* padding included: the first section starts there */
};

/* The fixed header, up to and including its checksum (which covers the section table too). */
static int decode_header(const uint8_t *bytes, uint64_t count, struct index *index,
                         struct header *header, struct error *error)
{
    if (count == 0) {
        return error_set(error, ERR_FORMAT, "the file is empty");
    }
    struct wire_reader reader = wire_reader(bytes, count);
    uint8_t magic[MAGIC_BYTES];
    wire_read(&reader, magic, sizeof magic);
    if (wire_ok(&reader) && memcmp(magic, ARCHIVE_MAGIC, MAGIC_BYTES) == 0) {
        return error_set(error, ERR_FORMAT, "this is an archive; give its index (NAME.idx)");
    }
    if (!wire_ok(&reader) || memcmp(magic, INDEX_MAGIC, MAGIC_BYTES) != 0) {
        return error_set(error, ERR_FORMAT, "the file is not a Cairn index");
    }
    uint16_t major = wire_u16(&reader);
    uint16_t minor = wire_u16(&reader);
    if (wire_ok(&reader) && major != INDEX_VERSION_MAJOR) {
        return error_set(error, ERR_VERSION, "format version %u.%u, but this program reads %d.x",
                         major, minor, INDEX_VERSION_MAJOR);
    }
    index->flags = wire_u32(&reader);
    wire_read(&reader, index->archive_uuid, UUID_BYTES);
    index->release = wire_u64(&reader);
    index->committed_bytes = wire_u64(&reader);
    index->created_s = wire_i64(&reader);
    header->file_bytes = wire_u64(&reader);
    index->entry_count = wire_u32(&reader);
    index->more_count = wire_u32(&reader);
    index->head_count = wire_u32(&reader);
    index->not_found_entry = wire_u32(&reader);
    index->immutable_count = wire_u32(&reader);
    header->section_count = wire_u32(&reader);
    header->salt = wire_u64(&reader);
    index->not_found_depth = wire_u32(&reader);
    index->rule_count = wire_u32(&reader);
    struct wire_reader reserved = reader;
    wire_u64(&reader);
    wire_u64(&reader);
    uint64_t checksum = wire_u64(&reader);
    if (!wire_ok(&reader)) {
        return error_set(error, ERR_FORMAT, "truncated in the header");
    }
    header->table_end = format_align(INDEX_HEADER_BYTES +
                                     (uint64_t)header->section_count * INDEX_SECTION_ROW_BYTES);
    if (header->section_count > INDEX_SECTIONS_MAX) {
        return error_set(error, ERR_FORMAT, "the header counts %" PRIu32 " sections, more than %d",
                         header->section_count, INDEX_SECTIONS_MAX);
    }
    if (header->table_end > count) {
        return error_set(error, ERR_FORMAT, "truncated in the section table");
    }
    uint64_t actual = hash64(bytes + INDEX_HEADER_BYTES, header->table_end - INDEX_HEADER_BYTES,
                             hash64(bytes, INDEX_HEADER_BYTES - 8, 0));
    if (checksum != actual) {
        return error_set(error, ERR_DAMAGED, "the header has a wrong checksum");
    }
    wire_reserved(&reserved, 16);
    if (!wire_ok(&reserved) || (index->flags & ~(uint32_t)INDEX_FLAGS_KNOWN) != 0) {
        return error_set(error, ERR_FORMAT, "the header sets reserved bits");
    }
    index->checksum = hash128(bytes, header->table_end);
    return 0;
}

struct section_row {
    uint32_t id;
    uint32_t flags;
    uint64_t offset;
    uint64_t bytes;
    uint64_t checksum;
};

static struct section_row section_row(const uint8_t *bytes, uint32_t i)
{
    struct wire_reader reader = wire_reader(
        bytes + INDEX_HEADER_BYTES + (size_t)i * INDEX_SECTION_ROW_BYTES, INDEX_SECTION_ROW_BYTES);
    struct section_row row;
    row.id = wire_u32(&reader);
    row.flags = wire_u32(&reader);
    row.offset = wire_u64(&reader);
    row.bytes = wire_u64(&reader);
    row.checksum = wire_u64(&reader);
    return row;
}

/* Sections follow each other without gaps, each padded to 64 bytes, and fill the file. */
static int check_section(const uint8_t *bytes, uint64_t count, const struct section_row *row,
                         uint64_t expected_offset, struct error *error)
{
    const char *name = section_name(row->id);
    if (row->offset != expected_offset || row->bytes > UINT64_MAX / 2) {
        return error_set(error, ERR_FORMAT, "section %s: not where it belongs", name);
    }
    uint64_t padded = format_align(row->bytes);
    if (padded > count || row->offset > count - padded) {
        return error_set(error, ERR_FORMAT, "truncated in section %s", name);
    }
    if (row->checksum != hash64(bytes + row->offset, padded, 0)) {
        return error_set(error, ERR_DAMAGED, "section %s: wrong checksum", name);
    }
    return 0;
}

static int read_sections(const uint8_t *bytes, uint64_t count, const struct header *header,
                         struct section sections[SECTIONS_KNOWN], struct error *error)
{
    uint64_t expected = header->table_end;
    for (uint32_t i = 0; i < header->section_count; i++) {
        struct section_row row = section_row(bytes, i);
        bool is_known = row.id > 0 && row.id < SECTIONS_KNOWN;
        if ((row.flags & ~(uint32_t)SECTION_OPTIONAL) != 0) {
            return error_set(error, ERR_FORMAT, "section %s: reserved flags are set",
                             section_name(row.id));
        }
        if (!is_known && (row.flags & SECTION_OPTIONAL) == 0) {
            return error_set(error, ERR_VERSION, "section %" PRIu32 " is not known here", row.id);
        }
        int status = check_section(bytes, count, &row, expected, error);
        if (status != 0) {
            return status;
        }
        expected += format_align(row.bytes);
        if (is_known) {
            if (sections[row.id].is_present) {
                return error_set(error, ERR_FORMAT, "section %s: twice", section_name(row.id));
            }
            sections[row.id] = (struct section){bytes + row.offset, row.bytes, true};
        }
    }
    if (expected != header->file_bytes || header->file_bytes != count) {
        return error_set(error, ERR_FORMAT,
                         "%" PRIu64 " bytes long, but its sections fill %" PRIu64
                         " and its header says %" PRIu64,
                         count, expected, header->file_bytes);
    }
    for (uint32_t id = 1; id < SECTIONS_KNOWN; id++) {
        if (!sections[id].is_present) {
            return error_set(error, ERR_FORMAT, "section %s: missing", section_name(id));
        }
    }
    return 0;
}

static int adopt_sections(const struct section *sections, const struct header *header,
                          struct index *index, struct error *error)
{
    static const struct {
        enum section_id id;
        size_t row_bytes;
    } tables[] = {
        {SECTION_ENTRIES, sizeof(struct index_entry)},
        {SECTION_REPRESENTATIONS, sizeof(struct index_representation)},
        {SECTION_HEADS, sizeof(struct index_head)},
        {SECTION_RULES, sizeof(struct index_rule)},
    };
    const uint32_t counts[] = {index->entry_count, index->more_count, index->head_count,
                               index->rule_count};
    for (size_t i = 0; i < ARRAY_COUNT(tables); i++) {
        if (sections[tables[i].id].count != (uint64_t)counts[i] * tables[i].row_bytes) {
            return error_set(error, ERR_FORMAT, "section %s: its length contradicts the count",
                             section_name(tables[i].id));
        }
    }
    index->entries = (const void *)sections[SECTION_ENTRIES].bytes;
    index->more = (const void *)sections[SECTION_REPRESENTATIONS].bytes;
    index->heads = (const void *)sections[SECTION_HEADS].bytes;
    index->rules = (const void *)sections[SECTION_RULES].bytes;
    index->text = (const char *)sections[SECTION_TEXT].bytes;
    index->text_bytes = sections[SECTION_TEXT].count;
    const struct section *function = &sections[SECTION_HASH_FUNCTION];
    const char *why;
    int status = mphf_init(function->bytes, function->count, index->entry_count, header->salt,
                           &index->mphf, &why);
    return status == 0 ? 0 : error_set(error, status, "section hash function: %s", why);
}

int index_init(const void *bytes, uint64_t count, struct index *out_index, struct error *error)
{
    struct index index = {.map = bytes, .map_bytes = count};
    struct header header = {0};
    struct section sections[SECTIONS_KNOWN] = {0};
    int status = decode_header(bytes, count, &index, &header, error);
    if (status == 0) {
        status = read_sections(bytes, count, &header, sections, error);
    }
    if (status == 0) {
        status = adopt_sections(sections, &header, &index, error);
    }
    if (status == 0) {
        status = index_check_tables(&index, error);
    }
    if (status == 0) {
        *out_index = index;
    }
    return status;
}

struct validation {
    const void *map;
    size_t count;
    struct index *index;
    struct error *error;
    int status;
};

static void validate(void *argument)
{
    struct validation *validation = argument;
    validation->status =
        index_init(validation->map, validation->count, validation->index, validation->error);
}

static int map_index(int fd, struct index *index, struct error *error)
{
    struct stat status;
    if (fstat(fd, &status) != 0) {
        return error_set(error, -errno, "%s", strerror(errno));
    }
    if (S_ISDIR(status.st_mode)) {
        return error_set(error, ERR_FORMAT,
                         "this is a directory, not an index (cairn-pack add makes one of it)");
    }
    if (!S_ISREG(status.st_mode)) {
        return error_set(error, ERR_FORMAT, "not a regular file");
    }
    if (status.st_size == 0) {
        return error_set(error, ERR_FORMAT, "the file is empty");
    }
    size_t count = (size_t)status.st_size;
    void *map = mmap(NULL, count, PROT_READ, MAP_SHARED | MAP_POPULATE, fd, 0);
    if (map == MAP_FAILED) {
        return error_set(error, -errno, "cannot be mapped: %s", strerror(errno));
    }
    const void *ignored;
    struct validation validation = {map, count, index, error, 0};
    if (!fault_guard_run(validate, &validation, &ignored)) {
        validation.status = error_set(error, -EIO, "cut short, or not readable, while it was read");
    }
    if (validation.status != 0) {
        munmap(map, count);
        return validation.status;
    }
    index->device = status.st_dev;
    index->inode = status.st_ino;
    index->changed = status.st_ctim;
    return 0;
}

int index_open(const char *path, struct index **out_index, struct error *error)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) {
        return error_set(error, -errno, "%s: %s", path, strerror(errno));
    }
    struct index *index = mem_zeroed(1, sizeof *index);
    struct error detail = {""};
    int status = map_index(fd, index, &detail);
    close(fd);
    if (status != 0) {
        free(index);
        return error_set(error, status, "%s: %s", path, detail.text);
    }
    *out_index = index;
    return 0;
}

void index_close(struct index *index)
{
    if (index != NULL) {
        munmap((void *)(uintptr_t)index->map, index->map_bytes);
        free(index);
    }
}

const struct index_entry *index_find(const struct index *index, const struct hash128 *hash,
                                     struct slice path)
{
    uint32_t position = mphf_find(&index->mphf, hash);
    if (position == UINT32_MAX) {
        return NULL;
    }
    const struct index_entry *entry = &index->entries[position];
    /* what comes next, side by side instead of one after the other: a hint that may be wrong */
    __builtin_prefetch(index_path(index, entry).bytes);
    __builtin_prefetch(&index->more[entry->more_first]);
    if (memcmp(entry->path_hash.bytes, hash->bytes, HASH128_BYTES) != 0 ||
        !slice_equal(index_path(index, entry), path)) {
        return NULL;
    }
    return entry;
}

const struct index_representation *index_representation(const struct index *index,
                                                        const struct index_entry *entry, unsigned i)
{
    if (i >= entry->representation_count) {
        return NULL;
    }
    if (i == 0) {
        return &entry->first;
    }
    uint64_t row = (uint64_t)entry->more_first + i - 1;
    return row < index->more_count ? &index->more[row] : NULL;
}

struct index_head_text index_head(const struct index *index, uint32_t row)
{
    static const struct index_head none;
    const struct index_head *head = row < index->head_count ? &index->heads[row] : &none;
    struct slice both =
        index_text(index, head->text_at, (size_t)head->entity_bytes + head->policy_bytes);
    struct slice policy = slice_after(both, head->entity_bytes);
    return (struct index_head_text){{both.bytes, both.count - policy.count}, policy};
}

int index_peek(const char *path, struct index *out_head, struct error *error)
{
    uint8_t bytes[INDEX_HEADER_BYTES + INDEX_SECTIONS_MAX * INDEX_SECTION_ROW_BYTES];
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) {
        return error_set(error, -errno, "%s: %s", path, strerror(errno));
    }
    ssize_t count = read_at(fd, bytes, sizeof bytes, 0);
    close(fd);
    if (count < 0) {
        return error_set(error, (int)count, "%s: %s", path, strerror((int)-count));
    }
    struct index head = {0};
    struct header header;
    struct error detail = {""};
    int status = decode_header(bytes, (uint64_t)count, &head, &header, &detail);
    if (status != 0) {
        return error_set(error, status, "%s: %s", path, detail.text);
    }
    *out_head = head;
    return 0;
}
