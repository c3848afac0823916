#include "common/index_check.h"

#include "common/path.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>

/* ---- what a look-up relies on ---- */

static bool is_inside_text(const struct index *index, uint32_t at, uint64_t bytes)
{
    uint64_t offset = (uint64_t)at * INDEX_TEXT_UNIT;
    return offset <= index->text_bytes && bytes <= index->text_bytes - offset;
}

static const char *representation_problem(const struct index *index,
                                          const struct index_representation *representation)
{
    if (representation->payload_offset < SUPERBLOCK_BYTES ||
        representation->payload_offset > index->committed_bytes ||
        representation->stored_bytes > index->committed_bytes - representation->payload_offset) {
        return "its bytes lie outside the committed archive";
    }
    if (!is_inside_text(index, representation->digest_at, DIGEST_BYTES)) {
        return "its digest lies outside the text";
    }
    if (representation->head >= index->head_count) {
        return "its head does not exist";
    }
    if (representation->codec >= CODEC_COUNT) {
        return "its content coding is not known here";
    }
    return representation->reserved == 0 ? NULL : "reserved bits are set";
}

static const char *file_problem(const struct index *index, const struct index_entry *entry)
{
    if (entry->representation_count == 0) {
        return "a file without representation";
    }
    uint32_t more = entry->representation_count - 1u;
    if (entry->more_first > index->more_count || more > index->more_count - entry->more_first) {
        return "its representations lie outside their section";
    }
    if (entry->status != 200 && entry->status != 404 && entry->status != 410) {
        return "a file with a status other than 200, 404 and 410";
    }
    if (entry->first.codec != CODEC_IDENTITY) {
        return "its first representation is not identity";
    }
    return representation_problem(index, &entry->first);
}

