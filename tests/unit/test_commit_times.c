/* SPDX-License-Identifier: Apache-2.0 */
#include <criterion/criterion.h>

#include "cluster/commit_times.h"

static struct commit_times times;

Test(commit_times, bounds_ascend_by_a_quarter_at_most)
{
    for (unsigned i = 1; i + 1 < COMMIT_BUCKETS; i++) {
        cr_assert_gt(commit_times_bound(i), commit_times_bound(i - 1));
        cr_assert_leq(commit_times_bound(i) * 4, commit_times_bound(i - 1) * 5);
    }
    cr_assert_gt(commit_times_bound(COMMIT_BUCKETS - 2), 10000000, "ten seconds are told apart");
    cr_assert_eq(commit_times_bound(COMMIT_BUCKETS - 1), UINT64_MAX);
}

Test(commit_times, percentiles)
{
    cr_assert_eq(commit_times_percentile(&times, 50), 0);
    for (uint64_t us = 1; us <= 10000; us++)
        commit_times_note(&times, us);
    uint64_t p50 = commit_times_percentile(&times, 50), p99 = commit_times_percentile(&times, 99);
    cr_assert(p50 >= 5000 && p50 <= 6250, "%lu", p50);
    cr_assert(p99 >= 9900 && p99 <= 12375, "%lu", p99);
    cr_assert_eq(atomic_load(&times.sum_us), 10000 * 10001 / 2);
}

Test(commit_times, what_is_old_fades)
{
    for (unsigned i = 0; i < 1000; i++)
        commit_times_note(&times, 1000000);
    for (unsigned i = 0; i < 10; i++)
        commit_times_fade(&times);
    cr_assert_eq(commit_times_percentile(&times, 99), 0);
    commit_times_note(&times, 100);
    cr_assert_leq(commit_times_percentile(&times, 99), 125);
    uint64_t all = 0;
    for (unsigned i = 0; i < COMMIT_BUCKETS; i++)
        all += atomic_load(&times.all[i]);
    cr_assert_eq(all, 1001);
}
