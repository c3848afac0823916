/* The progress line: its text as a table; what reaches a terminal, through a pseudo-terminal; and
 * that nothing reaches anything else. */
#include "packer/progress.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define MB UINT64_C(1000000)

static const struct {
    uint64_t files, files_total, bytes, bytes_total;
    double elapsed_s;
    size_t width;
    const char *line;
} rows[] = {
    {0, 10, 0, 5 * MB, 0, 79, "Reading  0/10 files  0.0/5.0 MB  0.0 MB/s"},
    {1, 10, 1 * MB, 5 * MB, 1, 79, "Reading  1/10 files  1.0/5.0 MB  1.0 MB/s  4 s left"},
    {4, 10, 30 * MB, 60 * MB, 2, 79, "Reading  4/10 files  30.0/60.0 MB  15.0 MB/s  2 s left"},
    /* the first half second is no base for a guess */
    {1, 10, 1 * MB, 5 * MB, 0.5, 79, "Reading  1/10 files  1.0/5.0 MB  2.0 MB/s"},
    /* nothing was done yet: no rate, no guess */
    {0, 10, 0, 5 * MB, 9, 79, "Reading  0/10 files  0.0/5.0 MB  0.0 MB/s"},
    /* minutes from 100 s on */
    {1, 10, 1 * MB, 100 * MB, 1, 79, "Reading  1/10 files  1.0/100.0 MB  1.0 MB/s  99 s left"},
    {1, 10, 1 * MB, 121 * MB, 1, 79, "Reading  1/10 files  1.0/121.0 MB  1.0 MB/s  2 min left"},
    /* a clock that has not moved */
    {1, 1, 1 * MB, 1 * MB, 0, 79, "Reading  1/1 files  1.0/1.0 MB  0.0 MB/s"},
    /* more than was announced, or nothing announced: no guess */
    {1, 1, 6 * MB, 5 * MB, 1, 79, "Reading  1/1 files  6.0/5.0 MB  6.0 MB/s"},
    {1, 1, 6 * MB, 0, 1, 79, "Reading  1/1 files  6.0/0.0 MB  6.0 MB/s"},
    /* cut to the width */
    {1, 10, 1 * MB, 5 * MB, 1, 19, "Reading  1/10 files"},
    {1, 10, 1 * MB, 5 * MB, 1, 1, "R"},
    {1, 10, 1 * MB, 5 * MB, 1, 0, ""},
    {1, 10, 1 * MB, 5 * MB, 1, 51, "Reading  1/10 files  1.0/5.0 MB  1.0 MB/s  4 s left"},
    {1, 10, 1 * MB, 5 * MB, 1, 50, "Reading  1/10 files  1.0/5.0 MB  1.0 MB/s  4 s lef"},
};

Test(progress, lines)
{
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        struct progress progress = {
            .phase = "Reading",
            .files = rows[i].files,
            .files_total = rows[i].files_total,
            .bytes = rows[i].bytes,
            .bytes_total = rows[i].bytes_total,
            .started_s = 1000,
        };
        char *line = malloc(rows[i].width + 1); /* as long as promised, and no byte more */
        progress_format(&progress, 1000 + rows[i].elapsed_s, rows[i].width, line);
        cr_expect_str_eq(line, rows[i].line, "row %zu: '%s'", i, line);
        free(line);
    }
}

/* The largest numbers fit the buffer or are cut. */
Test(progress, large_numbers)
{
    struct progress progress = {
        .phase = "Compressing",
        .files = UINT64_MAX,
        .files_total = UINT64_MAX,
        .bytes = 1,
        .bytes_total = UINT64_MAX,
    };
    char line[121];
    progress_format(&progress, 1e9, 120, line);
    cr_expect_leq(strlen(line), 120);
    cr_expect_eq(strncmp(line, "Compressing  18446744073709551615/18446744073709551615 files", 60),
                 0);
}

struct terminal {
    int master;
    FILE *file;
};

static struct terminal terminal_open(unsigned short columns)
{
    int master = posix_openpt(O_RDWR | O_NOCTTY);
    bool is_there = master >= 0 && grantpt(master) == 0 && unlockpt(master) == 0;
    int slave = is_there ? open(ptsname(master), O_RDWR | O_NOCTTY) : -1;
    if (slave < 0) { /* /dev/pts is not mounted in every container */
        fputs("SKIPPED: there are no pseudo-terminals here\n", stderr);
        cr_skip_test("no pseudo-terminals");
    }
    struct winsize size = {.ws_row = 24, .ws_col = columns};
    cr_assert_eq(ioctl(slave, TIOCSWINSZ, &size), 0);
    FILE *file = fdopen(slave, "w");
    cr_assert_not_null(file);
    setenv("TERM", "xterm", 1);
    unsetenv("NO_COLOR");
    return (struct terminal){master, file};
}

