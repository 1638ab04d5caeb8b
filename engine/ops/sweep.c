/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/ops/sweep.h"

#include <assert.h>
#include <string.h>

#include "engine/ledger/claim.h"
#include "engine/ledger/find.h"
#include "engine/ops/backlog.h"
#include "engine/ops/owing.h"
#include "engine/ops/precedence.h"
#include "engine/txn/txn_run.h"

enum { FEW = 16, ROUNDS = 8 };

struct sweeping {
    struct txn txn;
    uint32_t own, shared; /* units: the supply's pool, and the shared one there */
    uint64_t mark;        /* of the supply's pool, as planned */
    int64_t most;         /* no more may stand in */
    int64_t delta;        /* of on hand in the supply's pool */
    bool unsure;          /* there was nothing else to do, perhaps only for the moment */
};

static void post_move(struct ctx *ctx, uint32_t from, uint32_t to, int64_t qty, int64_t keeps)
{
    post(ctx->postings, (struct posting){ .pool = from,
                                          .counted = NOT_COUNTED,
                                          .on_hand = (int32_t)-qty,
                                          .needs = (int32_t)(qty + keeps),
                                          .keeps = (int32_t)keeps,
                                          .stays = true });
    post(ctx->postings, (struct posting){ .pool = to,
                                          .counted = NOT_COUNTED,
                                          .on_hand = (int32_t)qty,
                                          .needs = NEEDS_NONE,
                                          .stays = true });
}

/*
 * What has come and is free is available beyond what is expected. An order that may be undone makes
 * it look less, and so does more that is shipped meanwhile: then it moves what there is, and looks
 * again later.
 *
 * The word is read by a swap that changes nothing: whoever has lowered what is expected, or freed
 * units, reads after that. If two do so at once, one of their swaps comes second, and sees both.
 * What stands in is given whether or not it is still lacking then: another sweep may have done the
 * same, or a cancel may have come in between, whose own sweep saw nothing free yet. So it looks
 * again after that, too.
 */
static enum code plan(struct ctx *ctx, struct txn *t)
{
    struct sweeping *s = (struct sweeping *)t;
    const struct items *items = &ctx->ledger->items;
    struct pool *own = pool_at(items, s->own);
    uint64_t before = incoming_mark(incoming_at(items, s->own));
    uint64_t word =
        atomic_fetch_add_explicit(&own->word, 0, memory_order_acq_rel); /* @sweep-swap */
    s->mark = incoming_mark(incoming_at(items, s->own));
    int64_t expected = mark_expected(s->mark);
    uint64_t shared = pool_read(pool_at(items, s->shared));
    int64_t free = word_available(word) - expected, lacking = -word_available(word);
    s->delta = 0;
    if (free > 0 && word_on_hand(shared) + free <= QUANTITY_MAX) {
        s->delta = -free;
        post_move(ctx, s->own, s->shared, free, expected);
    } else if (lacking > 0 && word_available(shared) > 0) {
        if (word_undecided(word) || word_undecided(shared))
            return CODE_DEFERRED;
        s->delta = word_available(shared) < lacking ? word_available(shared) : lacking;
        if (s->delta > s->most)
            s->delta = s->most;
        post_move(ctx, s->shared, s->own, s->delta, 0);
    }
    t->done = s->delta == 0;
    bool undecided = word_undecided(word) || (lacking > 0 && word_undecided(shared));
    bool raised = mark_is_raised(s->mark) || s->mark != before;
    s->unsure = undecided || raised || s->delta > 0; /* @unsure */
    return CODE_OK;
}

/* X1: what seemed to have come had come. */
static enum code check_mark(struct ctx *ctx, struct txn *t)
{
    const struct sweeping *s = (const struct sweeping *)t;
    bool same = incoming_mark(incoming_at(&ctx->ledger->items, s->own)) == s->mark;
    return same ? CODE_OK : CODE_DEFERRED;
}

static uint32_t build_record(struct ctx *ctx, struct txn *t)
{
    const struct sweeping *s = (const struct sweeping *)t;
    struct sweep_fields f = { .fixed = { .head = head_of(ctx, RECORD_SWEEP, 0),
                                         .time_ms = ctx->wall_ms,
                                         .pool = name_of_pool(&ctx->ledger->items, s->own),
                                         .delta = (int32_t)s->delta } };
    f.fixed.head.client = 0; /* no client asked for this */
    struct record_builder b = sweep_begin(ctx->record, &f);
    return record_end(&b);
}

static void show(struct ctx *ctx, struct txn *t)
{
    (void)ctx;
    (void)t;
}

static const struct txn_kind sweep_txn = {
    .takes = true,
    .gives = true,
    .plan = plan,
    .taken = check_mark,
    .record = build_record,
    .show = show,
};

static const struct pool *shared_at(const struct items *items, uint32_t item, uint16_t location)
{
    return pool_find(items, item, location, owner_of(POOL_SHARED, 0));
}

