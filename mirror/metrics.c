/* SPDX-License-Identifier: Apache-2.0 */
#include "mirror/metrics.h"

#include <stdio.h>
#include <string.h>

enum { WORDS = MIRROR_ERROR_MAX / 8, READS = 4 };

void metrics_error(struct mirror_metrics *metrics, const char *text, uint64_t wall_ms)
{
    uint64_t words[WORDS] = { 0 };
    snprintf((char *)words, sizeof words, "%s", text);
    uint64_t sequence = atomic_load_explicit(&metrics->sequence, memory_order_relaxed);
    metric_set(&metrics->sequence, sequence + 1);
    /* Release on each word: a thread that has read a new word then reads the odd sequence, or a
     * later one. */
    for (unsigned i = 0; i < WORDS; i++)
        atomic_store_explicit(&metrics->error[i], words[i], memory_order_release);
    atomic_store_explicit(&metrics->sequence, sequence + 2, memory_order_release);
    metric_set(&metrics->error_ms, wall_ms);
}

void metrics_copy_error(const struct mirror_metrics *metrics, char text[MIRROR_ERROR_MAX])
{
    uint64_t words[WORDS];
    for (unsigned tries = 0; tries < READS; tries++) {
        uint64_t before = atomic_load_explicit(&metrics->sequence, memory_order_acquire);
        for (unsigned i = 0; i < WORDS; i++)
            words[i] = atomic_load_explicit(&metrics->error[i], memory_order_acquire);
        uint64_t after = atomic_load_explicit(&metrics->sequence, memory_order_relaxed);
        if (before == after && before % 2 == 0) {
            memcpy(text, words, sizeof words);
            return;
        }
    }
    text[0] = '\0';
}

void metrics_read(const struct mirror_metrics *metrics, struct mirror_status *status)
{
#define READ(name) atomic_load_explicit(&metrics->name, memory_order_relaxed)
    *status = (struct mirror_status){
        .state = (enum mirror_state)READ(state),
        .lsn = READ(lsn),
        .dirty = READ(dirty),
        .commands = READ(commands),
        .commands_per_s = READ(commands_per_s),
        .batches = READ(batches),
        .batch_items = READ(batch_items),
        .round_trip_us = READ(round_trip_us),
        .items_sent = READ(items_sent),
        .resyncs = READ(resyncs),
        .repaired = READ(repaired),
        .strays = READ(strays),
        .events_sent = READ(events_sent),
        .events_missed = READ(events_missed),
        .connections = READ(connections),
        .failures = READ(failures),
        .fence_connection = READ(fence_connection),
        .fence_batch = READ(fence_batch),
        .error_ms = READ(error_ms),
    };
#undef READ
    metrics_copy_error(metrics, status->error);
}
