/* SPDX-License-Identifier: Apache-2.0 */
/* The id of an operation, by which it is done once. */
#ifndef STOCKD_ENGINE_LEDGER_OPERATION_ID_H
#define STOCKD_ENGINE_LEDGER_OPERATION_ID_H

#include "engine/ledger/ctx.h"

/* Finds and takes the entry of the id that an operation has: one that is known, or a fresh one (its
 * word then says ENTRY_REFUSED) that is filled and put, or refused. Else why not. */
enum code begin_id(struct ctx *ctx, const char *parameter, struct text id, struct id_entry **entry,
                   uint64_t *word, bool *known);
/* CODE_DEFERRED, or a refusal that says how large the table of ids would have to be. */
enum code no_slots(struct ctx *ctx, enum entry_found why);

#endif
