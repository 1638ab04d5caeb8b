/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What operations and their replay note for the figures (engine/figures/figures.h).
 *
 * An order counts once in each row of a report in which units of it were sold, when the first of
 * them were: so it counts once for its channel, once for each of its items, and so on. Cells count
 * it one by one; where that is too often, a fact of overlap says by how much.
 */
#ifndef STOCKD_ENGINE_OPS_SALE_H
#define STOCKD_ENGINE_OPS_SALE_H

#include "engine/ledger/ctx.h"

/* A draw, and then all draws of one item at one place. */
struct sale_cell {
    uint32_t item;
    uint16_t location;
    bool before, now; /* were units handed over earlier, are some by this step? */
    uint32_t units;
};

/* Scratch memory of a context. */
struct sale_work {
    uint32_t count;
    struct sale_cell cells[DRAWS_MAX];
};

/* Notes that a step hands over these parts. The draws do not count them yet. The caller owns the
 * reservation's entry, and figures_have_room. */
void sale_note(struct ctx *ctx, struct id_entry *reservation, const struct step_part *parts,
               uint32_t count, uint64_t time_ms);

/* Notes a sale that is no reservation's: the context's cells, of which the caller has listed each
 * with item, location, units and `now`. Several of one item may be there. It counts as one order at
 * that time, which may lie in the past. The caller has figures_have_room. */
void sale_note_till(struct ctx *ctx, uint16_t channel, uint64_t time_ms);

/* Notes the return that the record tells of, of so many units: some may have paid what the place
 * owed, and the record's pools share them. */
void sale_note_return(struct ctx *ctx, const struct movement_record *record, int64_t units);

#endif
