/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Events for clients (engine/events/events.h): one that polls (events), or that subscribes. A
 * client is shown only what a crash cannot take back, as far as the durability says.
 *
 * An event subscription belongs to its connection's worker.
 */
#ifndef STOCKD_PROTOCOL_SIGNALS_H
#define STOCKD_PROTOCOL_SIGNALS_H

#include <stdbool.h>
#include <stdint.h>

#include "engine/events/events.h"
#include "engine/ledger/ledger.h"
#include "protocol/out.h"
#include "protocol/scope.h"

/* Which events a client wants. */
struct event_filter {
    uint32_t types;            /* a bit for each enum event_type */
    uint16_t channel;          /* only events of this channel; EVENT_NO_CHANNEL: any, or of none */
    uint16_t location;         /* likewise; EVENT_NO_PLACE */
    const struct scope *scope; /* what the client may see at all; its connection's, or NULL */
};

struct event_subscription {
    bool on;
    struct event_filter filter;
    uint64_t at; /* the count of the next event, see events_find */
};

/* What is read, in an iteration of the context. */
struct signals_view {
    struct ledger *ledger;
    struct ctx *ctx;
    uint64_t final; /* log_final: events up to there may be shown */
};

bool event_passes(const struct event_filter *filter, const struct event *event);

/* Packs the event as a map. */
void signals_pack(const struct signals_view *view, struct out *out, const struct event *event);

struct signals_told {
    uint32_t rows;
    bool missed; /* events were overwritten before it was told of them */
    bool more;   /* there may be more to tell now */
};

/* Packs notifications of the next events, some hundreds at most. */
struct signals_told signals_tell(const struct signals_view *view, struct event_subscription *s,
                                 struct out *out);

#endif
