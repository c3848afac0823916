/* The reader of indexes against the writer: look-ups, every rule of validation, and damage. */
#include "common/index.h"

#include "common/mem.h"
#include "common/record.h"
#include "packer/release/index_writer.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

enum { COMMITTED_BYTES = 65536, RELEASE = 7 };

static const struct index_properties properties = {
    .archive_uuid = "0123456789abcde",
    .release = RELEASE,
    .committed_bytes = COMMITTED_BYTES,
    .created_s = 1700000000,
};

#define ENTITY "Content-Type: text/html\r\n"
#define POLICY "Cache-Control: no-cache\r\n"

static const uint8_t digest[DIGEST_BYTES] = "thirty-two bytes, of any kind...";

static struct representation_input representation(uint64_t payload_offset, uint32_t head)
{
    return (struct representation_input){
        .payload_offset = payload_offset,
        .stored_bytes = 100,
        .modified_s = INT64_C(0x123456789a),
        .head = head,
        .digest = digest,
    };
}

/* Rules of both kinds, the second with everything set that can be. */
static void put_rules(struct index_writer *writer, uint32_t head)
{
    struct rule_input fields = {
        .kind = RULE_FIELDS,
        .pattern = SLICE("/\x01"),
        .host = SLICE(""),
        .query = SLICE(""),
        .target = SLICE("A: b\r\n"),
    };
    index_writer_rule(writer, &fields);
    struct rule_input route = {
        .kind = RULE_ROUTE,
        .flags = RULE_FORCED | RULE_KEEP_QUERY,
        .status = 302,
        .pattern_flags = 3,
        .pattern = SLICE("/blog/\x02"),
        .host = SLICE("old.example"),
        .query = SLICE("id=\x02"),
        .target = SLICE("/new/\x02 "),
        .head = head,
    };
    index_writer_rule(writer, &route);
}

static struct index_image finish(struct index_writer *writer)
{
    struct index_image image = {0};
    struct error error = {""};
    int status = index_writer_finish(writer, &properties, &image, &error);
    cr_assert(status == 0, "%s", error.text);
    index_writer_free(writer);
    return image;
}

static const struct {
    struct slice path;
    enum entry_kind kind;
} small_paths[] = {
    {{"/index.html", 11}, ENTRY_FILE}, {{"/", 1}, ENTRY_FILE},
    {{"/app.js", 7}, ENTRY_FILE},      {{"/404.html", 9}, ENTRY_FILE},
    {{"/old", 4}, ENTRY_REDIRECT},     {{"/gone", 5}, ENTRY_TOMBSTONE},
};

/* One of everything. */
static struct index_image make_small(void)
{
    struct index_writer *writer = index_writer_new();
    uint32_t page_head = index_writer_head(writer, SLICE(ENTITY), SLICE(POLICY));
    uint32_t redirect_head = index_writer_head(writer, SLICE("Content-Length: 0\r\n"), SLICE(""));
    struct representation_input page = representation(128, page_head);
    index_writer_file(writer, SLICE("/index.html"), 200, 0, &page, 1);
    index_writer_file(writer, SLICE("/"), 200, ENTRY_DERIVED, &page, 1);
    struct representation_input forms[] = {
        representation(256, page_head),
        representation(512, page_head),
        representation(1024, page_head),
    };
    forms[1].codec = CODEC_BR;
    forms[2].codec = CODEC_ZSTD;
    index_writer_file(writer, SLICE("/app.js"), 200, ENTRY_IMMUTABLE, forms, ARRAY_COUNT(forms));
    struct representation_input missing = representation(COMMITTED_BYTES - 100, page_head);
    uint32_t number = index_writer_file(writer, SLICE("/404.html"), 200, 0, &missing, 1);
    index_writer_not_found(writer, number);
    index_writer_redirect(writer, SLICE("/old"), 301, ENTRY_KEEP_QUERY, SLICE("/new%20place"),
                          redirect_head);
    index_writer_tombstone(writer, SLICE("/gone"), 410);
    index_writer_not_found_depth(writer, 3);
    put_rules(writer, redirect_head);
    return finish(writer);
}

static struct index open_image(const struct index_image *image)
{
    struct index index;
    struct error error = {""};
    int status = index_init(image->bytes, image->count, &index, &error);
    cr_assert(status == 0, "%s", error.text);
    return index;
}

static const struct index_entry *find(const struct index *index, struct slice path)
{
    struct hash128 hash = hash128(path.bytes, path.count);
    return index_find(index, &hash, path);
}

/* ---- what a good one says ---- */

Test(index, header_fields)
{
    struct index_image image = make_small();
    struct index index = open_image(&image);
    cr_expect(index.release == RELEASE && index.committed_bytes == COMMITTED_BYTES);
    cr_expect(index.created_s == 1700000000 && index.flags == 0);
    cr_expect(memcmp(index.archive_uuid, properties.archive_uuid, UUID_BYTES) == 0);
    cr_expect(index.entry_count == ARRAY_COUNT(small_paths) && index.more_count == 2);
    cr_expect(index.head_count == 2 && index.immutable_count == 1);
    cr_expect(index.not_found_depth == 3 && index.rule_count == 2);
    cr_expect(memcmp(&index.checksum, &image.checksum, HASH128_BYTES) == 0);
    cr_expect(index.map == image.bytes && index.map_bytes == image.count);
    free(image.bytes);
}

