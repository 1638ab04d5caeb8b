/* SPDX-License-Identifier: Apache-2.0 */
/* Requests, connections, subscribers: what the workers count for themselves. */
#include "protocol/call.h"
#include "protocol/latency.h"
#include "protocol/methods.h"
#include "telemetry/collect.h"

static uint64_t answers_of(const struct service *service, unsigned method, enum code code)
{
    uint64_t sum = 0;
    for (unsigned i = 0; i < service->workers; i++)
        sum +=
            atomic_load_explicit(&service->metrics[i].answers[method][code], memory_order_relaxed);
    return sum;
}

/* Each method has a sample for success, and for each code that it was refused with. */
static void expose_answers(const struct service *service, struct exposition *e)
{
    unsigned count;
    const struct method *methods = methods_all(&count);
    struct label labels[] = { { .name = "method" }, { .name = "code" } };
    expose_family(e, FAMILY_COUNTER, "stockd_requests",
                  "Requests answered, by method and by the code of the answer.");
    for (unsigned method = 0; method < count; method++) {
        labels[0].value = text_of(methods[method].name);
        for (enum code code = 0; code < CODE_COUNT; code++) {
            uint64_t answers = answers_of(service, methods[method].number, code);
            labels[1].value = text_of(code_name(code));
            if (code == CODE_OK || answers > 0)
                expose_number(e, labels, 2, answers);
        }
    }
}

static void expose_latency(const struct service *service, struct exposition *e, size_t at,
                           const struct label *label)
{
    uint64_t buckets[LATENCY_BOUNDS + 1] = { 0 };
    struct exposed_histogram histogram = { buckets, LATENCY_BOUNDS, latency_bound_us, 0 };
    for (unsigned i = 0; i < service->workers; i++) {
        const struct latency *one = (const void *)((const char *)&service->metrics[i] + at);
        for (unsigned bucket = 0; bucket <= LATENCY_BOUNDS; bucket++)
            buckets[bucket] += atomic_load_explicit(&one->buckets[bucket], memory_order_relaxed);
        histogram.sum_ns += atomic_load_explicit(&one->sum_ns, memory_order_relaxed);
    }
    expose_histogram(e, label, label ? 1 : 0, &histogram);
}

static void expose_latencies(const struct service *service, struct exposition *e)
{
    struct label kind = { "kind", text_of("read") };
    expose_family(e, FAMILY_HISTOGRAM, "stockd_request_seconds",
                  "From when a request is read to when its reply is sent, durable if it must be.");
    expose_latency(service, e, offsetof(struct worker_metrics, latency[REQUEST_READ]), &kind);
    kind.value = text_of("change");
    expose_latency(service, e, offsetof(struct worker_metrics, latency[REQUEST_CHANGE]), &kind);
    expose_family(e, FAMILY_HISTOGRAM, "stockd_journal_write_seconds",
                  "How long a write of a batch to the journal takes.");
    expose_latency(service, e, offsetof(struct worker_metrics, journal_writes), NULL);
    expose_family(e, FAMILY_HISTOGRAM, "stockd_journal_sync_seconds",
                  "How long a sync of the journal takes, where writes are not synced themselves.");
    expose_latency(service, e, offsetof(struct worker_metrics, journal_syncs), NULL);
}

static const struct worker_family {
    enum family_type type;
    const char *name, *help;
    size_t at; /* in struct worker_metrics */
} worker_families[] = {
#define METRIC(name) offsetof(struct worker_metrics, name)
    { FAMILY_GAUGE, "stockd_connections", "Open connections.", METRIC(connections) },
    { FAMILY_COUNTER, "stockd_connections_accepted", "Connections accepted.", METRIC(accepted) },
    { FAMILY_COUNTER, "stockd_connections_turned_away",
      "Connections refused because there were too many, or at a stop.", METRIC(turned_away) },
    { FAMILY_COUNTER, "stockd_bad_messages",
      "Messages that were no request: unreadable, over a limit, or of an unknown method.",
      METRIC(bad_messages) },
    { FAMILY_COUNTER, "stockd_requests_deferred",
      "Tries of a request that met a change under way, or a full log, and are repeated.",
      METRIC(deferred) },
    { FAMILY_COUNTER, "stockd_requests_put_off", "Times that a long request let others go first.",
      METRIC(put_off) },
    { FAMILY_COUNTER, "stockd_replies_slow", "Waits of more than a second that the log tells of.",
      METRIC(slow_replies) },
    { FAMILY_COUNTER, "stockd_received_bytes", "Bytes received from clients.", METRIC(bytes_in) },
    { FAMILY_COUNTER, "stockd_sent_bytes", "Bytes sent to clients.", METRIC(bytes_out) },
    { FAMILY_GAUGE, "stockd_client_memory_bytes",
      "Bytes held for clients: input that is not done, output that is not sent.",
      METRIC(client_bytes) },
    { FAMILY_COUNTER, "stockd_connections_cut_for_memory",
      "Connections ended because too much was held for clients.", METRIC(cut_for_memory) },
    { FAMILY_COUNTER, "stockd_worker_iterations", "Iterations of the workers' loops.",
      METRIC(iterations) },
    { FAMILY_GAUGE, "stockd_subscribers", "Connections that subscribe to changes or events.",
      METRIC(subscribers) },
    { FAMILY_COUNTER, "stockd_notifications", "Notifications to subscribers.",
      METRIC(notifications) },
    { FAMILY_COUNTER, "stockd_subscribers_cut_off", "Subscribers that read nothing for too long.",
      METRIC(cut_off) },
    { FAMILY_COUNTER, "stockd_feed_resyncs",
      "Readers of changes or events that must read all anew.", METRIC(resyncs) },
#undef METRIC
};

static uint64_t sum_of(const struct service *service, size_t at)
{
    uint64_t sum = 0;
    for (unsigned i = 0; i < service->workers; i++) {
        const _Atomic uint64_t *one = (const void *)((const char *)&service->metrics[i] + at);
        sum += atomic_load_explicit(one, memory_order_relaxed);
    }
    return sum;
}

void collect_requests(const struct collector *c, struct exposition *e)
{
    const struct service *service = c->engine.service;
    expose_answers(service, e);
    expose_latencies(service, e);
    for (unsigned i = 0; i < sizeof worker_families / sizeof *worker_families; i++) {
        const struct worker_family *family = &worker_families[i];
        expose_family(e, family->type, family->name, family->help);
        expose_number(e, NULL, 0, sum_of(service, family->at));
    }
    expose_gauge(e, "stockd_connections_max", "Connections that are allowed at once.",
                 service->limits.connections);
    expose_gauge(e, "stockd_client_memory_max_bytes", "Bytes that may be held for clients.",
                 service->limits.client_bytes);
    expose_gauge(e, "stockd_workers", "Worker threads.", service->workers);
    expose_gauge_ms(e, "stockd_start_time_seconds", "When the engine started, since 1970.",
                    service->started_ms);
}
