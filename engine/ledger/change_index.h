/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The change index: which items have changed since an LSN. The feed and the mirror follow it.
 *
 * An item's version is the LSN of its last change; 0: no such item exists. For each block of items,
 * every context keeps the greatest LSN of its changes there, so that a walk skips blocks that have
 * not changed. Before its record is published, a change is applied and raises both. So a thread
 * that reads log_head() = L and walks all versions above `since` has met every change in (since,
 * L], and continues from L next time. It may meet changes newer than L early, and meets them again:
 * values are always the newest. Undone takes raise versions too, to the LSN of a record that says
 * so, because another thread may have read the pools meanwhile.
 *
 * A consumer keeps one number. There is no queue to overflow, and no limit on the number of
 * consumers; a slow consumer is behind, and costs nothing.
 *
 * A change of a location or channel may affect every item, but raises no item's version:
 * ledger_catalogue_lsn() is the LSN of the last such change. A consumer that is behind it reads all
 * items. A change of a calendar is none: ready times are no values that consumers read.
 *
 * A walk reads current values, which may belong to changes that are not durable yet. A consumer
 * that shows them where a crash cannot take them back waits until log_acknowledged() has reached
 * what ledger_shown_until() says after the read.
 */
#ifndef STOCKD_ENGINE_LEDGER_CHANGE_INDEX_H
#define STOCKD_ENGINE_LEDGER_CHANGE_INDEX_H

#include "engine/ledger/ledger.h"

enum { VERSIONS_PER_BLOCK = 512 };

/* Item indexes are below this. Any thread. */
uint32_t change_index_items(const struct ledger *ledger);

/* The average number of pools of an item, at least 1: the cost of looking at one. Any thread. */
uint32_t change_index_pools_each(const struct ledger *ledger);

/* The LSN of the item's last change; 0 if it does not exist yet. Any thread. */
uint64_t item_version(const struct ledger *ledger, uint32_t item);

/*
 * Walks the items whose version is above since, in index order: *cursor starts at 0 and is passed
 * back unchanged. False at the end. Any thread.
 */
bool change_index_next(const struct ledger *ledger, uint64_t since, uint32_t *cursor,
                       uint32_t *item, uint64_t *lsn);

/* For loading a snapshot: raises an item's version. Several threads may call it at once, but only
 * before any context is in use. */
void item_version_restore(struct ledger *ledger, uint32_t item, uint64_t lsn);

/* ---- for consumers ---- */

/* The LSN of the last change of a location or channel. Any thread. */
uint64_t ledger_catalogue_lsn(const struct ledger *ledger);

/* The sku of an item whose version is above 0; lives as long as the ledger. Any thread. */
struct text ledger_item_sku(const struct ledger *ledger, uint32_t item);

/*
 * Call after reading values: *lsn covers every change that they show. The log's tail alone would
 * not do: a take is applied before it claims (rule T), and may have been seen in between. False: a
 * context is in the middle of an operation; ask again soon, for the same values. Any thread.
 */
bool ledger_shown_until(const struct ledger *ledger, uint64_t *lsn);

#endif
