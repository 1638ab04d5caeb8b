/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/ops/precedence.h"

#include <assert.h>
#include <string.h>

#include "engine/store/supply_lines.h"

enum {
    PROMISES_PER_BLOCK = 14,
    SLICE_WORK = 32 << 10, /* of a walk, in one iteration: see ctx_work */
    STALE_ITERATIONS = 64, /* whoever began a walk has been gone for as long */
};

/* Another layout of an ENTRY_DRAWS. */
struct promises {
    _Atomic uint64_t state;
    uint32_t next;          /* the block before: number + 1; written before the block is shown */
    _Atomic uint32_t count; /* places given out: may exceed what there are */
    /* lower half of the reservation's LSN : 32 | number of its entry + 1 : 32; 0: being written.
     * Whoever got the place writes it, release */
    _Atomic uint64_t at[PROMISES_PER_BLOCK];
};

_Static_assert(sizeof(struct promises) == sizeof(struct id_entry), "as large as an entry");

static struct promises *block_at(struct ctx *ctx, uint32_t link)
{
    return (struct promises *)(void *)entry_at(&ctx->ledger->ids, link - 1);
}

/* A new block before the others, with its first place taken. False: no slot, or *again. */
static bool add_block(struct ctx *ctx, struct incoming *in, uint32_t head, uint64_t promise,
                      bool *again)
{
    struct id_table *ids = &ctx->ledger->ids;
    struct draws_entry *slot = slots_take_draws(ids, &ctx->cursor);
    if (!slot)
        return false;
    struct promises *block = (struct promises *)(void *)slot;
    block->next = head;
    atomic_store_explicit(&block->count, 1, memory_order_relaxed);
    atomic_store_explicit(&block->at[0], promise, memory_order_relaxed);
    uint32_t link = entry_number(ids, (struct id_entry *)(void *)slot) + 1;
    /* Release: who follows the link finds the block as it is. */
    *again = !atomic_compare_exchange_strong_explicit(&in->promises, &head, link,
                                                      memory_order_acq_rel, memory_order_acquire);
    if (*again) {
        slot->next = 0;
        slots_free_draws(ids, &ctx->cursor, link);
    }
    return !*again;
}

static bool add_promise(struct ctx *ctx, uint32_t unit, const struct id_entry *entry, uint64_t lsn)
{
    struct incoming *in = incoming_at(&ctx->ledger->items, unit);
    uint64_t promise = lsn << 32 | (entry_number(&ctx->ledger->ids, entry) + 1);
    bool again = true;
    while (again) { /* lock-free: another context has added a block */
        uint32_t head = atomic_load_explicit(&in->promises, memory_order_acquire);
        if (head != 0) {
            struct promises *block = block_at(ctx, head);
            uint32_t place = atomic_fetch_add_explicit(&block->count, 1, memory_order_relaxed);
            if (place < PROMISES_PER_BLOCK) {
                atomic_store_explicit(&block->at[place], promise, memory_order_release);
                return true;
            }
        }
        again = false;
        if (add_block(ctx, in, head, promise, &again))
            return true;
    }
    return false;
}

/* Is an earlier draw of the same change from the same pool? */
static bool is_repeated(struct ctx *ctx, struct id_entry *entry, const struct draw *draw)
{
    struct draw_walk walk = draw_walk_start(&ctx->ledger->ids, entry);
    const struct draw *before;
    while ((before = draw_walk_next(&walk)) != draw)
        if (before->pool == draw->pool && draw_lsn(entry, before) == draw_lsn(entry, draw))
            return true;
    return false;
}

bool precedence_add_draws(struct ctx *ctx, struct id_entry *entry, uint64_t lsn)
{
    const struct items *items = &ctx->ledger->items;
    struct draw_walk walk = draw_walk_start(&ctx->ledger->ids, entry);
    const struct draw *draw;
    uint32_t last = UINT32_MAX;
    bool listed = true;
    while ((draw = draw_walk_next(&walk)) != NULL) {
        if (draw_lsn(entry, draw) != lsn || !incoming_find(items, draw->pool) ||
            draw->pool == last || is_repeated(ctx, entry, draw))
            continue;
        last = draw->pool;
        listed &= add_promise(ctx, draw->pool, entry, lsn);
    }
    return listed;
}

