/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/ops/shortages.h"

#include <assert.h>

#include "engine/ledger/change_index.h"
#include "engine/ledger/claim.h"
#include "engine/ledger/find.h"
#include "engine/ledger/shortages.h"
#include "engine/ops/supply.h"

enum {
    WALK_MS = 10,          /* from one walk over what has changed to the next */
    AGAIN_MS = 20,         /* likewise, if some of it was in the middle of a change */
    SLICE_MS = 2,          /* from one slice of that to the next */
    SLICE_WORK = 32 << 10, /* see ctx_work: at most a tenth of one thread's time */
    LOOK_WORK = 4,         /* at an item */
    VERSIONS_PER_WORK = 4,
};

static const struct text no_id = { "", 0 };

static struct shortage_watch *watch_of(const struct ctx *ctx)
{
    return &ctx->ledger->shortages;
}

static struct shortage *shortage_of(struct shortage_watch *w, const struct shortage_pool *p)
{
    return &w->of_pools[p->unit];
}

/* ---- gathering the pools ---- */

/* Could promises of it be short? A backlog's are: of those it is known. */
static bool is_promised_of(uint16_t owner)
{
    return owner_sellable(owner) || owner_kind(owner) == POOL_EXPECTED;
}

/* Free stock of its place stands in for what has not come: a sweep is about to have it do so. */
static bool is_to_be_swept(const struct items *items, uint32_t unit)
{
    uint64_t key = pool_read_key(pool_at(items, unit));
    if (owner_kind(key_owner(key)) != POOL_EXPECTED)
        return false;
    uint32_t shared = shared_unit(items, key_item(key), key_location(key));
    return shared != UINT32_MAX && word_available(pool_read(pool_at(items, shared))) > 0;
}

/* False: there is no room for it. */
static bool gather_pool(struct shortage_watch *w, const struct items *items, uint32_t unit)
{
    const struct shortage *known = &w->of_pools[unit];
    uint32_t covered = pool_covered(items, unit);
    uint64_t word = pool_read(pool_at(items, unit));
    bool lacks = word_available(word) < 0;
    bool same = known->word == word_decided(word) && known->covered == covered;
    if (lacks ? same : known->since == 0)
        return true;
    if (word_undecided(word) != 0 || (lacks && is_to_be_swept(items, unit))) {
        w->again = true; /* @undecided-again */
        return true;
    }
    if (w->pool_count == SHORTAGE_POOLS)
        return false;
    w->pools[w->pool_count++] =
        (struct shortage_pool){ .unit = unit, .covered = covered, .word = word };
    return true;
}

/* Those of its pools that are short, or were when it was told last. False: there was no room for
 * all. */
static bool gather_item(struct ctx *ctx, uint32_t item)
{
    const struct items *items = &ctx->ledger->items;
    bool all = true;
    ctx->work += LOOK_WORK;
    if (!item_has(item_at(items, item), ITEM_SHORT))
        return true;
    struct pool_walk walk = pool_walk_start(items, item);
    const struct pool *pool;
    while (all && (pool = pool_walk_next(&walk)) != NULL)
        if (is_promised_of(key_owner(pool_read_key(pool))))
            all = gather_pool(watch_of(ctx), items, pool_unit(items, pool));
    ctx->work += ITEM_POOLS + walk.entered;
    return all;
}

/* Of a scan of so many versions: it reads those of one block, and passes over the others. */
static uint64_t scan_work(uint32_t versions)
{
    uint32_t read = versions < VERSIONS_PER_BLOCK ? versions : VERSIONS_PER_BLOCK;
    return read / VERSIONS_PER_WORK + versions / VERSIONS_PER_BLOCK;
}

