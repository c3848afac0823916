#include "packer/release/index_writer.h"

#include "common/mem.h"
#include "common/mphf.h"
#include "common/path.h"
#include "common/wire.h"

#include <assert.h>
#include <stdlib.h>

/* A growing run of bytes. */
struct bytes {
    uint8_t *at;
    size_t count;
    size_t capacity;
};

struct index_writer {
    struct bytes text;
    struct index_entry *entries; /* in the order of the calls */
    uint32_t entry_count;
    size_t entry_capacity;
    struct index_representation *more;
    uint32_t more_count;
    size_t more_capacity;
    struct index_head *heads;
    uint32_t head_count;
    size_t head_capacity;
    uint32_t *head_table; /* open addressing: 1 + row, by the hash of the text; at most half full */
    size_t head_table_capacity;
    struct index_rule *rules;
    uint32_t rule_count;
    size_t rule_capacity;
    uint32_t not_found_entry; /* 1 + number */
    uint32_t not_found_depth;
    bool is_too_big; /* something did not fit its field: found out in finish */
};

struct index_writer *index_writer_new(void)
{
    return mem_zeroed(1, sizeof(struct index_writer));
}

void index_writer_free(struct index_writer *writer)
{
    if (writer != NULL) {
        free(writer->text.at);
        free(writer->entries);
        free(writer->more);
        free(writer->heads);
        free(writer->head_table);
        free(writer->rules);
        free(writer);
    }
}

/* Appends and pads to the unit in which text is addressed; returns the reference. */
static uint32_t put_text(struct index_writer *writer, struct slice text)
{
    struct bytes *all = &writer->text;
    size_t padded = (text.count + INDEX_TEXT_UNIT - 1) / INDEX_TEXT_UNIT * INDEX_TEXT_UNIT;
    if (all->count + padded > all->capacity) {
        all->capacity = mem_capacity(all->capacity, all->count + padded);
        all->at = mem_resize(all->at, all->capacity, 1);
    }
    uint64_t at = all->count / INDEX_TEXT_UNIT;
    writer->is_too_big |= at > UINT32_MAX;
    if (text.count > 0) {
        memcpy(all->at + all->count, text.bytes, text.count);
        memset(all->at + all->count + text.count, 0, padded - text.count);
    }
    all->count += padded;
    return (uint32_t)at;
}

static struct slice head_text(const struct index_writer *writer, const struct index_head *head)
{
    size_t count = (size_t)head->entity_bytes + head->policy_bytes;
    const char *text = count == 0 ? "" : (const char *)writer->text.at;
    return (struct slice){text + (count == 0 ? 0 : (size_t)head->text_at * INDEX_TEXT_UNIT), count};
}

/* The place in the table of a head with this text, split there: taken or free. */
static uint32_t *head_slot(const struct index_writer *writer, struct slice text,
                           size_t entity_bytes)
{
    size_t mask = writer->head_table_capacity - 1;
    size_t i = (size_t)hash64(text.bytes, text.count, entity_bytes) & mask;
    for (;; i = (i + 1) & mask) {
        uint32_t row = writer->head_table[i];
        if (row == 0) {
            return &writer->head_table[i];
        }
        const struct index_head *head = &writer->heads[row - 1];
        if (head->entity_bytes == entity_bytes && slice_equal(head_text(writer, head), text)) {
            return &writer->head_table[i];
        }
    }
}

static void grow_heads(struct index_writer *writer)
{
    if (((size_t)writer->head_count + 1) * 2 > writer->head_table_capacity) {
        writer->head_table_capacity = mem_capacity(0, writer->head_table_capacity * 2);
        free(writer->head_table);
        writer->head_table = mem_zeroed(writer->head_table_capacity, sizeof *writer->head_table);
        for (uint32_t i = 0; i < writer->head_count; i++) {
            const struct index_head *head = &writer->heads[i];
            *head_slot(writer, head_text(writer, head), head->entity_bytes) = i + 1;
        }
    }
    if (writer->head_count == writer->head_capacity) {
        writer->head_capacity = mem_capacity(writer->head_capacity, writer->head_count + 1u);
        writer->heads = mem_resize(writer->heads, writer->head_capacity, sizeof *writer->heads);
    }
}

