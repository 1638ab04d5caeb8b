/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Shortages: fewer units are on hand in a pool than are promised of it. What is on hand belongs to
 * the earliest promises, so the latest ones are short: reservations, and transfers that are held.
 * Each that becomes so is recorded, and thereby told.
 *
 * As with crossings, no operation looks for them: to know who is last takes a walk over all that
 * draws from the place. Whatever may leave a pool short sets its item's flag, ITEM_SHORT. A context
 * looks, some milliseconds later, at those of the items with the flag that have changed since.
 *
 * The short promises of a pool are always the last ones. So an LSN says which were told: `since`.
 * More units come: it rises, and what is before it may be told again. More are missing: it falls,
 * from one promise to the one before, and each is recorded.
 *
 *   H1  `since` and `until` of a pool are what its last record says; only the holder of the watch
 *       records any.
 *   H2  What is told was so at one instant: the pool's word was the same before and after a walk
 *       that found as many units promised as the word says, and the pool was not covered meanwhile
 *       (pool_note_covered), so that its promises only became fewer; and every change that it shows
 *       has a lower LSN.
 *   H3  All changes up to `seen` were looked at; a start looks at all items with the flag. A pool
 *       that was in the middle of a change is looked at again.
 *   H4  Nothing can be promised of a pool that is short. So if there is a promise after `until`,
 *       the pool was not short when that was made, and what was told before is over.
 *
 * What is covered again within the time of a look may go untold.
 */
#ifndef STOCKD_ENGINE_OPS_SHORTAGES_H
#define STOCKD_ENGINE_OPS_SHORTAGES_H

#include <stdint.h>

#include "engine/ledger/ctx.h"

/* ---- inside (shortages.c and shortages_find.c) ---- */

/* The pool's word, as it is compared. */
static inline uint64_t word_decided(uint64_t word)
{
    return word & ~(uint64_t)WORD_UNDECIDED_MOST;
}

static inline bool shortages_go_on(struct ctx *ctx, uint64_t work_end)
{
    return ctx->work < work_end && ledger_has_room(ctx);
}

/* Begins to find what was promised of the watch's pools. False: none of them is short. */
bool shortages_begin_find(struct shortage_watch *w, const struct items *items);
/* Goes on. False: there is no time for all of it. */
bool shortages_find(struct ctx *ctx, uint64_t work_end);
/* What is promised of the pool to what the entry stands for, which the caller owns; qty 0: it has
 * nothing. */
struct promise shortages_promise(struct ctx *ctx, struct id_entry *entry, uint64_t word,
                                 uint32_t unit);

/* Has what is to be told first come first. */
void promise_heap_turn(struct promise_heap *heap);
/* Takes the first one out. */
void promise_heap_drop(struct promise_heap *heap);

#endif