/* The next item that has changed since, or the one whose pools did not all fit. */
static bool next_item(struct ctx *ctx, uint32_t *item)
{
    struct shortage_watch *w = watch_of(ctx);
    uint64_t since = atomic_load_explicit(&w->seen, memory_order_relaxed), lsn;
    uint32_t from = w->cursor;
    if (w->item != 0) {
        *item = w->item - 1;
        w->item = 0;
        return true;
    }
    bool found = change_index_next(ctx->ledger, since, &w->cursor, item, &lsn);
    ctx->work += scan_work(w->cursor - from);
    return found;
}

/* True: there are as many as fit, or the walk is over. */
static bool gather(struct ctx *ctx, uint64_t end)
{
    struct shortage_watch *w = watch_of(ctx);
    uint32_t item;
    while (shortages_go_on(ctx, end)) {
        if (!next_item(ctx, &item)) {
            w->walking = false;
            return true;
        }
        if (!gather_item(ctx, item)) {
            w->item = item + 1;
            return true;
        }
    }
    return false;
}

/* ---- settling ---- */

static bool is_as_it_was(const struct ctx *ctx, const struct shortage_pool *p)
{
    const struct items *items = &ctx->ledger->items;
    return pool_read(pool_at(items, p->unit)) == p->word && /* @as-it-was */
           pool_covered(items, p->unit) == p->covered;      /* @covered-since */
}

/* H2. A change may be seen before it claims, and before the pool is noted as covered: then its
 * context is still taking. */
static bool settle(struct ctx *ctx)
{
    struct shortage_watch *w = watch_of(ctx);
    uint64_t shown;
    for (uint32_t i = 0; i < w->pool_count; i++)
        if (!is_as_it_was(ctx, &w->pools[i]))
            w->pools[i].changed = true;
    return ledger_shown_until(ctx->ledger, &shown); /* @shown-shortages */
}

/* ---- telling ---- */

/* H1: records what holds of the pool from now on, and the promise that this tells of. Returns the
 * LSN. */
static uint64_t record(struct ctx *ctx, const struct shortage_pool *p, struct shortage now,
                       struct text id, uint16_t channel, int64_t qty)
{
    const struct items *items = &ctx->ledger->items;
    struct shortage_fields f = { .fixed = { .head = head_of(ctx, RECORD_SHORT, 0),
                                            .time_ms = ctx->wall_ms,
                                            .pool = name_of_pool(items, p->unit),
                                            .since_lsn = now.since,
                                            .until_lsn = now.until,
                                            .qty = (uint32_t)qty,
                                            .channel = channel },
                                 .id = id };
    f.fixed.head.client = 0; /* no client asked for this */
    struct record_builder b = shortage_begin(ctx->record, &f);
    uint64_t lsn = ctx_record(ctx, record_end(&b));
    *shortage_of(watch_of(ctx), p) = now;
    return lsn;
}

/* CODE_DEFERRED: another context owns it just now. CODE_CONFLICT: it is another promise by now. */
static enum code tell_promise(struct ctx *ctx, const struct shortage_pool *p,
                              struct promise promise, int64_t missing)
{
    struct id_entry *entry = entry_at(&ctx->ledger->ids, promise.entry);
    struct shortage now = *shortage_of(watch_of(ctx), p);
    uint64_t word;
    if (!entry_take(entry, &word))
        return CODE_DEFERRED;
    struct promise still = shortages_promise(ctx, entry, word, p->unit);
    bool same = still.lsn == promise.lsn && still.qty == promise.qty;
    if (same) {
        if (now.since == 0)
            now.until = p->latest;
        now.since = promise.lsn; /* @since */
        bool orders = word_kind(word) == ENTRY_RESERVATION;
        /* O: it is a change of the entry, so none behind it has a smaller LSN, as with a place that
         * was preclaimed. */
        entry->lsn_last = /* @last */
            record(ctx, p, now, entry_id(entry, word), orders ? (uint16_t)(entry->channel + 1) : 0,
                   missing);
    }
    entry_put(entry, word);
    return same ? CODE_OK : CODE_CONFLICT;
}

/* What was told, and all that was promised after it, lacks fewer units than the pool: those that
 * were promised before it are short, too, the latest first. False: there is no time for all. */
