#include "packer/progress.h"

#include "common/clock.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum { LINE_BYTES = 256 };

static bool is_set(const char *name)
{
    const char *value = getenv(name);
    return value != NULL && *value != '\0';
}

void progress_init(struct progress *progress, FILE *file, bool is_wanted)
{
    const char *terminal = getenv("TERM");
    bool is_dumb = terminal == NULL || strcmp(terminal, "dumb") == 0;
    *progress = (struct progress){0};
    if (is_wanted && !is_dumb && isatty(fileno(file))) {
        progress->file = file;
        progress->has_colour = !is_set("NO_COLOR");
    }
}

void progress_begin(struct progress *progress, const char *phase, uint64_t files, uint64_t bytes)
{
    if (progress == NULL || progress->file == NULL) {
        return;
    }
    progress->phase = phase;
    progress->files = 0;
    progress->files_total = files;
    progress->bytes = 0;
    progress->bytes_total = bytes;
    progress->started_s = monotonic_exact_ms() / 1e3;
    progress->drawn_s = 0;
}

void progress_format(const struct progress *progress, double now_s, size_t width, char *out)
{
    double elapsed_s = now_s - progress->started_s;
    double done = (double)progress->bytes / 1e6;
    double total = (double)progress->bytes_total / 1e6;
    double rate = elapsed_s > 0 ? done / elapsed_s : 0;
    char left[48] = "";
    if (rate > 0 && elapsed_s > 0.5 && total > done) { /* a file may have grown: then no guess */
        double seconds = (total - done) / rate;
        if (seconds < 100) {
            snprintf(left, sizeof left, "  %.0f s left", seconds);
        } else {
            snprintf(left, sizeof left, "  %.0f min left", seconds / 60);
        }
    }
    char line[LINE_BYTES];
    snprintf(line, sizeof line, "%s  %" PRIu64 "/%" PRIu64 " files  %.1f/%.1f MB  %.1f MB/s%s",
             progress->phase, progress->files, progress->files_total, done, total, rate, left);
    snprintf(out, width + 1, "%s", line);
}

static size_t terminal_width(FILE *file)
{
    struct winsize size;
    if (ioctl(fileno(file), TIOCGWINSZ, &size) != 0 || size.ws_col < 2) {
        return 79;
    }
    return size.ws_col - 1u < LINE_BYTES - 1u ? size.ws_col - 1u : LINE_BYTES - 1u;
}

static void draw(struct progress *progress, double now_s)
{
    char line[LINE_BYTES];
    progress_format(progress, now_s, terminal_width(progress->file), line);
    fprintf(progress->file, progress->has_colour ? "\r\x1b[K\x1b[2m%s\x1b[0m" : "\r\x1b[K%s", line);
    fflush(progress->file);
    progress->drawn_s = now_s;
    progress->is_drawn = true;
}

void progress_add(struct progress *progress, uint64_t files, uint64_t bytes)
{
    if (progress == NULL || progress->file == NULL) {
        return;
    }
    progress->files += files;
    progress->bytes += bytes;
    double now_s = monotonic_exact_ms() / 1e3;
    if (now_s - progress->drawn_s >= 0.1 && now_s - progress->started_s >= 0.2) {
        draw(progress, now_s);
    }
}

void progress_end(struct progress *progress)
{
    if (progress != NULL && progress->is_drawn) {
        fputs("\r\x1b[K", progress->file);
        fflush(progress->file);
        progress->is_drawn = false;
    }
}
