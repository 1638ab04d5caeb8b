/* SPDX-License-Identifier: Apache-2.0 */
/* top_show.c - two samples as a screen, as a line, and as JSON. */
#include "tools/stockctl/top.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define TEXT_SIZE 32

/* ---- numbers -------------------------------------------------------------------------------- */

static const char *milliseconds(double ms, char *out)
{
    if (ms < 0)
        snprintf(out, TEXT_SIZE, "-");
    else
        snprintf(out, TEXT_SIZE, "%.*f", ms < 10 ? 2 : 0, ms);
    return out;
}

static const char *bytes_text(double bytes, char *out)
{
    static const char *const units[] = { "B", "KiB", "MiB", "GiB", "TiB" };
    size_t unit = 0;

    for (; bytes >= 1024 && unit + 1 < sizeof units / sizeof units[0]; unit++)
        bytes /= 1024;
    snprintf(out, TEXT_SIZE, "%.*f %s", unit > 0 && bytes < 100 ? 1 : 0, bytes, units[unit]);
    return out;
}

static uint64_t percent(uint64_t used, uint64_t max)
{
    return max > 0 ? used * 100 / max : 0;
}

static uint64_t not_durable(const struct sample *now)
{
    return now->tail > now->durable ? now->tail - now->durable : 0;
}

/* ---- the rows of a list --------------------------------------------------------------------- */

struct rated {
    const char *name;
    double done, refused; /* a second */
};

static int by_rate(const void *a, const void *b)
{
    const struct rated *x = a, *y = b;
    double more = (y->done + y->refused) - (x->done + x->refused);
    return more > 0 ? 1 : more < 0 ? -1 : strcmp(x->name, y->name);
}

/* Those that were counted between the two samples, the most frequent first. */
static size_t rate_all(const struct sample *before, const struct sample *now, bool methods,
                       struct rated *rated)
{
    const struct top_count *counts = methods ? now->method : now->code;
    const struct top_count *old = methods ? before->method : before->code;
    size_t count = methods ? now->methods : now->codes, found = 0;

    for (size_t i = 0; i < count; i++) {
        struct top_count was =
            count_before(old, methods ? before->methods : before->codes, counts[i].name);
        struct rated one = { counts[i].name, rate_between(before, now, was.done, counts[i].done),
                             rate_between(before, now, was.refused, counts[i].refused) };
        if (one.done + one.refused > 0)
            rated[found++] = one;
    }
    qsort(rated, found, sizeof *rated, by_rate);
    return found;
}

static void show_methods(FILE *out, const struct sample *before, const struct sample *now)
{
    struct rated rated[TOP_METHODS_MAX];
    size_t count = rate_all(before, now, true, rated);

    if (count > 0)
        fprintf(out, "\n%-16s %12s %12s\n", "METHOD", "DONE/S", "REFUSED/S");
    for (size_t i = 0; i < count; i++)
        fprintf(out, "%-16s %12.1f %12.1f\n", rated[i].name, rated[i].done, rated[i].refused);
}

static void show_refusals(FILE *out, const struct sample *before, const struct sample *now)
{
    struct rated rated[TOP_CODES_MAX];
    size_t count = rate_all(before, now, false, rated);

    for (size_t i = 0; i < count; i++)
        fprintf(out, "%s%s %.1f/s", i == 0 ? "refused   " : ", ", rated[i].name, rated[i].refused);
    fputs(count > 0 ? "\n" : "refused   nothing\n", out);
}

/* ---- the screen ----------------------------------------------------------------------------- */

static void show_latency(FILE *out, const struct sample *before, const struct sample *now)
{
    static const char *const names[TOP_LATENCIES] = { "read", "change", "journal write",
                                                      "journal sync" };
    char half[TEXT_SIZE], most[TEXT_SIZE];

    fprintf(out, "\n%-16s %12s %12s\n", "LATENCY", "P50 MS", "P99 MS");
    for (enum top_latency i = 0; i < TOP_LATENCIES; i++)
        if (quantile_between(before, now, i, 0.5) >= 0 || i < TOP_WRITE)
            fprintf(out, "%-16s %12s %12s\n", names[i],
                    milliseconds(quantile_between(before, now, i, 0.5), half),
                    milliseconds(quantile_between(before, now, i, 0.99), most));
}

static void show_mirror(FILE *out, const struct sample *now)
{
    if (now->mirror[0] == '\0' || strcmp(now->mirror, "off") == 0)
        return;
    fprintf(out, "mirror    %s, %" PRIu64 " ms behind, %" PRIu64 " items waiting\n", now->mirror,
            now->mirror_lag_ms, now->mirror_waiting);
}

