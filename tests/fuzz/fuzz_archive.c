/* A crafted archive with right checksums: its readers must not read outside of it, run for ever,
 * take memory because a length says so, or write outside the folder that they were given; and what
 * rebuild, compact and add make of it must be whole. The first byte of an input names a real
 * archive or RAW, and what is done with it; what follows are edits of its records, or the file's
 * bytes. Then the checksums of whatever looks like a record are made right, the last one first,
 * because a payload may hold what looks like a record too. */
#include "common/index.h"
#include "common/mem.h"
#include "fuzz.h"
#include "packer/compact.h"
#include "packer/extract.h"
#include "packer/list.h"
#include "packer/rebuild.h"
#include "packer/release/release_view.h"
#include "packer/verify.h"
#include "samples.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* The first byte. */
enum {
    BASES = 3,
    BASE_MASK = 3,        /* 0 to 2: a base; 3: RAW */
    KEEP_PLACES = 4,      /* what commit records say of their places stays wrong */
    KEEP_HASHES = 8,      /* the hashes of payloads stay wrong */
    WITHOUT_INDEXES = 16, /* the indexes of the real archive do not lie beside it */
    ACTION_SHIFT = 5,
    ACTIONS = 8,
};

enum { DEPTH = 6, ALLOCATION_MOST = 32 << 20, PATH_EDIT_MAX = 255 };

static struct part bases[BASES];
static char *scratch; /* DEPTH folders below `root`, which holds nothing else */
static char *root;
static bool is_unchanged; /* the input edits nothing: all has to go well */
static char *real;        /* where the real archive and its indexes are */

/* ---- records in memory ---- */

static uint64_t get(const uint8_t *at, size_t bytes)
{
    uint64_t value = 0;
    memcpy(&value, at, bytes);
    return value;
}

static void put_u64(uint8_t *at, uint64_t value)
{
    memcpy(at, &value, sizeof value);
}

/* Where something is that looks like a record, as its own lengths say. */
struct found {
    size_t offset;
    size_t path_bytes;
    size_t payload_offset;
    size_t payload_bytes;
    size_t end;
};

/* False: nothing looks like a record here, or its path reaches past the end. A payload may: it is
 * cut here, but its header gets a right checksum, so that readers have to look at its length. */
static bool find_at(const struct part *image, size_t offset, struct found *out_found)
{
    uint64_t left = image->count - offset;
    if (left < RECORD_HEADER_BYTES || get(image->bytes + offset, 4) != RECORD_MAGIC) {
        return false;
    }
    uint64_t path_bytes = get(image->bytes + offset + 8, 4);
    uint64_t payload_bytes = get(image->bytes + offset + 16, 8);
    if (path_bytes > left - RECORD_HEADER_BYTES) {
        return false;
    }
    uint64_t payload_offset = format_align(offset + RECORD_HEADER_BYTES + path_bytes);
    payload_offset = payload_offset < image->count ? payload_offset : image->count;
    left = image->count - payload_offset;
    payload_bytes = payload_bytes < left ? payload_bytes : left;
    uint64_t end = format_align(payload_offset + payload_bytes);
    *out_found = (struct found){offset, path_bytes, payload_offset, payload_bytes,
                                end < image->count ? end : image->count};
    return true;
}

static size_t count_records(const struct part *image)
{
    struct found found;
    size_t count = 0;
    for (size_t at = SUPERBLOCK_BYTES; at < image->count; at += FORMAT_ALIGNMENT) {
        count += find_at(image, at, &found);
    }
    return count;
}

/* The one of this number, counted round. False: there is none. */
static bool find_record(const struct part *image, unsigned number, struct found *out_found)
{
    size_t count = count_records(image);
    size_t left = count == 0 ? 0 : number % count;
    for (size_t at = SUPERBLOCK_BYTES; count > 0 && at < image->count; at += FORMAT_ALIGNMENT) {
        if (find_at(image, at, out_found) && left-- == 0) {
            return true;
        }
    }
    return false;
}

/* ---- edits ---- */

static void shift_one(uint8_t *reference, uint64_t from, uint64_t by)
{
    uint64_t value = get(reference, 8);
    if (value >= from) {
        put_u64(reference, value + by);
    }
}