Test(index, finds_every_path_and_nothing_near_it)
{
    struct index_image image = make_small();
    struct index index = open_image(&image);
    for (size_t i = 0; i < ARRAY_COUNT(small_paths); i++) {
        struct slice path = small_paths[i].path;
        const struct index_entry *entry = find(&index, path);
        cr_assert(entry != NULL, "%s", path.bytes);
        cr_expect(entry->kind == small_paths[i].kind, "%s", path.bytes);
        cr_expect(slice_equal(index_path(&index, entry), path), "%s", path.bytes);
        /* the hash of a path that is there does not find another path */
        struct hash128 hash = hash128(path.bytes, path.count);
        cr_expect(index_find(&index, &hash, SLICE("/other")) == NULL);
        cr_expect(index_find(&index, &hash, (struct slice){path.bytes, path.count - 1}) == NULL);
    }
    static const char *const absent[] = {"",     "/index.htm", "/index.html/", "/INDEX.HTML",
                                         "/app", "index.html", "//",           "/gone/"};
    for (size_t i = 0; i < ARRAY_COUNT(absent); i++) {
        cr_expect(find(&index, slice_of_string(absent[i])) == NULL, "%s", absent[i]);
    }
    free(image.bytes);
}

Test(index, heads_representations_and_the_404_page)
{
    struct index_image image = make_small();
    struct index index = open_image(&image);
    const struct index_entry *script = find(&index, SLICE("/app.js"));
    static const uint64_t offsets[] = {256, 512, 1024};
    for (unsigned i = 0; i < ARRAY_COUNT(offsets); i++) {
        const struct index_representation *form = index_representation(&index, script, i);
        cr_assert(form != NULL);
        cr_expect(form->payload_offset == offsets[i] && form->stored_bytes == 100, "%u", i);
        struct index_head_text head = index_head(&index, form->head);
        cr_expect(slice_equal(head.entity, SLICE(ENTITY)));
        cr_expect(slice_equal(head.policy, SLICE(POLICY)));
        cr_expect(memcmp(index_digest(&index, form), digest, DIGEST_BYTES) == 0);
        cr_expect(representation_modified_s(form) == INT64_C(0x123456789a));
    }
    cr_expect(index_representation(&index, script, 3) == NULL);
    const struct index_entry *old = find(&index, SLICE("/old"));
    cr_expect(old->status == 301 && index_representation(&index, old, 0) == NULL);
    cr_expect(slice_equal(index_text(&index, old->target.text_at, old->target.bytes),
                          SLICE("/new%20place")));
    cr_expect(index_head(&index, 9).entity.count == 0, "a head that does not exist is empty");
    cr_expect(find(&index, SLICE("/gone"))->status == 410);
    cr_expect(&index.entries[index.not_found_entry - 1] == find(&index, SLICE("/404.html")));
    cr_expect(index_check_deep(&index, NULL) == 0);
    free(image.bytes);
}

Test(index, text_outside_is_empty)
{
    struct index_image image = make_small();
    struct index index = open_image(&image);
    uint32_t units = (uint32_t)(index.text_bytes / INDEX_TEXT_UNIT);
    cr_expect(index_text(&index, units, 0).count == 0);
    cr_expect(index_text(&index, units, 1).count == 0);
    cr_expect(index_text(&index, units - 1, INDEX_TEXT_UNIT).count == INDEX_TEXT_UNIT);
    cr_expect(index_text(&index, units - 1, INDEX_TEXT_UNIT + 1).count == 0);
    cr_expect(index_text(&index, UINT32_MAX, 1).count == 0);
    cr_expect(index_text(&index, 0, SIZE_MAX).count == 0);
    free(image.bytes);
}

Test(index, empty_index)
{
    struct index_image image = finish(index_writer_new());
    struct index index = open_image(&image);
    cr_expect(index.entry_count == 0 && index.not_found_entry == 0);
    cr_expect(find(&index, SLICE("/")) == NULL && find(&index, SLICE("")) == NULL);
    cr_expect(index_check_deep(&index, NULL) == 0);
    free(image.bytes);
}

Test(index, two_thousand_paths)
{
    struct index_writer *writer = index_writer_new();
    for (int i = 0; i < 2000; i++) {
        char path[32];
        int count = snprintf(path, sizeof path, "/page/%d.html", i);
        struct representation_input form =
            representation(64 + (uint64_t)i, index_writer_head(writer, SLICE(ENTITY), SLICE("")));
        index_writer_file(writer, (struct slice){path, (size_t)count}, 200, 0, &form, 1);
    }
    struct index_image image = finish(writer);
    struct index index = open_image(&image);
    cr_expect(index.head_count == 1, "equal heads are one row");
    for (int i = 0; i < 4000; i++) {
        char path[32];
        int count = snprintf(path, sizeof path, "/page/%d.html", i);
        const struct index_entry *entry = find(&index, (struct slice){path, (size_t)count});
        cr_expect((entry != NULL) == (i < 2000), "%s", path);
        cr_expect(entry == NULL || entry->first.payload_offset == 64 + (uint64_t)i, "%s", path);
    }
    free(image.bytes);
}

Test(index, same_calls_same_bytes)
{
    struct index_image a = make_small();
    struct index_image b = make_small();
    cr_assert(a.count == b.count);
    cr_expect(memcmp(a.bytes, b.bytes, a.count) == 0);
    free(a.bytes);
    free(b.bytes);
}

