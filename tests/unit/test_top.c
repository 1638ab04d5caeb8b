/* SPDX-License-Identifier: Apache-2.0 */
/* stockctl top: what two samples say of the time between them. */
#include <criterion/criterion.h>
#include <string.h>

#include "tools/stockctl/top.h"

static struct sample before, now;

/* Bounds at 1 ms, 2 ms and 5 ms. */
static void take_two(void)
{
    static const uint64_t bounds[] = { 1000, 2000, 5000 };
    before = (struct sample){ .at_ms = 1000, .bounds = 3 };
    memcpy(before.bound_us, bounds, sizeof bounds);
    now = before;
    now.at_ms = 3000;
}

static void fill(struct sample *sample, uint64_t a, uint64_t b, uint64_t c, uint64_t more)
{
    const uint64_t counts[] = { a, b, c, more };
    memcpy(sample->bucket[TOP_CHANGE], counts, sizeof counts);
}

static double quantile(double part)
{
    return quantile_between(&before, &now, TOP_CHANGE, part);
}

static void assert_near(double value, double expected)
{
    cr_assert(value > expected - 1e-9 && value < expected + 1e-9, "%g, not %g", value, expected);
}

Test(top, quantiles_are_of_what_came_between, .init = take_two)
{
    fill(&before, 1000, 0, 0, 1000);
    fill(&now, 1010, 80, 10, 1000);
    assert_near(quantile(0.05), 0.5);
    assert_near(quantile(0.10), 1.0);
    assert_near(quantile(0.50), 1.5);
    assert_near(quantile(0.99), 4.7);
}

Test(top, nothing_came, .init = take_two)
{
    fill(&before, 5, 5, 5, 5);
    fill(&now, 5, 5, 5, 5);
    cr_assert(quantile(0.5) < 0);
}

Test(top, beyond_the_last_bound_it_is_the_least_that_is_known, .init = take_two)
{
    fill(&now, 1, 0, 0, 99);
    assert_near(quantile(0.5), 5.0);
    assert_near(quantile(0.99), 5.0);
}

Test(top, rates, .init = take_two)
{
    assert_near(rate_between(&before, &now, 10, 110), 50);
    assert_near(rate_between(&before, &now, 110, 10), 0); /* it began anew */
    now.at_ms = before.at_ms;
    assert_near(rate_between(&before, &now, 10, 110), 0);
}

Test(top, the_start_is_uptime_ago_with_nothing_counted, .init = take_two)
{
    now = (struct sample){ .at_ms = 9000, .uptime_ms = 4000, .started_ms = 77, .requests = 8 };
    sample_at_start(&before, &now);
    cr_assert_eq(before.started_ms, 77);
    assert_near(rate_between(&before, &now, before.requests, now.requests), 2);
}