/* What lay at `from` and behind has moved: references follow. */
static void shift(struct part *image, uint64_t from, uint64_t by)
{
    struct found found;
    for (size_t at = SUPERBLOCK_BYTES; at < image->count; at += FORMAT_ALIGNMENT) {
        if (!find_at(image, at, &found)) {
            continue;
        }
        uint8_t *payload = image->bytes + found.payload_offset;
        unsigned kind = image->bytes[at + 4];
        if (kind == RECORD_VARIANT) {
            shift_one(image->bytes + at + 48, from, by);
        } else if (kind == RECORD_ALIAS && found.payload_bytes == ALIAS_PAYLOAD_BYTES) {
            shift_one(payload, from, by);
        } else if (kind == RECORD_COMMIT && found.payload_bytes == COMMIT_PAYLOAD_BYTES) {
            shift_one(payload + 8, from, by);
            shift_one(payload + 24, from, by);
        }
    }
}

static void insert_record(struct part *image, size_t at, const struct part *record)
{
    part_insert(image, at, record->bytes, record->count);
    shift(image, at, record->count);
}

static void cut_record(struct part *image, const struct found *found)
{
    part_cut(image, found->offset, found->end - found->offset);
    shift(image, found->end, (uint64_t)0 - (found->end - found->offset));
}

/* The record with another path or payload in place of its own. */
static void replace_text(struct part *image, const struct found *found, struct slice text,
                         bool is_path)
{
    static const uint8_t zeros[FORMAT_ALIGNMENT];
    struct part record = {0};
    const uint8_t *old = image->bytes + found->offset;
    struct slice path = {(const char *)old + RECORD_HEADER_BYTES, found->path_bytes};
    struct slice payload = {(const char *)image->bytes + found->payload_offset,
                            found->payload_bytes};
    *(is_path ? &path : &payload) = text;
    part_set(&record, old, RECORD_HEADER_BYTES);
    part_insert(&record, record.count, path.bytes, path.count);
    part_insert(&record, record.count, zeros, format_align(record.count) - record.count);
    part_insert(&record, record.count, payload.bytes, payload.count);
    part_insert(&record, record.count, zeros, format_align(record.count) - record.count);
    put_u64(record.bytes + 16, payload.count);
    record.bytes[8] = (uint8_t)path.count;
    record.bytes[9] = (uint8_t)(path.count >> 8);
    record.bytes[10] = (uint8_t)(path.count >> 16);
    record.bytes[11] = 0;
    struct found place = *found;
    cut_record(image, &place);
    insert_record(image, place.offset, &record);
    free(record.bytes);
}

static void edit_text(struct part *image, const struct found *found, struct slice *input,
                      bool is_path)
{
    char text[PATH_EDIT_MAX];
    size_t count = fuzz_take_byte(input);
    count = count < input->count ? count : input->count;
    memcpy(text, input->bytes, count);
    *input = slice_after(*input, count);
    replace_text(image, found, (struct slice){text, count}, is_path);
}

static void edit_once(struct part *image, struct slice *input)
{
    unsigned operation = fuzz_take_byte(input) % 7;
    struct found found;
    struct found other;
    if (operation == 0 || !find_record(image, fuzz_take_byte(input), &found)) {
        part_edit(image, input, true);
        return;
    }
    struct part record = {image->bytes + found.offset, found.end - found.offset, 0};
    switch (operation) {
    case 1: /* a copy of it before another */
        if (find_record(image, fuzz_take_byte(input), &other)) {
            struct part copy = {0};
            part_set(&copy, record.bytes, record.count);
            insert_record(image, other.offset, &copy);
            free(copy.bytes);
        }
        break;
    case 2:
        cut_record(image, &found);
        break;
    case 3:
        edit_text(image, &found, input, true);
        break;
    case 4:
        edit_text(image, &found, input, false);
        break;
    case 5: { /* its header */
        struct part header = {record.bytes, RECORD_HEADER_BYTES, 0};
        part_edit(&header, input, false);
        break;
    }
    default:
        part_edit(&record, input, false);
        break;
    }
}

/* ---- checksums ---- */