Test(index, writer_names_the_path_that_is_there_twice)
{
    struct index_writer *writer = index_writer_new();
    index_writer_tombstone(writer, SLICE("/a"), 404);
    index_writer_tombstone(writer, SLICE("/b/twice.html"), 404);
    index_writer_tombstone(writer, SLICE("/c"), 404);
    index_writer_tombstone(writer, SLICE("/b/twice.html"), 410);
    struct index_image image = {0};
    struct error error = {""};
    cr_expect(index_writer_finish(writer, &properties, &image, &error) == ERR_FORMAT);
    cr_expect(image.bytes == NULL);
    cr_expect(strstr(error.text, "/b/twice.html: two entries") != NULL, "%s", error.text);
    index_writer_free(writer);
}

Test(index, writer_takes_an_empty_head_first)
{
    struct index_writer *writer = index_writer_new();
    cr_expect(index_writer_head(writer, SLICE(""), SLICE("")) == 0);
    cr_expect(index_writer_head(writer, SLICE("A: b\r\n"), SLICE("")) == 1);
    cr_expect(index_writer_head(writer, SLICE(""), SLICE("")) == 0);
    struct index_image image = finish(writer);
    struct index index = open_image(&image);
    cr_expect(index.head_count == 2 && index.heads[0].entity_bytes == 0);
    free(image.bytes);
}

Test(index, writer_refuses_heads_that_do_not_fit)
{
    struct index_writer *writer = index_writer_new();
    char *big = mem_zeroed(UINT16_MAX + 1u, 1);
    index_writer_head(writer, (struct slice){big, UINT16_MAX + 1u}, SLICE(""));
    struct index_image image = {0};
    cr_expect(index_writer_finish(writer, &properties, &image, NULL) == ERR_LIMIT);
    index_writer_free(writer);
    free(big);
}

/* ---- damage ---- */

Test(index, refuses_every_truncation)
{
    struct index_image image = make_small();
    for (uint64_t count = 0; count < image.count; count++) {
        uint8_t *cut = mem_zeroed(count, 1);
        memcpy(cut, image.bytes, count);
        struct index index;
        struct error error = {""};
        int status = index_init(cut, count, &index, &error);
        cr_expect(status == ERR_FORMAT, "%zu bytes: %d", (size_t)count, status);
        cr_expect(error.text[0] != '\0', "%zu bytes", (size_t)count);
        free(cut);
    }
    free(image.bytes);
}

Test(index, refuses_bytes_behind_its_end)
{
    struct index_image image = make_small();
    uint8_t *longer = mem_zeroed(image.count + 64, 1);
    memcpy(longer, image.bytes, image.count);
    struct index index;
    cr_expect(index_init(longer, image.count + 64, &index, NULL) == ERR_FORMAT);
    free(longer);
    free(image.bytes);
}

Test(index, refuses_every_flipped_bit)
{
    struct index_image image = make_small();
    size_t accepted = 0;
    size_t first = 0;
    for (size_t bit = 0; bit < 8 * image.count; bit++) {
        uint8_t mask = (uint8_t)(1u << (bit % 8));
        image.bytes[bit / 8] ^= mask;
        struct index index;
        if (index_init(image.bytes, image.count, &index, NULL) == 0) {
            first = accepted++ == 0 ? bit : first;
        }
        image.bytes[bit / 8] ^= mask;
    }
    cr_expect(accepted == 0, "%zu bits may change unseen, the first in byte %zu", accepted,
              first / 8);
    free(image.bytes);
}

/* ---- one rule, one row: a change, with all checksums made right again ---- */

enum place {
    HEADER,
    ROW_FUNCTION, /* of the section table */
    ROW_ENTRIES,
    ROW_REPRESENTATIONS,
    ROW_HEADS,
    ROW_TEXT,
    FUNCTION,
    FILE_ENTRY,
    FORMS_ENTRY, /* with three representations */
    REDIRECT,
    TOMBSTONE,
    FORM, /* the first row of the representations section */
    HEAD,
    RULE, /* the second row of the rules section */
};

static uint8_t *place_of(const struct index_image *image, enum place place)
{
    struct index index = open_image(image);
    const void *at = image->bytes;
    switch (place) {
    case HEADER:
        break;
    case FUNCTION:
        at = index.mphf.ranks - 20;
        break;
    case FILE_ENTRY:
        at = find(&index, SLICE("/index.html"));
        break;
    case FORMS_ENTRY:
        at = find(&index, SLICE("/app.js"));
        break;
    case REDIRECT:
        at = find(&index, SLICE("/old"));
        break;
    case TOMBSTONE:
        at = find(&index, SLICE("/gone"));
        break;
    case FORM:
        at = index.more;
        break;
    case HEAD:
        at = index.heads;
        break;
    case RULE:
        at = &index.rules[1];
        break;
    default:
        at = image->bytes + INDEX_HEADER_BYTES + (place - ROW_FUNCTION) * INDEX_SECTION_ROW_BYTES;
    }
    return image->bytes + ((const uint8_t *)at - image->bytes);
}

#define FIELD(type, field) offsetof(struct type, field), sizeof(((struct type *)0)->field)
#define IN_ENTRY(field)    FIELD(index_entry, field)
#define IN_FORM(field)     FIELD(index_representation, field)
#define IN_HEAD(field)     FIELD(index_head, field)
#define IN_RULE(field)     FIELD(index_rule, field)
#define HUGE               UINT64_MAX

