#include "common/opened_release.h"

#include "common/field_lines.h"
#include "common/mem.h"
#include "common/read_at.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

/* NAME.idx for NAME.cairn; any other path as it is. */
static int choose_index_path(const char *path, char **out_index_path, struct error *error)
{
    uint8_t magic[MAGIC_BYTES] = {0};
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) {
        return error_set(error, -errno, "%s: %s", path, strerror(errno));
    }
    ssize_t count = read_at(fd, magic, sizeof magic, 0);
    close(fd);
    if (count < 0 && count != -EISDIR) { /* a folder is refused where it is opened as an index */
        return error_set(error, (int)count, "%s: %s", path, error_name((int)count));
    }
    if (count != MAGIC_BYTES || memcmp(magic, ARCHIVE_MAGIC, MAGIC_BYTES) != 0) {
        *out_index_path = mem_string(path, strlen(path));
        return 0;
    }
    char *stem = release_stem(path);
    *out_index_path = mem_format("%s.idx", stem);
    free(stem);
    return 0;
}

int opened_release_init(struct opened_release *opened, const char *path, struct error *error)
{
    *opened = (struct opened_release){0};
    char *index_path = NULL;
    char *archive_path = NULL;
    int status = choose_index_path(path, &index_path, error);
    if (status == 0) {
        status = index_open(index_path, &opened->index, error);
    }
    if (status == 0) {
        status = release_archive_path(index_path, &archive_path, error);
    }
    if (status == 0) {
        status = archive_open(archive_path, 0, &opened->archive, error);
    }
    if (status == 0) {
        status = release_bind(opened->index, opened->archive, error);
    }
    if (status == 0) {
        const char *why;
        status = commit_decode(opened->archive->map, opened->index->committed_bytes,
                               opened->archive->superblock.uuid, &opened->commit, &why);
        if (status != 0) {
            error_set(error, status, "%s: %s", archive_path, why);
        }
    }
    free(archive_path);
    free(index_path);
    if (status != 0) {
        opened_release_fini(opened);
    }
    return status;
}

void opened_release_fini(struct opened_release *opened)
{
    index_close(opened->index);
    archive_unref(opened->archive);
    *opened = (struct opened_release){0};
}

bool opened_release_signer(const struct opened_release *opened, char out[KEY_ID_TEXT_BYTES])
{
    struct signature signature;
    struct key_id id;
    const char *why;
    if (signature_decode(opened->archive->map, &opened->commit, opened->archive->superblock.uuid,
                         &signature, &why) != 0) {
        return false;
    }
    memcpy(id.bytes, signature.key_id, sizeof id.bytes);
    key_id_text(&id, out);
    return true;
}

static int compare_rows(const void *a, const void *b)
{
    return slice_compare(((const struct entry_row *)a)->path, ((const struct entry_row *)b)->path);
}

struct entry_row *sorted_entries(const struct index *index)
{
    struct entry_row *rows = mem_zeroed(index->entry_count, sizeof *rows);
    for (uint32_t i = 0; i < index->entry_count; i++) {
        const struct index_entry *entry = &index->entries[i];
        rows[i] = (struct entry_row){index_path(index, entry), entry};
    }
    if (index->entry_count > 0) {
        qsort(rows, index->entry_count, sizeof *rows, compare_rows);
    }
    return rows;
}

struct slice head_field(struct slice lines, struct slice name)
{
    while (lines.count > 0) {
        struct slice line = field_line_take(&lines);
        if (field_line_is(line, name) && line.count > name.count && line.bytes[name.count] == ':') {
            return field_line_value(line, name.count + 1);
        }
    }
    return (struct slice){"", 0};
}
