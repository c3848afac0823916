/* What was refused lately: the latest first, the same counted, the oldest dropped. */
#include "server/control/refusals.h"

#include <criterion/criterion.h>

Test(refusals, the_same_is_counted_and_comes_first)
{
    struct refusals refusals;
    struct refusal out[REFUSALS_MAX];
    refusals_init(&refusals);
    refusals_add(&refusals, 10, 1, "limit %s", "head-size");
    refusals_add(&refusals, 11, 1, "load index: gone");
    refusals_add(&refusals, 12, 5, "limit %s", "head-size");
    cr_assert_eq(refusals_copy(&refusals, out), 2);
    cr_expect_str_eq(out[0].text, "limit head-size");
    cr_expect_eq(out[0].count, 6);
    cr_expect_eq(out[0].at_s, 12);
    cr_expect_str_eq(out[1].text, "load index: gone");
    refusals_fini(&refusals);
}

Test(refusals, the_oldest_falls_off)
{
    struct refusals refusals;
    struct refusal out[REFUSALS_MAX];
    refusals_init(&refusals);
    for (int i = 0; i < REFUSALS_MAX + 3; i++) {
        refusals_add(&refusals, i, 1, "number %d", i);
    }
    cr_assert_eq(refusals_copy(&refusals, out), REFUSALS_MAX);
    cr_expect_eq(out[0].at_s, REFUSALS_MAX + 2);
    cr_expect_eq(out[REFUSALS_MAX - 1].at_s, 3);
    refusals_add(&refusals, 99, 1, "number 3"); /* the last of them */
    cr_assert_eq(refusals_copy(&refusals, out), REFUSALS_MAX);
    cr_expect_eq(out[0].count, 2);
    cr_expect_eq(out[REFUSALS_MAX - 1].at_s, 4);
    refusals_fini(&refusals);
}

Test(refusals, nobody_wants_to_know)
{
    refusals_add(NULL, 0, 1, "nothing");
}