static const struct rule {
    enum place place;
    size_t at, bytes;
    uint64_t value;
    int status;
    const char *says; /* NULL: it is accepted */
} rules[] = {
    {HEADER, 0, 1, 0x88, ERR_FORMAT, "the file is not a Cairn index"},
    {HEADER, 4, 1, 'A', ERR_FORMAT, "this is an archive; give its index"},
    {HEADER, 8, 2, 1, ERR_VERSION, "format version 1.0, but this program reads 2.x"},
    {HEADER, 8, 2, 0, ERR_VERSION, "format version 0.0"},
    {HEADER, 10, 2, 9, 0, NULL}, /* a minor version adds, it does not change */
    {HEADER, 12, 4, INDEX_OVERLAY, 0, NULL},
    {HEADER, 12, 4, 2, ERR_FORMAT, "the header sets reserved bits"},
    {HEADER, 12, 4, 0x80000000, ERR_FORMAT, "the header sets reserved bits"},
    {HEADER, 96, 4, 77, 0, NULL},
    {HEADER, 100, 4, 1, ERR_FORMAT, "section rules: its length contradicts the count"},
    {HEADER, 104, 1, 1, ERR_FORMAT, "the header sets reserved bits"},
    {HEADER, 119, 1, 1, ERR_FORMAT, "the header sets reserved bits"},
    {HEADER, 40, 8, 0, ERR_FORMAT, "its bytes lie outside the committed archive"},
    {HEADER, 40, 8, COMMITTED_BYTES - 1, ERR_FORMAT, "its bytes lie outside the committed"},
    {HEADER, 56, 8, 64, ERR_FORMAT, "its header says 64"},
    {HEADER, 56, 8, HUGE, ERR_FORMAT, "bytes long, but its sections fill"},
    {HEADER, 64, 4, 5, ERR_FORMAT, "section entries: its length contradicts the count"},
    {HEADER, 64, 4, UINT32_MAX, ERR_FORMAT, "section entries: its length contradicts the count"},
    {HEADER, 68, 4, 1, ERR_FORMAT, "section representations: its length contradicts the count"},
    {HEADER, 72, 4, 3, ERR_FORMAT, "section heads: its length contradicts the count"},
    {HEADER, 76, 4, 7, ERR_FORMAT, "the page for missing paths is no file"},
    {HEADER, 76, 4, UINT32_MAX, ERR_FORMAT, "the page for missing paths is no file"},
    {HEADER, 76, 4, 0, 0, NULL},
    {HEADER, 80, 4, 0, ERR_FORMAT, "the count of immutable entries is wrong"},
    {HEADER, 80, 4, 2, ERR_FORMAT, "the count of immutable entries is wrong"},
    {HEADER, 84, 4, 4, ERR_FORMAT, "section hash function: not where it belongs"},
    {HEADER, 84, 4, 5, ERR_FORMAT, "bytes long, but its sections fill"},
    {HEADER, 84, 4, 33, ERR_FORMAT, "the header counts 33 sections, more than 32"},
    {ROW_TEXT, 0, 4, SECTION_HEADS, ERR_FORMAT, "section heads: twice"},
    {ROW_TEXT, 0, 4, 6, ERR_FORMAT, "section rules: twice"},
    {ROW_TEXT, 0, 4, 7, ERR_VERSION, "section 7 is not known here"},
    {ROW_TEXT, 0, 4, 0, ERR_VERSION, "section 0 is not known here"},
    {ROW_TEXT, 0, 4, UINT32_MAX, ERR_VERSION, "section 4294967295 is not known here"},
    {ROW_TEXT, 0, 8, 77 | (uint64_t)SECTION_OPTIONAL << 32, ERR_FORMAT, "section text: missing"},
    {ROW_FUNCTION, 0, 8, 77 | (uint64_t)1 << 32, ERR_FORMAT, "section hash function: missing"},
    {ROW_TEXT, 4, 4, SECTION_OPTIONAL, 0, NULL},
    {ROW_TEXT, 4, 4, 2, ERR_FORMAT, "section text: reserved flags are set"},
    {ROW_ENTRIES, 8, 8, 0, ERR_FORMAT, "section entries: not where it belongs"},
    {ROW_ENTRIES, 8, 8, HUGE - 63, ERR_FORMAT, "section entries: not where it belongs"},
    {ROW_HEADS, 16, 8, HUGE, ERR_FORMAT, "section heads: not where it belongs"},
    {ROW_HEADS, 16, 8, HUGE / 2 + 1, ERR_FORMAT, "section heads: not where it belongs"},
    {ROW_HEADS, 16, 8, HUGE / 2, ERR_FORMAT, "truncated in section heads"},
    {ROW_TEXT, 16, 8, 1 << 20, ERR_FORMAT, "truncated in section text"},
    {ROW_HEADS, 16, 8, 0, ERR_FORMAT, "section text: not where it belongs"},
    {ROW_HEADS, 16, 8, 31, ERR_FORMAT, "section heads: its length contradicts the count"},
    {FUNCTION, 0, 4, 4, ERR_FORMAT, "section hash function: the hash function is of an unknown"},
    {FUNCTION, 12, 4, 0, ERR_FORMAT, "section hash function: the hash function's graph"},
    {FILE_ENTRY, IN_ENTRY(path_at), UINT32_MAX, ERR_FORMAT, "its path lies outside the text"},
    {FILE_ENTRY, IN_ENTRY(path_bytes), 0, ERR_FORMAT, "its path lies outside the text"},
    {FILE_ENTRY, IN_ENTRY(path_bytes), 4097, ERR_FORMAT, "its path lies outside the text"},
    {FILE_ENTRY, IN_ENTRY(path_bytes), 4096, ERR_FORMAT, "its path lies outside the text"},
    {FILE_ENTRY, IN_ENTRY(flags), 4, 0, NULL},
    {FILE_ENTRY, IN_ENTRY(flags), 32, ERR_FORMAT, "reserved bits are set"},
    {FILE_ENTRY, IN_ENTRY(flags), 0x80, ERR_FORMAT, "reserved bits are set"},
    {FILE_ENTRY, IN_ENTRY(reserved), 1, ERR_FORMAT, "reserved bits are set"},
    {REDIRECT, IN_ENTRY(kind), 0, ERR_FORMAT, "its kind is not known here"},
    {REDIRECT, IN_ENTRY(kind), 4, ERR_FORMAT, "its kind is not known here"},
    {FILE_ENTRY, IN_ENTRY(status), 201, ERR_FORMAT, "a file with a status other than 200"},
    {FILE_ENTRY, IN_ENTRY(status), 0, ERR_FORMAT, "a file with a status other than 200"},
    {FILE_ENTRY, IN_ENTRY(status), 404, 0, NULL},
    {FILE_ENTRY, IN_ENTRY(status), 410, 0, NULL},
    {FILE_ENTRY, IN_ENTRY(representation_count), 0, ERR_FORMAT, "a file without representation"},
    {FILE_ENTRY, IN_ENTRY(representation_count), 4, ERR_FORMAT,
     "its representations lie outside their section"},
    {FORMS_ENTRY, IN_ENTRY(representation_count), 255, ERR_FORMAT,
     "its representations lie outside their section"},
    {FORMS_ENTRY, IN_ENTRY(more_first), 1, ERR_FORMAT,
     "its representations lie outside their section"},
    {FORMS_ENTRY, IN_ENTRY(more_first), UINT32_MAX, ERR_FORMAT,
     "its representations lie outside their section"},
    {FILE_ENTRY, IN_ENTRY(first.payload_offset), 0, ERR_FORMAT, "outside the committed archive"},
    {FILE_ENTRY, IN_ENTRY(first.payload_offset), 63, ERR_FORMAT, "outside the committed archive"},
    {FILE_ENTRY, IN_ENTRY(first.payload_offset), COMMITTED_BYTES - 99, ERR_FORMAT,
     "outside the committed archive"},
    {FILE_ENTRY, IN_ENTRY(first.payload_offset), HUGE, ERR_FORMAT, "outside the committed archive"},
    {FILE_ENTRY, IN_ENTRY(first.stored_bytes), HUGE, ERR_FORMAT, "outside the committed archive"},
    {FILE_ENTRY, IN_ENTRY(first.stored_bytes), COMMITTED_BYTES, ERR_FORMAT,
     "outside the committed archive"},
    {FILE_ENTRY, IN_ENTRY(first.digest_at), UINT32_MAX, ERR_FORMAT, "its digest lies outside"},
    {FILE_ENTRY, IN_ENTRY(first.head), 2, ERR_FORMAT, "its head does not exist"},
    {FILE_ENTRY, IN_ENTRY(first.head), UINT32_MAX, ERR_FORMAT, "its head does not exist"},
    {FILE_ENTRY, IN_ENTRY(first.codec), 1, ERR_FORMAT, "its first representation is not identity"},
    {FILE_ENTRY, IN_ENTRY(first.reserved), 1, ERR_FORMAT, "reserved bits are set"},
    {REDIRECT, IN_ENTRY(status), 200, ERR_FORMAT, "a redirect with a status that is none"},
    {REDIRECT, IN_ENTRY(status), 300, ERR_FORMAT, "a redirect with a status that is none"},
    {REDIRECT, IN_ENTRY(status), 302, 0, NULL},
    {REDIRECT, IN_ENTRY(status), 303, 0, NULL},
    {REDIRECT, IN_ENTRY(status), 304, ERR_FORMAT, "a redirect with a status that is none"},
    {REDIRECT, IN_ENTRY(status), 305, ERR_FORMAT, "a redirect with a status that is none"},
    {REDIRECT, IN_ENTRY(status), 306, ERR_FORMAT, "a redirect with a status that is none"},
    {REDIRECT, IN_ENTRY(status), 307, 0, NULL},
    {REDIRECT, IN_ENTRY(status), 308, 0, NULL},
    {REDIRECT, IN_ENTRY(status), 309, ERR_FORMAT, "a redirect with a status that is none"},
    {REDIRECT, IN_ENTRY(target.bytes), 0, ERR_FORMAT, "its target lies outside the text"},
    {REDIRECT, IN_ENTRY(target.bytes), 65535, ERR_FORMAT, "its target lies outside the text"},
    {REDIRECT, IN_ENTRY(target.text_at), UINT32_MAX, ERR_FORMAT, "its target lies outside"},
    {REDIRECT, IN_ENTRY(target.head), 2, ERR_FORMAT, "its head does not exist"},
    {REDIRECT, IN_ENTRY(target.reserved[10]), 1, ERR_FORMAT, "reserved bits are set"},
    {REDIRECT, IN_ENTRY(representation_count), 1, ERR_FORMAT, "representations of what is no file"},
    {TOMBSTONE, IN_ENTRY(representation_count), 1, ERR_FORMAT, "representations of what is no"},
    {TOMBSTONE, IN_ENTRY(status), 404, 0, NULL},
    {TOMBSTONE, IN_ENTRY(status), 200, ERR_FORMAT, "a tombstone with a status other than 404 and"},
    {TOMBSTONE, IN_ENTRY(status), 405, ERR_FORMAT, "a tombstone with a status other than 404 and"},
    {FORM, IN_FORM(payload_offset), 1, ERR_FORMAT, "representation 0: its bytes lie outside"},
    {FORM, IN_FORM(digest_at), UINT32_MAX, ERR_FORMAT, "representation 0: its digest lies"},
    {FORM, IN_FORM(head), 9, ERR_FORMAT, "representation 0: its head does not exist"},
    {FORM, IN_FORM(codec), 200, ERR_FORMAT, "representation 0: its content coding is not known"},
    {FORM, IN_FORM(reserved), 1, ERR_FORMAT, "representation 0: reserved bits are set"},
    {HEAD, IN_HEAD(text_at), UINT32_MAX, ERR_FORMAT, "head 0: it lies outside the text"},
    {HEAD, IN_HEAD(entity_bytes), 65535, ERR_FORMAT, "head 0: it lies outside the text"},
    {HEAD, IN_HEAD(policy_bytes), 65535, ERR_FORMAT, "head 0: it lies outside the text"},
    {HEAD, IN_HEAD(reserved), 1, ERR_FORMAT, "head 0"},
    {RULE, IN_RULE(pattern_at), UINT32_MAX, ERR_FORMAT, "rule 1: its text lies outside the text"},
    {RULE, IN_RULE(pattern_bytes), 65535, ERR_FORMAT, "rule 1: its text lies outside the text"},
    {RULE, IN_RULE(host_at), UINT32_MAX, ERR_FORMAT, "rule 1: its text lies outside the text"},
    {RULE, IN_RULE(query_at), UINT32_MAX, ERR_FORMAT, "rule 1: its text lies outside the text"},
    {RULE, IN_RULE(target_at), UINT32_MAX, ERR_FORMAT, "rule 1: its text lies outside the text"},
    {RULE, IN_RULE(target_bytes), 0, ERR_FORMAT, "rule 1: it leads nowhere"},
    {RULE, IN_RULE(head), 2, ERR_FORMAT, "rule 1: its head does not exist"},
    {RULE, IN_RULE(status), 304, ERR_FORMAT, "rule 1: a status that no rule has"},
    {RULE, IN_RULE(status), 0, ERR_FORMAT, "rule 1: a status that no rule has"},
    {RULE, IN_RULE(status), 404, 0, NULL},
    {RULE, IN_RULE(kind), 0, ERR_FORMAT, "rule 1: its kind is not known here"},
    {RULE, IN_RULE(kind), RULE_FIELDS, ERR_FORMAT, "rule 1: field lines with a status"},
    {RULE, IN_RULE(flags), 16, ERR_FORMAT, "rule 1: reserved bits are set"},
    {RULE, IN_RULE(reserved), 1, ERR_FORMAT, "rule 1: reserved bits are set"},
};

