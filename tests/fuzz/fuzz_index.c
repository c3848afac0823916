/* A crafted index with right checksums: what the reader accepts must not make the server or the
 * packer read outside of it, or outside the committed archive. The first byte of an input names one
 * of several real indexes and whether files are made for the packer's readers, and what follows are
 * edits of sections and header; or it is RAW, and what follows are the file's bytes. The index lies
 * at the end of its memory, then at the beginning, with a page that faults behind and before, so
 * that uninstrumented code is caught too. libcmph only makes functions: common/mphf.c reads them,
 * so no code of libcmph sees these bytes.
 */
#include "common/mem.h"
#include "common/opened_release.h"
#include "fuzz.h"
#include "http/h1_parse.h"
#include "http/live_reload.h"
#include "http/respond.h"
#include "net/batch.h"
#include "packer/diff.h"
#include "packer/list.h"
#include "packer/release/index_writer.h"
#include "packer/verify.h"
#include "samples.h"

#include <fcntl.h>
#include <unistd.h>

enum {
    RAW = 0xff,
    WITH_FILES = 8,
    SECTIONS = 6,
    PART_HEADER = SECTIONS,
    PARTS, /* sections 1 to 6, then the header with its table, which is edited last */
    ASKED_MAX = 12,
    FORMS_MAX = 255,
    FILE_BYTES_MAX = 1 << 20, /* of an archive that is made for list, diff and verify */
};

/* A real release: its index, and the archive up to its commit. */
struct base {
    uint8_t *index;
    size_t index_bytes;
    uint8_t *archive;
    size_t archive_bytes;
};

enum { BASES_PACKED = 3, BASES = 8 };
static struct base bases[BASES];
static char *scratch;

/* ---- real indexes ---- */

static void read_packed(struct base *base, unsigned release)
{
    char *path = mem_format("%s/site.%06u.idx", scratch, release);
    base->index = fuzz_read(path, &base->index_bytes);
    free(path);
    path = mem_format("%s/site.cairn", scratch);
    base->archive = fuzz_read(path, &base->archive_bytes);
    free(path);
    memcpy(&base->archive_bytes, base->index + 40, sizeof(uint64_t)); /* as of that release */
}

/* `count` paths of `forms` representations each. */
static void make_base(struct base *base, unsigned count, unsigned forms)
{
    static const uint8_t digest[DIGEST_BYTES] = {1, 2, 3};
    struct index_writer *writer = index_writer_new();
    struct representation_input inputs[FORMS_MAX];
    for (unsigned i = 0; i < forms; i++) {
        inputs[i] = (struct representation_input){
            .payload_offset = SUPERBLOCK_BYTES + i,
            .stored_bytes = FORMS_MAX + 1 - i,
            .modified_s = 1600000000,
            .codec = i == 0 ? CODEC_IDENTITY : (enum codec)(1 + i % (CODEC_COUNT - 1)),
            .head = index_writer_head(writer, SLICE("Content-Type: text/html\r\n"),
                                      SLICE("Vary: Accept-Encoding\r\n")),
            .digest = digest,
        };
    }
    for (unsigned i = 0; i < count; i++) {
        char *path = mem_format("/folder %u/%u", i % 7, i);
        index_writer_file(writer, slice_of_string(path), 200, i % 5 == 0 ? ENTRY_IMMUTABLE : 0,
                          inputs, forms);
        free(path);
    }
    struct index_properties properties = {.release = 9, .committed_bytes = 4096};
    struct index_image image;
    struct error error = {""};
    FUZZ_CHECK(index_writer_finish(writer, &properties, &image, &error) == 0);
    index_writer_free(writer);
    *base = (struct base){image.bytes, image.count, mem_zeroed(4096, 1), 4096};
}

static void make_bases(void)
{
    scratch = fuzz_scratch(0);
    fuzz_pack_releases(scratch);
    for (unsigned i = 0; i < BASES_PACKED; i++) {
        read_packed(&bases[i], i + 1);
    }
    make_base(&bases[3], 0, 0);
    make_base(&bases[4], 1, 1);
    make_base(&bases[5], 2, 3);
    make_base(&bases[6], 1000, 1);
    make_base(&bases[7], 2, FORMS_MAX);
}