uint32_t index_writer_head(struct index_writer *writer, struct slice entity, struct slice policy)
{
    if (entity.count > UINT16_MAX || policy.count > UINT16_MAX) {
        writer->is_too_big = true;
        return 0;
    }
    grow_heads(writer);
    char *both = mem_zeroed(entity.count + policy.count, 1);
    if (entity.count > 0) {
        memcpy(both, entity.bytes, entity.count);
    }
    if (policy.count > 0) {
        memcpy(both + entity.count, policy.bytes, policy.count);
    }
    struct slice text = {both, entity.count + policy.count};
    uint32_t *slot = head_slot(writer, text, entity.count);
    if (*slot == 0) {
        writer->heads[writer->head_count] = (struct index_head){
            .text_at = put_text(writer, text),
            .entity_bytes = (uint16_t)entity.count,
            .policy_bytes = (uint16_t)policy.count,
        };
        *slot = ++writer->head_count;
    }
    free(both);
    return *slot - 1;
}

static uint32_t put_entry(struct index_writer *writer, struct slice path, struct index_entry entry)
{
    assert(path.count > 0 && path.count <= PATH_BYTES_MAX);
    if (writer->entry_count == writer->entry_capacity) {
        writer->entry_capacity = mem_capacity(writer->entry_capacity, writer->entry_count + 1u);
        writer->entries =
            mem_resize(writer->entries, writer->entry_capacity, sizeof *writer->entries);
    }
    entry.path_hash = hash128(path.bytes, path.count);
    entry.path_bytes = (uint16_t)path.count;
    writer->is_too_big |= writer->entry_count == UINT32_MAX - 1;
    writer->entries[writer->entry_count] = entry;
    return writer->entry_count++;
}

static struct index_representation put_representation(struct index_writer *writer,
                                                      const struct representation_input *input)
{
    uint64_t modified =
        input->modified_s < 0 || input->modified_s >> 40 != 0 ? 0 : (uint64_t)input->modified_s;
    return (struct index_representation){
        .payload_offset = input->payload_offset,
        .stored_bytes = input->stored_bytes,
        .digest_at = put_text(writer, (struct slice){(const char *)input->digest, DIGEST_BYTES}),
        .head = input->head,
        .modified_low = (uint32_t)modified,
        .modified_high = (uint8_t)(modified >> 32),
        .codec = (uint8_t)input->codec,
    };
}

uint32_t index_writer_file(struct index_writer *writer, struct slice path, unsigned status,
                           unsigned flags, const struct representation_input *representations,
                           unsigned count)
{
    assert(count >= 1 && count <= UINT8_MAX);
    struct index_entry entry = {
        .path_at = put_text(writer, path), /* the digest follows: one look-up, neighbouring lines */
        .status = (uint16_t)status,
        .kind = ENTRY_FILE,
        .flags = (uint8_t)flags,
        .representation_count = (uint8_t)count,
        .more_first = writer->more_count,
    };
    entry.first = put_representation(writer, &representations[0]);
    for (unsigned i = 1; i < count; i++) {
        if (writer->more_count == writer->more_capacity) {
            writer->more_capacity = mem_capacity(writer->more_capacity, writer->more_count + 1u);
            writer->more = mem_resize(writer->more, writer->more_capacity, sizeof *writer->more);
        }
        writer->more[writer->more_count++] = put_representation(writer, &representations[i]);
    }
    return put_entry(writer, path, entry);
}

uint32_t index_writer_redirect(struct index_writer *writer, struct slice path, unsigned status,
                               unsigned flags, struct slice target, uint32_t head)
{
    struct index_entry entry = {
        .path_at = put_text(writer, path),
        .status = (uint16_t)status,
        .kind = ENTRY_REDIRECT,
        .flags = (uint8_t)flags,
    };
    writer->is_too_big |= target.count > UINT16_MAX;
    entry.target = (struct index_target){
        .text_at = put_text(writer, target),
        .bytes = (uint16_t)target.count,
        .head = head,
    };
    return put_entry(writer, path, entry);
}

uint32_t index_writer_tombstone(struct index_writer *writer, struct slice path, unsigned status)
{
    struct index_entry entry = {
        .path_at = put_text(writer, path),
        .status = (uint16_t)status,
        .kind = ENTRY_TOMBSTONE,
        .flags = ENTRY_DERIVED,
    };
    return put_entry(writer, path, entry);
}

void index_writer_rule(struct index_writer *writer, const struct rule_input *rule)
{
    if (writer->rule_count == writer->rule_capacity) {
        writer->rule_capacity = mem_capacity(writer->rule_capacity, writer->rule_count + 1u);
        writer->rules = mem_resize(writer->rules, writer->rule_capacity, sizeof *writer->rules);
    }
    writer->is_too_big |= rule->pattern.count > UINT16_MAX || rule->host.count > UINT16_MAX ||
                          rule->query.count > UINT16_MAX || rule->target.count > UINT16_MAX;
    writer->rules[writer->rule_count++] = (struct index_rule){
        .pattern_at = put_text(writer, rule->pattern),
        .host_at = put_text(writer, rule->host),
        .query_at = put_text(writer, rule->query),
        .target_at = put_text(writer, rule->target),
        .pattern_bytes = (uint16_t)rule->pattern.count,
        .host_bytes = (uint16_t)rule->host.count,
        .query_bytes = (uint16_t)rule->query.count,
        .target_bytes = (uint16_t)rule->target.count,
        .head = rule->head,
        .status = (uint16_t)rule->status,
        .kind = (uint8_t)rule->kind,
        .flags = (uint8_t)rule->flags,
        .pattern_flags = (uint8_t)rule->pattern_flags,
    };
}