/* The units are at the place before and after. At most so many stand in. Returns how many do. */
static int64_t sweep_pool(struct ctx *ctx, uint32_t unit, uint64_t key, int64_t most)
{
    const struct items *items = &ctx->ledger->items;
    const struct pool *shared = shared_at(items, key_item(key), key_location(key));
    if (!shared)
        return 0; /* the supply is being made */
    struct sweeping s = { .own = unit, .shared = pool_unit(items, shared), .most = most };
    enum code code = txn_perform(ctx, &s.txn, &sweep_txn);
    if (code != CODE_OK || s.unsure)
        sweep_note(ctx, unit);
    else
        incoming_tidy(&ctx->ledger->items, &ctx->ledger->ids, &ctx->cursor, unit);
    return code == CODE_OK && s.delta > 0 ? s.delta : 0;
}

/* The pools of expected units there that are short. Returns how many of them it lists. */
static unsigned find_short(struct ctx *ctx, uint32_t item, uint16_t location, uint32_t units[FEW])
{
    const struct items *items = &ctx->ledger->items;
    struct pool_walk walk = pool_walk_start(items, item);
    const struct pool *pool;
    unsigned count = 0;
    while (count < FEW && (pool = pool_walk_next(&walk)) != NULL) {
        uint64_t key = pool_read_key(pool);
        if (key_location(key) == location && owner_kind(key_owner(key)) == POOL_EXPECTED &&
            word_available(pool_read(pool)) < 0)
            units[count++] = pool_unit(items, pool);
    }
    ctx->work += walk.entered;
    return count;
}

/* The pool whose first short promise is the earliest, and how many units it lacks for what was
 * promised before the first short promises of the others. */
static enum code find_first(struct ctx *ctx, const uint32_t *units, unsigned count, uint32_t *unit,
                            int64_t *lacking)
{
    struct promise_place first = { UINT64_MAX, UINT32_MAX }, second = first, next;
    *unit = units[0];
    *lacking = QUANTITY_MAX;
    for (unsigned i = 0; i < count; i++) {
        if (precedence_first_short(ctx, units[i], &next) != CODE_OK)
            return CODE_DEFERRED;
        if (promised_before(next, first)) {
            second = first;
            first = next;
            *unit = units[i];
        } else if (promised_before(next, second)) {
            second = next;
        }
    }
    if (second.lsn == UINT64_MAX)
        return CODE_OK;
    if (second.lsn == first.lsn) /* one reservation is short of both */
        second.lsn++;
    enum code code = precedence_short_before(ctx, *unit, second.lsn, lacking);
    return code == CODE_OK && *lacking <= 0 ? CODE_DEFERRED : code; /* it has changed meanwhile */
}

/* Units have become free at the place: those of its pools of expected units that are short may need
 * them. If several are, the units stand in for one promise after the other, the earliest first. */
static void sweep_short(struct ctx *ctx, uint32_t item, uint16_t location)
{
    const struct items *items = &ctx->ledger->items;
    uint32_t units[FEW], unit;
    int64_t lacking;
    if (!item_has(item_at(items, item), ITEM_SHORT))
        return;
    const struct pool *shared = shared_at(items, item, location);
    for (unsigned round = 0;; round++) {
        unsigned count = find_short(ctx, item, location, units);
        if (count < 2 || !shared || word_available(pool_read(shared)) <= 0) {
            for (unsigned i = 0; i < count; i++)
                sweep_pool(ctx, units[i], pool_read_key(pool_at(items, units[i])), QUANTITY_MAX);
            return;
        }
        if (round == ROUNDS || find_first(ctx, units, count, &unit, &lacking) != CODE_OK) {
            sweep_note(ctx, units[0]);
            return;
        }
        if (sweep_pool(ctx, unit, pool_read_key(pool_at(items, unit)), lacking) == 0)
            return; /* it is noted again */
    }
}

/* What is too busy is noted again: of one note, perhaps several pools. */
void sweep_noted(struct ctx *ctx)
{
    uint32_t count = ctx->sweep_count;
    ctx->kept_failure = ctx->failure; /* the client is still to be told */
    memcpy(ctx->sweeping, ctx->sweeps, count * sizeof ctx->sweeps[0]);
    ctx->sweep_count = 0; /* @swept-now */
    for (uint32_t i = 0; i < count; i++) {
        uint32_t unit = ctx->sweeping[i];
        uint64_t key = pool_read_key(pool_at(&ctx->ledger->items, unit));
        if (owner_kind(key_owner(key)) == POOL_EXPECTED) /* if it is short, it may not be first */
            sweep_pool(ctx, unit, key, 0);
        sweep_short(ctx, key_item(key), key_location(key));
        bool done = owing_sweep(ctx, key_item(key), key_location(key));
        if (item_has(item_at(&ctx->ledger->items, key_item(key)), ITEM_BACKLOG))
            done &= backlog_serve(ctx, key_item(key));
        if (!done)
            sweep_note(ctx, unit);
    }
    ctx->failure = ctx->kept_failure;
}
