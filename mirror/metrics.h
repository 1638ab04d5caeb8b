/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The mirror's metrics: its thread writes them, with one exception, and any thread reads them. The
 * numbers are relaxed, because no reader infers one from another. A sequence lock protects the text
 * of the last error: `sequence` is odd while the text is being written.
 *
 * The exception is `state`: while it is FENCED the mirror's thread waits and does not write it, and
 * any thread may change it to CONNECTING by compare-and-swap (mirror_take). So a request to take
 * the fence exists only as the end of FENCED: it cannot come twice or be left over. It carries no
 * other data, so it is relaxed too.
 */
#ifndef STOCKD_MIRROR_METRICS_H
#define STOCKD_MIRROR_METRICS_H

#include <stdatomic.h>
#include <stdint.h>

#include "mirror/status.h"

#define MIRROR_METRICS(X)                                                                          \
    X(state)                                                                                       \
    X(lsn)                                                                                         \
    X(as_of_ms)                                                                                    \
    X(dirty)                                                                                       \
    X(commands)                                                                                    \
    X(commands_per_s)                                                                              \
    X(batches)                                                                                     \
    X(batch_items)                                                                                 \
    X(round_trip_us)                                                                               \
    X(items_sent)                                                                                  \
    X(resyncs)                                                                                     \
    X(repaired)                                                                                    \
    X(strays)                                                                                      \
    X(events_sent)                                                                                 \
    X(events_missed)                                                                               \
    X(connections) X(failures) X(fence_connection) X(fence_batch) X(error_ms)

struct mirror_metrics {
#define X(name) _Atomic uint64_t name;
    _Alignas(64) MIRROR_METRICS(X)
#undef X
        _Atomic uint64_t sequence;
    _Atomic uint64_t error[MIRROR_ERROR_MAX / 8];
};

_Static_assert(MIRROR_ERROR_MAX % 8 == 0, "whole words");

/* Only the mirror's thread calls these. */
static inline void metric_set(_Atomic uint64_t *metric, uint64_t value)
{
    atomic_store_explicit(metric, value, memory_order_relaxed);
}

static inline void metric_add(_Atomic uint64_t *metric, uint64_t amount)
{
    metric_set(metric, atomic_load_explicit(metric, memory_order_relaxed) + amount);
}

void metrics_error(struct mirror_metrics *metrics, const char *text, uint64_t wall_ms);

/* Any thread: everything but `run` and the lags, which need the configuration and the log. */
void metrics_read(const struct mirror_metrics *metrics, struct mirror_status *status);

/* Any thread: copies the text of the last error; "" if it is being written just now. */
void metrics_copy_error(const struct mirror_metrics *metrics, char text[MIRROR_ERROR_MAX]);

#endif
