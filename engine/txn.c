/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/txn.h"

#include <stdlib.h>

#include "engine/seat.h"

/* After so many plans, or so much work (see seat_work), a transaction is deferred, so that others
 * get their turn. */
enum { PLANS_PER_TURN = 8, PLANNING_WORK = 64 << 10 };

/* ---- postings ---- */

static int compare_postings(const void *left, const void *right)
{
    const struct posting *a = left, *b = right;
    if (posting_takes(a) != posting_takes(b))
        return posting_takes(a) ? -1 : 1;
    return a->pool < b->pool ? -1 : a->pool > b->pool;
}

static bool can_merge(const struct posting *a, const struct posting *b)
{
    return a->pool == b->pool && posting_takes(a) && posting_takes(b);
}

static void merge_into(struct posting *sum, const struct posting *p)
{
    assert(sum->counted == p->counted);
    assert((sum->needs == NEEDS_NONE) == (p->needs == NEEDS_NONE));
    sum->on_hand += p->on_hand;
    sum->reserved += p->reserved;
    if (p->needs != NEEDS_NONE)
        sum->needs += p->needs;
}

void postings_order(struct postings *postings)
{
    struct posting *at = postings->at;
    uint32_t count = postings->count, in_order = 1, merged = 0;
    while (in_order < count && compare_postings(&at[in_order - 1], &at[in_order]) < 0)
        in_order++;
    if (in_order < count) /* pools are often met in the order in which they were made */
        qsort(at, count, sizeof *at, compare_postings);
    postings->takes = 0;
    for (uint32_t i = 0; i < count; i++) {
        if (merged > 0 && can_merge(&at[merged - 1], &at[i])) {
            merge_into(&at[merged - 1], &at[i]);
            continue;
        }
        postings->takes += posting_takes(&at[i]);
        if (merged != i)
            at[merged] = at[i];
        merged++;
    }
    postings->count = merged;
}

static struct item *item_of(const struct items *items, uint32_t unit)
{
    uint64_t key = atomic_load_explicit(&pool_at(items, unit)->key, memory_order_relaxed);
    return item_at(items, key_item(key));
}

/* Changes one pool. A change that may make units available, or moves them, is bracketed for those
 * who sum over the item's pools. */
static enum pool_outcome apply(struct seat *seat, struct posting *p, bool tentative)
{
    struct items *items = &seat->ledger->items;
    struct pool *pool = pool_at(items, p->pool);
    struct pool_change change = { p->on_hand, p->reserved, tentative };
    seat->work += DRAW_WORK;
    if (change.on_hand == 0 && change.reserved > 0) /* a promise makes nothing available */
        return pool_apply(pool, change, p->needs, &p->after);
    struct item *item = item_of(items, p->pool);
    gives_begin(item);
    enum pool_outcome outcome = pool_apply_counted(pool, change, p->needs, p->counted, &p->after);
    if (outcome == POOL_CHANGED && change.on_hand != 0)
        recent_add(&seat->recent, seat->wall_ms, p->pool, change.on_hand);
    gives_end(item);
    return outcome;
}

/* ---- takes ---- */

/* Takes that were undone get a record of their own: somebody may have read the pools meanwhile. */
static void journal_undone(struct seat *seat, const struct postings *postings, uint32_t count)
{
    const struct items *items = &seat->ledger->items;
    struct undone_fields f = { .fixed = { .head = head_of(seat, RECORD_UNDONE, 0),
                                          .count = count } };
    struct record_builder b = undone_begin(seat->record, &f);
    for (uint32_t i = 0; i < count; i++) {
        const struct pool *pool = pool_at(items, postings->at[i].pool);
        uint64_t key = atomic_load_explicit(&pool->key, memory_order_relaxed);
        struct undone_item_record undone = { key_item(key) };
        record_add(&b, &undone, sizeof undone);
    }
    uint32_t length = record_end(&b);
    uint64_t position = journal_claim(seat, length);
    for (uint32_t i = 0; i < count; i++)
        mark_pool(seat, postings->at[i].pool, position + length);
    journal_publish(seat, position);
}

/* Gives back the first `count` takes. */
static void undo(struct seat *seat, const struct txn *t, uint32_t count)
{
    struct items *items = &seat->ledger->items;
    if (count == 0)
        return;
    assert(t->tentative); /* T: else somebody may have been refused because of it */
    for (uint32_t i = 0; i < count; i++) {
        const struct posting *p = &t->postings->at[i];
        struct item *item = item_of(items, p->pool);
        gives_begin(item);
        pool_give(pool_at(items, p->pool), (struct pool_change){ -p->on_hand, -p->reserved, -1 });
        if (p->on_hand != 0)
            recent_add(&seat->recent, seat->wall_ms, p->pool, -p->on_hand);
        gives_end(item);
    }
    seat->work += (uint64_t)DRAW_WORK * count;
    journal_undone(seat, t->postings, count);
}

/* Rule T. False, and nothing is taken: a pool does not meet its condition. *undecided: perhaps it
 * does, for somebody else's take is pending there. */
static bool take(struct seat *seat, const struct txn *t, bool *undecided)
{
    for (uint32_t i = 0; i < t->postings->takes; i++) {
        struct posting *p = &t->postings->at[i];
        if (apply(seat, p, t->tentative) == POOL_CHANGED)
            continue;
        *undecided = word_pending(p->after) != 0;
        undo(seat, t, i);
        return false;
    }
    return true;
}

