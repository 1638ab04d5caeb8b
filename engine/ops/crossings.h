/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Crossings: an item on a channel is sold out, is back in stock, or is low on stock.
 *
 * No operation looks for them: whether an order takes the last unit that a channel may sell depends
 * on all places, safety stock and buffers. So a context looks, some milliseconds later, at each
 * item that has changed (engine/ledger/change_index.h), compares what every channel can sell of it
 * with the level that was recorded last, and records what differs: a crossing. So each is told
 * once, and has an LSN. What was recorded is in the journal and in snapshots, so the look after a
 * start finds what a crash left untold.
 *
 * K1  A level is what the last record of it says; only the holder of the watch records any.
 * K2  What is recorded was so at one instant: no take was undecided, no give and no move came in
 *     between; and every change that it shows has a lower LSN.
 * K3  All changes up to `seen_lsn` of a record were compared before it. So a start need only look
 *     at what has changed since the last record's.
 */
#ifndef STOCKD_ENGINE_OPS_CROSSINGS_H
#define STOCKD_ENGINE_OPS_CROSSINGS_H

#include <stdint.h>

#include "engine/ledger/ctx.h"

/* For replay and loading: K3, as last recorded. */
void crossings_seen(struct ledger *ledger, uint64_t lsn);
/* K3, of what has been recorded so far. */
uint64_t crossings_seen_lsn(const struct ledger *ledger);

#endif