void precedence_give_up(struct ctx *ctx)
{
    struct items *items = &ctx->ledger->items;
    uint32_t count = atomic_load_explicit(&items->incoming_count, memory_order_relaxed);
    /* Of a backlog that is a hint, which is overwritten. */
    for (uint32_t i = 1; i <= count; i++)
        atomic_store_explicit(&items->incoming[i].covered_lsn, UINT64_MAX, memory_order_relaxed);
}

/* ---- the walk ---- */

/* Puts two ranges into one each. */
static void widen(struct standing *s, uint64_t least, uint64_t most)
{
    int64_t before[STANDING_RANGES];
    memcpy(before, s->ranges, sizeof before);
    memset(s->ranges, 0, sizeof s->ranges);
    for (uint64_t at = least >> s->shift; at <= most >> s->shift; at++)
        s->ranges[at / 2 % STANDING_RANGES] += before[at % STANDING_RANGES];
    s->shift++;
}

static void count_in_range(struct standing *s, uint64_t lsn, int64_t left)
{
    uint64_t least = s->least != 0 && s->least < lsn ? s->least : lsn;
    uint64_t most = s->most > lsn ? s->most : lsn;
    while ((most >> s->shift) - (least >> s->shift) >= STANDING_RANGES)
        widen(s, s->least, s->most);
    s->least = least;
    s->most = most;
    s->ranges[(lsn >> s->shift) % STANDING_RANGES] += left;
}

/* Returns the units, and in *first which of its draws is the first that has any. */
static int64_t left_of(struct ctx *ctx, struct id_entry *entry, uint32_t unit, uint32_t *first)
{
    struct draw_walk walk = draw_walk_start(&ctx->ledger->ids, entry);
    const struct draw *draw;
    int64_t left = 0;
    for (uint32_t i = 0; (draw = draw_walk_next(&walk)) != NULL; i++) {
        if (draw->pool != unit || draw_left(draw) == 0)
            continue;
        if (left == 0)
            *first = i;
        left += draw_left(draw);
    }
    return left;
}

uint64_t promise_lsn(const struct ctx *ctx, struct id_entry *entry, uint32_t unit, uint64_t until)
{
    struct draw_walk walk = draw_walk_start(&ctx->ledger->ids, entry);
    const struct draw *draw;
    uint64_t lsn = entry->lsn_first, drawn_lsn;
    while (entry->tracked && (draw = draw_walk_next(&walk)) != NULL) {
        drawn_lsn = draw_lsn(entry, draw);
        if (draw->pool == unit && drawn_lsn > lsn && drawn_lsn <= until)
            lsn = drawn_lsn;
    }
    return lsn;
}

static void count_left(struct ctx *ctx, struct standing *s, struct id_entry *entry, uint64_t lsn)
{
    uint32_t first = 0;
    int64_t left = left_of(ctx, entry, s->unit, &first);
    if (s->own && lsn < s->own_lsn)
        s->earlier += left;
    if (lsn < s->from)
        s->below += left;
    else if (lsn <= s->top && left > 0) {
        count_in_range(s, lsn, left);
        s->draw = first;
    }
}

/* Counts one promise, unless what it was listed for is gone. */
static void count_promise(struct ctx *ctx, struct standing *s, uint64_t promise)
{
    struct id_entry *entry = entry_at(&ctx->ledger->ids, (uint32_t)promise - 1);
    if (entry == s->own || entry == s->op)
        return; /* the asker's promise; or an earlier one, whose slot it has now */
    uint64_t word = atomic_load_explicit(&entry->state, memory_order_relaxed);
    if (word_kind(word) == ENTRY_FREE || word_kind(word) == ENTRY_DRAWS)
        return; /* its slot has another use; these are busy for long */
    if (!entry_take(entry, &word)) {
        s->busy = true;
        return;
    }
    bool live = word_kind(word) == ENTRY_RESERVATION && !state_final(word_state(word));
    uint64_t lsn = live ? promise_lsn(ctx, entry, s->unit, UINT64_MAX) : 0;
    if (live && (uint32_t)lsn == (uint32_t)(promise >> 32))
        count_left(ctx, s, entry, lsn);
    entry_put(entry, word);
    ctx->work += DRAW_WORK;
}

