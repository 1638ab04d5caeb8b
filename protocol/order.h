/* SPDX-License-Identifier: Apache-2.0 */
/* What `reserve` and `promise` have in common: an order's parameters, and how it is answered. */
#ifndef STOCKD_PROTOCOL_ORDER_H
#define STOCKD_PROTOCOL_ORDER_H

#include "engine/ledger/orders.h"
#include "protocol/call.h"
#include "protocol/pack.h"

/* An order as it is taken from a request; begin with zeroes. */
struct order_taken {
    struct order order;
    struct option_codes exclude;
};

/* Takes all but the id. holds: the order may have a deadline, be confirmed, be partial. False: a
 * parameter is bad. */
bool take_order(struct call *call, bool holds, struct order_taken *taken);

/* Takes lines of [sku, qty, location?] into the call's scratch memory; returns how many. */
uint32_t take_order_lines(struct call *call);
/* Takes lines of [sku, qty] into the call's scratch memory; returns how many. when_empty: why there
 * must be one. */
uint32_t take_pairs(struct call *call, const char *when_empty);

/* When something is ready; nil: beyond any known opening. Every reply that says it uses one of
 * these. */
static inline unsigned char *put_ready(unsigned char *at, uint64_t ready_ms)
{
    return ready_ms == READY_NEVER ? put_nil(at) : put_uint(at, ready_ms);
}

static inline void pack_ready(struct out *out, uint64_t ready_ms)
{
    struct run run;
    run_end(&run, out, put_ready(run_begin(&run, out), ready_ms));
}

/* Packs the keys `lines` and `missing`. */
void pack_granted(struct out *out, const struct reservation_view *view);
void pack_missing(struct out *out, const struct reservation_view *view);

/* Replies with so many pairs, the first four of them lsn, state, expires_ms and lines. */
void reply_granted(struct call *call, const struct reservation_view *view, uint32_t pairs);
/* Likewise, with where units come from now: not with what was cancelled since. */
void reply_uncancelled(struct call *call, const struct reservation_view *view, uint32_t pairs);
/* Replies with lsn and state; or returns the code of a refusal. */
enum code reply_stepped(struct call *call, enum code code, const struct reservation_view *view);

/* Packs the key `sends`: the ids of the transfers that were made with the reservation. */
void pack_sends(struct out *out, struct text id, const struct reservation_view *view);

/* Packs all that is told of a reservation but its id and LSN: so many pairs. */
static inline uint32_t reservation_pairs(const struct reservation_view *view)
{
    return 7u + (view->sends > 0);
}

void pack_reservation(struct out *out, struct text id, const struct reservation_view *view);

#endif
