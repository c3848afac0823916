#include "packer/list.h"

#include "common/json_writer.h"
#include "common/key.h"
#include "common/opened_release.h"
#include "common/validators.h"
#include "packer/archive/compress.h"

#include <inttypes.h>
#include <stdlib.h>

static const char *kind_name(const struct index_entry *entry)
{
    switch (entry->kind) {
    case ENTRY_FILE:
        return entry->flags & ENTRY_DERIVED ? "page" : "file";
    case ENTRY_REDIRECT:
        return "redirect";
    default:
        return "gone";
    }
}

static const struct index_representation *form_of(const struct index *index,
                                                  const struct index_entry *entry, enum codec codec)
{
    for (unsigned i = 0; i < entry->representation_count; i++) {
        const struct index_representation *form = index_representation(index, entry, i);
        if (form->codec == codec) {
            return form;
        }
    }
    return NULL;
}

static void print_size(const struct index *index, const struct index_entry *entry, enum codec codec,
                       FILE *out)
{
    const struct index_representation *form = form_of(index, entry, codec);
    if (form == NULL) {
        fprintf(out, " %10s", "-");
    } else {
        fprintf(out, " %10" PRIu64, form->stored_bytes);
    }
}

static void print_row(const struct index *index, const struct entry_row *row, FILE *out)
{
    const struct index_entry *entry = row->entry;
    char etag[ETAG_BYTES] = "-                      ";
    struct slice type = SLICE("-");
    struct slice policy = SLICE("-");
    if (entry->kind == ENTRY_FILE) {
        struct index_head_text head = index_head(index, entry->first.head);
        const uint8_t *digest = index_digest(index, &entry->first);
        type = head_field(head.entity, SLICE("Content-Type"));
        policy = head_field(head.policy, SLICE("Cache-Control"));
        if (digest != NULL) {
            etag_format(digest, etag);
        }
    } else if (entry->kind == ENTRY_REDIRECT) {
        policy = head_field(index_head(index, entry->target.head).policy, SLICE("Cache-Control"));
    }
    fprintf(out, "%-8s %6u", kind_name(entry), entry->status);
    for (int codec = 0; codec < CODEC_COUNT; codec++) {
        print_size(index, entry, (enum codec)codec, out);
    }
    fprintf(out, "  %.*s  %-30.*s %-36.*s %.*s", ETAG_BYTES, etag, (int)type.count, type.bytes,
            (int)policy.count, policy.bytes, (int)row->path.count, row->path.bytes);
    if (entry->kind == ENTRY_REDIRECT) {
        struct slice target = index_text(index, entry->target.text_at, entry->target.bytes);
        fprintf(out, " -> %.*s", (int)target.count, target.bytes);
    }
    fputc('\n', out);
}

static void print_table(const struct index *index, const struct entry_row *rows, const char *signer,
                        FILE *out)
{
    fprintf(out, "%-8s %6s %10s %10s %10s %10s  %-24s  %-30s %-36s %s\n", "KIND", "STATUS", "BYTES",
            "GZIP", "BR", "ZSTD", "TAG", "TYPE", "CACHE", "PATH");
    for (uint32_t i = 0; i < index->entry_count; i++) {
        print_row(index, &rows[i], out);
    }
    fprintf(out, "release %" PRIu64 ": %s%s\n", index->release,
            signer == NULL ? "not signed" : "signed by key ", signer == NULL ? "" : signer);
}

static void put_field(struct json_writer *json, const char *key, struct slice lines,
                      struct slice name)
{
    struct slice value = head_field(lines, name);
    if (value.count > 0) {
        json_key(json, key);
        json_string(json, value);
    }
}

static void put_forms(struct json_writer *json, const struct index *index,
                      const struct index_entry *entry)
{
    json_key(json, "representations");
    json_begin_array(json, false);
    for (unsigned i = 0; i < entry->representation_count; i++) {
        const struct index_representation *form = index_representation(index, entry, i);
        const uint8_t *digest = index_digest(index, form);
        const char *token = codec_token((enum codec)form->codec);
        char etag[ETAG_BYTES];
        json_begin_object(json);
        json_key(json, "coding");
        json_string(json, slice_of_string(token == NULL ? "identity" : token));
        json_key(json, "bytes");
        json_u64(json, form->stored_bytes);
        if (digest != NULL) {
            etag_format(digest, etag);
            json_key(json, "etag");
            json_string(json, (struct slice){etag, ETAG_BYTES});
        }
        json_end_object(json);
    }
    json_end_array(json);
}

static void put_row(struct json_writer *json, const struct index *index,
                    const struct entry_row *row)
{
    const struct index_entry *entry = row->entry;
    json_begin_object(json);
    json_key(json, "path");
    json_string(json, row->path);
    json_key(json, "kind");
    json_string(json, slice_of_string(kind_name(entry)));
    json_key(json, "status");
    json_u64(json, entry->status);
    if (entry->kind == ENTRY_FILE) {
        struct index_head_text head = index_head(index, entry->first.head);
        put_field(json, "type", head.entity, SLICE("Content-Type"));
        put_field(json, "cache_control", head.policy, SLICE("Cache-Control"));
        json_key(json, "immutable");
        json_bool(json, (entry->flags & ENTRY_IMMUTABLE) != 0);
        json_key(json, "modified");
        json_i64(json, representation_modified_s(&entry->first));
        put_forms(json, index, entry);
    } else if (entry->kind == ENTRY_REDIRECT) {
        json_key(json, "target");
        json_string(json, index_text(index, entry->target.text_at, entry->target.bytes));
    }
    json_end_object(json);
}

static void print_json(const struct index *index, const struct entry_row *rows, const char *signer,
                       FILE *out)
{
    struct json_writer json = json_writer(out);
    json_begin_object(&json);
    json_key(&json, "release");
    json_u64(&json, index->release);
    json_key(&json, "created");
    json_i64(&json, index->created_s);
    json_key(&json, "overlay");
    json_bool(&json, (index->flags & INDEX_OVERLAY) != 0);
    json_key(&json, "signed_by");
    if (signer != NULL) {
        json_string(&json, slice_of_string(signer));
    } else {
        json_null(&json);
    }
    json_key(&json, "rules");
    json_u64(&json, index->rule_count);
    json_key(&json, "paths");
    json_begin_array(&json, true);
    for (uint32_t i = 0; i < index->entry_count; i++) {
        put_row(&json, index, &rows[i]);
    }
    json_end_array(&json);
    json_end_object(&json);
    json_end(&json);
}

int list_release(const char *path, bool as_json, FILE *out, struct error *error)
{
    struct opened_release opened;
    int status = opened_release_init(&opened, path, error);
    if (status != 0) {
        return status;
    }
    char key_id[KEY_ID_TEXT_BYTES];
    const char *signer = opened_release_signer(&opened, key_id) ? key_id : NULL;
    struct entry_row *rows = sorted_entries(opened.index);
    if (as_json) {
        print_json(opened.index, rows, signer, out);
    } else {
        print_table(opened.index, rows, signer, out);
    }
    free(rows);
    opened_release_fini(&opened);
    return 0;
}
