/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the operations on a reservation share: its draws, its states, its view.
 *
 * The caller owns its entry (E1 of id_table.h); reservation_find.h finds it.
 */
#ifndef STOCKD_ENGINE_OPS_RESERVATION_H
#define STOCKD_ENGINE_OPS_RESERVATION_H

#include "engine/ledger/ledger.h"
#include "engine/sourcing/sourcing.h"
#include "engine/store/id_table.h"
#include "engine/txn/txn.h"

/* The state word after a transition, which the table must allow. */
uint64_t with_state(uint64_t word, enum entry_state to);

/* The state that follows from the draws; `before` while anything is left. */
enum entry_state state_of_draws(const struct id_table *ids, struct id_entry *entry,
                                enum entry_state before);

/* Stores planned draws in the entry, or in a chain behind it, and there the ref; false if the table
 * is full. Draws of a parcel that are ready when the entry is created need no times. */
bool store_draws(struct ctx *ctx, struct id_entry *entry, const struct planned_draw *draws,
                 uint32_t count, enum timed timed, struct text ref);

/* Lists the draws in the context's draw_list, none of them chained. */
void list_draws(struct ctx *ctx, struct id_entry *entry);
/* Chains a listed draw before those of the same item. */
void chain_draw(struct ctx *ctx, uint32_t index);

/* Before units of a draw are fulfilled: keeps the time at which they were to be ready. The state of
 * the draw's pool must be that of the fulfil's place in the log (X2). */
void keep_ready(const struct ctx *ctx, struct id_entry *entry, struct draw *draw);

/* Fills the view. `first`: the reservation as it was granted. */
void view_reservation(struct ctx *ctx, struct id_entry *entry, uint64_t word, bool first,
                      struct reservation_view *view);

/* Puts the reservation in its new state. If that is final, unlinks it from its wheel or sends it to
 * the owner's inbox. */
void settle_entry(struct ctx *ctx, struct id_entry *entry, uint64_t word);

/* ---- steps of a reservation ---- */

/* Refuses to hand over units of that pool: only `there` are there for the reservation. */
enum code not_on_hand(struct ctx *ctx, uint32_t unit, int64_t wanted, int64_t there);

/* The record of a step that finds its work done: from now on its op stands for that, also after a
 * crash. */
uint32_t build_op_record(struct ctx *ctx, const struct txn *t, struct text id, enum entry_state to);

/* Fills the fresh entry of a step's own id, and puts it. */
void remember_step(struct ctx *ctx, struct id_entry *op, uint64_t content, uint64_t lsn,
                   enum entry_state state, uint32_t id_len);
/* The first result of a step again: its LSN, and the state that it led to. */
void view_step(const struct id_entry *op, struct reservation_view *view);

#endif