/* docs/format.md, "Record", once more. */
static void seal_record(struct part *image, const struct found *found, unsigned first)
{
    uint8_t *header = image->bytes + found->offset;
    const uint64_t offset = found->offset;
    if ((first & KEEP_HASHES) == 0) {
        struct hash128 hash = hash128(image->bytes + found->payload_offset, found->payload_bytes);
        memcpy(header + 32, hash.bytes, HASH128_BYTES);
    }
    uint64_t checksum = hash64(&offset, sizeof offset, hash64(image->bytes + 16, UUID_BYTES, 0));
    checksum = hash64(header, 56, checksum);
    put_u64(header + 56, hash64(header + RECORD_HEADER_BYTES, found->path_bytes, checksum));
}

/* Where the commit records are now: that each follows the one before. */
static void set_places(struct part *image)
{
    uint64_t previous = 0;
    uint64_t begin = SUPERBLOCK_BYTES;
    struct found found;
    for (size_t at = SUPERBLOCK_BYTES; at < image->count; at += FORMAT_ALIGNMENT) {
        if (find_at(image, at, &found) && image->bytes[at + 4] == RECORD_COMMIT &&
            found.payload_bytes == COMMIT_PAYLOAD_BYTES) {
            uint8_t *payload = image->bytes + found.payload_offset;
            put_u64(payload + 8, begin);
            put_u64(payload + 16, found.end);
            put_u64(payload + 24, previous);
            previous = at;
            begin = found.end;
        }
    }
}

static void seal(struct part *image, unsigned first)
{
    struct found found;
    if (image->count < SUPERBLOCK_BYTES) {
        return;
    }
    put_u64(image->bytes + 56, hash64(image->bytes, 56, 0));
    if ((first & KEEP_PLACES) == 0) {
        set_places(image);
    }
    for (size_t at = image->count & ~(size_t)(FORMAT_ALIGNMENT - 1); at >= SUPERBLOCK_BYTES;
         at -= FORMAT_ALIGNMENT) {
        if (find_at(image, at, &found)) {
            seal_record(image, &found, first);
        }
    }
}

/* ---- in memory ---- */

/* Every record is inside, and the next one behind it. */
static void walk(const struct archive *archive, const struct commit *commit)
{
    uint64_t offset = commit->begin_offset;
    uint64_t before = offset;
    struct record record;
    const char *why;
    while (archive_next_record(archive, commit, &offset, &record, &why) > 0) {
        FUZZ_CHECK(record.offset == before && offset > before);
        FUZZ_CHECK(record.payload_offset + record.stored_bytes <= commit->committed_bytes);
        uint64_t content;
        FUZZ_CHECK(alias_decode(archive->map, &record, &content, &why) != 0 ||
                   content < record.offset);
        before = offset;
    }
    offset = SUPERBLOCK_BYTES;
    while (archive_resync(archive, commit->committed_bytes, &offset)) {
        before = offset;
    }
}

/* The files of the release, and its index again. */
static void view(const struct archive *archive, const struct commit *commit)
{
    struct release_view release;
    struct error error = {""};
    int status = release_view_init(&release, archive, commit, &error);
    if (status == 0) {
        char *stem = mem_format("%s/none", scratch);
        struct index_image image = {0};
        if (release_view_index(&release, stem, &image, &error) == 0) {
            struct index index;
            FUZZ_CHECK(index_init(image.bytes, image.count, &index, &error) == 0);
            FUZZ_CHECK(index_check_deep(&index, &error) == 0);
        }
        free(image.bytes);
        free(stem);
    }
    release_view_fini(&release);
}

/* All that reads a mapping, with a page that faults at each end of it. Is there a release? */
static bool read_mapped(const struct part *image)
{
    static struct guarded memory;
    static char name[] = "in memory";
    struct archive archive = {.fd = memfd_create("archive", MFD_CLOEXEC),
                              .map = guarded_at_end(&memory, image->bytes, image->count),
                              .map_bytes = image->count,
                              .path = name};
    const char *why;
    size_t count = 0;
    FUZZ_CHECK(archive.fd >= 0);
    FUZZ_CHECK(write(archive.fd, image->bytes, image->count) == (ssize_t)image->count);
    if (superblock_decode(archive.map, image->count, &archive.superblock, &why) == 0) {
        struct commit *commits;
        struct error error = {""};
        FUZZ_CHECK(release_commits(&archive, &commits, &count, &error) == 0);
        for (size_t i = 0; i < count; i++) {
            walk(&archive, &commits[i]);
        }
        if (count > 0) {
            view(&archive, &commits[count - 1]);
        }
        free(commits);
    }
    close(archive.fd);
    return count > 0;
}

