/* SPDX-License-Identifier: Apache-2.0 */
/* The id of an operation, which makes it run once. */
#ifndef STOCKD_ENGINE_LEDGER_OPERATION_ID_H
#define STOCKD_ENGINE_LEDGER_OPERATION_ID_H

#include "engine/ledger/ctx.h"

/* Finds and takes the entry of an operation's id: a known one, or a fresh one (its word is then
 * ENTRY_REFUSED), which the caller fills and puts, or refuses. Otherwise the reason why not. */
enum code begin_id(struct ctx *ctx, const char *parameter, struct text id, struct id_entry **entry,
                   uint64_t *word, bool *known);
/* CODE_DEFERRED, or a refusal that says how large the id table would have to be. */
enum code no_slots(struct ctx *ctx, enum entry_found why);

#endif