static struct promise_place_in_list first_place(struct ctx *ctx, uint32_t unit)
{
    const struct incoming *in = incoming_at(&ctx->ledger->items, unit);
    return (struct promise_place_in_list){
        atomic_load_explicit(&in->promises, memory_order_acquire), 0
    };
}

/* Counts the promises of one block, from the given place on. */
static void count_block(struct ctx *ctx, struct standing *s, struct promise_place_in_list *at,
                        uint64_t work_end)
{
    struct promises *block = block_at(ctx, at->link);
    uint32_t count = atomic_load_explicit(&block->count, memory_order_relaxed);
    if (count > PROMISES_PER_BLOCK)
        count = PROMISES_PER_BLOCK;
    for (; at->place < count && ctx->work < work_end; at->place++) {
        uint64_t promise = atomic_load_explicit(&block->at[at->place], memory_order_acquire);
        if (promise != 0)
            count_promise(ctx, s, promise);
        if (s->busy)
            return;
    }
    if (at->place == count)
        *at = (struct promise_place_in_list){ block->next, 0 };
}

/* Goes on until all promises are counted, one is busy, or that much work is done. */
static void walk_on(struct ctx *ctx, struct standing *s, struct promise_place_in_list *at,
                    uint64_t work_end)
{
    s->busy = false;
    while (at->link != 0 && !s->busy && ctx->work < work_end)
        count_block(ctx, s, at, work_end);
}

static void walk_promises(struct ctx *ctx, struct standing *s)
{
    struct promise_place_in_list at = first_place(ctx, s->unit);
    walk_on(ctx, s, &at, UINT64_MAX);
}

/* Notes up to where all promises are covered by what has come. */
static void note_covered(struct ctx *ctx, const struct standing *s, int64_t come)
{
    struct incoming *in = incoming_at(&ctx->ledger->items, s->unit);
    uint64_t covered = 0;
    int64_t sum = 0;
    for (uint64_t at = s->least >> s->shift; at <= s->most >> s->shift; at++) {
        sum += s->ranges[at % STANDING_RANGES];
        if (sum > come)
            break;
        covered = ((at + 1) << s->shift) - 1;
    }
    if (covered > s->top)
        covered = s->top;
    uint64_t before = atomic_load_explicit(&in->covered_lsn, memory_order_relaxed);
    if (covered <= before ||
        !atomic_compare_exchange_strong_explicit(&in->covered_lsn, &before, covered,
                                                 memory_order_relaxed, memory_order_relaxed))
        return;
    /* A swap: a reset behind it clears what was just noted. One before it may have been too
     * early. */
    if (atomic_fetch_add_explicit(&in->resets, 0, memory_order_acq_rel) != s->resets)
        atomic_store_explicit(&in->covered_lsn, 0, memory_order_relaxed);
}

static struct come_look look(const struct ctx *ctx, uint32_t unit)
{
    const struct items *items = &ctx->ledger->items;
    struct come_look c = { .mark = incoming_mark(incoming_at(items, unit)) };
    c.word = pool_read(pool_at(items, unit));
    return c;
}

static int64_t units_come(struct come_look c)
{
    int64_t come = word_on_hand(c.word) - mark_expected(c.mark);
    return come > 0 ? come : 0;
}

/* A look, and whether what it says was so at one instant, with no take that may be undone. */
static struct come_look look_surely(const struct ctx *ctx, uint32_t unit, bool *sure)
{
    struct come_look c = look(ctx, unit);
    *sure = word_undecided(c.word) == 0 && !mark_is_raised(c.mark) &&
            incoming_mark(incoming_at(&ctx->ledger->items, unit)) == c.mark;
    return c;
}

/* Are all reservations up to that LSN listed? Those whose record is published are; and so are all
 * if no other context is in an operation, because what it begins now comes later in the log. */
static bool all_listed(const struct ctx *ctx, uint64_t lsn)
{
    const struct ledger *ledger = ctx->ledger;
    bool idle = true;
    if (log_head(ledger->log) >= lsn)
        return true;
    for (unsigned i = 0; idle && i < ledger->context_count; i++)
        idle = i == ctx->index ||
               !atomic_load_explicit(&ledger->contexts[i]->taking, memory_order_acquire);
    return idle;
}

/* ---- a walk in slices ---- */

static bool is_stale(const struct ctx *ctx, const struct promise_walk *w)
{
    uint64_t now = atomic_load_explicit(&ctx->iterations, memory_order_relaxed);
    return w->standing.own == NULL || now - w->touched > 2 * STALE_ITERATIONS;
}

