/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Finds the reservation that an operation is about. The thread that finds it owns its entry (E1 of
 * id_table.h) until it puts it.
 */
#ifndef STOCKD_ENGINE_OPS_RESERVATION_FIND_H
#define STOCKD_ENGINE_OPS_RESERVATION_FIND_H

#include "engine/ledger/ledger.h"
#include "engine/store/id_table.h"
#include "engine/txn/txn.h"

/* Finds and takes the entry; a hold whose deadline has passed is expired first. */
enum code reservation_take(struct ctx *ctx, struct text id, struct id_entry **entry,
                           uint64_t *word);

/* The same for a transaction's plan, which may run several times but takes it once. */
enum code reservation_hold(struct ctx *ctx, struct txn *t, struct text id);

/* Refuses a transaction because its reservation is in the wrong state. */
enum code reservation_wrong_state(struct ctx *ctx, const struct txn *t, const char *wanted);

/* Fills the view with all that `reservation` tells. The caller owns the entry. */
void view_whole(struct ctx *ctx, struct id_entry *entry, uint64_t word,
                struct reservation_view *view);

#endif
