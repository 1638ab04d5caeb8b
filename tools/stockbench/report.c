/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/stockbench/report.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>

#include "tools/stockbench/summary.h"

/* All runs together. */
struct total {
    struct result sum; /* counts, latencies */
    struct spread rate;
    double cpu; /* of the run that used most */
    bool limited;
    bool checked;
    bool good;
};

static double per(double part, double whole)
{
    return whole > 0 ? part / whole : 0;
}

static double rate_of(const struct result *result)
{
    return per((double)result->messages, result->seconds);
}

static double micros(uint64_t nanos)
{
    return (double)nanos / 1000;
}

static double micros_at(const struct histogram *histogram, double share)
{
    return micros(histogram_at(histogram, share));
}

static void add(struct total *total, const struct result *result)
{
    struct result *sum = &total->sum;
    double cpu = per(result->cpu_seconds, result->seconds);

    sum->seconds += result->seconds;
    sum->messages += result->messages;
    sum->bytes_out += result->bytes_out;
    sum->bytes_in += result->bytes_in;
    sum->unsent += result->unsent;
    histogram_merge(&sum->latency, &result->latency);
    histogram_merge(&sum->slip, &result->slip);
    result_add_refusals(sum, result);
    sum->moves += result->moves;
    sum->resent += result->resent;
    for (unsigned i = 0; i < ASK_KINDS; i++) {
        sum->done[i] += result->done[i];
        sum->denied[i] += result->denied[i];
    }
    total->cpu = cpu > total->cpu ? cpu : total->cpu;
    total->limited = total->limited || result_limited(result);
    total->checked = result->check.done;
    total->good = total->good && result->check.good;
}

static void add_all(struct total *total, const struct options *options,
                    const struct result *results)
{
    double rates[RUNS_MAX];

    total->good = true;
    for (size_t i = 0; i < options->runs; i++) {
        add(total, &results[i]);
        rates[i] = rate_of(&results[i]);
    }
    total->rate = spread_of(rates, options->runs);
}

static const char *unit(const struct options *options)
{
    static const char *const units[] = {
        [DRIVER_LOAD] = "messages", [DRIVER_CONNECT] = "connections", [DRIVER_REPLAY] = "orders"
    };

    return units[options->workload->driver];
}

/* ---- For people ------------------------------------------------------------------------------ */

static void print_errors(const struct result *sum)
{
    printf("  errors    %12" PRIu64 "\n", sum->errors);
    if (sum->refused > 0)
        printf("  refused   %12" PRIu64 " for lack of stock\n", sum->refused);
    for (const struct refusals *r = sum->refusals; r < sum->refusals + RESULT_CODES; r++) {
        if (r->count > 0)
            printf("            %12" PRIu64 " %s: %s\n", r->count, r->code, r->message);
    }
}

static void print_moves(const struct result *sum)
{
    if (sum->moves > 0)
        printf("  resent    %12" PRIu64 " requests, in %" PRIu64 " moves to another node\n",
               sum->resent, sum->moves);
}

static void print_checks(const struct options *options, const struct result *results)
{
    for (size_t i = 0; i < options->runs; i++) {
        const struct check_result *check = &results[i].check;

        if (!check->done)
            continue;
        printf("  units     %s: on hand %+" PRId64 ", reserved %+" PRId64,
               check->good ? "add up" : "DO NOT ADD UP", check->on_hand_found,
               check->reserved_found);
        if (!check->good)
            printf(" (the replies say %+" PRId64 " and %+" PRId64 ")", check->on_hand_expected,
                   check->reserved_expected);
        putchar('\n');
    }
}

static void print_limits(const struct options *options, const struct total *total)
{
    const struct result *sum = &total->sum;

    printf("  generator %.0f %% of one core%s\n", 100 * total->cpu,
           total->limited ? ": IT WAS THE LIMIT, the engine may be faster" : "");
    if (options->rate == 0 && options->speed == 0)
        return;
    printf("  slip      p50 %.1f us, p99 %.1f us: how late the generator itself sent\n",
           micros_at(&sum->slip, 0.50), micros_at(&sum->slip, 0.99));
    if (sum->unsent > sum->messages / 1000)
        printf("  unsent    %12" PRIu64 " at the end: the rate was not reached\n", sum->unsent);
}

