/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lost demand: orders that were refused for lack of stock, in the journal and for reports.
 *
 * A refusal changes nothing, so nobody waits for its record. It counts once for a channel and an
 * id, however often it is tried again within REFUSED_AGAIN_S: a table of fixed size remembers the
 * hashes of the last ones, whoever asks. Replay remembers those that were counted.
 *
 * Refusals are cheap and may come in floods. So a context writes at most one record a millisecond,
 * on average, and up to REFUSED_BURST at once. What it cannot write yet waits; what has no room to
 * wait is added to what waits of the same channel and item, or is not counted.
 */
#ifndef STOCKD_ENGINE_OPS_REFUSED_H
#define STOCKD_ENGINE_OPS_REFUSED_H

#include "engine/ledger/ctx.h"

enum { REFUSED_LINES = 128, REFUSED_BURST = 64, REFUSED_AGAIN_S = REFUSAL_SECONDS };

/* What a context has not written yet. */
struct refused_work {
    uint32_t count;
    uint32_t records;  /* that it may write now */
    uint64_t since_ms; /* engine time up to which it was given those */
    struct refused_line lines[REFUSED_LINES];
};

/* The order was refused, and the context's failure says which lines fell short. */
void refused_note(struct ctx *ctx, const struct order *order);

/* Writes what waits, if it may. */
void refused_write(struct ctx *ctx);

static inline bool refused_waits(const struct ctx *ctx)
{
    return ctx->refused->count > 0;
}

/* Replay of one line. */
void refused_apply(struct ctx *ctx, const struct refused_line *line, uint64_t time_ms);

#endif
