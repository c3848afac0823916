#include "packer/inspect.h"

#include "common/http_date.h"
#include "common/mem.h"
#include "common/path.h"
#include "common/release.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

struct opened {
    struct index *index;
    struct archive *archive;
};

static void close_release(struct opened *opened)
{
    index_close(opened->index);
    archive_unref(opened->archive);
}

/* NAME.idx for NAME.cairn; any other path as it is. */
static char *index_path_for(const char *path)
{
    uint8_t magic[MAGIC_BYTES] = {0};
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    ssize_t count = fd >= 0 ? read(fd, magic, sizeof magic) : -1;
    if (fd >= 0) {
        close(fd);
    }
    if (count != MAGIC_BYTES || memcmp(magic, ARCHIVE_MAGIC, MAGIC_BYTES) != 0) {
        return mem_string(path, strlen(path));
    }
    char *stem = release_stem(path);
    char *index_path = mem_format("%s.idx", stem);
    free(stem);
    return index_path;
}

static int open_release(const char *path, struct opened *opened, struct error *error)
{
    *opened = (struct opened){0};
    char *index_path = index_path_for(path);
    char *archive_path = NULL;
    int status = index_open(index_path, &opened->index, error);
    if (status == 0) {
        status = release_archive_path(index_path, &archive_path, error);
    }
    if (status == 0) {
        status = archive_open(archive_path, 0, &opened->archive, error);
    }
    if (status == 0) {
        status = release_bind(opened->index, opened->archive, error);
    }
    free(archive_path);
    free(index_path);
    if (status != 0) {
        close_release(opened);
    }
    return status;
}

/* ---- list ---- */

struct row {
    struct slice path;
    const struct index_entry *entry;
};

static int compare_rows(const void *a, const void *b)
{
    const struct row *x = a;
    const struct row *y = b;
    size_t shorter = x->path.count < y->path.count ? x->path.count : y->path.count;
    int order = memcmp(x->path.bytes, y->path.bytes, shorter);
    return order != 0 ? order : (x->path.count > y->path.count) - (x->path.count < y->path.count);
}

/* Every entry, sorted by path; the caller frees. */
static struct row *sorted_rows(const struct index *index)
{
    struct row *rows = mem_zeroed(index->entry_count, sizeof *rows);
    for (uint32_t i = 0; i < index->entry_count; i++) {
        const struct index_entry *entry = &index->entries[i];
        rows[i] = (struct row){index_path(index, entry), entry};
    }
    if (index->entry_count > 0) {
        qsort(rows, index->entry_count, sizeof *rows, compare_rows);
    }
    return rows;
}

static struct slice content_type(const struct index_head_text *head)
{
    static const struct slice name = {"Content-Type: ", 14};
    struct slice value = slice_starts_with(head->entity, name)
                             ? slice_after(head->entity, name.count)
                             : (struct slice){"", 0};
    const char *end = memchr(value.bytes, '\r', value.count);
    return end == NULL ? value : (struct slice){value.bytes, (size_t)(end - value.bytes)};
}

static void print_row(const struct index *index, const struct row *row, FILE *out)
{
    const struct index_entry *entry = row->entry;
    if (entry->kind == ENTRY_FILE) {
        struct index_head_text head = index_head(index, &entry->first);
        struct slice type = content_type(&head);
        fprintf(out, "%-9s %12" PRIu64 "  %-26.*s %-30.*s %.*s\n",
                entry->flags & ENTRY_DERIVED ? "page" : "file", entry->first.stored_bytes,
                (int)head.etag.count, head.etag.bytes, (int)type.count, type.bytes,
                (int)row->path.count, row->path.bytes);
    } else if (entry->kind == ENTRY_REDIRECT) {
        struct slice target = index_text(index, entry->first.head_at, entry->first.head_bytes);
        fprintf(out, "redirect  %12u  %-26s %-30s %.*s -> %.*s\n", entry->status, "-", "-",
                (int)row->path.count, row->path.bytes, (int)target.count, target.bytes);
    } else {
        fprintf(out, "gone      %12u  %-26s %-30s %.*s\n", entry->status, "-", "-",
                (int)row->path.count, row->path.bytes);
    }
}

int inspect_list(const char *path, FILE *out, struct error *error)
{
    struct opened opened;
    int status = open_release(path, &opened, error);
    if (status != 0) {
        return status;
    }
    struct row *rows = sorted_rows(opened.index);
    fprintf(out, "%-9s %12s  %-26s %-30s %s\n", "KIND", "BYTES", "TAG", "TYPE", "PATH");
    for (uint32_t i = 0; i < opened.index->entry_count; i++) {
        print_row(opened.index, &rows[i], out);
    }
    free(rows);
    close_release(&opened);
    return 0;
}

