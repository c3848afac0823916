/* When changes are acted upon: after quiet, later where something was taken away, and never later
 * than after the longest wait. */
#include "packer/watch/quiet.h"

#include <criterion/criterion.h>
#include <stddef.h>

struct noted {
    int64_t at_ms;
    bool is_removal;
};

static const struct {
    struct noted changes[8]; /* up to the one at 0 that is not the first */
    size_t count;
    int64_t due_ms;
} rows[] = {
    {{{0, false}}, 1, QUIET_MS},
    {{{0, true}}, 1, QUIET_REMOVED_MS},
    {{{0, false}, {10, false}}, 2, 10 + QUIET_MS},
    /* what was taken away comes back: no longer a reason to wait */
    {{{0, true}, {10, false}}, 2, 10 + QUIET_MS},
    {{{0, false}, {10, true}}, 2, 10 + QUIET_REMOVED_MS},
    /* who does not pause is not waited for */
    {{{0, false}, {QUIET_LONGEST_MS - 1, false}}, 2, QUIET_LONGEST_MS},
    {{{0, false}, {QUIET_LONGEST_MS - 1, true}}, 2, QUIET_LONGEST_MS},
    {{{0, false}, {QUIET_LONGEST_MS - 40, false}, {QUIET_LONGEST_MS - 20, true}},
     3,
     QUIET_LONGEST_MS},
    {{{0, true}, {QUIET_LONGEST_MS + 70, false}}, 2, QUIET_LONGEST_MS},
};

Test(quiet, when_it_is_time)
{
    const int64_t start_ms = 1000000;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct quiet quiet = {0};
        cr_expect(quiet_wait_ms(&quiet, start_ms) == -1, "row %zu", i);
        for (size_t j = 0; j < rows[i].count; j++) {
            quiet_note(&quiet, start_ms + rows[i].changes[j].at_ms, rows[i].changes[j].is_removal);
        }
        int64_t due_ms = start_ms + rows[i].due_ms;
        cr_expect(quiet_wait_ms(&quiet, start_ms) == rows[i].due_ms, "row %zu: %lld", i,
                  (long long)quiet_wait_ms(&quiet, start_ms));
        cr_expect(quiet_wait_ms(&quiet, due_ms - 1) == 1, "row %zu", i);
        cr_expect(quiet_wait_ms(&quiet, due_ms) == 0, "row %zu", i);
        cr_expect(quiet_wait_ms(&quiet, due_ms + 1000) == 0, "row %zu", i);
        quiet_end(&quiet);
        cr_expect(quiet_wait_ms(&quiet, due_ms) == -1, "row %zu", i);
    }
}

/* The longest wait counts from the first change after the last pack. */
Test(quiet, begins_anew)
{
    struct quiet quiet = {0};
    quiet_note(&quiet, 0, false);
    quiet_end(&quiet);
    quiet_note(&quiet, QUIET_LONGEST_MS * 2, false);
    cr_expect(quiet_wait_ms(&quiet, QUIET_LONGEST_MS * 2) == QUIET_MS);
}