/* ---- on disk ---- */

static const struct trust anybody; /* no keys: nobody is asked who signed */

static char *below(const char *name)
{
    return mem_format("%s/work/%s", scratch, name);
}

/* An index of nothing that the newest commit names: what reads a release through an index gets to
 * the records, whatever they are. */
static void bind_empty_index(struct part *image, unsigned first)
{
    struct archive archive = {.map = image->bytes, .map_bytes = image->count};
    struct commit commit;
    const char *why;
    memcpy(archive.superblock.uuid, image->bytes + 16, UUID_BYTES);
    size_t end = image->count & ~(size_t)(FORMAT_ALIGNMENT - 1);
    while (end > SUPERBLOCK_BYTES &&
           commit_decode(image->bytes, end, archive.superblock.uuid, &commit, &why) != 0) {
        end -= FORMAT_ALIGNMENT;
    }
    if (end <= SUPERBLOCK_BYTES) {
        return;
    }
    struct index_properties properties = {.release = commit.release,
                                          .committed_bytes = commit.committed_bytes,
                                          .created_s = commit.created_s};
    struct index_writer *writer = index_writer_new();
    struct index_image index;
    struct error error;
    struct found found;
    memcpy(properties.archive_uuid, archive.superblock.uuid, UUID_BYTES);
    FUZZ_CHECK(index_writer_finish(writer, &properties, &index, &error) == 0);
    index_writer_free(writer);
    commit.index_bytes = index.count;
    commit.index_checksum = index.checksum;
    FUZZ_CHECK(find_at(image, end - COMMIT_RECORD_BYTES, &found));
    commit_encode(&commit, image->bytes + found.payload_offset);
    seal_record(image, &found, first & ~(unsigned)KEEP_HASHES);
    fuzz_write(scratch, "work/site.idx", index.bytes, index.count);
    free(index.bytes);
}

static void copy_indexes(void)
{
    for (unsigned i = 1; i <= BASES; i++) {
        size_t count;
        char *from = mem_format("%s/site.%06u.idx", real, i);
        char *to = mem_format("work/site.%06u.idx", i);
        uint8_t *bytes = fuzz_read(from, &count);
        fuzz_write(scratch, to, bytes, count);
        free(bytes);
        free(from);
        free(to);
    }
}

/* Nothing but what is in the folder it was given may be new. Returns the names in that. */
static size_t extract(const char *path, const char *name)
{
    char *folder = below(name);
    char *work = mem_format("%s/work", scratch);
    struct error error = {""};
    struct stat status;
    size_t before = fuzz_names_below(work);
    int result = extract_release(path, folder, fuzz_nowhere(), &error);
    bool is_there = stat(folder, &status) == 0;
    size_t count = is_there ? fuzz_names_below(folder) : 0;
    FUZZ_CHECK(fuzz_names_below(work) == before + count + is_there);
    FUZZ_CHECK(result != 0 || is_there);
    free(folder);
    free(work);
    return result == 0 ? count : SIZE_MAX;
}

static bool is_whole(const char *path)
{
    struct error error = {""};
    if (verify_release(path, &anybody, fuzz_nowhere(), &error) != 0) {
        fprintf(stderr, "%s\n", error.text);
        return false;
    }
    return true;
}

static void rebuild(const char *archive)
{
    char *index = NULL;
    struct error error = {""};
    int status = rebuild_indexes(archive, NULL, fuzz_nowhere(), &index, &error);
    FUZZ_CHECK(status == 0 || !is_unchanged);
    if (status == 0) {
        FUZZ_CHECK(is_whole(index));
        FUZZ_CHECK(list_release(index, true, fuzz_nowhere(), &error) == 0);
        (void)extract(archive, "out");
    }
    free(index);
}

