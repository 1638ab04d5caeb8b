/* SPDX-License-Identifier: Apache-2.0 */
/* top_sample.c - a sample of what an engine counts, and what two of them say. */
#include "tools/stockctl/top.h"

#include <stdlib.h>
#include <string.h>

static const char *const latency_keys[TOP_LATENCIES] = {
    [TOP_READ] = "read",
    [TOP_CHANGE] = "change",
    [TOP_WRITE] = "journal_write",
    [TOP_SYNC] = "journal_sync",
};

static stockd_value section(stockd_value info, const char *name)
{
    stockd_value map = { 0 };
    stockd_map_find(info, name, &map);
    return map;
}

/* What an older engine does not have is 0, or "". */
static uint64_t number_of(stockd_value map, const char *key)
{
    uint64_t number = 0;
    stockd_map_u64(map, key, &number);
    return number;
}

static void take_text(stockd_value map, const char *key, char *out)
{
    const char *bytes;
    size_t len;

    out[0] = '\0';
    if (!stockd_map_str(map, key, &bytes, &len))
        return;
    char *clean = text_clean(bytes, len);
    snprintf(out, TOP_NAME_MAX, "%s", clean);
    free(clean);
}

/* ---- methods and codes ---------------------------------------------------------------------- */

static struct top_count *count_named(struct top_count *counts, size_t *count, size_t max,
                                     stockd_value name)
{
    const char *bytes;
    size_t len;

    if (!stockd_value_str(name, &bytes, &len) || len >= TOP_NAME_MAX)
        return NULL;
    for (size_t i = 0; i < *count; i++)
        if (strlen(counts[i].name) == len && memcmp(counts[i].name, bytes, len) == 0)
            return &counts[i];
    if (*count == max)
        return NULL;
    struct top_count *added = &counts[(*count)++];
    *added = (struct top_count){ 0 };
    memcpy(added->name, bytes, len);
    return added;
}

static void take_codes(struct sample *sample, struct top_count *method, stockd_value codes)
{
    stockd_iter it = stockd_iterate(codes);
    stockd_value name, times;
    uint64_t number;

    while (stockd_next(&it, &name, &times)) {
        const char *bytes = "";
        size_t len = 0;
        if (!stockd_value_u64(times, &number) || !stockd_value_str(name, &bytes, &len))
            continue;
        if (len == 2 && memcmp(bytes, "ok", 2) == 0) {
            method->done += number;
            continue;
        }
        struct top_count *code = count_named(sample->code, &sample->codes, TOP_CODES_MAX, name);
        method->refused += number;
        if (code != NULL)
            code->refused += number;
    }
}

static void take_methods(struct sample *sample, stockd_value methods)
{
    stockd_iter it = stockd_iterate(methods);
    stockd_value name, codes;

    while (stockd_next(&it, &name, &codes)) {
        struct top_count *method =
            count_named(sample->method, &sample->methods, TOP_METHODS_MAX, name);
        if (method != NULL)
            take_codes(sample, method, codes);
    }
}

/* ---- latency -------------------------------------------------------------------------------- */

static size_t take_numbers(stockd_value list, uint64_t *numbers, size_t max)
{
    stockd_iter it = stockd_iterate(list);
    stockd_value element;
    size_t count = 0;

    while (count < max && stockd_next(&it, NULL, &element) &&
           stockd_value_u64(element, &numbers[count]))
        count++;
    return count;
}

static void take_latency(struct sample *sample, stockd_value latency)
{
    stockd_value list;

    if (stockd_map_find(latency, "bounds_us", &list))
        sample->bounds = take_numbers(list, sample->bound_us, TOP_BUCKETS_MAX);
    for (size_t i = 0; i < TOP_LATENCIES; i++)
        if (stockd_map_find(latency, latency_keys[i], &list))
            take_numbers(list, sample->bucket[i], TOP_BUCKETS_MAX + 1);
}