Test(index, every_rule_is_told)
{
    for (size_t i = 0; i < ARRAY_COUNT(rules); i++) {
        const struct rule *rule = &rules[i];
        struct index_image image = make_small();
        memcpy(place_of(&image, rule->place) + rule->at, &rule->value, rule->bytes);
        index_image_seal(image.bytes, image.count);
        struct index index;
        struct error error = {"accepted"};
        int status = index_init(image.bytes, image.count, &index, &error);
        const char *wanted = rule->says == NULL ? "accepted" : rule->says;
        cr_expect(status == rule->status && strstr(error.text, wanted) != NULL,
                  "rule %zu (%s): %d, %s", i, wanted, status, error.text);
        free(image.bytes);
    }
}

Test(index, not_found_page_must_be_a_file)
{
    struct index_image image = make_small();
    struct index index = open_image(&image);
    for (uint32_t i = 0; i < index.entry_count; i++) {
        uint32_t number = i + 1;
        int wanted = index.entries[i].kind == ENTRY_FILE ? 0 : ERR_FORMAT;
        memcpy(image.bytes + 76, &number, sizeof number);
        index_image_seal(image.bytes, image.count);
        struct index other;
        cr_expect(index_init(image.bytes, image.count, &other, NULL) == wanted, "entry %u", i);
    }
    free(image.bytes);
}