/* The walk of the reservation, as of that LSN, over the promises of the pool; else a free place for
 * one; NULL: there is none. *others: it has walks over those of other pools. */
static struct promise_walk *find_walk(struct ctx *ctx, uint32_t unit, const struct id_entry *entry,
                                      uint64_t lsn, bool *others)
{
    struct promise_walk *free = NULL;
    *others = false;
    for (uint32_t i = 0; i < PROMISE_WALKS; i++) {
        struct promise_walk *w = &ctx->promise_walks->at[i];
        const struct standing *s = &w->standing;
        bool stale = is_stale(ctx, w);
        if (!stale && s->own == entry && s->unit == unit && s->own_lsn == lsn)
            return w;
        *others |= !stale && s->own == entry;
        if (stale)
            free = w;
    }
    if (free)
        free->standing.own = NULL;
    return free;
}

void precedence_forget(struct ctx *ctx, const struct id_entry *entry)
{
    struct promise_walks *walks = ctx->promise_walks;
    walks->any = false;
    for (uint32_t i = 0; i < PROMISE_WALKS; i++) {
        if (walks->at[i].standing.own == entry)
            walks->at[i].standing.own = NULL;
        walks->any |= walks->at[i].standing.own != NULL;
    }
}

static void begin_walk(struct ctx *ctx, struct promise_walk *w, uint32_t unit,
                       struct id_entry *entry, uint64_t lsn)
{
    const struct incoming *in = incoming_at(&ctx->ledger->items, unit);
    struct standing *s = &w->standing;
    ctx->promise_walks->any = true;
    *s = (struct standing){ .unit = unit, .own = entry, .own_lsn = lsn };
    s->resets = atomic_load_explicit(&in->resets, memory_order_acquire);
    w->before = look_surely(ctx, unit, &w->sure);
    s->top = log_head(ctx->ledger->log);
    if (s->top < lsn)
        s->top = lsn;
    count_left(ctx, s, entry, lsn);
    w->at = first_place(ctx, unit);
    if (units_come(w->before) == 0)
        w->at.link = 0; /* nothing is there for anybody */
}

/*
 * The walk is over. What is left of a promise only falls. So when the walk began, at least as many
 * units belonged to those before the asker as were counted; and now, at most as many do.
 */
static enum code judge(struct ctx *ctx, struct promise_walk *w, int64_t qty, int64_t *there)
{
    const struct standing *s = &w->standing;
    int64_t before = units_come(w->before), come = units_come(look(ctx, s->unit));
    if (come > before)
        come = before;
    if (come > 0)
        note_covered(ctx, s, come);
    if (come - s->earlier >= qty)
        return CODE_OK;
    *there = come > s->earlier ? come - s->earlier : 0;
    if (w->sure && before - s->earlier < qty) /* @too-few-came */
        return CODE_INSUFFICIENT_STOCK;
    w->standing.own = NULL; /* another walk may know more */
    return CODE_DEFERRED;
}

enum code precedence_check(struct ctx *ctx, uint32_t unit, struct id_entry *entry,
                           const struct id_entry *op, int64_t qty, int64_t *there)
{
    const struct incoming *in = incoming_at(&ctx->ledger->items, unit);
    struct come_look now = look(ctx, unit);
    uint64_t lsn = promise_lsn(ctx, entry, unit, UINT64_MAX);
    uint64_t covered = atomic_load_explicit(&in->covered_lsn, memory_order_relaxed);
    bool all = units_come(now) >= word_reserved(now.word);
    if (units_come(now) >= qty && (all || lsn <= covered)) /* @precedence */
        return CODE_OK;
    struct promise_walk alone, *w;
    uint64_t work_end = ctx->work + SLICE_WORK; /* @precedence-slice */
    bool others;
    w = find_walk(ctx, unit, entry, lsn, &others);
    if (!w && !others)
        return CODE_DEFERRED; /* until the walks of others are over */
    if (!w) {                 /* who has some waits for no other */
        alone.standing.own = NULL;
        w = &alone;
        work_end = UINT64_MAX;
    }
    if (w->standing.own == NULL) {
        if (!all_listed(ctx, lsn))
            return CODE_DEFERRED;
        begin_walk(ctx, w, unit, entry, lsn);
    }
    w->touched = atomic_load_explicit(&ctx->iterations, memory_order_relaxed);
    w->standing.op = op;
    walk_on(ctx, &w->standing, &w->at, work_end);
    return w->at.link == 0 ? judge(ctx, w, qty, there) : CODE_DEFERRED;
}

