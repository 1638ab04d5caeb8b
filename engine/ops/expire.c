/* SPDX-License-Identifier: Apache-2.0 */
/* Expire: what is left of a hold becomes available again once its deadline has passed. */
#include "engine/ops/expire.h"

#include <assert.h>

#include "engine/ledger/claim.h"
#include "engine/ledger/ctx.h"
#include "engine/ledger/ledger.h"
#include "engine/ops/parts.h"
#include "engine/ops/refused.h"
#include "engine/ops/reservation.h"
#include "engine/ops/sent_come.h"
#include "engine/ops/supply_watch.h"
#include "engine/ops/sweep.h"
#include "engine/txn/txn_run.h"

/* Posts all that is left of every draw. A partly fulfilled reservation is never held, so what
 * expires was never fulfilled. */
static enum code plan_expire(struct ctx *ctx, struct txn *t)
{
    struct draw_walk walk = draw_walk_start(&ctx->ledger->ids, t->reservation);
    const struct draw *draw;
    while ((draw = draw_walk_next(&walk)) != NULL)
        if (draw_left(draw) > 0)
            post(ctx->postings, (struct posting){ .pool = draw->pool,
                                                  .counted = NOT_COUNTED,
                                                  .reserved = -(int32_t)draw_left(draw),
                                                  .needs = NEEDS_NONE });
    return CODE_OK;
}

static uint32_t record_expire(struct ctx *ctx, struct txn *t)
{
    struct expire_fields f = {
        .fixed = { .head = head_of(ctx, RECORD_EXPIRE, 0),
                   .time_ms = ctx->wall_ms,
                   .channel = t->reservation->channel },
        .id = entry_id(t->reservation, t->word),
    };
    f.fixed.head.client = 0; /* no client asked for this */
    struct record_builder b = expire_begin(ctx->record, &f);
    return record_end(&b);
}

static void show_expire(struct ctx *ctx, struct txn *t)
{
    struct draw_walk walk = draw_walk_start(&ctx->ledger->ids, t->reservation);
    struct draw *draw;
    while ((draw = draw_walk_next(&walk)) != NULL) {
        draw->cancelled += draw_left(draw);
        sweep_later(ctx, draw->pool);
    }
    assert(word_state(t->word) == STATE_HELD); /* nothing of it was fulfilled */
    t->reservation->lsn_last = t->lsn;
    uint64_t word = with_state(t->word, STATE_EXPIRED);
    settle_entry(ctx, t->reservation, word_with_last(word, RECORD_EXPIRE));
    COUNT(ctx, expired);
}

static const struct txn_kind expire_txn = {
    .gives = true,
    .plan = plan_expire,
    .record = record_expire,
    .show = show_expire,
};

void expire_entry(struct ctx *ctx, struct id_entry *entry, uint64_t word)
{
    assert(word_state(word) == STATE_HELD);
    assert(entry->expires_ms <= ctx->engine_ms);
    struct txn t = { .reservation = entry, .word = word };
    enum code code = txn_run(ctx, &t, &expire_txn);
    assert(code == CODE_OK); /* it only gives */
    (void)code;
}

/* Handles an entry that came up in the wheel, and is now unlinked. */
static void come_up(struct ctx *ctx, struct id_entry *entry)
{
    struct id_table *ids = &ctx->ledger->ids;
    uint64_t word;
    if (!entry_take(entry, &word)) {
        /* Busy with another context, which must assume that it is still linked: so it is
         * relinked. */
        wheel_link(&ctx->wheel, ids, entry, ctx->engine_ms + WHEEL_TICK_MS);
        return;
    }
    assert(entry->owner == ctx->index);
    bool held = word_kind(word) == ENTRY_RESERVATION && word_state(word) == STATE_HELD;
    bool due = held && entry->expires_ms <= ctx->engine_ms;
    if (held && (!due || !ledger_has_room(ctx))) {
        uint64_t next = due ? ctx->engine_ms + WHEEL_TICK_MS : entry->expires_ms;
        wheel_link(&ctx->wheel, ids, entry, next);
        entry_put(entry, word);
        return;
    }
    if (word_kind(word) == ENTRY_SUPPLY) {
        supply_come_up(ctx, entry, word);
        return;
    }
    if (word_kind(word) == ENTRY_RESERVATION && word_state(word) == STATE_CONFIRMED) {
        parts_come_up(ctx, entry, word);
        return;
    }
    entry->owner = NO_OWNER;
    if (due)
        expire_entry(ctx, entry, word);
    else
        settle_entry(ctx, entry, word);
}

unsigned ledger_expire(struct ctx *ctx, unsigned budget)
{
    struct id_table *ids = &ctx->ledger->ids;
    if (log_has_failed(ctx->ledger->log))
        return 0; /* nothing drains the log, so expiries would fill it */
    unsigned done = 0;
    struct id_entry *entry;
    while (done < budget && (entry = wheel_take_due(&ctx->wheel, ids, ctx->engine_ms)) != NULL) {
        come_up(ctx, entry);
        done++;
        if (ctx->sweep_count > SWEEPS_MAX - DRAWS_MAX) /* what the next one frees might not fit */
            sweep_now(ctx);
    }
    sweep_now(ctx);
    sent_come_now(ctx);
    return done;
}

uint64_t ledger_next_deadline(const struct ctx *ctx)
{
    if (log_has_failed(ctx->ledger->log))
        return UINT64_MAX; /* nothing expires any more */
    uint64_t next = wheel_next_ms(&ctx->wheel);
    /* A message whose entry was busy may be for a hold that is due now, and no second wake-up comes
     * for it. The thread that has the entry puts it soon. */
    uint64_t soon = ctx->engine_ms + WHEEL_TICK_MS;
    bool more = wheel_has_messages(&ctx->wheel) || ctx->sweep_count > 0 || ctx->come_count > 0 ||
                refused_waits(ctx);
    return more && next > soon ? soon : next;
}
