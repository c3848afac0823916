#include "common/version.h"

#include "common/format.h"

#include <link.h>
#include <stdlib.h>
#include <string.h>

/* A file that the program has loaded, by the name of its library. */
struct loaded {
    const char *name;
    const char *path; /* NULL: there is none */
};

static int compare_object(struct dl_phdr_info *object, size_t bytes, void *argument)
{
    struct loaded *loaded = argument;
    const char *slash = strrchr(object->dlpi_name, '/');
    size_t count = strlen(loaded->name);
    (void)bytes;
    if (slash != NULL && strncmp(slash + 1, loaded->name, count) == 0 && slash[1 + count] == '.') {
        loaded->path = object->dlpi_name;
    }
    return loaded->path != NULL;
}

/* The whole version is in the name of the file that a loader's name links to. */
static void print_file(const char *name, FILE *file)
{
    struct loaded loaded = {name, NULL};
    dl_iterate_phdr(compare_object, &loaded);
    char *real = loaded.path == NULL ? NULL : realpath(loaded.path, NULL);
    const char *slash = real == NULL ? NULL : strrchr(real, '/');
    fputs(slash == NULL ? name : slash + 1, file);
    free(real);
}

void version_print(const char *program, const struct library *libraries, size_t count, FILE *file)
{
    fprintf(file, "%s %s\n", program, CAIRN_VERSION);
    if (count == 0) {
        return;
    }
    fprintf(file, "formats: archive %d.%d, index %d.%d\nlibraries: ", ARCHIVE_VERSION_MAJOR,
            ARCHIVE_VERSION_MINOR, INDEX_VERSION_MAJOR, INDEX_VERSION_MINOR);
    for (size_t i = 0; i < count; i++) {
        fputs(i == 0 ? "" : ", ", file);
        if (libraries[i].version == NULL) {
            print_file(libraries[i].name, file);
        } else {
            fprintf(file, "%s %s", libraries[i].name, libraries[i].version);
        }
    }
    fputc('\n', file);
}
