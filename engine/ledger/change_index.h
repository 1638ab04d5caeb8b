/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Marks: which items have changed since an LSN. What shows stock outside (the feed, the mirror)
 * follows them.
 *
 * An item's mark is the LSN of its last change; 0: there is no such item. Above the items each
 * context keeps, per block of them, the greatest LSN that it has marked there, so that a walk
 * passes over what has not changed. A change raises both before its record is published, and is
 * applied by then. So a thread that reads log_head() = L and walks all marks over `since` has met
 * every change in (since, L], and goes on from L next time. What is newer than L may be met early,
 * and is met again: values are always the newest. Takes that are undone are marked too, at the LSN
 * of a record that says so, because somebody may have read the pools meanwhile.
 *
 * A consumer keeps one number. There is no queue, so there is none that could overflow, and no
 * limit to how many consume; a slow one is behind, and costs nothing.
 *
 * A change of a location or a channel touches what every item shows, and is not marked at each:
 * ledger_catalogue_lsn() is the LSN of the last. A consumer that is behind it looks at all items.
 *
 * Values are read when they are met, and may belong to changes that are not durable yet. Who shows
 * them where a crash cannot take them back waits until log_acknowledged() has reached what
 * ledger_shown_until() says after the reading.
 */
#ifndef STOCKD_ENGINE_LEDGER_CHANGE_INDEX_H
#define STOCKD_ENGINE_LEDGER_CHANGE_INDEX_H

#include "engine/ledger/ledger.h"

enum { VERSIONS_PER_BLOCK = 512 };

/* Indexes of items are below this. Any thread. */
uint32_t change_index_items(const struct ledger *ledger);

/* How many pools an item has on average, at least 1: what a look at one costs. Any thread. */
uint32_t change_index_pools_each(const struct ledger *ledger);

/* The LSN of the item's last change, 0 if it has not come into being. Any thread. */
uint64_t item_version(const struct ledger *ledger, uint32_t item);

/*
 * Walks the items whose mark is over since, in the order of their indexes: *cursor is 0 at first,
 * then what the call before left. False at the end. Any thread.
 */
bool change_index_next(const struct ledger *ledger, uint64_t since, uint32_t *cursor,
                       uint32_t *item, uint64_t *lsn);

/* For a snapshot's reader: raises the mark of an item. Before any context is in use, but several
 * threads may do it at once. */
void item_version_restore(struct ledger *ledger, uint32_t item, uint64_t lsn);

/* ---- what consumers show ---- */

/* The LSN of the last change of a location or channel. Any thread. */
uint64_t ledger_catalogue_lsn(const struct ledger *ledger);

/* The sku of an item with a mark; lives as long as the ledger. Any thread. */
struct text ledger_item_sku(const struct ledger *ledger, uint32_t item);

/*
 * After values were read: *lsn is a position that covers every change that they show. It is not
 * just the log's tail, for a take is applied before it claims (rule T), and may have been seen in
 * between. False: a context is in the middle of an operation; ask again soon, about the same
 * values. Any thread.
 */
bool ledger_shown_until(const struct ledger *ledger, uint64_t *lsn);

#endif