/* ---- verify ---- */

/* Where a content's bytes are, and what they must hash to: from its record. */
struct content {
    uint64_t payload_offset;
    uint64_t stored_bytes;
    struct hash128 hash;
    bool is_checked;
};

struct contents {
    struct content *rows; /* by offset, ascending */
    size_t count;
    size_t capacity;
};

static int read_commit_records(const struct archive *archive, const struct commit *commit,
                               struct contents *contents, struct error *error)
{
    uint64_t offset = commit->begin_offset;
    struct record record;
    const char *why = "";
    int status;
    while ((status = archive_next_record(archive, commit, &offset, &record, &why)) > 0) {
        if (record.kind != RECORD_CONTENT) {
            continue;
        }
        if (contents->count == contents->capacity) {
            contents->capacity = mem_capacity(contents->capacity, contents->count + 1);
            contents->rows = mem_resize(contents->rows, contents->capacity, sizeof *contents->rows);
        }
        contents->rows[contents->count++] = (struct content){
            record.payload_offset, record.stored_bytes, record.payload_hash, false};
    }
    if (status != 0) {
        return error_set(error, status, "%s: release %" PRIu64 ", at byte %" PRIu64 ": %s",
                         archive->path, commit->release, offset, why);
    }
    return 0;
}

static int compare_contents(const void *a, const void *b)
{
    const struct content *x = a;
    const struct content *y = b;
    return (x->payload_offset > y->payload_offset) - (x->payload_offset < y->payload_offset);
}

/* All content records of this release and the ones before it, whose contents it may share. */
static int read_contents(const struct opened *opened, struct contents *contents,
                         struct error *error)
{
    const struct archive *archive = opened->archive;
    uint64_t end = opened->index->committed_bytes;
    for (;;) {
        struct commit commit;
        const char *why;
        int status = commit_decode(archive->map, end, archive->superblock.uuid, &commit, &why);
        if (status != 0) {
            return error_set(error, status, "%s: at byte %" PRIu64 ": %s", archive->path,
                             end - COMMIT_RECORD_BYTES, why);
        }
        status = read_commit_records(archive, &commit, contents, error);
        if (status != 0) {
            return status;
        }
        if (commit.previous_offset == 0) {
            break;
        }
        end = commit.previous_offset + COMMIT_RECORD_BYTES;
    }
    if (contents->count > 0) {
        qsort(contents->rows, contents->count, sizeof *contents->rows, compare_contents);
    }
    return 0;
}

static const char *content_problem(const struct archive *archive, struct contents *contents,
                                   const struct index_representation *representation,
                                   uint64_t *checked_bytes)
{
    struct content key = {.payload_offset = representation->payload_offset};
    struct content *content = contents->count == 0
                                  ? NULL
                                  : bsearch(&key, contents->rows, contents->count,
                                            sizeof *contents->rows, compare_contents);
    if (content == NULL || content->stored_bytes != representation->stored_bytes) {
        return "no record of the archive holds its bytes";
    }
    if (content->is_checked) {
        return NULL;
    }
    struct hash128 hash = hash128(archive->map + content->payload_offset, content->stored_bytes);
    if (memcmp(hash.bytes, content->hash.bytes, HASH128_BYTES) != 0) {
        return "its bytes are damaged";
    }
    content->is_checked = true;
    *checked_bytes += content->stored_bytes;
    return NULL;
}

static int check_contents(const struct opened *opened, struct contents *contents,
                          uint64_t *checked_bytes, struct error *error)
{
    const struct index *index = opened->index;
    for (uint32_t i = 0; i < index->entry_count; i++) {
        const struct index_entry *entry = &index->entries[i];
        for (unsigned j = 0; j < entry->representation_count; j++) {
            const char *problem = content_problem(
                opened->archive, contents, index_representation(index, entry, j), checked_bytes);
            if (problem != NULL) {
                struct slice path = index_path(index, entry);
                return error_set(error, ERR_DAMAGED, "%s: %.*s: %s", opened->archive->path,
                                 (int)path.count, path.bytes, problem);
            }
        }
    }
    return 0;
}

int inspect_verify(const char *path, FILE *out, struct error *error)
{
    struct opened opened;
    int status = open_release(path, &opened, error);
    if (status != 0) {
        return status;
    }
    struct contents contents = {0};
    uint64_t checked_bytes = 0;
    status = index_check_deep(opened.index, error);
    if (status == 0) {
        status = read_contents(&opened, &contents, error);
    }
    if (status == 0) {
        status = check_contents(&opened, &contents, &checked_bytes, error);
    }
    if (status == 0) {
        fprintf(out, "ok release=%" PRIu64 " paths=%" PRIu32 " bytes=%" PRIu64 " archive=%s\n",
                opened.index->release, opened.index->entry_count, checked_bytes,
                opened.archive->path);
    }
    free(contents.rows);
    close_release(&opened);
    return status;
}

