/* What is said when there is no room for connections: once, then once a minute, and when it is
 * over. */
#include "server/shortage.h"

#include <criterion/criterion.h>
#include <criterion/redirect.h>
#include <errno.h>
#include <stdio.h>

Test(shortage, once_then_once_a_minute_then_its_end, .init = cr_redirect_stderr)
{
    static const struct {
        int64_t at_ms;
        struct shortage_facts facts;
        int64_t again_ms;
        bool is_on;
    } rows[] = {
        {1000, {SHORTAGE_NONE, 0, 7}, -1, false},
        {2000, {SHORTAGE_CONNECTIONS, 1, 7}, 60000, true},
        {2001, {SHORTAGE_CONNECTIONS, 50, 7}, 59999, true},
        {61999, {SHORTAGE_CONNECTIONS, 80, 7}, 1, true},
        {62000, {SHORTAGE_CONNECTIONS, 101, 7}, 60000, true},
        {122000, {SHORTAGE_CONNECTIONS, 101, 7}, -1, false},
        {122001, {SHORTAGE_NONE, 101, 7}, -1, false},
        /* another one, counted anew */
        {200000, {ENFILE, 104, 7}, 60000, true},
        {260000, {ENFILE, 104, 7}, -1, false},
    };
    struct shortage shortage = {.is_on = false};
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        int64_t again_ms = shortage_turn(&shortage, &rows[i].facts, rows[i].at_ms);
        cr_expect(again_ms == rows[i].again_ms && shortage.is_on == rows[i].is_on, "row %zu: %lld",
                  i, (long long)again_ms);
    }
    fflush(stderr);
    cr_assert_stderr_eq_str(
        "cairn-serve: no room for another connection: 7 are open, as many as --limit connections "
        "lets "
        "be; idle ones give way, others are closed. Raise it, or look who has them\n"
        "cairn-serve: no room for another connection: 100 times in the last minute\n"
        "cairn-serve: there is room for connections again; there was none 101 times\n"
        "cairn-serve: no room for another connection: the system has no descriptor left; idle ones "
        "give way, others wait. Raise fs.file-max, or look which process has them\n"
        "cairn-serve: there is room for connections again; there was none 3 times\n");
}