static void decide(struct seat *seat, const struct txn *t)
{
    for (uint32_t i = 0; t->tentative && i < t->postings->takes; i++)
        pool_give(pool_at(&seat->ledger->items, t->postings->at[i].pool),
                  (struct pool_change){ .tentative = -1 });
}

/* ---- gives ---- */

/* Rule G. False: the pool is full by now, or no longer what was counted. Only the first give may be
 * refused, for what has been given may have been taken since. */
static bool give(struct seat *seat, const struct txn *t)
{
    struct postings *all = t->postings;
    for (uint32_t i = all->takes; i < all->count; i++) {
        struct posting *p = &all->at[i];
        if (p->on_hand == 0 && p->reserved == 0)
            continue; /* a count that found what was known */
        if (apply(seat, p, false) == POOL_CHANGED)
            continue;
        assert(p->on_hand > 0);
        assert(i == all->takes);
        return false;
    }
    return true;
}

/* ---- one attempt ---- */

/* Units on their way between pools are in none of them, so meanwhile no sum over their items
 * counts. */
static void bracket(const struct seat *seat, const struct txn *t, void (*edge)(struct item *))
{
    for (uint32_t i = 0; t->moving && i < t->postings->takes; i++)
        edge(item_of(&seat->ledger->items, t->postings->at[i].pool));
}

/* An operation with an id claims now: a claim made ahead may lie before what its id stood for. */
static uint64_t claim(struct seat *seat, const struct txn *t)
{
    assert(!t->kind->claims_ahead || t->postings->takes == 0); /* G */
    if (t->kind->claims_ahead && !t->entry)
        return journal_claim_give(seat, t->length, t->reservation->lsn_last);
    return journal_claim(seat, t->length);
}

/* Everything is taken. CODE_OK: the record is claimed and everything given; else all is undone. */
static enum code claim_and_give(struct seat *seat, struct txn *t)
{
    enum code code = t->kind->taken ? t->kind->taken(seat, t) : CODE_OK;
    if (!code) {
        t->length = t->kind->record(seat, t);
        t->position = claim(seat, t);
        t->lsn = t->position + t->length;
        if (give(seat, t))
            return CODE_OK;
        journal_void(seat, t->position, t->length);
        code = CODE_DEFERRED;
    }
    undo(seat, t, t->postings->takes);
    return code;
}

/* From the claim on nothing can fail. The record is published once it is applied: see log_head. */
static void finish(struct seat *seat, struct txn *t)
{
    if (t->kind->outcome)
        t->kind->outcome(seat, t);
    for (uint32_t i = 0; i < t->postings->count; i++)
        mark_pool(seat, t->postings->at[i].pool, t->lsn);
    journal_publish(seat, t->position);
    t->kind->show(seat, t);
    decide(seat, t);
}

/* *again: a pool has changed since the plan. */
static enum code attempt(struct seat *seat, struct txn *t, bool *again)
{
    struct postings *postings = t->postings = &seat->postings;
    bool undecided = false;
    assert(postings->count == 0);
    *again = t->may_undo = false;
    enum code code = t->kind->plan(seat, t);
    if (code || t->done)
        return code;
    postings_order(postings);
    t->moving = postings->takes > 0 && postings->count > postings->takes;
    t->tentative = postings->takes > 1 || t->moving || (t->may_undo && postings->takes > 0);
    bracket(seat, t, gives_begin);
    bool taken = take(seat, t, &undecided);
    if (taken)
        code = claim_and_give(seat, t);
    bracket(seat, t, gives_end);
    if (taken && !code)
        finish(seat, t);
    *again = !taken && !undecided;
    return taken ? code : CODE_DEFERRED;
}

enum code txn_run(struct seat *seat, struct txn *t)
{
    uint64_t begun = seat->work;
    bool again = true;
    enum code code = CODE_DEFERRED;
    for (int tries = 0; again && tries < PLANS_PER_TURN; tries++) {
        code = attempt(seat, t, &again);
        seat->postings.count = 0;
        again = again && seat->work - begun < PLANNING_WORK;
    }
    if ((code || t->done) && t->reservation)
        entry_put(t->reservation, t->word);
    return code;
}

/* ---- once for each id ---- */

static enum code repeat(struct seat *seat, struct txn *t)
{
    bool same = word_kind(t->entry_word) == t->kind->remembered && t->entry->content == t->content;
    if (same) {
        t->kind->repeat(seat, t);
        COUNT(seat, repeats);
    }
    entry_put(t->entry, t->entry_word);
    if (same)
        return CODE_OK;
    return fail(seat, CODE_CONFLICT, "%s \"%.*s\" was used for something else", t->id_name,
                (int)t->id.len, t->id.at);
}

static enum code run_once(struct seat *seat, struct txn *t)
{
    bool known;
    enum code code = begin_id(seat, t->id_name, t->id, &t->entry, &t->entry_word, &known);
    if (code)
        return code;
    if (known)
        return repeat(seat, t);
    code = txn_run(seat, t);
    assert(!t->done); /* an id that is taken must be remembered or refused */
    if (code)
        entry_refuse(&seat->ledger->entries, &seat->cursor, t->entry, t->entry_word);
    return code;
}

enum code txn_perform(struct seat *seat, struct txn *t)
{
    enum code code = CODE_DEFERRED;
    if (ledger_has_room(seat)) {
        takes_begin(seat);
        code = text_given(t->id) ? run_once(seat, t) : txn_run(seat, t);
        takes_end(seat);
    }
    if (code == CODE_DEFERRED)
        COUNT(seat, deferred);
    return code;
}
