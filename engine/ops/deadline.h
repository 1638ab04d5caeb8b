/* SPDX-License-Identifier: Apache-2.0 */
/* Deadlines by the wall clock, of entries that wait in a wheel: supplies, and parts of
 * reservations. */
#ifndef STOCKD_ENGINE_OPS_DEADLINE_H
#define STOCKD_ENGINE_OPS_DEADLINE_H

#include "engine/ledger/ctx.h"

/* The engine time at which to look whether that moment has come: now, if it has; after an hour at
 * the latest, because settings and the wall clock may change. UINT64_MAX stays: never. */
uint64_t deadline_look_ms(const struct ctx *ctx, uint64_t wall_ms);

/* Has the entry come up in a wheel at that engine time; UINT64_MAX: it need not. If another
 * context's wheel has it, that context asks again when it is to come up (see read_message in
 * engine/assembly/ledger.c). The caller owns the entry, which is not over. */
void deadline_set(struct ctx *ctx, struct id_entry *entry, uint64_t at_ms);

#endif
