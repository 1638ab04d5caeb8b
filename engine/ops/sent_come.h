/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What was sent for a reservation has come: the part there is made ready, once all of it is there,
 * by an internal transaction with a record as of any `ready`.
 *
 * Whoever may have brought that about (an arrival, a confirmation, a step that settles or redraws)
 * notes the reservation, and looks at it right after its own transaction. One that is busy is
 * looked at again in the context's next iteration; and after a crash in between, the ledger notes
 * it when it starts. That is done once: the entry's `awaits` says that it was not done yet, in the
 * journal's prefix too, because a ready record ends it.
 */
#ifndef STOCKD_ENGINE_OPS_SENT_COME_H
#define STOCKD_ENGINE_OPS_SENT_COME_H

#include "engine/ledger/ctx.h"

/* Notes the reservation of an owned transfer. */
void sent_come_note_supply(struct ctx *ctx, const struct id_entry *supply);

void sent_come_add(struct ctx *ctx, struct text id);
/* Notes an owned reservation that awaits what was sent, and is confirmed. */
static inline void sent_come_note(struct ctx *ctx, const struct id_entry *entry, uint64_t word)
{
    if (entry->awaits && word_state(word) == STATE_CONFIRMED)
        sent_come_add(ctx, entry_id(entry, word));
}

/* Looks at what was noted. The context has no transaction under way. */
void sent_come_look(struct ctx *ctx);
static inline void sent_come_now(struct ctx *ctx)
{
    if (ctx->come_count > 0)
        sent_come_look(ctx);
}

/* For the start: notes a reservation if all of it seems to be there. */
void sent_come_recover(struct ctx *ctx, struct id_entry *entry, uint64_t word);

/* Makes the part of an owned reservation ready, and puts the reservation. CODE_OK, CODE_DEFERRED,
 * or a refusal: not everything is there, or the part is not to be made ready. */
enum code sent_come_set_aside(struct ctx *ctx, struct id_entry *entry, uint64_t word);

#endif