/* The same index with a seventh section, of no bytes: the table takes 64 bytes more. */
static struct index_image with_section(const struct index_image *image, uint32_t id, uint32_t flags)
{
    uint32_t section_count = 7;
    size_t table_end = format_align(INDEX_HEADER_BYTES + 7 * INDEX_SECTION_ROW_BYTES);
    size_t old_end = format_align(INDEX_HEADER_BYTES + 6 * INDEX_SECTION_ROW_BYTES);
    struct index_image longer = {.count = image->count + table_end - old_end};
    longer.bytes = mem_aligned(FORMAT_ALIGNMENT, longer.count);
    memcpy(longer.bytes, image->bytes, old_end);
    memcpy(longer.bytes + table_end, image->bytes + old_end, image->count - old_end);
    memcpy(longer.bytes + 56, &longer.count, 8);
    memcpy(longer.bytes + 84, &section_count, 4);
    for (size_t i = 0; i < 6; i++) {
        uint8_t *row = longer.bytes + INDEX_HEADER_BYTES + i * INDEX_SECTION_ROW_BYTES;
        uint64_t offset;
        memcpy(&offset, row + 8, 8);
        offset += table_end - old_end;
        memcpy(row + 8, &offset, 8);
    }
    uint8_t *row = longer.bytes + INDEX_HEADER_BYTES + 6 * INDEX_SECTION_ROW_BYTES;
    memcpy(row, &id, 4);
    memcpy(row + 4, &flags, 4);
    memcpy(row + 8, &longer.count, 8);
    index_image_seal(longer.bytes, longer.count);
    return longer;
}

