/* SPDX-License-Identifier: Apache-2.0 */
/* The text of metrics, and the histograms behind it. */
#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

#include "protocol/latency.h"
#include "telemetry/exposition.h"

static struct exposition shown;

static void begin(bool open_metrics)
{
    exposition_init(&shown, open_metrics);
}

static void expect(const char *text)
{
    exposition_end(&shown);
    cr_assert_not(shown.failed);
    cr_assert_str_eq(shown.text, text);
    exposition_free(&shown);
}

Test(exposition, a_counter_in_the_prometheus_format)
{
    begin(false);
    expose_counter(&shown, "x_sent_bytes", "Bytes.", 7);
    expect("# HELP x_sent_bytes_total Bytes.\n"
           "# TYPE x_sent_bytes_total counter\n"
           "x_sent_bytes_total 7\n");
}

Test(exposition, a_counter_in_openmetrics)
{
    begin(true);
    expose_counter(&shown, "x_sent_bytes", "Bytes.", 7);
    expect("# HELP x_sent_bytes Bytes.\n"
           "# TYPE x_sent_bytes counter\n"
           "# UNIT x_sent_bytes bytes\n"
           "x_sent_bytes_total 7\n"
           "# EOF\n");
}

Test(exposition, gauges_and_labels)
{
    struct label labels[] = { { "method", text_of("reserve") }, { "code", text_of("ok") } };
    begin(false);
    expose_gauge(&shown, "x_max", "Largest.", UINT64_MAX);
    expose_gauge_ms(&shown, "x_age_seconds", "Age.", 1234567890123);
    expose_family(&shown, FAMILY_GAUGE, "x_real", "Real.");
    expose_real(&shown, labels, 2, (double)INFINITY);
    expect("# HELP x_max Largest.\n# TYPE x_max gauge\nx_max 18446744073709551615\n"
           "# HELP x_age_seconds Age.\n# TYPE x_age_seconds gauge\nx_age_seconds 1234567890.123\n"
           "# HELP x_real Real.\n# TYPE x_real gauge\n"
           "x_real{method=\"reserve\",code=\"ok\"} +Inf\n");
}

static uint64_t bound(unsigned bucket)
{
    return bucket == 0 ? 50 : 2000000;
}

Test(exposition, a_histogram_sums_up_its_buckets)
{
    uint64_t buckets[] = { 2, 3, 4 };
    struct exposed_histogram histogram = { buckets, 2, bound, 1500000000 };
    struct label kind = { "kind", text_of("read") };
    begin(true);
    expose_family(&shown, FAMILY_HISTOGRAM, "x_seconds", "Time.");
    expose_histogram(&shown, &kind, 1, &histogram);
    expect("# HELP x_seconds Time.\n# TYPE x_seconds histogram\n# UNIT x_seconds seconds\n"
           "x_seconds_bucket{kind=\"read\",le=\"5e-05\"} 2\n"
           "x_seconds_bucket{kind=\"read\",le=\"2.0\"} 5\n"
           "x_seconds_bucket{kind=\"read\",le=\"+Inf\"} 9\n"
           "x_seconds_sum{kind=\"read\"} 1.5\n"
           "x_seconds_count{kind=\"read\"} 9\n"
           "# EOF\n");
}

Test(exposition, it_grows_with_what_is_added)
{
    begin(false);
    for (int i = 0; i < 2000; i++)
        expose_counter(&shown, "x", "A family like the others.", (uint64_t)i);
    exposition_end(&shown);
    cr_assert_gt(shown.length, 100000);
    cr_assert_eq(strlen(shown.text), shown.length);
    exposition_free(&shown);
}

static uint64_t in_bucket(const struct latency *latency, unsigned bucket)
{
    return atomic_load_explicit(&latency->buckets[bucket], memory_order_relaxed);
}

Test(latency, what_takes_as_long_as_a_bound_is_within_it)
{
    static struct latency latency;
    uint64_t first_ns = latency_bound_us(0) * 1000;
    latency_note(&latency, first_ns, 1);
    latency_note(&latency, first_ns + 1, 2);
    latency_note(&latency, latency_bound_us(LATENCY_BOUNDS - 1) * 1000, 4);
    latency_note(&latency, latency_bound_us(LATENCY_BOUNDS - 1) * 1000 + 1, 8);
    cr_assert_eq(in_bucket(&latency, 0), 1);
    cr_assert_eq(in_bucket(&latency, 1), 2);
    cr_assert_eq(in_bucket(&latency, LATENCY_BOUNDS - 1), 4);
    cr_assert_eq(in_bucket(&latency, LATENCY_BOUNDS), 8);
}

Test(latency, the_sum_counts_each)
{
    static struct latency latency;
    latency_note(&latency, 1000, 3);
    latency_note(&latency, 5, 1);
    cr_assert_eq(atomic_load_explicit(&latency.sum_ns, memory_order_relaxed), 3005);
}

Test(latency, bounds_rise)
{
    for (unsigned bucket = 1; bucket < LATENCY_BOUNDS; bucket++)
        cr_assert_gt(latency_bound_us(bucket), latency_bound_us(bucket - 1));
}
