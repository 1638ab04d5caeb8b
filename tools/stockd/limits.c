/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/stockd/limits.h"

#include <inttypes.h>
#include <stdio.h>
#include <sys/resource.h>

#include "tools/service/notice.h"

enum { SPARE_DESCRIPTORS = 64 };

/* Raises the descriptor limit as far as allowed, and limits the connections to that. */
static uint32_t connections_possible(uint64_t wanted)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
        return (uint32_t)wanted;
    limit.rlim_cur = limit.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur == RLIM_INFINITY ||
        limit.rlim_cur >= wanted + SPARE_DESCRIPTORS)
        return (uint32_t)wanted;
    uint64_t possible = limit.rlim_cur > 2 * SPARE_DESCRIPTORS ? limit.rlim_cur - SPARE_DESCRIPTORS
                                                               : SPARE_DESCRIPTORS;
    notice(LOG_WARNING, "limits", "only %" PRIu64 " connections at once: ulimit -n is %" PRIu64,
           possible, (uint64_t)limit.rlim_cur);
    return (uint32_t)possible;
}

struct ledger_config ledger_of_options(const struct options *options, struct log *log,
                                       const struct zone_source *zones)
{
    return (struct ledger_config){
        .items = (uint32_t)options->items,
        .pools = (uint32_t)options->pools,
        .reservations = (uint32_t)options->reservations,
        .remember_ms = options->remember_s * 1000,
        .contexts = (unsigned)options->workers,
        .events = (uint32_t)options->events,
        /* Of reports; the mirror; the ops port. */
        .readers = 1 + (options->redis[0] != '\0') + (options->http[0] != '\0'),
        .figures = options->reports_memory,
        .log = log,
        .zones = zones,
    };
}

struct service_limits limits_of_options(const struct options *options)
{
    struct wire_limits message = {
        .bytes = (uint32_t)options->max_message_bytes,
        .elements = (uint32_t)options->max_message_elements,
        .depth = (uint32_t)options->max_nesting,
    };
    struct wire_limits hello = message;
    hello.bytes = (uint32_t)options->hello_bytes;
    return (struct service_limits){
        .message = message,
        .hello = hello,
        .lines = (uint32_t)options->max_order_lines,
        .skus = (uint32_t)options->max_query_skus,
        .connections = connections_possible(options->max_connections),
        .input_bytes = options->max_input_bytes,
        .client_bytes = options->client_memory,
        .message_ms = (uint32_t)options->message_ms,
        .handshake_ms = (uint32_t)options->tls_handshake_ms,
        .reader_ms = (uint32_t)options->reader_ms,
        .subscriber_ms = (uint32_t)options->subscriber_ms,
    };
}
