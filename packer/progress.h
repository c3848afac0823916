/* One line of progress on a terminal, redrawn at most ten times a second; nothing elsewhere. One
 * thread. Every function takes NULL, and does nothing then. */
#ifndef CAIRN_PACKER_PROGRESS_H
#define CAIRN_PACKER_PROGRESS_H

#include "common/compiler.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

struct progress {
    FILE *file; /* NULL: nothing is shown */
    bool has_colour;
    bool is_drawn; /* there is a line to be erased */
    const char *phase;
    uint64_t files, files_total;
    uint64_t bytes, bytes_total;
    double started_s, drawn_s;
};

/* Shows itself on `file` if that is a terminal that can be redrawn (not TERM=dumb) and `is_wanted`.
 * Colours unless NO_COLOR is set (no-color.org). */
void progress_init(struct progress *progress, FILE *file, bool is_wanted);

void progress_begin(struct progress *progress, const char *phase, uint64_t files, uint64_t bytes);
void progress_add(struct progress *progress, uint64_t files, uint64_t bytes);

/* Erases the line: before something else is printed, and at the end. */
void progress_end(struct progress *progress);

/* The line as text, at most `width` characters, NUL-terminated in `out` of `width` + 1 bytes:
 * "Reading  1204/10290 files  31.2/289.0 MB  88.1 MB/s  2 s left". */
void progress_format(const struct progress *progress, double now_s, size_t width, char *out);

#endif
