/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who was promised units of some pools: a walk over the id table, which skips what draws from other
 * places (slot_places.h).
 *
 * No list leads from a pool to its promises, because every order would have to add itself to one.
 * So one walk looks for all pools that are to be looked at just then, and it keeps of each only as
 * many promises as there is room for: those that are told next. If there are more, another walk
 * finds them.
 */
#include <assert.h>
#include <string.h>

#include "engine/ops/shortages.h"
#include "engine/store/slot_places.h"
#include "engine/store/supply_lines.h"

/* See ctx_work: the places of 64 slots lie in a row; an entry is scattered. */
enum { CHUNK_WORK = 8, ENTRY_WORK = 16 };

/* ---- heaps ---- */

static bool goes_first(const struct promise_heap *heap, struct promise a, struct promise b)
{
    return heap->latest_first ? a.lsn > b.lsn : a.lsn < b.lsn;
}

static void swap(struct promise_heap *heap, uint32_t a, uint32_t b)
{
    struct promise kept = heap->at[a];
    heap->at[a] = heap->at[b];
    heap->at[b] = kept;
}

static void sink(struct promise_heap *heap, uint32_t at)
{
    for (;;) {
        uint32_t first = at, left = 2 * at + 1, right = left + 1;
        if (left < heap->count && goes_first(heap, heap->at[left], heap->at[first]))
            first = left;
        if (right < heap->count && goes_first(heap, heap->at[right], heap->at[first]))
            first = right;
        if (first == at)
            return;
        swap(heap, at, first);
        at = first;
    }
}

static void rise(struct promise_heap *heap, uint32_t at)
{
    while (at > 0 && goes_first(heap, heap->at[at], heap->at[(at - 1) / 2])) {
        swap(heap, at, (at - 1) / 2);
        at = (at - 1) / 2;
    }
}

/* Keeps the promise; if there is no room, in place of the first one if it goes after that. */
static void keep(struct promise_heap *heap, struct promise promise)
{
    if (heap->count < heap->room) {
        heap->at[heap->count] = promise;
        rise(heap, heap->count++);
    } else if (goes_first(heap, heap->at[0], promise)) {
        heap->at[0] = promise;
        sink(heap, 0);
    }
}

void promise_heap_turn(struct promise_heap *heap)
{
    heap->latest_first = !heap->latest_first;
    for (uint32_t i = heap->count / 2; i > 0; i--)
        sink(heap, i - 1);
}

void promise_heap_drop(struct promise_heap *heap)
{
    assert(heap->count > 0);
    heap->at[0] = heap->at[--heap->count];
    sink(heap, 0);
}

/* ---- the pools ---- */

/* The place of the pool in the hash, or the free one where it belongs. */
static uint32_t place_of(const struct shortage_watch *w, uint32_t unit)
{
    uint32_t at = unit * UINT32_C(2654435761) % SHORTAGE_SLOTS;
    while (w->numbers[at] != 0 && w->pools[w->numbers[at] - 1].unit != unit)
        at = (at + 1) % SHORTAGE_SLOTS;
    return at;
}

bool shortages_begin_find(struct shortage_watch *w, const struct items *items)
{
    bool any = false;
    uint32_t room = SHORTAGE_PROMISES / (2 * w->pool_count);
    assert(w->pool_count > 0);
    memset(w->numbers, 0, sizeof w->numbers);
    w->slot = 0;
    w->candidates = 0;
    w->touched_count = 0;
    for (uint32_t i = 0; i < w->pool_count; i++) {
        struct shortage_pool *p = &w->pools[i];
        struct promise *at = &w->promises[2 * room * i];
        uint16_t location = key_location(pool_read_key(pool_at(items, p->unit)));
        p->untold = (struct promise_heap){ .at = at, .room = room };
        p->told = (struct promise_heap){ .at = at + room, .room = room, .latest_first = true };
        w->numbers[place_of(w, p->unit)] = (uint16_t)(i + 1);
        w->location = i == 0 || w->location == location ? location : ANY_PLACE;
        any |= word_available(p->word) < 0;
    }
    return any;
}

/* ---- one entry ---- */

/* The entry has promised units of that pool, if it is one of the watch's. */
static void touch(struct shortage_watch *w, uint32_t unit, uint64_t lsn, uint32_t qty)
{
    uint16_t number = w->numbers[place_of(w, unit)];
    if (number == 0)
        return;
    struct promise *p = &w->pools[number - 1].promise;
    if (p->lsn == 0)
        w->touched[w->touched_count++] = (uint16_t)(number - 1);
    p->lsn = p->lsn > lsn ? p->lsn : lsn;
    p->qty += qty;
}

static bool is_live_reservation(uint64_t word)
{
    return word_kind(word) == ENTRY_RESERVATION && !state_final(word_state(word));
}

