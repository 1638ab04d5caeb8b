/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Redrawing: a reservation gives back some of what it draws, and draws other units instead, in one
 * transaction. It takes before it gives, so at no instant are units free that it still needs.
 *
 * New draws are stored behind the others, so a draw keeps its place, and what the order was granted
 * first can still be told.
 */
#ifndef STOCKD_ENGINE_OPS_REDRAW_H
#define STOCKD_ENGINE_OPS_REDRAW_H

#include "engine/sourcing/sourcing.h"

/* Stores the new draws at the end of those of the entry, which has room for them (draws_track). */
void redraw_store(struct ctx *ctx, struct id_entry *entry, const struct planned_draw *draws,
                  uint32_t count);
/* Says since when those from the first new one on have been drawn. */
void redraw_date(struct ctx *ctx, struct id_entry *entry, uint32_t first, uint64_t lsn);

#endif
