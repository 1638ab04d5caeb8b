/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/stockbench/report.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>

static double per(uint64_t part, double whole)
{
    return whole > 0 ? (double)part / whole : 0;
}

static double micros(uint64_t nanos)
{
    return (double)nanos / 1000;
}

static void report_text(const struct options *options, const struct load_result *result)
{
    const struct histogram *latency = &result->latency;
    double messages = (double)result->messages;

    printf("%s to %s: %zu connections, window %zu, %zu items, seed %" PRIu64 "\n",
           workload_name(options->workload), options->address, options->connections,
           options->window, options->items, options->seed);
    printf("  messages  %12" PRIu64 " in %.2f s = %.0f messages/s\n", result->messages,
           result->seconds, per(result->messages, result->seconds));
    printf("  latency   p50 %.1f us, p99 %.1f us, p99.9 %.1f us, max %.1f us, mean %.1f us\n",
           micros(histogram_at(latency, 0.50)), micros(histogram_at(latency, 0.99)),
           micros(histogram_at(latency, 0.999)), micros(latency->max),
           histogram_mean(latency) / 1000);
    printf("  bytes     %.1f out, %.1f in for each message\n", per(result->bytes_out, messages),
           per(result->bytes_in, messages));
    printf("  generator %.0f %% of one core\n", 100 * result->cpu_seconds / result->seconds);
    printf("  errors    %12" PRIu64 "\n", result->errors);
    for (const struct refusals *r = result->refusals; r < result->refusals + LOAD_CODES; r++) {
        if (r->count > 0)
            printf("            %12" PRIu64 " %s: %s\n", r->count, r->code, r->message);
    }
}

static json_t *json_latency(const struct histogram *latency)
{
    return json_pack("{s:f, s:f, s:f, s:f, s:f}", "p50", micros(histogram_at(latency, 0.50)), "p99",
                     micros(histogram_at(latency, 0.99)), "p999",
                     micros(histogram_at(latency, 0.999)), "max", micros(latency->max), "mean",
                     histogram_mean(latency) / 1000);
}

static json_t *json_refusals(const struct load_result *result)
{
    json_t *codes = json_object();

    for (const struct refusals *r = result->refusals; r < result->refusals + LOAD_CODES; r++) {
        if (r->count > 0)
            json_object_set_new(codes, r->code, json_integer((json_int_t)r->count));
    }
    return codes;
}

static void report_json(const struct options *options, const struct load_result *result)
{
    double messages = (double)result->messages;
    json_t *root = json_pack(
        "{s:s, s:s, s:I, s:I, s:I, s:I, s:f, s:I, s:f, s:o, s:f, s:f, s:f, s:I, s:o}", "workload",
        workload_name(options->workload), "address", options->address, "connections",
        (json_int_t)options->connections, "window", (json_int_t)options->window, "items",
        (json_int_t)options->items, "seed", (json_int_t)options->seed, "seconds", result->seconds,
        "messages", (json_int_t)result->messages, "messages_per_s",
        per(result->messages, result->seconds), "latency_us", json_latency(&result->latency),
        "bytes_out_per_message", per(result->bytes_out, messages), "bytes_in_per_message",
        per(result->bytes_in, messages), "generator_cpu", result->cpu_seconds / result->seconds,
        "errors", (json_int_t)result->errors, "error_codes", json_refusals(result));

    if (root)
        json_dumpf(root, stdout, JSON_COMPACT | JSON_REAL_PRECISION(9));
    putchar('\n');
    json_decref(root);
}

void report(const struct options *options, const struct load_result *result)
{
    if (options->json)
        report_json(options, result);
    else
        report_text(options, result);
}