static bool tell_more(struct ctx *ctx, struct shortage_pool *p, uint64_t end)
{
    int64_t lacking = -word_available(p->word);
    while (p->later < lacking) {
        if (p->untold.count == 0 || !is_as_it_was(ctx, p)) {
            p->changed = true; /* or there was no room for more */
            return true;
        }
        if (!shortages_go_on(ctx, end))
            return false;
        struct promise first = p->untold.at[0];
        int64_t missing = lacking - p->later < first.qty ? lacking - p->later : first.qty;
        enum code code = tell_promise(ctx, p, first, missing);
        if (code == CODE_DEFERRED)
            return false;
        p->changed = code != CODE_OK;
        if (p->changed)
            return true;
        p->later += first.qty;
        promise_heap_drop(&p->untold);
    }
    return true;
}

/* More units are on hand than the promises before what was told need: the first of those that were
 * told are covered again. */
static void tell_fewer(struct ctx *ctx, struct shortage_pool *p)
{
    int64_t left = word_on_hand(p->word) - p->earlier;
    struct shortage now = *shortage_of(watch_of(ctx), p);
    uint64_t since = now.since;
    while (p->told.count > 0 && p->told.at[0].qty <= left) { /* @covered-again */
        left -= p->told.at[0].qty;
        now.since = p->told.at[0].lsn + 1;
        promise_heap_drop(&p->told);
    }
    p->changed = p->told.count == 0; /* there was no room for more */
    if (!p->changed)
        now.since = p->told.at[0].lsn;
    if (now.since != since)
        record(ctx, p, now, no_id, 0, 0);
}

/* H4: since what was told last the pool was not short. */
static bool was_over(const struct shortage *known, const struct shortage_pool *p)
{
    return known->since != 0 && p->latest > known->until;
}

/* Whose promises are short: it is known. False: there is no time for all. */
static bool tell_short(struct ctx *ctx, struct shortage_pool *p, uint64_t end)
{
    if (!p->turned && p->earlier <= word_on_hand(p->word)) {
        promise_heap_turn(&p->told);
        tell_fewer(ctx, p);
        return true;
    }
    if (!p->turned) {
        promise_heap_turn(&p->untold);
        p->later = p->found - p->earlier;
    }
    p->turned = true;
    return tell_more(ctx, p, end);
}

/* False: there is no time for all. */
static bool tell_pool(struct ctx *ctx, struct shortage_pool *p, uint64_t end)
{
    struct shortage *known = shortage_of(watch_of(ctx), p);
    bool lacks = word_available(p->word) < 0;
    p->changed |= !is_as_it_was(ctx, p);
    p->changed |= lacks && p->found != word_reserved(p->word);           /* @adds-up */
    p->changed |= lacks && is_to_be_swept(&ctx->ledger->items, p->unit); /* @swept-first */
    if (p->changed)
        return true;
    if (!lacks || was_over(known, p)) { /* @over */
        record(ctx, p, (struct shortage){ 0 }, no_id, 0, 0);
        p->changed = lacks; /* who is short is found anew, as nobody was told */
        return true;
    }
    bool done = tell_short(ctx, p, end);
    if (done && !p->changed) {
        known->word = p->word;
        known->covered = p->covered;
    }
    return done;
}

/* False: there is no time for all. */
static bool tell(struct ctx *ctx, uint64_t end)
{
    struct shortage_watch *w = watch_of(ctx);
    for (; w->pool < w->pool_count; w->pool++) {
        if (!shortages_go_on(ctx, end) || !tell_pool(ctx, &w->pools[w->pool], end))
            return false;
        ctx->work += DRAW_WORK;
        w->again |= w->pools[w->pool].changed; /* @shortage-again */
    }
    return true;
}

/* ---- slices ---- */

/* The head is read first: the walk meets all changes up to it. */
static void begin_walk(const struct ledger *ledger, struct shortage_watch *w)
{
    w->until = log_head(ledger->log);
    w->walking = true;
    w->again = false;
    w->cursor = 0;
}

