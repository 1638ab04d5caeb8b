/* SPDX-License-Identifier: Apache-2.0 */
/* Inside the history: its pools and open reservations, which history.h lets others set and walk. */
#ifndef STOCKD_ENGINE_HISTORY_HISTORY_INSIDE_H
#define STOCKD_ENGINE_HISTORY_HISTORY_INSIDE_H

#include "engine/history/history.h"

/* Finds or creates the pool; NULL: no memory. */
struct history_pool *history_pool_of(struct history *history, const struct pool_key *key);

/* NULL: none is open under that id. */
struct history_hold *history_find_hold(const struct history *history, struct text id);
/* Frees it. */
void history_drop_hold(struct history *history, const struct history_hold *hold);

#endif