/* A transfer may be held in part. */
static bool may_hold(uint64_t word)
{
    return word_kind(word) == ENTRY_SUPPLY && !supply_over(word_supply_state(word));
}

static void touch_draws(struct ctx *ctx, struct id_entry *entry)
{
    struct draw_walk walk = draw_walk_start(&ctx->ledger->ids, entry);
    const struct draw *draw;
    ctx->work += entry->draw_count;
    while ((draw = draw_walk_next(&walk)) != NULL)
        touch(&ctx->ledger->shortages, draw->pool, draw_lsn(entry, draw), draw_left(draw));
}

static void touch_lines(struct ctx *ctx, struct id_entry *entry)
{
    const struct items *items = &ctx->ledger->items;
    struct line_walk walk = line_walk_start(&ctx->ledger->ids, entry);
    const struct line_entry *line;
    while (entry->from != 0 && (line = line_walk_next(&walk)) != NULL) {
        ctx->work += DRAW_WORK;
        if (line_held(line) > 0)
            touch(&ctx->ledger->shortages, line_source(items, entry, line), entry->lsn_first,
                  line_held(line));
    }
}

/* Adds what the entry was promised of each pool, and empties that. */
static void count_touched(struct ctx *ctx, uint32_t number)
{
    struct shortage_watch *w = &ctx->ledger->shortages;
    for (uint32_t i = 0; i < w->touched_count; i++) {
        struct shortage_pool *p = &w->pools[w->touched[i]];
        uint64_t since = w->of_pools[p->unit].since;
        p->promise.entry = number;
        p->found += p->promise.qty;
        if (p->promise.qty > 0 && p->promise.lsn > p->latest)
            p->latest = p->promise.lsn;
        if (since == 0 || p->promise.lsn < since)
            p->earlier += p->promise.qty;
        if (p->promise.qty > 0)
            keep(since == 0 || p->promise.lsn < since ? &p->untold : &p->told, p->promise);
        p->promise = (struct promise){ 0 };
    }
    w->touched_count = 0;
}

/* False: another context owns what is there. */
static bool look(struct ctx *ctx, uint32_t number)
{
    struct id_entry *entry = entry_at(&ctx->ledger->ids, number);
    uint64_t word = atomic_load_explicit(&entry->state, memory_order_acquire);
    ctx->work += ENTRY_WORK;
    if (!is_live_reservation(word) && !may_hold(word))
        return true;
    if (!entry_take(entry, &word))
        return false;
    if (is_live_reservation(word))
        touch_draws(ctx, entry);
    else if (may_hold(word))
        touch_lines(ctx, entry);
    count_touched(ctx, number);
    entry_put(entry, word);
    return true;
}

struct promise shortages_promise(struct ctx *ctx, struct id_entry *entry, uint64_t word,
                                 uint32_t unit)
{
    struct shortage_watch *w = &ctx->ledger->shortages;
    struct promise *own = &w->pools[w->numbers[place_of(w, unit)] - 1].promise, promise;
    if (is_live_reservation(word))
        touch_draws(ctx, entry);
    else if (may_hold(word))
        touch_lines(ctx, entry);
    promise = *own;
    for (uint32_t i = 0; i < w->touched_count; i++)
        w->pools[w->touched[i]].promise = (struct promise){ 0 };
    w->touched_count = 0;
    return promise;
}

/* ---- the walk ---- */

static void enter_chunk(struct ctx *ctx)
{
    struct shortage_watch *w = &ctx->ledger->shortages;
    struct id_table *ids = &ctx->ledger->ids;
    uint32_t chunk = w->slot / CHUNK_SLOTS;
    w->candidates = chunk_candidates(ids, chunk, w->location);
    ctx->work += CHUNK_WORK;
    for (uint64_t left = w->candidates; left != 0; left &= left - 1)
        __builtin_prefetch(entry_at(ids, chunk * CHUNK_SLOTS + (uint32_t)__builtin_ctzll(left)));
}

bool shortages_find(struct ctx *ctx, uint64_t work_end)
{
    struct shortage_watch *w = &ctx->ledger->shortages;
    uint32_t used = id_table_used(&ctx->ledger->ids);
    while (w->slot < used) {
        if (!shortages_go_on(ctx, work_end))
            return false;
        if (w->candidates == 0)
            enter_chunk(ctx);
        while (w->candidates != 0 && ctx->work < work_end) {
            if (!look(ctx, w->slot + (uint32_t)__builtin_ctzll(w->candidates)))
                return false; /* goes on there */
            w->candidates &= w->candidates - 1;
        }
        if (w->candidates == 0)
            w->slot += CHUNK_SLOTS;
    }
    return true;
}
