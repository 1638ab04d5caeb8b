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

/* Stores planned draws in the entry, or in a chain behind it; false if the table is full. Draws
 * that are ready when the entry is created need no time of their own. */
bool store_draws(struct ctx *ctx, struct id_entry *entry, const struct planned_draw *draws,
                 uint32_t count);

/* Lists the draws in the context's draw_list. */
void list_draws(struct ctx *ctx, struct id_entry *entry);

/* Fills the view. `first`: the reservation as it was granted. */
void view_reservation(struct ctx *ctx, struct id_entry *entry, uint64_t word, bool first,
                      struct reservation_view *view);

/* Puts the reservation in its new state. If that is final, unlinks it from its wheel or sends it to
 * the owner's inbox. */
void settle_entry(struct ctx *ctx, struct id_entry *entry, uint64_t word);

/* Fills the fresh entry of a step's own id, and puts it. */
void remember_step(struct ctx *ctx, struct id_entry *op, uint64_t content, uint64_t lsn,
                   enum entry_state state, uint32_t id_len);

#endif