/* ---- extract ---- */

static int fail(const char *path, struct error *error)
{
    return error_set(error, -errno, "%s: %s", path, strerror(errno));
}

static int make_empty_directory(const char *path, struct error *error)
{
    if (mkdir(path, 0777) == 0) {
        return 0;
    }
    DIR *directory = errno == EEXIST ? opendir(path) : NULL;
    if (directory == NULL) {
        return fail(path, error);
    }
    int names = 0;
    while (readdir(directory) != NULL) {
        names++;
    }
    closedir(directory);
    if (names > 2) { /* more than . and .. */
        return error_set(error, -ENOTEMPTY, "%s: not empty", path);
    }
    return 0;
}

/* Makes every folder on the way to a file. `path` is changed and put right again. */
static int make_parents(char *path, size_t root_bytes, struct error *error)
{
    for (char *at = path + root_bytes + 1; (at = strchr(at, '/')) != NULL; at++) {
        *at = '\0';
        int result = mkdir(path, 0777);
        int status = result != 0 && errno != EEXIST ? fail(path, error) : 0;
        *at = '/';
        if (status != 0) {
            return status;
        }
    }
    return 0;
}

static int write_bytes(int fd, const uint8_t *bytes, uint64_t count)
{
    while (count > 0) {
        ssize_t written = write(fd, bytes, count < (1u << 30) ? (size_t)count : (1u << 30));
        if (written < 0 && errno == EINTR) {
            continue;
        }
        if (written < 0) {
            return -1;
        }
        bytes += written;
        count -= (uint64_t)written;
    }
    return 0;
}

/* The published time: seconds, from the head. Files without one keep the time of extraction. */
static void set_time(int fd, const struct index *index, const struct index_entry *entry)
{
    static const char field[] = "Last-Modified: ";
    struct slice text = index_head(index, &entry->first).validator;
    const char *at = memmem(text.bytes, text.count, field, sizeof field - 1);
    size_t offset = at == NULL ? text.count : (size_t)(at - text.bytes) + sizeof field - 1;
    struct slice date = slice_after(text, offset);
    int64_t seconds;
    if (date.count >= HTTP_DATE_BYTES &&
        http_date_parse((struct slice){date.bytes, HTTP_DATE_BYTES}, &seconds)) {
        struct timespec times[2] = {{.tv_sec = seconds}, {.tv_sec = seconds}};
        (void)futimens(fd, times);
    }
}

static int extract_file(const struct opened *opened, const struct index_entry *entry,
                        const char *directory, struct error *error)
{
    struct slice key = index_path(opened->index, entry);
    char *path = mem_format("%s%.*s", directory, (int)key.count, key.bytes);
    int status = make_parents(path, strlen(directory), error);
    int fd = -1;
    if (status == 0) {
        fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
        status = fd < 0 ? fail(path, error) : 0;
    }
    if (status == 0 && write_bytes(fd, opened->archive->map + entry->first.payload_offset,
                                   entry->first.stored_bytes) != 0) {
        status = fail(path, error);
    }
    if (fd >= 0) {
        set_time(fd, opened->index, entry);
        if (close(fd) != 0 && status == 0) {
            status = fail(path, error);
        }
    }
    free(path);
    return status;
}

static int extract_all(const struct opened *opened, const char *directory, uint64_t *out_count,
                       struct error *error)
{
    const struct index *index = opened->index;
    uint64_t count = 0;
    for (uint32_t i = 0; i < index->entry_count; i++) {
        const struct index_entry *entry = &index->entries[i];
        if (entry->kind != ENTRY_FILE || (entry->flags & ENTRY_DERIVED) != 0) {
            continue;
        }
        int status = extract_file(opened, entry, directory, error);
        if (status != 0) {
            return status;
        }
        count++;
    }
    *out_count = count;
    return 0;
}

int inspect_extract(const char *path, const char *directory, FILE *out, struct error *error)
{
    struct opened opened;
    int status = open_release(path, &opened, error);
    if (status != 0) {
        return status;
    }
    uint64_t count = 0;
    /* Paths become file names below: they must be canonical, whoever wrote the index. */
    status = index_check_deep(opened.index, error);
    if (status == 0) {
        status = make_empty_directory(directory, error);
    }
    if (status == 0) {
        status = extract_all(&opened, directory, &count, error);
    }
    if (status == 0) {
        fprintf(out, "ok release=%" PRIu64 " files=%" PRIu64 " directory=%s\n",
                opened.index->release, count, directory);
    }
    close_release(&opened);
    return status;
}