/* ---- edits ---- */

/* The sections as parts. */
static void take_apart(const struct base *base, struct part parts[PARTS])
{
    for (size_t i = 0; i < SECTIONS; i++) {
        uint64_t place[2];
        memcpy(place, base->index + INDEX_HEADER_BYTES + i * INDEX_SECTION_ROW_BYTES + 8,
               sizeof place);
        part_set(&parts[i], base->index + place[0], place[1]);
    }
}

static void put_u32(uint8_t *at, uint64_t value)
{
    uint32_t narrow = (uint32_t)value;
    memcpy(at, &narrow, sizeof narrow);
}

/* The header says what the sections hold, as it would if they had been written so. */
static void set_counts(const struct part parts[PARTS], uint8_t *header, uint64_t file_bytes)
{
    uint64_t entries = parts[SECTION_ENTRIES - 1].count / sizeof(struct index_entry);
    uint32_t immutable = 0;
    for (uint64_t i = 0; i < entries; i++) {
        immutable += parts[SECTION_ENTRIES - 1].bytes[i * sizeof(struct index_entry) + 29] & 1;
    }
    memcpy(header + 56, &file_bytes, sizeof file_bytes);
    put_u32(header + 64, entries);
    put_u32(header + 68,
            parts[SECTION_REPRESENTATIONS - 1].count / sizeof(struct index_representation));
    put_u32(header + 72, parts[SECTION_HEADS - 1].count / sizeof(struct index_head));
    put_u32(header + 80, immutable);
    put_u32(header + 100, parts[SECTION_RULES - 1].count / sizeof(struct index_rule));
}

/* The file again, the sections where they belong. */
static void put_together(const struct base *base, const struct part parts[PARTS],
                         struct part *image)
{
    static const uint8_t zeros[FORMAT_ALIGNMENT];
    uint64_t table_end = format_align(INDEX_HEADER_BYTES + SECTIONS * INDEX_SECTION_ROW_BYTES);
    part_set(image, base->index, table_end);
    for (size_t i = 0; i < SECTIONS; i++) {
        const uint64_t place[2] = {image->count, parts[i].count};
        memcpy(image->bytes + INDEX_HEADER_BYTES + i * INDEX_SECTION_ROW_BYTES + 8, place,
               sizeof place);
        part_insert(image, image->count, parts[i].bytes, parts[i].count);
        part_insert(image, image->count, zeros, format_align(image->count) - image->count);
    }
    set_counts(parts, image->bytes, image->count);
}

/* Edits of sections change their length, and the rest of the file follows; edits of header and
 * table come last, and nothing follows them. */
static void edit(const struct base *base, struct slice edits, struct part *image)
{
    struct part parts[PARTS] = {{0}};
    take_apart(base, parts);
    for (struct slice left = edits; left.count > 0;) {
        unsigned part = fuzz_take_byte(&left) % PARTS;
        part_edit(&parts[part], &left, true);
    }
    put_together(base, parts, image);
    size_t table_end = format_align(INDEX_HEADER_BYTES + SECTIONS * INDEX_SECTION_ROW_BYTES);
    struct part header = {image->bytes, table_end, table_end};
    for (struct slice left = edits; left.count > 0;) {
        static uint8_t nothing[1];
        struct part ignored = {nothing, 0, 1};
        bool is_header = fuzz_take_byte(&left) % PARTS == PART_HEADER;
        part_edit(is_header ? &header : &ignored, &left, false);
    }
    for (size_t i = 0; i < PARTS; i++) {
        free(parts[i].bytes);
    }
}

/* Checksums put right, where there is a table to find the sections by. */
static void seal(struct part *image)
{
    if (image->count < INDEX_HEADER_BYTES) {
        return;
    }
    uint32_t sections;
    memcpy(&sections, image->bytes + 84, sizeof sections);
    uint64_t table_end =
        format_align(INDEX_HEADER_BYTES + (uint64_t)sections * INDEX_SECTION_ROW_BYTES);
    if (table_end <= image->count) {
        index_image_seal(image->bytes, image->count);
    }
}