void index_writer_not_found_depth(struct index_writer *writer, uint32_t depth)
{
    writer->not_found_depth = depth;
}

void index_writer_not_found(struct index_writer *writer, uint32_t file)
{
    assert(file < writer->entry_count);
    writer->not_found_entry = file + 1;
}

static int compare_entries(const void *a, const void *b)
{
    const struct index_entry *const *x = a;
    const struct index_entry *const *y = b;
    return memcmp((*x)->path_hash.bytes, (*y)->path_hash.bytes, HASH128_BYTES);
}

/* The hashes in order; duplicates are found here, because no perfect hash can be built with one
 * and libcmph would try for minutes. */
static int sorted_hashes(const struct index_writer *writer, struct hash128 **out_hashes,
                         struct error *error)
{
    uint32_t count = writer->entry_count;
    const struct index_entry **order = mem_zeroed(count, sizeof(const struct index_entry *));
    struct hash128 *hashes = mem_zeroed(count, sizeof *hashes);
    for (uint32_t i = 0; i < count; i++) {
        order[i] = &writer->entries[i];
    }
    qsort(order, count, sizeof(const struct index_entry *), compare_entries);
    int status = 0;
    for (uint32_t i = 0; i < count && status == 0; i++) {
        hashes[i] = order[i]->path_hash;
        if (i > 0 && memcmp(hashes[i].bytes, hashes[i - 1].bytes, HASH128_BYTES) == 0) {
            const char *path =
                (const char *)writer->text.at + (size_t)order[i]->path_at * INDEX_TEXT_UNIT;
            status = error_set(error, ERR_FORMAT, "%.*s: two entries for one path",
                               (int)order[i]->path_bytes, path);
        }
    }
    free(order);
    if (status != 0) {
        free(hashes);
        return status;
    }
    *out_hashes = hashes;
    return 0;
}

struct section_input {
    uint32_t id;
    const void *bytes;
    uint64_t count;
};

static void put_header(uint8_t *bytes, const struct index_writer *writer,
                       const struct index_properties *properties, uint64_t file_bytes,
                       uint32_t section_count, uint64_t salt)
{
    uint32_t immutable_count = 0;
    for (uint32_t i = 0; i < writer->entry_count; i++) {
        immutable_count += (writer->entries[i].flags & ENTRY_IMMUTABLE) != 0;
    }
    struct wire_writer header = wire_writer(bytes, INDEX_HEADER_BYTES);
    wire_put(&header, INDEX_MAGIC, MAGIC_BYTES);
    wire_put_u16(&header, INDEX_VERSION_MAJOR);
    wire_put_u16(&header, INDEX_VERSION_MINOR);
    wire_put_u32(&header, properties->flags);
    wire_put(&header, properties->archive_uuid, UUID_BYTES);
    wire_put_u64(&header, properties->release);
    wire_put_u64(&header, properties->committed_bytes);
    wire_put_i64(&header, properties->created_s);
    wire_put_u64(&header, file_bytes);
    wire_put_u32(&header, writer->entry_count);
    wire_put_u32(&header, writer->more_count);
    wire_put_u32(&header, writer->head_count);
    wire_put_u32(&header, writer->not_found_entry);
    wire_put_u32(&header, immutable_count);
    wire_put_u32(&header, section_count);
    wire_put_u64(&header, salt);
    wire_put_u32(&header, writer->not_found_depth);
    wire_put_u32(&header, writer->rule_count);
}

void index_image_seal(uint8_t *bytes, uint64_t count)
{
    uint32_t section_count;
    memcpy(&section_count, bytes + 84, sizeof section_count);
    for (uint32_t i = 0; i < section_count; i++) {
        uint8_t *row = bytes + INDEX_HEADER_BYTES + (size_t)i * INDEX_SECTION_ROW_BYTES;
        uint64_t place[2]; /* offset, length */
        memcpy(place, row + 8, sizeof place);
        uint64_t padded = format_align(place[1]);
        if (place[0] <= count && padded <= count - place[0]) {
            uint64_t checksum = hash64(bytes + place[0], padded, 0);
            memcpy(row + 24, &checksum, sizeof checksum);
        }
    }
    uint64_t table_end =
        format_align(INDEX_HEADER_BYTES + (uint64_t)section_count * INDEX_SECTION_ROW_BYTES);
    uint64_t checksum = hash64(bytes + INDEX_HEADER_BYTES, table_end - INDEX_HEADER_BYTES,
                               hash64(bytes, INDEX_HEADER_BYTES - 8, 0));
    memcpy(bytes + INDEX_HEADER_BYTES - 8, &checksum, sizeof checksum);
}

