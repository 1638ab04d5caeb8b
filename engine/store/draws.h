/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The blocks behind an entry of the id table: the draws of a reservation, or the lines of a supply,
 * and behind them its ref.
 *
 * A reservation is granted with the smallest layout that holds its draws. Once a place begins to
 * work on it, its draws move to blocks with more room. The caller owns the entry (E1).
 */
#ifndef STOCKD_ENGINE_STORE_DRAWS_H
#define STOCKD_ENGINE_STORE_DRAWS_H

#include "engine/store/id_table.h"

/* Chains so many blocks behind an entry that has none, from slots that were set aside
 * (slots_prepare). False: there are too few slots, and it has none. */
bool blocks_chain(struct id_table *ids, struct id_cursor *cursor, struct id_entry *entry,
                  uint32_t count);

/* Stores a ref in the blocks that follow the first `before` ones. */
void blocks_put_ref(struct id_table *ids, struct id_entry *entry, uint32_t before, struct text ref);
/* Copies the ref that follows them. Returns its length. */
uint32_t blocks_ref(const struct id_table *ids, const struct id_entry *entry, uint32_t before,
                    char ref[NAME_MAX_BYTES]);

/* The same, of a reservation. */
uint32_t reservation_ref(const struct id_table *ids, const struct id_entry *entry,
                         char ref[NAME_MAX_BYTES]);

/* How many slots to set aside for the functions below; `more`: draws to be added. */
uint32_t draws_reshaped_blocks(const struct id_entry *entry, bool tracked, uint32_t more,
                               uint32_t ref_len);

/* Moves the draws to new blocks, in the tracked layout if `tracked`, with this ref behind them.
 * Pointers to the draws become invalid. False: there are too few slots, and nothing has changed. */
bool draws_reshape(struct id_table *ids, struct id_cursor *cursor, struct id_entry *entry,
                   bool tracked, struct text ref);

/* The same, to the tracked layout with the ref that it has, and with room for so many more draws
 * behind the others, which are zero; nothing, if that is what it has. */
bool draws_track(struct id_table *ids, struct id_cursor *cursor, struct id_entry *entry,
                 uint32_t more);

#endif