Test(index, section_that_is_not_known)
{
    static const struct {
        uint32_t id, flags;
        int status;
        const char *says;
    } rows[] = {
        {77, SECTION_OPTIONAL, 0, ""},
        {77, 0, ERR_VERSION, "section 77 is not known here"},
        {SECTION_HEADS, 0, ERR_FORMAT, "section heads: twice"},
    };
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        struct index_image image = make_small();
        struct index_image longer = with_section(&image, rows[i].id, rows[i].flags);
        struct index index;
        struct error error = {""};
        int status = index_init(longer.bytes, longer.count, &index, &error);
        free(longer.bytes);
        cr_expect(status == rows[i].status && strstr(error.text, rows[i].says) != NULL,
                  "row %zu: %d, %s", i, status, error.text);
        free(image.bytes);
    }
}

Test(index, checksums_are_told_apart)
{
    struct index_image image = make_small();
    struct index index = open_image(&image);
    const struct {
        size_t at;
        const char *says;
    } rows[] = {
        {20, "the header has a wrong checksum"},
        {INDEX_HEADER_BYTES + 24, "the header has a wrong checksum"},
        {(size_t)(index.mphf.ranks - image.bytes), "section hash function: wrong checksum"},
        {(size_t)((const uint8_t *)index.entries - image.bytes), "section entries: wrong checksum"},
        {(size_t)((const uint8_t *)index.more - image.bytes), "section representations: wrong"},
        {(size_t)((const uint8_t *)index.heads - image.bytes), "section heads: wrong checksum"},
        {(size_t)((const uint8_t *)index.text - image.bytes), "section text: wrong checksum"},
        {(size_t)((const uint8_t *)index.rules - image.bytes), "section rules: wrong checksum"},
        {image.count - 1, "section rules: wrong checksum"}, /* its padding too */
    };
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        image.bytes[rows[i].at] ^= 0x10;
        struct error error = {""};
        cr_expect(index_init(image.bytes, image.count, &index, &error) == ERR_DAMAGED);
        cr_expect(strstr(error.text, rows[i].says) != NULL, "row %zu: %s", i, error.text);
        image.bytes[rows[i].at] ^= 0x10;
    }
    free(image.bytes);
}

/* ---- what only the deep check sees ---- */

static const struct {
    const char *find;
    const char *replace;
    const char *says;
} deep_rules[] = {
    {"/index.html", "/index//tml", "its path is not canonical"},
    {"/index.html", "/index.htm/", "its path does not lead to it"},
    {"text/html\r\n", "text/html\x01\n", "its head is not made of field lines"},
    {"no-cache", "no\tcache", ""},
    {"no-cache",
     "no-\x7f"
     "ache",
     "its head is not made of field lines"},
    {"/new%20place", "/new\r\nplace!", "its target is not one line"},
};

Test(index, deep_check_rules)
{
    for (size_t i = 0; i < ARRAY_COUNT(deep_rules); i++) {
        struct index_image image = make_small();
        size_t count = strlen(deep_rules[i].find);
        uint8_t *at = memmem(image.bytes, image.count, deep_rules[i].find, count);
        cr_assert(at != NULL && strlen(deep_rules[i].replace) == count, "row %zu", i);
        memcpy(at, deep_rules[i].replace, count);
        index_image_seal(image.bytes, image.count);
        struct index index = open_image(&image);
        struct error error = {""};
        int status = index_check_deep(&index, &error);
        cr_expect(status == (deep_rules[i].says[0] == '\0' ? 0 : ERR_DAMAGED), "row %zu", i);
        cr_expect(strstr(error.text, deep_rules[i].says) != NULL, "row %zu: %s", i, error.text);
        free(image.bytes);
    }
}

/* ---- random changes, sealed ---- */

