/* SPDX-License-Identifier: Apache-2.0 */
/* A worker's metrics. Only its worker writes them and any thread reads them: relaxed, since no
 * other data depends on them. */
#ifndef STOCKD_PROTOCOL_METRICS_H
#define STOCKD_PROTOCOL_METRICS_H

#include <stdatomic.h>
#include <stdint.h>

#include "engine/base/error.h"
#include "protocol/latency.h"

/* clang-format lays these out differently on each run. */
/* clang-format off */
#define WORKER_METRICS(X) \
    X(connections) X(accepted) X(turned_away) X(closed) X(bad_messages) \
    X(halves_refused) X(unread) \
    X(client_bytes) X(client_bytes_peak) X(cut_for_memory) \
    X(deferred) X(put_off) X(stalled_reads) X(bytes_in) X(bytes_out) X(sends) X(iterations) \
    X(storage_requests) X(slow_replies) X(handshakes) X(handshakes_resumed) X(handshakes_failed)
/* The feed's section of info. */
#define FEED_METRICS(X) \
    X(subscribers) X(notifications) X(cut_off) X(resyncs) X(changes_asked) X(walks) \
    X(events_asked)
/* Of who may do what: the section access of info. */
#define ACCESS_METRICS(X) \
    X(strangers) X(strangers_cut) X(hellos) X(unauthorized) X(forbidden) X(over_rate) X(crowded) \
    X(revoked)
/* clang-format on */

/* What a request is, for the histograms. */
enum request_kind { REQUEST_READ, REQUEST_CHANGE, REQUEST_KINDS };

enum { METRIC_METHODS = 96 }; /* at least as many as there are methods */

struct worker_metrics {
#define X(name) _Atomic uint64_t name;
    _Alignas(64) WORKER_METRICS(X) FEED_METRICS(X) ACCESS_METRICS(X)
#undef X
        /* Requests that were answered, by method (its number) and by the code of the answer. */
        _Atomic uint64_t answers[METRIC_METHODS][CODE_COUNT];
    struct latency latency[REQUEST_KINDS];        /* from the request's read to its reply's send */
    struct latency journal_writes, journal_syncs; /* that were on this worker's ring */
};

/* Only the worker that owns the metric. */
static inline void metric_add(_Atomic uint64_t *metric, uint64_t amount)
{
    uint64_t now = atomic_load_explicit(metric, memory_order_relaxed);
    atomic_store_explicit(metric, now + amount, memory_order_relaxed);
}

static inline void metric_set(_Atomic uint64_t *metric, uint64_t value)
{
    atomic_store_explicit(metric, value, memory_order_relaxed);
}

#endif