static void report_text(const struct options *options, const struct result *results,
                        const struct total *total)
{
    const struct result *sum = &total->sum;
    const struct histogram *latency = &sum->latency;

    printf("%s to %s: %zu connections, window %zu, %zu items", options->workload->name,
           options->address, options->connections, options->window, options->items);
    if (options->places > 1)
        printf(" at %zu places", options->places);
    printf(", seed %" PRIu64 "\n", options->seed);
    if (options->rate > 0)
        printf("  offered   %12.0f messages/s, open loop\n", options->rate);
    printf("  %-11s %10" PRIu64 " in %.2f s = %.0f %s/s", unit(options), sum->messages,
           sum->seconds, total->rate.median, unit(options));
    if (options->runs > 1)
        printf(" (median of %zu runs, %.0f to %.0f)", options->runs, total->rate.min,
               total->rate.max);
    printf("\n  latency   p50 %.1f us, p90 %.1f us, p99 %.1f us, p99.9 %.1f us, max %.1f us, "
           "mean %.1f us\n",
           micros_at(latency, 0.50), micros_at(latency, 0.90), micros_at(latency, 0.99),
           micros_at(latency, 0.999), micros(latency->max), histogram_mean(latency) / 1000);
    if (sum->bytes_out > 0)
        printf("  bytes     %.1f out, %.1f in for each\n",
               per((double)sum->bytes_out, (double)sum->messages),
               per((double)sum->bytes_in, (double)sum->messages));
    print_limits(options, total);
    print_errors(sum);
    print_moves(sum);
    print_checks(options, results);
}

/* ---- For programs ---------------------------------------------------------------------------- */

static json_t *json_latency(const struct histogram *latency)
{
    return json_pack("{s:f, s:f, s:f, s:f, s:f, s:f}", "p50", micros_at(latency, 0.50), "p90",
                     micros_at(latency, 0.90), "p99", micros_at(latency, 0.99), "p999",
                     micros_at(latency, 0.999), "max", micros(latency->max), "mean",
                     histogram_mean(latency) / 1000);
}

static json_t *json_refusals(const struct result *sum)
{
    json_t *codes = json_object();

    for (const struct refusals *r = sum->refusals; r < sum->refusals + RESULT_CODES; r++) {
        if (r->count > 0)
            json_object_set_new(codes, r->code, json_integer((json_int_t)r->count));
    }
    return codes;
}

static json_t *json_kinds(const uint64_t *counts)
{
    json_t *kinds = json_object();

    for (enum ask ask = 0; ask < ASK_KINDS; ask++) {
        const char *name = ask_name(ask);
        json_int_t before = json_integer_value(json_object_get(kinds, name));

        if (counts[ask] > 0)
            json_object_set_new(kinds, name, json_integer(before + (json_int_t)counts[ask]));
    }
    return kinds;
}

static json_t *json_check(const struct check_result *check)
{
    if (!check->done)
        return json_null();
    return json_pack("{s:b, s:I, s:I, s:I, s:I}", "good", check->good, "on_hand_expected",
                     (json_int_t)check->on_hand_expected, "on_hand_found",
                     (json_int_t)check->on_hand_found, "reserved_expected",
                     (json_int_t)check->reserved_expected, "reserved_found",
                     (json_int_t)check->reserved_found);
}

static json_t *json_run(const struct result *result)
{
    return json_pack(
        "{s:f, s:I, s:f, s:o, s:f, s:f, s:I, s:b, s:I, s:I, s:I, s:I, s:o, s:o, s:o}", "seconds",
        result->seconds, "messages", (json_int_t)result->messages, "messages_per_s",
        rate_of(result), "latency_us", json_latency(&result->latency), "generator_cpu",
        per(result->cpu_seconds, result->seconds), "slip_p99_us", micros_at(&result->slip, 0.99),
        "unsent", (json_int_t)result->unsent, "generator_limited", result_limited(result), "errors",
        (json_int_t)result->errors, "refused", (json_int_t)result->refused, "moves",
        (json_int_t)result->moves, "resent", (json_int_t)result->resent, "done",
        json_kinds(result->done), "denied", json_kinds(result->denied), "check",
        json_check(&result->check));
}