double quantile_between(const struct sample *before, const struct sample *now,
                        enum top_latency which, double part)
{
    double total = 0, below = 0;

    for (size_t i = 0; i <= now->bounds; i++)
        total += (double)(now->bucket[which][i] - before->bucket[which][i]);
    if (total <= 0)
        return -1;
    for (size_t i = 0; i < now->bounds; i++) {
        double here = (double)(now->bucket[which][i] - before->bucket[which][i]);
        double from = i > 0 ? (double)now->bound_us[i - 1] : 0;
        if (here > 0 && below + here >= part * total)
            return (from + ((double)now->bound_us[i] - from) * (part * total - below) / here) / 1e3;
        below += here;
    }
    return now->bounds > 0 ? (double)now->bound_us[now->bounds - 1] / 1e3 : -1; /* or longer */
}

/* ---- a sample ------------------------------------------------------------------------------- */

static void take_server(struct sample *sample, stockd_value server, stockd_value limits)
{
    take_text(server, "version", sample->version);
    sample->started_ms = number_of(server, "started_ms");
    sample->uptime_ms = number_of(server, "uptime_ms");
    sample->workers = number_of(server, "workers");
    sample->requests = number_of(server, "requests");
    sample->refusals = number_of(server, "refusals");
    sample->bytes_in = number_of(server, "bytes_in");
    sample->bytes_out = number_of(server, "bytes_out");
    sample->client_bytes = number_of(server, "client_bytes");
    sample->connections = number_of(server, "connections");
    sample->connections_max = number_of(limits, "connections");
    sample->client_bytes_max = number_of(limits, "client_bytes");
}

static void take_ledger(struct sample *sample, stockd_value ledger)
{
    sample->items = number_of(ledger, "items");
    sample->items_max = number_of(ledger, "items_max");
    sample->pools = number_of(ledger, "pools");
    sample->pools_max = number_of(ledger, "pools_max");
    sample->ids = number_of(ledger, "ids_taken");
    sample->ids_max = number_of(ledger, "reservations_max");
    sample->live = number_of(ledger, "live");
    sample->expired = number_of(ledger, "expired");
}

static void take_journal(struct sample *sample, stockd_value journal)
{
    stockd_value failed = { 0 };

    sample->tail = number_of(journal, "log_tail");
    sample->durable = number_of(journal, "durable_lsn");
    sample->batches = number_of(journal, "batches");
    sample->record_bytes = number_of(journal, "record_bytes");
    take_text(journal, "durability", sample->durability);
    if (stockd_map_find(journal, "failed", &failed))
        stockd_value_bool(failed, &sample->failed);
}

void sample_read(struct sample *sample, stockd_value info)
{
    stockd_value mirror = section(info, "mirror");

    *sample = (struct sample){ .at_ms = clock_ms() };
    take_server(sample, section(info, "server"), section(info, "limits"));
    take_ledger(sample, section(info, "ledger"));
    take_journal(sample, section(info, "journal"));
    take_methods(sample, section(info, "methods"));
    take_latency(sample, section(info, "latency"));
    sample->subscribers = number_of(section(info, "feed"), "subscribers");
    take_text(mirror, "state", sample->mirror);
    sample->mirror_lag_ms = number_of(mirror, "lag_ms");
    sample->mirror_waiting = number_of(mirror, "dirty");
}

void sample_at_start(struct sample *sample, const struct sample *now)
{
    *sample =
        (struct sample){ .at_ms = now->at_ms - now->uptime_ms, .started_ms = now->started_ms };
}

/* ---- two samples ---------------------------------------------------------------------------- */

double rate_between(const struct sample *before, const struct sample *now, uint64_t from,
                    uint64_t to)
{
    uint64_t ms = now->at_ms - before->at_ms;
    return ms > 0 && to > from ? (double)(to - from) * 1e3 / (double)ms : 0;
}

struct top_count count_before(const struct top_count *counts, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(counts[i].name, name) == 0)
            return counts[i];
    return (struct top_count){ 0 };
}