/* Puts each entry at its position, straight into the image; the number of the page for missing
 * paths becomes a position. */
static void place_entries(struct index_writer *writer, const struct section_input *function,
                          uint64_t salt, struct index_entry *out_entries)
{
    struct mphf mphf;
    const char *why;
    int status =
        mphf_init(function->bytes, function->count, writer->entry_count, salt, &mphf, &why);
    assert(status == 0);
    (void)status;
    uint32_t not_found = writer->not_found_entry;
    for (uint32_t i = 0; i < writer->entry_count; i++) {
        uint32_t position = mphf_find(&mphf, &writer->entries[i].path_hash);
        assert(position < writer->entry_count);
        out_entries[position] = writer->entries[i];
        if (not_found == i + 1) {
            writer->not_found_entry = position + 1;
        }
    }
}

static void put_sections(uint8_t *bytes, uint64_t table_end, const struct section_input *sections,
                         uint32_t section_count)
{
    uint64_t offset = table_end;
    for (uint32_t i = 0; i < section_count; i++) {
        struct wire_writer row =
            wire_writer(bytes + INDEX_HEADER_BYTES + (size_t)i * INDEX_SECTION_ROW_BYTES,
                        INDEX_SECTION_ROW_BYTES);
        wire_put_u32(&row, sections[i].id);
        wire_put_u32(&row, 0);
        wire_put_u64(&row, offset);
        wire_put_u64(&row, sections[i].count);
        if (sections[i].count > 0 && sections[i].bytes != NULL) {
            memcpy(bytes + offset, sections[i].bytes, sections[i].count);
        }
        offset += format_align(sections[i].count);
    }
}

/* sections[0] is the hash function, sections[1] the entries, which have no bytes yet. */
static void lay_out(struct index_writer *writer, const struct index_properties *properties,
                    const struct section_input *sections, uint32_t section_count, uint64_t salt,
                    struct index_image *out_image)
{
    uint64_t table_end =
        format_align(INDEX_HEADER_BYTES + (uint64_t)section_count * INDEX_SECTION_ROW_BYTES);
    uint64_t count = table_end;
    for (uint32_t i = 0; i < section_count; i++) {
        count += format_align(sections[i].count);
    }
    uint8_t *bytes = mem_aligned(FORMAT_ALIGNMENT, count);
    put_sections(bytes, table_end, sections, section_count);
    uint64_t entries_at = table_end + format_align(sections[0].count);
    place_entries(writer, &sections[0], salt, (void *)(bytes + entries_at));
    put_header(bytes, writer, properties, count, section_count, salt);
    index_image_seal(bytes, count);
    *out_image = (struct index_image){bytes, count, hash128(bytes, table_end)};
}

int index_writer_finish(struct index_writer *writer, const struct index_properties *properties,
                        struct index_image *out_image, struct error *error)
{
    if (writer->is_too_big) {
        return error_set(error, ERR_LIMIT, "too many paths or too long heads for one index");
    }
    struct hash128 *hashes;
    int status = sorted_hashes(writer, &hashes, error);
    if (status != 0) {
        return status;
    }
    void *function = NULL;
    size_t function_bytes = 0;
    uint64_t salt = 0;
    status = mphf_build(hashes, writer->entry_count, &function, &function_bytes, &salt);
    free(hashes);
    if (status != 0) {
        return error_set(error, status, "no perfect hash function was found for %u paths",
                         writer->entry_count);
    }
    const struct section_input sections[] = {
        {SECTION_HASH_FUNCTION, function, function_bytes},
        {SECTION_ENTRIES, NULL, (uint64_t)writer->entry_count * sizeof *writer->entries},
        {SECTION_REPRESENTATIONS, writer->more,
         (uint64_t)writer->more_count * sizeof *writer->more},
        {SECTION_HEADS, writer->heads, (uint64_t)writer->head_count * sizeof *writer->heads},
        {SECTION_TEXT, writer->text.at, writer->text.count},
        {SECTION_RULES, writer->rules, (uint64_t)writer->rule_count * sizeof *writer->rules},
    };
    lay_out(writer, properties, sections, ARRAY_COUNT(sections), salt, out_image);
    free(function);
    return 0;
}