static bool is_redirect_status(unsigned status) /* RFC 9110 §15.4 */
{
    return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

static const char *redirect_problem(const struct index *index, const struct index_entry *entry)
{
    static const struct index_target none;
    const struct index_target *target = &entry->target;
    if (!is_redirect_status(entry->status)) {
        return "a redirect with a status that is none";
    }
    if (!is_inside_text(index, target->text_at, target->bytes) || target->bytes == 0) {
        return "its target lies outside the text";
    }
    if (memcmp(target->reserved, none.reserved, sizeof none.reserved) != 0) {
        return "reserved bits are set";
    }
    return target->head < index->head_count ? NULL : "its head does not exist";
}

static const char *entry_problem(const struct index *index, const struct index_entry *entry)
{
    if (entry->path_bytes == 0 || entry->path_bytes > PATH_BYTES_MAX ||
        !is_inside_text(index, entry->path_at, entry->path_bytes)) {
        return "its path lies outside the text";
    }
    if ((entry->flags & ~ENTRY_FLAGS_KNOWN) != 0 || entry->reserved != 0) {
        return "reserved bits are set";
    }
    if (entry->kind != ENTRY_FILE && entry->representation_count != 0) {
        return "representations of what is no file";
    }
    switch (entry->kind) {
    case ENTRY_FILE:
        return file_problem(index, entry);
    case ENTRY_REDIRECT:
        return redirect_problem(index, entry);
    case ENTRY_TOMBSTONE:
        return entry->status == 404 || entry->status == 410
                   ? NULL
                   : "a tombstone with a status other than 404 and 410";
    default:
        return "its kind is not known here";
    }
}

static const char *rule_problem(const struct index *index, const struct index_rule *rule)
{
    static const struct index_rule none;
    if (!is_inside_text(index, rule->pattern_at, rule->pattern_bytes) ||
        !is_inside_text(index, rule->host_at, rule->host_bytes) ||
        !is_inside_text(index, rule->query_at, rule->query_bytes) ||
        !is_inside_text(index, rule->target_at, rule->target_bytes)) {
        return "its text lies outside the text";
    }
    if (rule->head >= index->head_count && (rule->head != 0 || is_redirect_status(rule->status))) {
        return "its head does not exist";
    }
    if ((rule->flags & ~RULE_FLAGS_KNOWN) != 0 ||
        memcmp(rule->reserved, none.reserved, sizeof none.reserved) != 0) {
        return "reserved bits are set";
    }
    if (rule->kind == RULE_FIELDS) {
        return rule->status == 0 ? NULL : "field lines with a status";
    }
    if (rule->kind != RULE_ROUTE) {
        return "its kind is not known here";
    }
    bool is_page = rule->status == 200 || rule->status == 404 || rule->status == 410;
    if (!is_page && !is_redirect_status(rule->status)) {
        return "a status that no rule has";
    }
    return rule->target_bytes > 0 || rule->status == 404 || rule->status == 410
               ? NULL
               : "it leads nowhere";
}

static int check_rules(const struct index *index, struct error *error)
{
    for (uint32_t i = 0; i < index->rule_count; i++) {
        const char *problem = rule_problem(index, &index->rules[i]);
        if (problem != NULL) {
            return error_set(error, ERR_FORMAT, "rule %" PRIu32 ": %s", i, problem);
        }
    }
    return 0;
}

/* Every reference that a look-up will follow, so that look-ups need not ask. */
/* Is what has rows there? */
static bool has_tables(const struct index *index)
{
    return (index->entry_count == 0 || index->entries != NULL) &&
           (index->more_count == 0 || index->more != NULL) &&
           (index->head_count == 0 || index->heads != NULL) &&
           (index->rule_count == 0 || index->rules != NULL);
}

int index_check_tables(const struct index *index, struct error *error)
{
    assert(has_tables(index));
    uint32_t immutable_count = 0;
    for (uint32_t i = 0; i < index->entry_count; i++) {
        const char *problem = entry_problem(index, &index->entries[i]);
        if (problem != NULL) {
            return error_set(error, ERR_FORMAT, "entry %" PRIu32 ": %s", i, problem);
        }
        immutable_count += (index->entries[i].flags & ENTRY_IMMUTABLE) != 0;
    }
    for (uint32_t i = 0; i < index->more_count; i++) {
        const char *problem = representation_problem(index, &index->more[i]);
        if (problem != NULL) {
            return error_set(error, ERR_FORMAT, "representation %" PRIu32 ": %s", i, problem);
        }
    }
    for (uint32_t i = 0; i < index->head_count; i++) {
        const struct index_head *head = &index->heads[i];
        if (!is_inside_text(index, head->text_at,
                            (uint64_t)head->entity_bytes + head->policy_bytes) ||
            head->reserved != 0) {
            return error_set(error, ERR_FORMAT, "head %" PRIu32 ": it lies outside the text", i);
        }
    }
    if (immutable_count != index->immutable_count) {
        return error_set(error, ERR_FORMAT, "the count of immutable entries is wrong");
    }
    if (index->not_found_entry > index->entry_count ||
        (index->not_found_entry != 0 &&
         index->entries[index->not_found_entry - 1].kind != ENTRY_FILE)) {
        return error_set(error, ERR_FORMAT, "the page for missing paths is no file");
    }
    return check_rules(index, error);
}

/* ---- what only `verify` asks ---- */

static bool is_field_lines(struct slice text)
{
    if (text.count == 0) {
        return true;
    }
    for (size_t i = 0; i < text.count; i++) {
        unsigned char byte = (unsigned char)text.bytes[i];
        bool ends_line = byte == '\r' && i + 1 < text.count && text.bytes[i + 1] == '\n';
        bool after_return = byte == '\n' && i > 0 && text.bytes[i - 1] == '\r';
        if ((byte < 0x20 && byte != '\t' && !ends_line && !after_return) || byte == 0x7f) {
            return false;
        }
    }
    return text.bytes[text.count - 1] == '\n';
}

static const char *head_problem(const struct index *index, uint32_t row)
{
    struct index_head_text head = index_head(index, row);
    return is_field_lines(head.entity) && is_field_lines(head.policy)
               ? NULL
               : "its head is not made of field lines";
}

static bool has_line_end(struct slice text)
{
    return memchr(text.bytes, '\r', text.count) != NULL ||
           memchr(text.bytes, '\n', text.count) != NULL;
}

static const char *deep_problem(const struct index *index, uint32_t position)
{
    const struct index_entry *entry = &index->entries[position];
    struct slice path = index_path(index, entry);
    char buffer[PATH_BYTES_MAX];
    char encoded[PATH_ENCODED_BYTES_MAX];
    struct slice canonical;
    struct slice target = {encoded, path_encode(path, encoded)};
    if (path_canonical(target, buffer, &canonical) != PATH_OK || !slice_equal(path, canonical)) {
        return "its path is not canonical";
    }
    struct hash128 hash = hash128(path.bytes, path.count);
    if (index_find(index, &hash, path) != entry) {
        return "its path does not lead to it";
    }
    for (unsigned i = 0; i < entry->representation_count; i++) {
        const struct index_representation *form = index_representation(index, entry, i);
        const char *problem =
            form == NULL ? "it is being changed" : head_problem(index, form->head);
        if (problem != NULL) {
            return problem;
        }
    }
    if (entry->kind == ENTRY_REDIRECT) {
        if (has_line_end(index_text(index, entry->target.text_at, entry->target.bytes))) {
            return "its target is not one line";
        }
        return head_problem(index, entry->target.head);
    }
    return NULL;
}

int index_check_deep(const struct index *index, struct error *error)
{
    for (uint32_t i = 0; i < index->entry_count; i++) {
        const char *problem = deep_problem(index, i);
        if (problem != NULL) {
            struct slice path = index_path(index, &index->entries[i]);
            return error_set(error, ERR_DAMAGED, "%.*s: %s", (int)path.count, path.bytes, problem);
        }
    }
    return 0;
}
