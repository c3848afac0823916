/* Which answers are tried again, and when. */
#include "telemetry/retry.h"

#include <criterion/criterion.h>

Test(retry, statuses)
{
    static const struct {
        unsigned status;
        enum delivery delivery;
    } rows[] = {
        {200, DELIVERED},        {202, DELIVERED},        {299, DELIVERED},
        {0, DELIVERY_LATER},     {429, DELIVERY_LATER},   {502, DELIVERY_LATER},
        {503, DELIVERY_LATER},   {504, DELIVERY_LATER},   {400, DELIVERY_REFUSED},
        {401, DELIVERY_REFUSED}, {404, DELIVERY_REFUSED}, {413, DELIVERY_REFUSED},
        {500, DELIVERY_REFUSED}, {501, DELIVERY_REFUSED}, {301, DELIVERY_REFUSED},
        {100, DELIVERY_REFUSED},
    };
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        cr_assert_eq(delivery_of(rows[i].status), rows[i].delivery, "%u", rows[i].status);
    }
}

Test(retry, waits_double_up_to_the_longest)
{
    static const uint64_t longest_ms[] = {1000, 2000, 4000, 8000, 16000, 16000, 16000};
    for (unsigned i = 0; i < ARRAY_COUNT(longest_ms); i++) {
        cr_assert_eq(retry_delay_ms(i + 1, -1, 0), longest_ms[i] / 2);
        cr_assert_eq(retry_delay_ms(i + 1, -1, longest_ms[i] / 2), longest_ms[i]);
        for (uint64_t random = 0; random < 100000; random += 7) {
            uint64_t delay_ms = retry_delay_ms(i + 1, -1, random);
            cr_assert(delay_ms >= longest_ms[i] / 2 && delay_ms <= longest_ms[i]);
        }
    }
    cr_assert_leq(retry_delay_ms(UINT_MAX, -1, UINT64_MAX), RETRY_LONGEST_MS);
}

Test(retry, the_receiver_may_ask_for_more_time_but_not_for_less)
{
    cr_assert_eq(retry_delay_ms(1, 30, 0), 30000);
    cr_assert_eq(retry_delay_ms(5, 1, 0), 8000);
    cr_assert_eq(retry_delay_ms(1, 0, 500), 1000);
    cr_assert_eq(retry_delay_ms(1, 599, 0), 599000);
    cr_assert_eq(retry_delay_ms(1, 601, 0), 600000);
    cr_assert_eq(retry_delay_ms(1, INT64_MAX, 0), 600000);
}
