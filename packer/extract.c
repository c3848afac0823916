#include "packer/extract.h"

#include "common/mem.h"
#include "common/opened_release.h"
#include "common/path.h"
#include "packer/release/release_view.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

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
    errno = 0;
    while (readdir(directory) != NULL) {
        names++;
    }
    int status = errno == 0 ? 0 : fail(path, error);
    closedir(directory);
    if (status == 0 && names > 2) { /* more than . and .. */
        status = error_set(error, -ENOTEMPTY, "%s: not empty", path);
    }
    return status;
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

static int write_file(const char *path, const uint8_t *bytes, const struct content *content,
                      int64_t modified_s, struct error *error)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (fd < 0) {
        return fail(path, error);
    }
    int status = 0;
    if (write_bytes(fd, bytes, content->stored_bytes) != 0) {
        status = fail(path, error);
    }
    struct timespec times[2] = {{.tv_sec = modified_s}, {.tv_sec = modified_s}};
    (void)futimens(fd, times);
    if (close(fd) != 0 && status == 0) {
        status = fail(path, error);
    }
    return status;
}

static int extract_file(const struct release_view *view, const struct stored_file *file,
                        const char *directory, struct error *error)
{
    const struct content *content = &view->catalog.contents[file->content];
    const uint8_t *bytes = release_view_bytes(view, content);
    const char *problem = path_name_problem(slice_of_string(file->name)); /* whoever wrote it */
    struct hash128 hash = hash128(bytes, (size_t)content->stored_bytes);
    if (problem == NULL && memcmp(hash.bytes, content->hash.bytes, HASH128_BYTES) != 0) {
        problem = "its bytes are damaged";
    }
    if (problem != NULL) {
        return error_set(error, ERR_DAMAGED, "%s: %s: %s", view->archive->path, file->name,
                         problem);
    }
    char *path = mem_format("%s/%s", directory, file->name);
    int status = make_parents(path, strlen(directory), error);
    if (status == 0) {
        status = write_file(path, bytes, content, file->modified_s, error);
    }
    free(path);
    return status;
}

static int extract_all(const struct release_view *view, const char *directory, struct error *error)
{
    if (view->catalog.damaged_count > 0 || view->lost_count > 0) {
        return error_set(error, ERR_DAMAGED, "%s: records are damaged; run verify --archive",
                         view->archive->path);
    }
    int status = make_empty_directory(directory, error);
    for (size_t i = 0; i < view->file_count && status == 0; i++) {
        status = extract_file(view, &view->files[i], directory, error);
    }
    return status;
}

int extract_release(const char *path, const char *directory, FILE *out, struct error *error)
{
    struct opened_release opened;
    int status = opened_release_init(&opened, path, error);
    if (status != 0) {
        return status;
    }
    struct release_view view;
    status = release_view_init(&view, opened.archive, &opened.commit, error);
    if (status == 0) {
        status = extract_all(&view, directory, error);
    }
    if (status == 0) {
        fprintf(out, "ok release=%" PRIu64 " files=%zu directory=%s\n", opened.index->release,
                view.file_count, directory);
    }
    release_view_fini(&view);
    opened_release_fini(&opened);
    return status;
}
