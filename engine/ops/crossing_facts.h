/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What crossings, and their replay, note for the figures (engine/figures/figures.h): when an item
 * on a channel sold out, and when it came back.
 *
 * A time without stock is no fact: while it lasts, its end is not known, and its begin may be older
 * than all figures. Its two ends are facts, each by itself. Together with the levels of now they
 * tell what was without stock at any time since (engine/reports/report_sold_out.c).
 */
#ifndef STOCKD_ENGINE_OPS_CROSSING_FACTS_H
#define STOCKD_ENGINE_OPS_CROSSING_FACTS_H

#include "engine/ledger/ctx.h"

/* Is there room for what a look at one item may note? Like the other, for the holder of the watch,
 * or in replay. */
bool crossing_facts_have_room(const struct ledger *ledger);
/* Notes that the item has this level from now on. */
void crossing_facts_note(struct ledger *ledger, const struct level_record *level, uint64_t time_ms);

#endif
