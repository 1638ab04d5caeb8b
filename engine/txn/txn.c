/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/txn/txn.h"

#include <assert.h>
#include <stdlib.h>

#include "engine/ledger/claim.h"
#include "engine/ledger/ctx.h"
#include "engine/ledger/sweeps.h"

/* ---- postings ---- */

static int compare_postings(const void *left, const void *right)
{
    const struct posting *a = left, *b = right;
    if (posting_takes(a) != posting_takes(b))
        return posting_takes(a) ? -1 : 1;
    return a->pool < b->pool ? -1 : a->pool > b->pool;
}

/* Most orders are short, and their pools are often sorted already: in the order of their
 * creation. */
static void sort(struct posting *at, uint32_t count)
{
    enum { SHORT = 16 };
    uint32_t i = 1;
    while (i < count && compare_postings(&at[i - 1], &at[i]) <= 0)
        i++;
    if (i < count && count > SHORT) {
        qsort(at, count, sizeof *at, compare_postings);
        return;
    }
    for (; i < count; i++) {
        struct posting moved = at[i];
        uint32_t to = i;
        for (; to > 0 && compare_postings(&at[to - 1], &moved) > 0; to--)
            at[to] = at[to - 1];
        at[to] = moved;
    }
}

static bool can_merge(const struct posting *a, const struct posting *b)
{
    return a->pool == b->pool && posting_takes(a) && posting_takes(b);
}

static void merge_into(struct posting *sum, const struct posting *p)
{
    assert(sum->counted == p->counted);
    assert((sum->needs == NEEDS_NONE) == (p->needs == NEEDS_NONE));
    assert(sum->stays == p->stays);
    sum->on_hand += p->on_hand;
    sum->reserved += p->reserved;
    sum->floor = sum->floor > p->floor ? sum->floor : p->floor; /* one of them was read later */
    if (p->needs == NEEDS_NONE)
        return;
    int32_t keeps = sum->keeps > p->keeps ? sum->keeps : p->keeps; /* a setting came in between */
    sum->needs += p->needs - sum->keeps - p->keeps + keeps;
    sum->keeps = keeps;
}

void postings_order(struct postings *postings)
{
    struct posting *at = postings->at;
    uint32_t count = postings->count, merged = 0;
    sort(at, count);
    for (uint32_t i = 0; i < count; i++) {
        if (merged > 0 && can_merge(&at[merged - 1], &at[i])) {
            merge_into(&at[merged - 1], &at[i]);
            postings->takes--;
            continue;
        }
        if (merged != i)
            at[merged] = at[i];
        merged++;
    }
    postings->count = merged;
    assert(postings->takes <= postings->count);
}

static struct item *item_of(const struct items *items, uint32_t unit)
{
    uint64_t key = pool_read_key(pool_at(items, unit));
    return item_at(items, key_item(key));
}

/* What has come to the place of the pool, or left it. */
static void note_recent(struct ctx *ctx, uint32_t unit, int64_t delta)
{
    const struct items *items = &ctx->ledger->items;
    uint16_t owner = key_owner(pool_read_key(pool_at(items, unit)));
    bool plain = owner_sellable(owner); /* most are */
    uint32_t at = plain ? unit : unit_at_place(items, unit);
    int64_t moved = plain ? delta : delta_at_place(owner, delta);
    if (ctx->happened_ms)
        recent_add_late(&ctx->recent, ctx->wall_ms, ctx->happened_ms, at, moved);
    else
        recent_add(&ctx->recent, ctx->wall_ms, at, moved);
}

/* After the swap: who made the pool short has set the flag before. */
static inline void note_covered(struct items *items, const struct item *item,
                                const struct posting *p)
{
    if (item_has(item, ITEM_SHORT))
        pool_note_covered(items, p->pool, p->after, (int64_t)p->on_hand - p->reserved);
}

enum pool_outcome txn_apply(struct ctx *ctx, struct posting *p, bool tentative)
{
    struct items *items = &ctx->ledger->items;
    struct pool *pool = pool_at(items, p->pool);
    struct pool_change change = { p->on_hand, p->reserved, tentative };
    ctx->work += DRAW_WORK;
    if (change.on_hand == 0 && change.reserved > 0) /* needs no bracket */
        return pool_apply(pool, change, p->needs, &p->after);
    struct item *item = item_of(items, p->pool);
    int64_t counted = p->counted; /* @counted */
    struct pool_terms terms = { p->needs, counted, p->floor };
    gives_begin(item);
    enum pool_outcome outcome = pool_apply_on(pool, change, terms, &p->after);
    if (outcome == POOL_CHANGED && change.on_hand != 0 && !p->stays)
        note_recent(ctx, p->pool, change.on_hand);
    if (outcome == POOL_CHANGED)
        note_covered(items, item, p);
    gives_end(item);
    return outcome;
}