/* ---- what is done with an index ---- */

static volatile unsigned sink;

static void touch(struct slice bytes)
{
    unsigned sum = 0;
    for (size_t i = 0; i < bytes.count; i++) {
        sum += (unsigned char)bytes.bytes[i];
    }
    sink = sum;
}

static void touch_form(const struct index *index, const struct index_representation *form)
{
    const uint8_t *digest = form == NULL ? NULL : index_digest(index, form);
    if (digest != NULL) {
        touch((struct slice){(const char *)digest, DIGEST_BYTES});
    }
    if (form != NULL) {
        struct index_head_text head = index_head(index, form->head);
        touch(head.entity);
        touch(head.policy);
        touch(head_field(head.entity, SLICE("Content-Type")));
    }
}

/* Looks every key up, as it is stored and as it hashes, and others; follows every reference. */
static void use_entries(const struct index *index)
{
    for (uint32_t i = 0; i < index->entry_count; i++) {
        const struct index_entry *entry = &index->entries[i];
        struct slice path = index_path(index, entry);
        struct hash128 hash = hash128(path.bytes, path.count);
        const struct index_entry *found = index_find(index, &hash, path);
        FUZZ_CHECK(found == NULL || slice_equal(index_path(index, found), path));
        (void)index_find(index, &entry->path_hash, path);
        hash.bytes[i % HASH128_BYTES] ^= (uint8_t)(1 + i);
        FUZZ_CHECK(index_find(index, &hash, SLICE("/not there")) == NULL);
        for (unsigned j = 0; j <= entry->representation_count; j++) {
            touch_form(index, index_representation(index, entry, j));
        }
        if (entry->kind == ENTRY_REDIRECT) {
            touch(index_text(index, entry->target.text_at, entry->target.bytes));
        }
    }
    for (uint32_t i = 0; i < index->head_count; i++) {
        touch(index_head(index, i).entity);
    }
    free(sorted_entries(index));
}

/* ---- requests ---- */

static struct {
    struct request request;
    struct response_scratch scratch;
    struct live_reload live;
    struct live_reload_scratch live_scratch;
    struct batch batch;
    struct head_common common;
    struct limits limits;
} worker;

static void take_answer(struct response *response, struct slice head)
{
    if (response->body_bytes > 0 && response->site != NULL) {
        uint64_t limit = response->site->index->committed_bytes;
        FUZZ_CHECK(response->body_offset <= limit &&
                   response->body_bytes <= limit - response->body_offset);
        touch((struct slice){(const char *)response->body, response->body_bytes});
    }
    if (!batch_add(&worker.batch, response, &worker.common, head.count)) {
        respond_bad(500, response); /* as a session does with a head that is too long */
        FUZZ_CHECK(batch_add(&worker.batch, response, &worker.common, head.count));
    }
    batch_clear(&worker.batch);
}

static void ask_text(const struct site_list *sites, struct slice head)
{
    unsigned status;
    struct response response;
    if (h1_parse(head, &worker.limits, &worker.request, &status) != H1_OK) {
        return;
    }
    const struct respond_context context = {
        .sites = sites, .limits = &worker.limits, .now_s = 1650000000, .scratch = &worker.scratch};
    respond(&context, &worker.request, &response);
    take_answer(&response, head);
    live_reload_respond(&worker.live, &worker.live_scratch, &context, &worker.request, &response);
    take_answer(&response, head);
}