/* What was shown, up to here: a mark that is written now tells where "here" is. */
static void terminal_shown(struct terminal *terminal, char *out, size_t out_bytes)
{
    fputc('#', terminal->file);
    fflush(terminal->file);
    size_t count = 0;
    for (;;) {
        cr_assert_lt(count, out_bytes);
        cr_assert_eq(read(terminal->master, out + count, 1), 1);
        if (out[count] == '#') {
            out[count] = '\0';
            return;
        }
        count++;
    }
}

static void terminal_close(struct terminal *terminal)
{
    fclose(terminal->file);
    close(terminal->master);
}

/* Begins a phase that has been going on for 10 s: a line is due. */
static void begin(struct progress *progress)
{
    progress_begin(progress, "Reading", 10, 5 * MB);
    progress->started_s -= 10;
}

Test(progress, a_terminal_shows_a_line_and_loses_it, .timeout = 60)
{
    struct terminal terminal = terminal_open(20);
    struct progress progress;
    char shown[256];
    progress_init(&progress, terminal.file, true);
    begin(&progress);
    terminal_shown(&terminal, shown, sizeof shown);
    cr_expect_str_eq(shown, "");
    progress_add(&progress, 1, MB);
    terminal_shown(&terminal, shown, sizeof shown);
    cr_expect_str_eq(shown, "\r\x1b[K\x1b[2mReading  1/10 files\x1b[0m");
    progress_end(&progress);
    terminal_shown(&terminal, shown, sizeof shown);
    cr_expect_str_eq(shown, "\r\x1b[K");
    progress_end(&progress); /* there is no line to erase */
    terminal_shown(&terminal, shown, sizeof shown);
    cr_expect_str_eq(shown, "");
    terminal_close(&terminal);
}

/* What is counted while no line is due is in the next line. */
Test(progress, lines_are_not_drawn_before_they_are_due, .timeout = 60)
{
    struct terminal terminal = terminal_open(20);
    struct progress progress;
    char shown[256];
    progress_init(&progress, terminal.file, true);
    begin(&progress);
    progress.drawn_s = progress.started_s + 1e6; /* the last line is not 0.1 s old */
    progress_add(&progress, 1, MB);
    progress_add(&progress, 1, MB);
    terminal_shown(&terminal, shown, sizeof shown);
    cr_expect_str_eq(shown, "");
    progress.drawn_s = 0;
    progress_add(&progress, 1, MB);
    terminal_shown(&terminal, shown, sizeof shown);
    cr_expect_str_eq(shown, "\r\x1b[K\x1b[2mReading  3/10 files\x1b[0m");
    progress_begin(&progress, "Reading", 10, 5 * MB); /* short phases show nothing */
    progress.started_s += 1e6;
    progress_add(&progress, 1, MB);
    terminal_shown(&terminal, shown, sizeof shown);
    cr_expect_str_eq(shown, "");
    terminal_close(&terminal);
}

/* The environment decides on colours, and whether there is a line. */
static const struct {
    const char *term; /* NULL: unset */
    const char *no_colour;
    bool is_wanted;
    const char *shown;
} environments[] = {
    {"xterm", NULL, true, "\r\x1b[K\x1b[2mReading  1/10 files\x1b[0m"},
    {"xterm", "", true, "\r\x1b[K\x1b[2mReading  1/10 files\x1b[0m"}, /* empty: as if unset */
    {"xterm", "1", true, "\r\x1b[KReading  1/10 files"},
    {"xterm", "0", true, "\r\x1b[KReading  1/10 files"},
    {"xterm", NULL, false, ""},
    {"dumb", NULL, true, ""},
    {NULL, NULL, true, ""},
};

Test(progress, environment, .timeout = 60)
{
    for (size_t i = 0; i < ARRAY_COUNT(environments); i++) {
        struct terminal terminal = terminal_open(20);
        if (environments[i].term == NULL) {
            unsetenv("TERM");
        } else {
            setenv("TERM", environments[i].term, 1);
        }
        if (environments[i].no_colour != NULL) {
            setenv("NO_COLOR", environments[i].no_colour, 1);
        }
        struct progress progress;
        char shown[256];
        progress_init(&progress, terminal.file, environments[i].is_wanted);
        begin(&progress);
        progress_add(&progress, 1, MB);
        terminal_shown(&terminal, shown, sizeof shown);
        cr_expect_str_eq(shown, environments[i].shown, "row %zu", i);
        terminal_close(&terminal);
    }
}

Test(progress, a_file_gets_nothing)
{
    setenv("TERM", "xterm", 1);
    FILE *file = tmpfile();
    cr_assert_not_null(file);
    struct progress progress;
    progress_init(&progress, file, true);
    begin(&progress);
    progress_add(&progress, 1, MB);
    progress_end(&progress);
    fflush(file);
    cr_expect_eq(ftell(file), 0);
    fclose(file);
}

Test(progress, none_is_fine)
{
    progress_begin(NULL, "Reading", 1, 1);
    progress_add(NULL, 1, 1);
    progress_end(NULL);
}
