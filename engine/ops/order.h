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

/* Sets when each planned draw is ready, by the current lead times. CODE_DEFERRED: one has become
 * too late since it was planned. *timed: not all are ready at once. */
enum code time_draws(struct ctx *ctx, struct order_plan *s, bool *timed);

/* Fills in what the lines want beyond the plan's draws. */
void list_missing(const struct order *order, struct order_plan *s, struct reservation_view *view);

/* Makes the plan as if it had just led to the draws of an order that was granted earlier, for
 * list_missing; its entry is owned. False: these are not the draws of that order. */
bool recall_plan(struct ctx *ctx, const struct order *order, struct id_entry *entry,
                 struct order_plan *s);

#endif