static uint64_t next_random(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

static void mutate(uint8_t *bytes, size_t count, uint64_t *state)
{
    static const uint32_t extremes[] = {0, 1, 0x7fffffff, 0x80000000, UINT32_MAX, 0xffff, 8, 64};
    uint32_t section_count;
    memcpy(&section_count, bytes + 84, sizeof section_count);
    for (uint64_t changes = 1 + next_random(state) % 3; changes > 0; changes--) {
        size_t at = next_random(state) % count;
        if (next_random(state) % 2 == 0) {
            bytes[at] = (uint8_t)next_random(state);
        } else {
            at = at < count - 4 ? at & ~(size_t)3 : count - 4;
            memcpy(bytes + at, &extremes[next_random(state) % ARRAY_COUNT(extremes)], 4);
        }
    }
    memcpy(bytes + 84, &section_count, sizeof section_count); /* sealing relies on it */
    index_image_seal(bytes, count);
}

/* Adds up all bytes that a look-up can lead to, so that each is read. */
static unsigned touch(struct slice text)
{
    unsigned sum = 0;
    for (size_t i = 0; i < text.count; i++) {
        sum += (unsigned char)text.bytes[i];
    }
    return sum;
}

static unsigned use_everything(const struct index *index, uint64_t *state)
{
    unsigned sum = 0;
    for (size_t i = 0; i < ARRAY_COUNT(small_paths); i++) {
        sum += find(index, small_paths[i].path) != NULL;
    }
    for (int i = 0; i < 20; i++) {
        struct hash128 hash;
        uint64_t words[2] = {next_random(state), next_random(state)};
        memcpy(hash.bytes, words, sizeof hash.bytes);
        sum += index_find(index, &hash, SLICE("/")) != NULL;
    }
    for (uint32_t i = 0; i < index->entry_count; i++) {
        const struct index_entry *entry = &index->entries[i];
        sum += touch(index_path(index, entry));
        sum += touch(index_text(index, entry->target.text_at, entry->target.bytes));
        for (unsigned form = 0; form < entry->representation_count; form++) {
            const struct index_representation *at = index_representation(index, entry, form);
            if (at != NULL) {
                struct index_head_text head = index_head(index, at->head);
                sum += touch(head.entity) + touch(head.policy);
                sum += index_digest(index, at) != NULL ? index_digest(index, at)[31] : 0;
            }
        }
    }
    return sum;
}

Test(index, random_sealed_changes_never_read_outside)
{
    enum { ROUNDS = 20000 };
    struct index_image image = make_small();
    uint8_t *bytes = mem_aligned(64, image.count);
    uint64_t state = 1181783497276652981;
    size_t accepted = 0;
    unsigned sum = 0;
    for (size_t i = 0; i < ROUNDS; i++) {
        memcpy(bytes, image.bytes, image.count);
        mutate(bytes, image.count, &state);
        struct index index;
        if (index_init(bytes, image.count, &index, NULL) == 0) {
            accepted++;
            sum += use_everything(&index, &state);
            sum += index_check_deep(&index, NULL) == 0;
        }
    }
    cr_expect(accepted > ROUNDS / 20 && accepted < ROUNDS && sum > 0, "%zu accepted", accepted);
    free(bytes);
    free(image.bytes);
}

/* An index that is overwritten while it is used: what was validated is not trusted again. */
Test(index, changes_after_opening_never_read_outside)
{
    enum { ROUNDS = 5000 };
    struct index_image image = make_small();
    uint8_t *bytes = mem_aligned(64, image.count);
    uint64_t state = 88172645463325252;
    unsigned sum = 0;
    for (size_t i = 0; i < ROUNDS; i++) {
        memcpy(bytes, image.bytes, image.count);
        struct index index;
        cr_assert(index_init(bytes, image.count, &index, NULL) == 0);
        mutate(bytes, image.count, &state);
        sum += use_everything(&index, &state);
    }
    cr_expect(sum > 0);
    free(bytes);
    free(image.bytes);
}

/* ---- files ---- */

static void write_file(int fd, const void *bytes, size_t count)
{
    cr_assert(write(fd, bytes, count) == (ssize_t)count);
}

Test(index, open_and_close)
{
    struct index_image image = make_small();
    int fd = memfd_create("index", MFD_CLOEXEC);
    char path[64];
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    write_file(fd, image.bytes, image.count);
    struct index *index = NULL;
    struct error error = {""};
    cr_assert(index_open(path, &index, &error) == 0, "%s", error.text);
    close(fd);
    cr_expect(index->release == RELEASE && find(index, SLICE("/old")) != NULL);
    index_close(index);
    index_close(NULL);
    free(image.bytes);
}

Test(index, open_refuses_what_is_no_index)
{
    struct superblock superblock = {.created_s = 1};
    uint8_t archive[SUPERBLOCK_BYTES];
    superblock_encode(&superblock, archive);
    int empty_fd = memfd_create("empty", MFD_CLOEXEC);
    int archive_fd = memfd_create("archive", MFD_CLOEXEC);
    int pipe_fds[2];
    cr_assert(pipe(pipe_fds) == 0);
    write_file(archive_fd, archive, sizeof archive);
    char empty[64], archive_path[64], fifo[64];
    snprintf(empty, sizeof empty, "/proc/self/fd/%d", empty_fd);
    snprintf(archive_path, sizeof archive_path, "/proc/self/fd/%d", archive_fd);
    snprintf(fifo, sizeof fifo, "/proc/self/fd/%d", pipe_fds[0]);
    const struct {
        const char *path;
        int status;
        const char *says;
    } rows[] = {
        {"/", ERR_FORMAT, "this is a directory, not an index"},
        {fifo, ERR_FORMAT, "not a regular file"},
        {"/dev/null", ERR_FORMAT, "not a regular file"},
        {empty, ERR_FORMAT, "the file is empty"},
        {archive_path, ERR_FORMAT, "this is an archive; give its index (NAME.idx)"},
        {"/proc/self/exe", ERR_FORMAT, "the file is not a Cairn index"},
        {"/nonexistent/site.idx", -ENOENT, "No such file"},
        {"/dev/null/site.idx", -ENOTDIR, "Not a directory"},
    };
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        struct index *index = NULL;
        struct error error = {""};
        int status = index_open(rows[i].path, &index, &error);
        cr_expect(status == rows[i].status && index == NULL, "%s: %d", rows[i].path, status);
        cr_expect(strstr(error.text, rows[i].says) != NULL, "%s", error.text);
        cr_expect(strncmp(error.text, rows[i].path, strlen(rows[i].path)) == 0, "%s", error.text);
    }
}
