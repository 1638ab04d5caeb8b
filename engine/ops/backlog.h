/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The backlog of items: what orders may promise before it is there, what a place could not give and
 * nobody else has, and how both are served (rules B1 to B4 of store/backlog.h).
 *
 * Whoever frees units of an item that may have a backlog notes one of its pools (sweep.h), and
 * right after its own transaction serves the backlog: the reservation that was made first draws
 * what its channel's rule finds, as much as there is, and gives back as much of the backlog, in a
 * transaction of its own; then the next. A crash in between does no harm, because the ledger does
 * the same when it starts.
 */
#ifndef STOCKD_ENGINE_OPS_BACKLOG_H
#define STOCKD_ENGINE_OPS_BACKLOG_H

#include "engine/ledger/ctx.h"
#include "engine/sourcing/sourcing.h"

/*
 * Adds what the plan leaves its lines short of as draws on the items' backlogs, behind its other
 * draws. `limited`: within the items' backorder limits; what is beyond is refused, or, of a partial
 * order, left out. CODE_OK, CODE_DEFERRED or a refusal.
 */
enum code backlog_plan(struct ctx *ctx, struct order_plan *s, bool limited);

/* Once the plan has taken it: is what was planned to be within the limits still so? */
bool backlog_within_limit(struct ctx *ctx, const struct order_plan *s);

/* B1: lists the reservation, which the caller owns, for the backlogs among its draws from that
 * place on. In slots that were set aside, one for each. Before their takes are decided. */
void backlog_add(struct ctx *ctx, struct id_entry *entry, uint32_t first);
/* For replay, which serves nobody: lists its draws from that place on. False: there are too few
 * slots. */
bool backlog_add_from(struct ctx *ctx, struct id_entry *entry, uint32_t first);

/* B3: may an order take from that pool now? If not, the backlog is noted to be served first. own:
 * the order's plan, once it has taken all of it; before that NULL. */
bool backlog_admits(struct ctx *ctx, uint32_t unit, const struct order_plan *own);

/* Serves the item's backlog. False: it is not certain that nothing is left to be served; try again
 * in the next iteration. The context has no transaction under way. */
bool backlog_serve(struct ctx *ctx, uint32_t item);

#endif