void show_screen(FILE *out, const struct ctl *ctl, const struct sample *before,
                 const struct sample *now)
{
    char up[TEXT_SIZE], in[TEXT_SIZE], sent[TEXT_SIZE], held[TEXT_SIZE], lag[TEXT_SIZE],
        journal[TEXT_SIZE];

    text_duration((int64_t)now->uptime_ms, up, sizeof up);
    fprintf(out, "stockd %s at %s, up %s, %" PRIu64 " worker%s, %s%s\n", now->version, ctl->server,
            up, now->workers, now->workers == 1 ? "" : "s", now->durability,
            now->failed ? ", TAKES NO CHANGES" : "");
    fprintf(out, "requests  %.1f/s, refused %.1f/s\n",
            rate_between(before, now, before->requests, now->requests),
            rate_between(before, now, before->refusals, now->refusals));
    show_refusals(out, before, now);
    fprintf(out,
            "clients   %" PRIu64 " of %" PRIu64 " connections, %" PRIu64
            " subscribed, in %s/s, out %s/s, held %s\n",
            now->connections, now->connections_max, now->subscribers,
            bytes_text(rate_between(before, now, before->bytes_in, now->bytes_in), in),
            bytes_text(rate_between(before, now, before->bytes_out, now->bytes_out), sent),
            bytes_text((double)now->client_bytes, held));
    fprintf(
        out, "journal   lsn %" PRIu64 ", %s not durable, %.1f batches/s, %s/s\n", now->tail,
        bytes_text((double)not_durable(now), lag),
        rate_between(before, now, before->batches, now->batches),
        bytes_text(rate_between(before, now, before->record_bytes, now->record_bytes), journal));
    fprintf(out,
            "tables    items %" PRIu64 " %%, pools %" PRIu64 " %%, ids %" PRIu64 " %%; %" PRIu64
            " orders and supplies live, %.1f holds/s expire\n",
            percent(now->items, now->items_max), percent(now->pools, now->pools_max),
            percent(now->ids, now->ids_max), now->live,
            rate_between(before, now, before->expired, now->expired));
    show_mirror(out, now);
    show_latency(out, before, now);
    show_methods(out, before, now);
}

/* ---- a line --------------------------------------------------------------------------------- */

void show_line(FILE *out, const struct sample *before, const struct sample *now, size_t number)
{
    enum { EVERY = 20 };
    char time_text[TEXT_SIZE], half[TEXT_SIZE], most[TEXT_SIZE], read[TEXT_SIZE], lag[TEXT_SIZE];
    time_t seconds = time(NULL);
    struct tm local;

    if (number % EVERY == 0)
        fprintf(out, "%-8s %10s %9s %8s %8s %8s %9s %6s %8s %s\n", "TIME", "REQUESTS", "REFUSED",
                "READ99", "CHANGE50", "CHANGE99", "LAG", "CONNS", "LIVE", "MIRROR");
    strftime(time_text, sizeof time_text, "%H:%M:%S", localtime_r(&seconds, &local));
    fprintf(out, "%-8s %10.1f %9.1f %8s %8s %8s %9s %6" PRIu64 " %8" PRIu64 " %s\n", time_text,
            rate_between(before, now, before->requests, now->requests),
            rate_between(before, now, before->refusals, now->refusals),
            milliseconds(quantile_between(before, now, TOP_READ, 0.99), read),
            milliseconds(quantile_between(before, now, TOP_CHANGE, 0.5), half),
            milliseconds(quantile_between(before, now, TOP_CHANGE, 0.99), most),
            bytes_text((double)not_durable(now), lag), now->connections, now->live, now->mirror);
}

/* ---- JSON ----------------------------------------------------------------------------------- */

static json_t *latency_json(const struct sample *before, const struct sample *now,
                            enum top_latency which)
{
    double half = quantile_between(before, now, which, 0.5);
    double most = quantile_between(before, now, which, 0.99);

    return half < 0 ? json_null() : json_pack("{s:f, s:f}", "p50_ms", half, "p99_ms", most);
}

static json_t *rates_json(const struct sample *before, const struct sample *now, bool methods)
{
    struct rated rated[TOP_METHODS_MAX];
    size_t count = rate_all(before, now, methods, rated);
    json_t *map = json_object();

    for (size_t i = 0; i < count; i++)
        json_object_set_new(map, rated[i].name,
                            methods ? json_pack("{s:f, s:f}", "done_per_s", rated[i].done,
                                                "refused_per_s", rated[i].refused)
                                    : json_real(rated[i].refused));
    return map;
}

void show_line_json(FILE *out, const struct sample *before, const struct sample *now)
{
    json_t *line = json_pack(
        "{s:I, s:f, s:f, s:f, s:o, s:o, s:o, s:o, s:o, s:I, s:I, s:I, s:I, s:I, s:s, s:I}",
        "time_ms", (json_int_t)time(NULL) * 1000, "seconds",
        (double)(now->at_ms - before->at_ms) / 1e3, "requests_per_s",
        rate_between(before, now, before->requests, now->requests), "refusals_per_s",
        rate_between(before, now, before->refusals, now->refusals), "methods",
        rates_json(before, now, true), "refused", rates_json(before, now, false), "read",
        latency_json(before, now, TOP_READ), "change", latency_json(before, now, TOP_CHANGE),
        "journal_write", latency_json(before, now, TOP_WRITE), "lsn", (json_int_t)now->tail,
        "not_durable_bytes", (json_int_t)not_durable(now), "connections",
        (json_int_t)now->connections, "subscribers", (json_int_t)now->subscribers, "live",
        (json_int_t)now->live, "mirror", now->mirror, "mirror_lag_ms",
        (json_int_t)now->mirror_lag_ms);

    json_dumpf(line, out, JSON_COMPACT | JSON_REAL_PRECISION(6));
    putc('\n', out);
    json_decref(line);
}