/* A request for a key or a pattern, in one of several ways. */
static void ask(const struct site_list *sites, struct slice path, unsigned way)
{
    static const char *const fields[] = {
        "",
        "Accept-Encoding: br, gzip;q=0.5, zstd\r\n",
        "Range: bytes=0-0, 500-, -3\r\nAccept: text/html\r\n",
        "If-None-Match: *\r\nSec-Fetch-Mode: navigate\r\n",
        "Accept: image/png\r\nIf-Range: \"x\"\r\nRange: bytes=1-2\r\n",
    };
    static const char *const methods[] = {"GET", "GET", "HEAD", "OPTIONS"};
    char target[PATH_ENCODED_BYTES_MAX];
    if (path.count > PATH_BYTES_MAX) {
        return;
    }
    size_t count = path_encode(path, target);
    char *head =
        mem_format("%s %s%.*s%s HTTP/1.1\r\nHost: a.example\r\n%s\r\n",
                   methods[way % ARRAY_COUNT(methods)], count == 0 ? "/" : "", (int)count, target,
                   way % 3 == 0 ? "?q=a%20b&x=&y" : "", fields[way % ARRAY_COUNT(fields)]);
    ask_text(sites, slice_of_string(head));
    free(head);
}

static void ask_all(const struct site_list *sites, const struct index *index)
{
    uint32_t step = index->entry_count / ASKED_MAX + 1;
    for (uint32_t i = 0; i < index->entry_count; i += step) {
        ask(sites, index_path(index, &index->entries[i]), i / step);
    }
    step = index->rule_count / ASKED_MAX + 1;
    for (uint32_t i = 0; i < index->rule_count; i += step) {
        const struct index_rule *rule = &index->rules[i];
        ask(sites, index_text(index, rule->pattern_at, rule->pattern_bytes), i / step);
    }
    static const char *const others[] = {
        "/",         "/missing",    "/docs/missing", "/old/a/b", "/news/2026/x y",    "/find",
        "/app/deep", "/secret/key", "/page/x",       "/forced",  "/folder 1/missing", "/style.css"};
    for (unsigned i = 0; i < ARRAY_COUNT(others); i++) {
        ask(sites, slice_of_string(others[i]), i + (unsigned)sites->count);
    }
}

/* The index alone, or over and below a good one. The archive is as long as the index says
 * that it is: a longer one would have been refused. */
static void serve(const struct base *base, const struct index *index, bool is_alone)
{
    static struct guarded memory[2];
    static struct site sites[2];
    const struct base *other = &bases[BASES_PACKED - 1];
    if (index->committed_bytes > base->archive_bytes) {
        return;
    }
    struct index good;
    struct error error;
    FUZZ_CHECK(index_init(other->index, other->index_bytes, &good, &error) == 0);
    struct index copy = *index;
    struct archive archives[2] = {
        {.map = guarded_at_end(&memory[0], base->archive, index->committed_bytes),
         .map_bytes = index->committed_bytes},
        {.map = guarded_at_end(&memory[1], other->archive, other->archive_bytes),
         .map_bytes = other->archive_bytes}};
    sites[0].index = &copy;
    sites[0].archive = &archives[0];
    sites[1].index = &good;
    sites[1].archive = &archives[1];
    struct site *orders[][2] = {{&sites[0], NULL}, {&sites[0], &sites[1]}, {&sites[1], &sites[0]}};
    for (size_t i = is_alone ? 0 : 1; i < (is_alone ? 1 : ARRAY_COUNT(orders)); i++) {
        size_t count = is_alone ? 1 : 2;
        struct site_stack stack = {.prefix = SLICE(""),
                                   .prefix_url = SLICE(""),
                                   .active_count = count,
                                   .count = count,
                                   .sites = orders[i]};
        const struct site_list list = {.count = count, .sites = orders[i], .only = &stack};
        ask_all(&list, index);
    }
}

/* ---- the packer's own readers, with files ---- */