static void begin_telling(struct shortage_watch *w)
{
    w->phase = SHORTAGES_TELL;
    w->pool = 0;
}

/* Goes through one phase. False: there is no time for all of it. */
static bool go_on(struct ctx *ctx, uint64_t end)
{
    struct shortage_watch *w = watch_of(ctx);
    switch (w->phase) {
    case SHORTAGES_GATHER:
        if (!gather(ctx, end))
            return false;
        if (w->pool_count == 0)
            return true;
        w->phase = shortages_begin_find(w, &ctx->ledger->items) ? SHORTAGES_FIND : SHORTAGES_SETTLE;
        return true;
    case SHORTAGES_FIND:
        if (!shortages_find(ctx, end))
            return false;
        w->phase = SHORTAGES_SETTLE;
        return true;
    case SHORTAGES_SETTLE:
        if (!settle(ctx))
            return false;
        begin_telling(w);
        return true;
    case SHORTAGES_TELL:
        if (!tell(ctx, end))
            return false;
        w->pool_count = 0;
        w->phase = SHORTAGES_GATHER;
        return true;
    }
    return false;
}

static void slice(struct ctx *ctx)
{
    struct shortage_watch *w = watch_of(ctx);
    uint64_t end = ctx->work + SLICE_WORK;
    if (!w->walking && w->phase == SHORTAGES_GATHER)
        begin_walk(ctx->ledger, w);
    while ((w->walking || w->phase != SHORTAGES_GATHER) && go_on(ctx, end)) {
    }
    bool over = !w->walking && w->phase == SHORTAGES_GATHER;
    if (over && !w->again) /* H3 */
        atomic_store_explicit(&w->seen, w->until, memory_order_relaxed);
    uint64_t pause = !over ? SLICE_MS : w->again ? AGAIN_MS : WALK_MS;
    atomic_store_explicit(&w->unfinished, !over || w->again, memory_order_relaxed);
    atomic_store_explicit(&w->next_ms, ctx->engine_ms + pause, memory_order_relaxed);
}

static bool is_something_to_do(const struct ledger *ledger)
{
    const struct shortage_watch *w = &ledger->shortages;
    return atomic_load_explicit(&ledger->items.any_short, memory_order_relaxed) &&
           !log_has_failed(ledger->log) &&
           (atomic_load_explicit(&w->unfinished, memory_order_relaxed) ||
            atomic_load_explicit(&w->seen, memory_order_relaxed) !=
                atomic_load_explicit(&ledger->log->tail, memory_order_relaxed));
}

void ledger_tell_shortages(struct ctx *ctx)
{
    struct shortage_watch *w = watch_of(ctx);
    if (!is_something_to_do(ctx->ledger) ||
        ctx->engine_ms < atomic_load_explicit(&w->next_ms, memory_order_relaxed))
        return;
    if (atomic_exchange_explicit(&w->busy, true, memory_order_acquire)) /* @shortage-watch */
        return;
    slice(ctx);
    atomic_store_explicit(&w->busy, false, memory_order_release);
}

/* The tail is read first: who makes a pool short sets the flag before it claims. */
uint64_t ledger_shortages_lsn(const struct ledger *ledger)
{
    uint64_t tail = atomic_load_explicit(&ledger->log->tail, memory_order_seq_cst);
    return atomic_load_explicit(&ledger->items.any_short, memory_order_relaxed)
               ? atomic_load_explicit(&ledger->shortages.seen, memory_order_relaxed)
               : tail;
}

uint64_t ledger_shortages_due(const struct ctx *ctx)
{
    if (!is_something_to_do(ctx->ledger))
        return UINT64_MAX;
    uint64_t next = atomic_load_explicit(&watch_of(ctx)->next_ms, memory_order_relaxed);
    return next > ctx->engine_ms ? next : ctx->engine_ms + 1; /* another context has it */
}
