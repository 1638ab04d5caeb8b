/* SPDX-License-Identifier: Apache-2.0 */
/* What the operations on an order share: its checks, what it names, when its draws are ready, and
 * what it could not get. */
#ifndef STOCKD_ENGINE_OPS_ORDER_H
#define STOCKD_ENGINE_OPS_ORDER_H

#include "engine/ledger/ledger.h"
#include "engine/sourcing/sourcing.h"

struct id_entry;

/* Check what needs no catalogue. */
enum code check_lines(struct ctx *ctx, const struct order_line *lines, uint32_t count);
enum code check_order(struct ctx *ctx, const struct order *order);

/* Pins the catalogue, and looks up in it what the order names. */
enum code resolve_order(struct ctx *ctx, const struct order *order, struct order_plan *s);

/*
 * Plans the draws of an order, and when each is ready. Unless *resolved, which it sets, resolves it
 * first. *timed: not all draws are ready at once.
 * CODE_OK, CODE_DEFERRED or a refusal. (One function, so that a reserve pays for one call.)
 */
enum code plan_order(struct ctx *ctx, const struct order *order, struct order_plan *s,
                     bool *resolved, bool *timed);

/* Fills in what the lines want beyond the plan's draws. */
void list_missing(const struct order *order, struct order_plan *s, struct reservation_view *view);

/* Makes the plan as if it had just led to the draws of an order that was granted earlier, for
 * list_missing; its entry is owned. False: these are not the draws of that order. */
bool recall_plan(struct ctx *ctx, const struct order *order, struct id_entry *entry,
                 struct order_plan *s);

#endif
