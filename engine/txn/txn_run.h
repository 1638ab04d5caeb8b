/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The run of a transaction: the sequence that txn.h describes.
 *
 * It is a template: each operation's file includes it and passes its own constant kind, so the
 * compiler makes one version per operation, without calls through pointers. Those would cost the
 * shortest operations a fifth more instructions (bench/regress).
 */
#ifndef STOCKD_ENGINE_TXN_TXN_RUN_H
#define STOCKD_ENGINE_TXN_TXN_RUN_H

#include "engine/base/probe.h"
#include "engine/ledger/claim.h"
#include "engine/ledger/ctx.h"
#include "engine/ledger/operation_id.h"
#include "engine/txn/txn.h"

#define TXN_TEMPLATE static inline __attribute__((always_inline))

/* After this many plans, or this much work (see ctx_work), a transaction is deferred, so that
 * others get their share. */
enum { PLANS_MOST = 8, PLANNING_WORK = 64 << 10 };

/* Rule T. False: a pool does not meet its condition, and nothing is taken. *undecided: it may
 * yet, once another context's take there is decided. */
TXN_TEMPLATE bool txn_take(struct ctx *ctx, bool tentative, bool *undecided)
{
    struct postings *all = ctx->postings;
    for (uint32_t i = 0; i < all->takes; i++) {
        struct posting *p = &all->at[i];
        if (txn_apply(ctx, p, tentative) == POOL_CHANGED) /* @take */
            continue;
        *undecided = word_undecided(p->after) != 0; /* @undecided */
        assert(tentative || i == 0); /* T: a take that is not tentative may have caused a refusal */
        txn_undo(ctx, i);
        return false;
    }
    return true;
}

/* Rule G. False: the pool is now full, or no longer has the counted units. Only the first give may
 * be refused, because what has been given may have been taken since: so the others may fill their
 * pools beyond the maximum, for which a word has room. */
TXN_TEMPLATE bool txn_give(struct ctx *ctx)
{
    struct postings *all = ctx->postings;
    for (uint32_t i = all->takes; i < all->count; i++) {
        struct posting *p = &all->at[i];
        if (p->on_hand == 0 && p->reserved == 0)
            continue; /* a count without a difference */
        if (i > all->takes || p->fits)
            txn_give_more(ctx, p);
        else if (txn_apply(ctx, p, false) != POOL_CHANGED)
            return false;
    }
    return true;
}

/* An operation with an id claims now: a preclaimed position may lie before what its id stood
 * for. */
TXN_TEMPLATE uint64_t txn_claim(struct ctx *ctx, const struct txn *t, const struct txn_kind *kind,
                                uint32_t length)
{
    if (kind->preclaims && !t->entry)
        return ctx_claim_give(ctx, length, t->reservation->lsn_last);
    return ctx_claim(ctx, length);
}

/* Everything is claimed and given, so nothing can fail. The record is published after the change is
 * applied: see log_head. */
TXN_TEMPLATE void txn_finish(struct ctx *ctx, struct txn *t, const struct txn_kind *kind,
                             uint64_t position)
{
    if (kind->outcome)
        kind->outcome(ctx, t);
    for (uint32_t i = 0; (kind->takes || kind->gives) && i < ctx->postings->count; i++)
        item_version_raise_of_pool(ctx, ctx->postings->at[i].pool, t->lsn);
    ctx_publish(ctx, position); /* @publish */
    kind->show(ctx, t);
}

/* Everything is taken. CODE_OK: the record is claimed and everything given; otherwise the takes
 * must be undone. */
TXN_TEMPLATE enum code txn_claim_and_give(struct ctx *ctx, struct txn *t,
                                          const struct txn_kind *kind, uint64_t *position)
{
    enum code code = kind->taken ? kind->taken(ctx, t) : CODE_OK;
    if (code)
        return code;
    uint32_t length = kind->record(ctx, t);
    *position = txn_claim(ctx, t, kind, length); /* @claim */
    t->lsn = *position + length;
    if (!kind->gives || txn_give(ctx)) /* @give */
        return CODE_OK;
    ctx_void(ctx, *position, length);
    return CODE_DEFERRED;
}

