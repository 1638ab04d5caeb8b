/* SPDX-License-Identifier: Apache-2.0 */
/* The sections `methods` and `latency` of info: what the workers count of the requests. */
#include "protocol/latency.h"
#include "protocol/methods.h"
#include "protocol/pack.h"

/* Summed before anything is packed: a count that becomes more than 0 meanwhile would make a map of
 * more pairs than its head says. */
struct answers {
    uint64_t of[METRIC_METHODS][CODE_COUNT];
};

static struct answers sum_by_method(const struct service *service)
{
    struct answers sums = { 0 };
    for (unsigned i = 0; i < service->workers; i++)
        for (unsigned method = 0; method < METHOD_COUNT; method++)
            for (enum code code = 0; code < CODE_COUNT; code++)
                sums.of[method][code] += atomic_load_explicit(
                    &service->metrics[i].answers[method][code], memory_order_relaxed);
    return sums;
}

static uint32_t codes_counted(const uint64_t *counts)
{
    uint32_t count = 0;
    for (enum code code = 0; code < CODE_COUNT; code++)
        count += counts[code] > 0;
    return count;
}

void pack_methods(struct call *call)
{
    struct out *out = call->out;
    unsigned count;
    const struct method *methods = methods_all(&count);
    const struct answers sums = sum_by_method(call->service);
    uint32_t used = 0;
    for (unsigned i = 0; i < count; i++)
        used += codes_counted(sums.of[methods[i].number]) > 0;
    pack_map(out, used);
    for (unsigned i = 0; i < count; i++) {
        const uint64_t *counts = sums.of[methods[i].number];
        if (codes_counted(counts) == 0)
            continue;
        pack_string(out, methods[i].name);
        pack_map(out, codes_counted(counts));
        for (enum code code = 0; code < CODE_COUNT; code++)
            if (counts[code] > 0)
                pack_key_uint(out, code_name(code), counts[code]);
    }
}

static void pack_histogram(struct call *call, const char *key, size_t at)
{
    const struct service *service = call->service;
    uint64_t sums[LATENCY_BOUNDS + 1] = { 0 };
    for (unsigned i = 0; i < service->workers; i++) {
        const struct latency *one = (const void *)((const char *)&service->metrics[i] + at);
        for (unsigned bucket = 0; bucket <= LATENCY_BOUNDS; bucket++)
            sums[bucket] += atomic_load_explicit(&one->buckets[bucket], memory_order_relaxed);
    }
    pack_string(call->out, key);
    pack_array(call->out, LATENCY_BOUNDS + 1);
    for (unsigned bucket = 0; bucket <= LATENCY_BOUNDS; bucket++)
        pack_uint(call->out, sums[bucket]);
}

void pack_latency(struct call *call)
{
    pack_map(call->out, 5);
    pack_string(call->out, "bounds_us");
    pack_array(call->out, LATENCY_BOUNDS);
    for (unsigned bucket = 0; bucket < LATENCY_BOUNDS; bucket++)
        pack_uint(call->out, latency_bound_us(bucket));
    pack_histogram(call, "read", offsetof(struct worker_metrics, latency[REQUEST_READ]));
    pack_histogram(call, "change", offsetof(struct worker_metrics, latency[REQUEST_CHANGE]));
    pack_histogram(call, "journal_write", offsetof(struct worker_metrics, journal_writes));
    pack_histogram(call, "journal_sync", offsetof(struct worker_metrics, journal_syncs));
}
