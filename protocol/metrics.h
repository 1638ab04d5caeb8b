/* SPDX-License-Identifier: Apache-2.0 */
/* A worker's metrics. Only its worker writes them and any thread reads them: relaxed, since no
 * other data depends on them. */
#ifndef STOCKD_PROTOCOL_METRICS_H
#define STOCKD_PROTOCOL_METRICS_H

#include <stdatomic.h>
#include <stdint.h>

/* clang-format lays these out differently on each run. */
/* clang-format off */
#define WORKER_METRICS(X) \
    X(connections) X(accepted) X(turned_away) X(closed) X(requests) X(refusals) X(bad_messages) \
    X(halves_refused) X(unread) \
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

struct worker_metrics {
#define X(name) _Atomic uint64_t name;
    _Alignas(64) WORKER_METRICS(X) FEED_METRICS(X) ACCESS_METRICS(X)
#undef X
};

/* Only the worker that owns the metric. */
static inline void metric_add(_Atomic uint64_t *metric, uint64_t amount)
{
    uint64_t now = atomic_load_explicit(metric, memory_order_relaxed);
    atomic_store_explicit(metric, now + amount, memory_order_relaxed);
}

#endif