static void compact(const char *archive, uint64_t keep)
{
    char *index = NULL;
    char *new_archive = below("new.cairn");
    struct error error = {""};
    int status = compact_archive(archive, new_archive, keep, NULL, fuzz_nowhere(), &index, &error);
    FUZZ_CHECK(status == 0 || !is_unchanged);
    if (status == 0) {
        FUZZ_CHECK(is_whole(index));
        FUZZ_CHECK(verify_archive(new_archive, &anybody, fuzz_nowhere(), &error) == 0);
        size_t names = extract(archive, "out");
        FUZZ_CHECK(names == SIZE_MAX || names == extract(new_archive, "again"));
    }
    free(index);
    free(new_archive);
}

static void add(bool is_overlay)
{
    static const char page[] = "<title>a page</title>\n"; /* which the real archive holds */
    struct error error = {""};
    char *work = mem_format("%s/work", scratch);
    char *index = below("site.idx");
    fuzz_write(scratch, "work/site/page.html", page, sizeof page - 1);
    fuzz_write(scratch, "work/site/more/new.html", "new\n", 4);
    int status = fuzz_pack(work, is_overlay, &error);
    FUZZ_CHECK(status == 0 || !is_unchanged || is_overlay); /* which needs the indexes before it */
    if (status == 0) {
        FUZZ_CHECK(is_whole(index));
        (void)extract(index, "out");
    }
    free(work);
    free(index);
}

static void act(unsigned action)
{
    struct error error = {""};
    char *archive = below("site.cairn");
    switch (action) {
    case 0:
        FUZZ_CHECK(verify_archive(archive, &anybody, fuzz_nowhere(), &error) == 0 || !is_unchanged);
        FUZZ_CHECK(verify_release(archive, &anybody, fuzz_nowhere(), &error) == 0 || !is_unchanged);
        break;
    case 1:
        FUZZ_CHECK(extract(archive, "out") != SIZE_MAX || !is_unchanged);
        break;
    case 2:
    case 3:
        rebuild(archive);
        break;
    case 4:
        compact(archive, UINT64_MAX);
        break;
    case 5:
        compact(archive, 1);
        break;
    default:
        add(action == 7);
        break;
    }
    free(archive);
}

/* ---- */

static void make_bases(void)
{
    scratch = fuzz_scratch(DEPTH);
    root = mem_string(scratch, strlen(scratch) - 2 * DEPTH);
    real = fuzz_scratch(0);
    fuzz_pack_releases(real);
    char *path = mem_format("%s/site.cairn", real);
    size_t count;
    uint8_t *bytes = fuzz_read(path, &count);
    free(path);
    for (unsigned i = 0; i < BASES; i++) { /* all three releases, two, one */
        char *index_path = mem_format("%s/site.%06u.idx", real, BASES - i);
        size_t index_bytes;
        uint8_t *index = fuzz_read(index_path, &index_bytes);
        part_set(&bases[i], bytes, get(index + 40, 8));
        free(index);
        free(index_path);
    }
    free(bytes);
    fuzz_limit_allocations(ALLOCATION_MOST);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count)
{
    if (scratch == NULL) {
        make_bases();
    }
    struct slice input = fuzz_input(bytes, count);
    unsigned first = fuzz_take_byte(&input);
    struct part image = {0};
    is_unchanged = (first & BASE_MASK) < BASES && input.count == 0;
    if ((first & BASE_MASK) >= BASES) {
        part_set(&image, input.bytes, input.count);
    } else {
        part_set(&image, bases[first & BASE_MASK].bytes, bases[first & BASE_MASK].count);
        while (input.count > 0) {
            edit_once(&image, &input);
        }
    }
    seal(&image, first);
    bool has_release = read_mapped(&image);
    FUZZ_CHECK(has_release || !is_unchanged);
    if (has_release) {
        unsigned action = first >> ACTION_SHIFT;
        if (action <= 1) {
            bind_empty_index(&image, first);
        }
        if ((first & WITHOUT_INDEXES) == 0) {
            copy_indexes();
        }
        fuzz_write(scratch, "work/site.cairn", image.bytes, image.count);
        act(action);
        char *work = below("");
        fuzz_remove(work);
        free(work);
        FUZZ_CHECK(fuzz_names_below(root) == DEPTH);
    }
    free(image.bytes);
    return 0;
}