static int64_t least_of(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* Units that have come; or that have come or are expected. */
static int64_t units_of(const struct ctx *ctx, uint32_t unit, bool expected)
{
    struct come_look c = look(ctx, unit);
    return expected ? word_on_hand(c.word) : units_come(c);
}

/* The LSN of the first promise, of those up to s->top, that what has come does not cover, or what
 * is expected, too; UINT64_MAX: none, up to what s->top is then. Each walk but the first looks at
 * one range of the one before. Units that leave meanwhile cover nothing, so that it may be too low,
 * and is never too high. */
static enum code first_uncovered(struct ctx *ctx, struct standing *s, bool expected, uint64_t *lsn)
{
    int64_t units = units_of(ctx, s->unit, expected);
    uint64_t size;
    *lsn = UINT64_MAX;
    do {
        s->least = s->most = s->shift = 0;
        s->below = 0;
        memset(s->ranges, 0, sizeof s->ranges);
        walk_promises(ctx, s);
        units = least_of(units, units_of(ctx, s->unit, expected));
        if (s->busy || (s->from > 0 && s->below > units))
            return CODE_DEFERRED;
        uint64_t at = s->least >> s->shift, end = (s->most >> s->shift) + 1;
        int64_t sum = s->below;
        while (at < end && (sum += s->ranges[at % STANDING_RANGES]) <= units)
            at++;
        if (s->least == 0 || at == end) {
            *lsn = UINT64_MAX;
            return CODE_OK;
        }
        size = UINT64_C(1) << s->shift;
        *lsn = s->from = at << s->shift;
        if (s->top - s->from >= size)
            s->top = s->from + size - 1;
    } while (size > 1);
    return CODE_OK;
}

enum code precedence_first_short(struct ctx *ctx, uint32_t unit, struct promise_place *first)
{
    struct pool *pool = pool_at(&ctx->ledger->items, unit);
    struct standing s = { .unit = unit, .top = UINT64_MAX };
    if (!pool_hold(pool)) /* X3: else the list that is walked may be freed */
        return CODE_DEFERRED;
    enum code code = first_uncovered(ctx, &s, true, &first->lsn);
    pool_decide(pool);
    first->draw = s.draw; /* the last walk counted no other promise in its range */
    return code;
}

enum code precedence_short_before(struct ctx *ctx, uint32_t unit, uint64_t lsn, int64_t *lacking)
{
    struct pool *pool = pool_at(&ctx->ledger->items, unit);
    struct standing s = { .unit = unit, .from = lsn };
    if (!pool_hold(pool))
        return CODE_DEFERRED;
    int64_t there = word_on_hand(pool_read(pool));
    walk_promises(ctx, &s);
    pool_decide(pool);
    *lacking = s.below - there;
    return s.busy ? CODE_DEFERRED : CODE_OK;
}

enum code precedence_covered(struct ctx *ctx, uint32_t unit, const struct id_entry *op,
                             uint64_t *lsn)
{
    struct come_look come = look(ctx, unit);
    uint64_t tail = atomic_load_explicit(&ctx->ledger->log->tail, memory_order_seq_cst);
    struct standing s = { .unit = unit, .op = op };
    *lsn = units_come(come) >= word_reserved(come.word) ? EVERYTHING_COVERED : 0;
    if (*lsn != 0 || units_come(come) == 0)
        return CODE_OK;
    s.top = all_listed(ctx, tail) ? tail : log_head(ctx->ledger->log);
    uint64_t first;
    enum code code = first_uncovered(ctx, &s, false, &first);
    *lsn = first == UINT64_MAX ? s.top : first - 1;
    return code;
}

void precedence_reset(struct ctx *ctx, uint32_t unit)
{
    struct incoming *in = incoming_find(&ctx->ledger->items, unit);
    if (!in)
        return;
    atomic_fetch_add_explicit(&in->resets, 1, memory_order_acq_rel);
    atomic_store_explicit(&in->covered_lsn, 0, memory_order_relaxed);
}
