/* Gives the files of a corpus to a fuzz target, with any compiler: replay_NAME FILE|FOLDER... A
 * short file is given with each of its beginnings as well, for input ends anywhere. */
#include "fuzz.h"

#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

/* Files up to this are also cut everywhere: the corpus replays in seconds under the sanitizers. */
enum { CUT_BYTES_MAX = 256 };

/* The sanitizers' hook for what they end themselves; not there without them. */
extern void __sanitizer_set_death_callback(void (*callback)(void)) __attribute__((weak));

static const char *current_path;
static size_t current_bytes;
static size_t file_count, input_count;

static void tell_input(void)
{
    char text[4200];
    int count = snprintf(text, sizeof text, "replay: it was %s, its first %zu bytes\n",
                         current_path, current_bytes);
    (void)!write(STDERR_FILENO, text, (size_t)count < sizeof text ? (size_t)count : sizeof text);
}

static void on_signal(int number)
{
    tell_input();
    signal(number, SIG_DFL);
    raise(number);
}

static void fail(const char *path, const char *why)
{
    fprintf(stderr, "replay: %s: %s\n", path, why);
    exit(1);
}

static char *read_file(const char *path, size_t *out_bytes)
{
    FILE *file = fopen(path, "rb");
    struct stat status;
    if (file == NULL || fstat(fileno(file), &status) != 0) {
        fail(path, strerror(errno));
    }
    size_t bytes = (size_t)status.st_size;
    char *content = malloc(bytes + 1);
    if (content == NULL || fread(content, 1, bytes, file) != bytes) {
        fail(path, "cannot be read");
    }
    fclose(file);
    *out_bytes = bytes;
    return content;
}

static void run_input(struct slice input)
{
    char *copy = fuzz_copy(input);
    current_bytes = input.count;
    input_count++;
    LLVMFuzzerTestOneInput((const uint8_t *)copy, input.count);
    free(copy);
}

static void run_file(const char *path)
{
    size_t bytes;
    char *content = read_file(path, &bytes);
    current_path = path;
    file_count++;
    for (size_t cut = 0; bytes <= CUT_BYTES_MAX && cut < bytes; cut++) {
        run_input((struct slice){content, cut});
    }
    run_input((struct slice){content, bytes});
    free(content);
}

static void run_folder(const char *path)
{
    struct dirent **entries;
    int count = scandir(path, &entries, NULL, alphasort);
    if (count < 0) {
        fail(path, strerror(errno));
    }
    size_t files_before = file_count;
    for (int i = 0; i < count; i++) {
        if (entries[i]->d_name[0] != '.') {
            char name[4096];
            snprintf(name, sizeof name, "%s/%s", path, entries[i]->d_name);
            run_file(name);
        }
        free(entries[i]);
    }
    free(entries);
    if (file_count == files_before) {
        fail(path, "there is nothing in it");
    }
}

int main(int argument_count, char **arguments)
{
    if (argument_count < 2) {
        fprintf(stderr, "usage: %s FILE|FOLDER...\n", arguments[0]);
        return 2;
    }
    signal(SIGABRT, on_signal);
    if (__sanitizer_set_death_callback != NULL) {
        __sanitizer_set_death_callback(tell_input); /* the sanitizer has its own handlers */
    } else {
        signal(SIGSEGV, on_signal);
        signal(SIGBUS, on_signal);
        signal(SIGFPE, on_signal);
    }
    for (int i = 1; i < argument_count; i++) {
        struct stat status;
        if (stat(arguments[i], &status) != 0) {
            fail(arguments[i], strerror(errno));
        }
        if (S_ISDIR(status.st_mode)) {
            run_folder(arguments[i]);
        } else {
            run_file(arguments[i]);
        }
    }
    printf("replay: %zu files, %zu inputs\n", file_count, input_count);
    return 0;
}