/* Carries out the plan. *again: a pool has changed since the plan. */
TXN_TEMPLATE enum code txn_do(struct ctx *ctx, struct txn *t, const struct txn_kind *kind,
                              bool *again)
{
    struct postings *postings = ctx->postings;
    bool undecided = false;
    uint64_t position = 0;
    if (kind->takes && postings->count > 1)
        postings_order(postings);
    uint32_t takes = kind->takes ? postings->takes : 0;
    bool moving = kind->takes && kind->gives && takes > 0 && postings->count > takes;
    bool tentative = takes > 1 || moving || (t->may_undo && takes > 0);
    if (moving) /* @before-takes */
        txn_bracket(ctx, moves_begin);
    bool taken = takes == 0 || txn_take(ctx, tentative, &undecided); /* @takes */
    enum code code = taken ? txn_claim_and_give(ctx, t, kind, &position) : CODE_DEFERRED;
    assert(!taken || !code || takes == 0 || tentative); /* T: only tentative takes are undone */
    if (taken && code && takes > 0)
        txn_undo(ctx, takes);
    if (moving)
        txn_moved(ctx);
    *again = !taken && !undecided; /* @taken */
    if (code)
        return code;
    txn_finish(ctx, t, kind, position);
    for (uint32_t i = 0; tentative && i < takes; i++)
        pool_decide(pool_at(&ctx->ledger->items, postings->at[i].pool));
    return CODE_OK;
}

/* Plans and carries out. CODE_OK; CODE_DEFERRED: nothing has changed, try again in the next
 * iteration; or the plan's refusal. */
TXN_TEMPLATE enum code txn_run(struct ctx *ctx, struct txn *t, const struct txn_kind *kind)
{
    struct postings *postings = ctx->postings;
    uint64_t begun = ctx->work;
    bool again = true;
    enum code code = CODE_DEFERRED;
    assert(postings->count == 0);
    for (int tries = 0; again && tries < PLANS_MOST; tries++) {
        again = t->may_undo = false;
        code = kind->plan(ctx, t);
        PROBE(plan, postings->count, code);
        assert(kind->takes || postings->takes == 0);
        assert(kind->gives || postings->takes == postings->count);
        if (!code && !t->done)
            code = txn_do(ctx, t, kind, &again);
        postings->count = postings->takes = 0;
        again = again && ctx->work - begun < PLANNING_WORK;
    }
    if ((code || t->done) && t->reservation)
        entry_put(t->reservation, t->word);
    return code;
}

/* A known id: its first result again, or a conflict. */
TXN_TEMPLATE enum code txn_repeat(struct ctx *ctx, struct txn *t, const struct txn_kind *kind)
{
    bool same = word_kind(t->entry_word) == kind->remembered && t->entry->content == t->content;
    if (same) {
        kind->repeat(ctx, t);
        COUNT(ctx, repeats);
    }
    entry_put(t->entry, t->entry_word);
    return same ? CODE_OK : txn_conflict(ctx, kind->id_name, t->id);
}

TXN_TEMPLATE enum code txn_run_once(struct ctx *ctx, struct txn *t, const struct txn_kind *kind)
{
    bool known;
    enum code code = begin_id(ctx, kind->id_name, t->id, &t->entry, &t->entry_word, &known);
    if (code)
        return code;
    if (known)
        return txn_repeat(ctx, t, kind);
    code = txn_run(ctx, t, kind);
    assert(!t->done); /* a taken id must be remembered or refused */
    if (code)
        entry_refuse(&ctx->ledger->ids, &ctx->cursor, t->entry, t->entry_word);
    return code;
}

/* Runs a client's request: checks that the log has room, takes the id if there is one, and runs the
 * transaction, or answers with the first result. */
TXN_TEMPLATE enum code txn_perform(struct ctx *ctx, struct txn *t, const struct txn_kind *kind)
{
    enum code code = CODE_DEFERRED;
    if (ledger_has_room(ctx)) {
        takes_begin(ctx);
        if (kind->id_name && text_given(t->id))
            code = txn_run_once(ctx, t, kind);
        else
            code = txn_run(ctx, t, kind);
        takes_end(ctx);
    }
    if (code == CODE_DEFERRED)
        COUNT(ctx, deferred);
    return code;
}

#endif