/* An archive whose last commit names this index. */
static void write_archive(const struct base *base, const struct index *index)
{
    char *path = mem_format("%s/made.cairn", scratch);
    int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    uint64_t end = index->committed_bytes;
    struct superblock superblock = {.created_s = 0};
    uint8_t bytes[COMMIT_RECORD_BYTES];
    memcpy(superblock.uuid, index->archive_uuid, UUID_BYTES);
    struct commit commit = {.release = index->release,
                            .begin_offset = SUPERBLOCK_BYTES,
                            .committed_bytes = end,
                            .index_bytes = index->map_bytes,
                            .index_checksum = index->checksum};
    commit_encode(&commit, bytes + RECORD_HEADER_BYTES);
    struct record record = {
        .kind = RECORD_COMMIT,
        .offset = end - COMMIT_RECORD_BYTES,
        .path = SLICE(""),
        .stored_bytes = COMMIT_PAYLOAD_BYTES,
        .payload_hash = hash128(bytes + RECORD_HEADER_BYTES, COMMIT_PAYLOAD_BYTES),
    };
    record_encode(&record, superblock.uuid, bytes);
    size_t known = base->archive_bytes < end ? base->archive_bytes : end;
    FUZZ_CHECK(fd >= 0 && pwrite(fd, base->archive, known, 0) == (ssize_t)known);
    FUZZ_CHECK(pwrite(fd, bytes, sizeof bytes, (off_t)record.offset) == sizeof bytes);
    superblock_encode(&superblock, bytes);
    FUZZ_CHECK(pwrite(fd, bytes, SUPERBLOCK_BYTES, 0) == SUPERBLOCK_BYTES);
    close(fd);
    free(path);
}

static void use_files(const struct base *base, const struct index *index)
{
    uint64_t end = index->committed_bytes;
    if (end % FORMAT_ALIGNMENT != 0 || end < SUPERBLOCK_BYTES + COMMIT_RECORD_BYTES ||
        end > FILE_BYTES_MAX) {
        return;
    }
    write_archive(base, index);
    fuzz_write(scratch, "made.idx", index->map, index->map_bytes);
    char *path = mem_format("%s/made.idx", scratch);
    char *other = mem_format("%s/site.000001.idx", scratch);
    struct error error = {""};
    FUZZ_CHECK(list_release(path, false, fuzz_nowhere(), &error) == 0);
    FUZZ_CHECK(list_release(path, true, fuzz_nowhere(), &error) == 0);
    FUZZ_CHECK(diff_releases(path, other, false, fuzz_nowhere(), &error) == 0);
    FUZZ_CHECK(diff_releases(other, path, true, fuzz_nowhere(), &error) == 0);
    const struct trust anybody = {0};
    FUZZ_CHECK(verify_release(path, &anybody, fuzz_nowhere(), &error) == 0 || error.text[0] != 0);
    free(path);
    free(other);
}

/* Is it accepted? Then all of it is used. */
static bool use(const struct base *base, const uint8_t *bytes, size_t count, bool is_unchanged,
                bool is_alone)
{
    struct index index;
    struct error error = {""};
    if (index_init(bytes, count, &index, &error) != 0) {
        FUZZ_CHECK(error.text[0] != '\0' && !is_unchanged);
        return false;
    }
    FUZZ_CHECK(!is_alone || index_check_deep(&index, &error) == 0 || !is_unchanged);
    use_entries(&index);
    serve(base, &index, is_alone);
    return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count)
{
    static struct guarded memory;
    if (scratch == NULL) {
        make_bases();
        limits_init(&worker.limits);
        live_reload_init(&worker.live, SLICE("/events"));
        date_line_set(&worker.common.date, 1650000000);
    }
    struct slice input = fuzz_input(bytes, count);
    unsigned first = fuzz_take_byte(&input);
    const struct base *base = &bases[first % BASES];
    struct part image = {0};
    if (first == RAW) {
        part_set(&image, input.bytes, input.count);
    } else {
        edit(base, input, &image);
    }
    seal(&image);
    bool is_unchanged = first != RAW && input.count == 0;
    bool is_good = use(base, guarded_at_end(&memory, image.bytes, image.count), image.count,
                       is_unchanged, true);
    uint8_t *start = guarded_at_start(&memory, image.bytes, image.count);
    FUZZ_CHECK(use(base, start, image.count, is_unchanged, false) == is_good);
    struct index index;
    struct error error;
    if (is_good && (first & WITH_FILES) != 0 &&
        index_init(start, image.count, &index, &error) == 0) {
        use_files(base, &index);
    }
    free(image.bytes);
    return 0;
}
