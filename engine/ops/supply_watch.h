/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Watching the clock for supplies: when an ETA is past, or comes within the horizon of a channel
 * that sells what is incoming, what is available changes without any change of stock. Then a record
 * raises the versions of the items, for those that follow changes.
 */
#ifndef STOCKD_ENGINE_OPS_SUPPLY_WATCH_H
#define STOCKD_ENGINE_OPS_SUPPLY_WATCH_H

#include "engine/ledger/ctx.h"

/* Has the supply come up in a wheel at the next such time. The caller owns its entry, and puts
 * it. */
void supply_watch(struct ctx *ctx, struct id_entry *entry, uint64_t word);

/* It came up in this context's wheel, and is unlinked; owned, and put here. */
void supply_come_up(struct ctx *ctx, struct id_entry *entry, uint64_t word);

/* Raises the latest time at which a supply came up, before the versions of its items. */
void supply_came_up(struct ledger *ledger, uint64_t wall_ms);

/* For the start: engine time at which it is to come up; UINT64_MAX: never. */
uint64_t supply_next_ms(const struct ctx *ctx, const struct id_entry *entry, uint64_t word);

#endif
