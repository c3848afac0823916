/* Times out of a histogram. */
#include "admin/history.h"

#include <criterion/criterion.h>
#include <math.h>

static size_t bucket_of(double ms)
{
    size_t i = 0;
    while (i < DURATION_BOUNDS && ms > (double)duration_bounds[i].ns / 1e6) {
        i++;
    }
    return i;
}

Test(admin_history, nothing_was_answered)
{
    const uint64_t counts[DURATION_BOUNDS + 1] = {0};
    cr_expect_lt(admin_history_quantile(counts, 0.5), 0);
}

Test(admin_history, quantiles_lie_in_their_buckets)
{
    for (double ms = 0.01; ms < 9000; ms *= 1.7) {
        uint64_t counts[DURATION_BOUNDS + 1] = {0};
        size_t bucket = bucket_of(ms);
        counts[bucket] = 10;
        double low = bucket == 0 ? 0 : (double)duration_bounds[bucket - 1].ns / 1e6;
        double high = (double)duration_bounds[bucket].ns / 1e6;
        double middle = admin_history_quantile(counts, 0.5);
        cr_expect(fabs(middle - (low + high) / 2) < 1e-9, "%f: %f", ms, middle);
        cr_expect(fabs(admin_history_quantile(counts, 1) - high) < 1e-9);
    }
}

Test(admin_history, the_slow_hundredth)
{
    uint64_t counts[DURATION_BOUNDS + 1] = {0};
    counts[bucket_of(0.05)] = 980;
    counts[bucket_of(200)] = 20;
    cr_expect_lt(admin_history_quantile(counts, 0.5), 0.1);
    cr_expect_geq(admin_history_quantile(counts, 0.99), 100);
}

Test(admin_history, beyond_the_last_bound)
{
    uint64_t counts[DURATION_BOUNDS + 1] = {0};
    counts[DURATION_BOUNDS] = 1;
    double last = (double)duration_bounds[DURATION_BOUNDS - 1].ns / 1e6;
    cr_expect(fabs(admin_history_quantile(counts, 0.99) - last) < 1e-9);
}