void txn_give_more(struct ctx *ctx, struct posting *p)
{
    struct items *items = &ctx->ledger->items;
    struct item *item = item_of(items, p->pool);
    struct pool_change change = { .on_hand = p->on_hand, .reserved = p->reserved };
    assert(!posting_takes(p));
    ctx->work += DRAW_WORK;
    gives_begin(item);
    p->after = pool_give(pool_at(items, p->pool), change);
    if (change.on_hand != 0 && !p->stays)
        note_recent(ctx, p->pool, change.on_hand);
    note_covered(items, item, p);
    gives_end(item);
}

/* ---- takes ---- */

void txn_tell(struct ctx *ctx, uint32_t item)
{
    struct record_head head = head_of(ctx, RECORD_UNDONE, UNDONE_IN_VAIN);
    struct undone_fields f = { .fixed = { .head = head, .count = 1 } };
    struct undone_item_record undone = { item };
    struct record_builder b = undone_begin(ctx->record, &f);
    record_add(&b, &undone, sizeof undone);
    uint32_t length = record_end(&b);
    uint64_t position = ctx_claim(ctx, length);
    item_version_raise(ctx, item, position + length);
    ctx_publish(ctx, position);
}

/* Undone takes get a record of their own: another thread may have read the pools meanwhile. */
static void record_undone(struct ctx *ctx, const struct postings *postings, uint32_t count)
{
    const struct items *items = &ctx->ledger->items;
    struct undone_fields f = { .fixed = { .head = head_of(ctx, RECORD_UNDONE, 0),
                                          .count = count } };
    struct record_builder b = undone_begin(ctx->record, &f);
    for (uint32_t i = 0; i < count; i++) {
        const struct pool *pool = pool_at(items, postings->at[i].pool);
        uint64_t key = pool_read_key(pool);
        struct undone_item_record undone = { key_item(key) };
        record_add(&b, &undone, sizeof undone);
    }
    uint32_t length = record_end(&b);
    uint64_t position = ctx_claim(ctx, length);
    for (uint32_t i = 0; i < count; i++)
        item_version_raise_of_pool(ctx, postings->at[i].pool, position + length);
    ctx_publish(ctx, position);
}

static void note_backlogs(struct ctx *ctx, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        if (item_has(item_of(&ctx->ledger->items, ctx->postings->at[i].pool), ITEM_BACKLOG))
            sweep_note(ctx, ctx->postings->at[i].pool);
}

void txn_undo(struct ctx *ctx, uint32_t count)
{
    struct items *items = &ctx->ledger->items;
    assert(count <= ctx->postings->takes);
    if (count == 0)
        return;
    for (uint32_t i = 0; i < count; i++) {
        const struct posting *p = &ctx->postings->at[i];
        struct item *item = item_of(items, p->pool);
        gives_begin(item);
        struct pool_change back = { -p->on_hand, -p->reserved, -1 }; /* @undo */
        uint64_t after = pool_give(pool_at(items, p->pool), back);
        if (item_has(item, ITEM_SHORT))
            pool_note_covered(items, p->pool, after, back.on_hand - back.reserved);
        if (p->on_hand != 0 && !p->stays)
            note_recent(ctx, p->pool, -p->on_hand);
        gives_end(item);
    }
    note_backlogs(ctx, count); /* one may have been denied them */
    ctx->work += (uint64_t)DRAW_WORK * count;
    record_undone(ctx, ctx->postings, count);
}

void txn_bracket(struct ctx *ctx, void (*edge)(struct item *))
{
    for (uint32_t i = 0; i < ctx->postings->takes; i++)
        edge(item_of(&ctx->ledger->items, ctx->postings->at[i].pool));
}

void txn_moved(struct ctx *ctx)
{
    txn_bracket(ctx, moves_end);
    note_backlogs(ctx, ctx->postings->takes); /* @moved */
}

uint32_t txn_own_brackets(const struct ctx *ctx, uint32_t item)
{
    const struct postings *postings = ctx->postings;
    uint32_t brackets = 0;
    if (postings->count == postings->takes)
        return 0; /* it only takes, so nothing moves */
    for (uint32_t i = 0; i < postings->takes; i++)
        brackets += item_of(&ctx->ledger->items, postings->at[i].pool) ==
                    item_at(&ctx->ledger->items, item);
    return brackets;
}

uint32_t txn_own_gives(const struct ctx *ctx, uint32_t item)
{
    const struct postings *postings = ctx->postings;
    uint32_t gives = txn_own_brackets(ctx, item);
    for (uint32_t i = 0; i < postings->takes; i++)
        gives +=
            postings->at[i].on_hand != 0 && item_of(&ctx->ledger->items, postings->at[i].pool) ==
                                                item_at(&ctx->ledger->items, item);
    return gives;
}

enum code txn_conflict(struct ctx *ctx, const char *id_name, struct text id)
{
    return fail(ctx, CODE_CONFLICT, "%s \"%.*s\" was used for something else", id_name, (int)id.len,
                id.at);
}