static json_t *json_settings(const struct options *options)
{
    return json_pack("{s:s, s:s, s:s, s:I, s:I, s:I, s:I, s:I, s:f, s:f}", "workload",
                     options->workload->name, "unit", unit(options), "address", options->address,
                     "connections", (json_int_t)options->connections, "window",
                     (json_int_t)options->window, "items", (json_int_t)options->items, "places",
                     (json_int_t)options->places, "seed", (json_int_t)options->seed, "rate",
                     options->rate, "speed", options->speed);
}

static void report_json(const struct options *options, const struct result *results,
                        const struct total *total)
{
    const struct result *sum = &total->sum;
    double messages = (double)sum->messages;
    json_t *root = json_settings(options);
    json_t *runs = json_array();
    json_t *all = json_pack(
        "{s:f, s:I, s:f, s:f, s:f, s:o, s:f, s:f, s:f, s:b, s:f, s:I, s:I, s:I, s:I, s:I, s:o}",
        "seconds", sum->seconds, "messages", (json_int_t)sum->messages, "messages_per_s",
        total->rate.median, "messages_per_s_min", total->rate.min, "messages_per_s_max",
        total->rate.max, "latency_us", json_latency(&sum->latency), "bytes_out_per_message",
        per((double)sum->bytes_out, messages), "bytes_in_per_message",
        per((double)sum->bytes_in, messages), "generator_cpu", total->cpu, "generator_limited",
        total->limited, "slip_p99_us", micros_at(&sum->slip, 0.99), "unsent",
        (json_int_t)sum->unsent, "errors", (json_int_t)sum->errors, "refused",
        (json_int_t)sum->refused, "moves", (json_int_t)sum->moves, "resent",
        (json_int_t)sum->resent, "error_codes", json_refusals(sum));

    for (size_t i = 0; i < options->runs; i++)
        json_array_append_new(runs, json_run(&results[i]));
    json_object_update(root, all);
    json_decref(all);
    json_object_set_new(root, "runs", runs);
    if (total->checked)
        json_object_set_new(root, "units_add_up", json_boolean(total->good));
    json_dumpf(root, stdout, JSON_COMPACT | JSON_REAL_PRECISION(9));
    putchar('\n');
    json_decref(root);
}

static void print_csv_line(const struct options *options, const char *run,
                           const struct result *result, double rate, double cpu)
{
    const struct histogram *latency = &result->latency;

    printf("%s,%s,%zu,%zu,%zu,%.0f,%.3f,%" PRIu64 ",%.1f,%.1f,%.1f,%.1f,%.1f,%.1f,%.1f,%.3f,%.1f,"
           "%" PRIu64 ",%" PRIu64 ",%" PRIu64 ",%" PRIu64 ",%" PRIu64 "\n",
           run, options->workload->name, options->connections, options->window, options->items,
           options->rate, result->seconds, result->messages, rate, micros_at(latency, 0.50),
           micros_at(latency, 0.90), micros_at(latency, 0.99), micros_at(latency, 0.999),
           micros(latency->max), histogram_mean(latency) / 1000, cpu,
           micros_at(&result->slip, 0.99), result->unsent, result->errors, result->refused,
           result->moves, result->resent);
}

static void report_csv(const struct options *options, const struct result *results,
                       const struct total *total)
{
    char run[24];

    puts("run,workload,connections,window,items,rate,seconds,messages,messages_per_s,p50_us,"
         "p90_us,p99_us,p999_us,max_us,mean_us,generator_cpu,slip_p99_us,unsent,errors,refused,"
         "moves,resent");
    for (size_t i = 0; i < options->runs; i++) {
        snprintf(run, sizeof run, "%zu", i + 1);
        print_csv_line(options, run, &results[i], rate_of(&results[i]),
                       per(results[i].cpu_seconds, results[i].seconds));
    }
    print_csv_line(options, "median", &total->sum, total->rate.median, total->cpu);
}

void report(const struct options *options, const struct result *results)
{
    static struct total total;

    add_all(&total, options, results);
    if (options->format == FORMAT_JSON)
        report_json(options, results, &total);
    else if (options->format == FORMAT_CSV)
        report_csv(options, results, &total);
    else
        report_text(options, results, &total);
}
