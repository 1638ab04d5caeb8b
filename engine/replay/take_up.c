/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/replay/take_up.h"

#include <assert.h>

#include "engine/ops/backlog.h"
#include "engine/ops/precedence.h"
#include "engine/ops/sent_come.h"
#include "engine/ops/sweep.h"
#include "engine/replay/follow.h"
#include "engine/store/supply_lines.h"

/* A hold, a part that may have to be collected, or a supply that is under way. The caller owns the
 * entry, or is alone. */
static bool has_deadline(const struct id_entry *entry, uint64_t word)
{
    if (word_kind(word) == ENTRY_RESERVATION && word_state(word) == STATE_CONFIRMED)
        return entry->tracked;
    return (word_kind(word) == ENTRY_RESERVATION && word_state(word) == STATE_HELD) ||
           (word_kind(word) == ENTRY_SUPPLY && word_supply_state(word) == SUPPLY_IN_TRANSIT &&
            entry->eta_ms != 0);
}

/* When anything but a hold is to come up is known only once the contexts have the time: so it comes
 * up at once, and is linked anew. */
static void link_deadline(struct ctx *ctx, struct id_entry *entry, uint64_t word)
{
    bool hold = word_kind(word) == ENTRY_RESERVATION && word_state(word) == STATE_HELD;
    assert(entry->owner == NO_OWNER); /* I5: in no wheel yet */
    entry->owner = ctx->index;
    wheel_link(&ctx->wheel, &ctx->ledger->ids, entry, hold ? entry->expires_ms : ctx->engine_ms);
}

/* A crash may have come between a change and the sweeps that it needed. */
static void note_sweeps_of(struct ctx *ctx, uint32_t item)
{
    const struct items *items = &ctx->ledger->items;
    bool all = item_has_any(item_at(items, item), ITEM_SUPPLY | ITEM_OWED);
    if (!all && !item_has(item_at(items, item), ITEM_BACKLOG))
        return;
    struct pool_walk walk = pool_walk_start(items, item);
    const struct pool *pool;
    while ((pool = pool_walk_next(&walk)) != NULL)
        if (all || owner_kind(key_owner(pool_read_key(pool))) == POOL_BACKLOG)
            sweep_note(ctx, pool_unit(items, pool));
}

/* ---- before other threads ---- */

/* Each of its draws counts from when it was drawn. */
static bool list_promise(struct ctx *ctx, struct id_entry *entry)
{
    struct draw_walk walk = draw_walk_start(&ctx->ledger->ids, entry);
    const struct draw *draw;
    bool listed =
        precedence_add_draws(ctx, entry, entry->lsn_first) && backlog_add_from(ctx, entry, 0);
    uint64_t last = entry->lsn_first;
    while (listed && entry->tracked && (draw = draw_walk_next(&walk)) != NULL) {
        if (draw_lsn(entry, draw) > last) /* those drawn later are behind the others */
            listed = precedence_add_draws(ctx, entry, draw_lsn(entry, draw));
        last = draw_lsn(entry, draw) > last ? draw_lsn(entry, draw) : last;
    }
    return listed;
}

static void list_promises(struct ctx *ctx)
{
    struct id_table *ids = &ctx->ledger->ids;
    uint32_t used = id_table_used(ids);
    bool listed = true;
    if (!incoming_any(&ctx->ledger->items))
        return;
    for (uint32_t i = 0; listed && i < used; i++) {
        struct id_entry *entry = entry_at(ids, i);
        uint64_t word = atomic_load_explicit(&entry->state, memory_order_relaxed);
        if (word_kind(word) == ENTRY_RESERVATION && !state_final(word_state(word)))
            listed = list_promise(ctx, entry);
    }
    if (!listed)
        precedence_give_up(ctx);
}

void take_up_begin(struct ledger *ledger, uint64_t engine_ms)
{
    assert(ledger->worker_count >= 1);
    assert(ledger->worker_count <= ledger->context_count);
    for (unsigned i = 0; i < ledger->context_count; i++) {
        wheel_init(&ledger->contexts[i]->wheel, engine_ms);
        ledger->contexts[i]->engine_ms = engine_ms;
    }
    list_promises(ledger->contexts[0]);
}

uint64_t ledger_recovered(struct ledger *ledger, uint64_t engine_ms)
{
    struct id_table *ids = &ledger->ids;
    struct id_cursor *cursor = &ledger->contexts[0]->cursor;
    id_table_started(ids, cursor->now_ms, engine_ms);
    cursor->replaying = false;
    if (ledger->born_ms == 0)
        ledger->born_ms = engine_ms;
    take_up_begin(ledger, engine_ms);
    unsigned ctx = 0;
    for (uint32_t chunk = 0; chunk < ids->chunk_count; chunk++) {
        uint64_t bits = atomic_load_explicit(&ids->taken[chunk].bits, memory_order_relaxed);
        for (; bits != 0; bits &= bits - 1) {
            struct id_entry *entry = entry_at(ids, chunk * 64 + (uint32_t)__builtin_ctzll(bits));
            uint64_t word = atomic_load_explicit(&entry->state, memory_order_relaxed);
            if (word_kind(word) == ENTRY_RESERVATION && entry->awaits &&
                !state_final(word_state(word)))
                sent_come_recover(ledger->contexts[0], entry, word);
            if (has_deadline(entry, word))
                link_deadline(ledger->contexts[ctx++ % ledger->worker_count], entry, word);
        }
    }
    uint32_t count = atomic_load_explicit(&ledger->items.count, memory_order_relaxed);
    for (uint32_t i = 0; i < count; i++)
        note_sweeps_of(ledger->contexts[0], i);
    return cursor->early;
}

/* ---- beside other threads ---- */

void take_up_later(struct ledger *ledger)
{
    atomic_store_explicit(&ledger->taking_up, ledger->worker_count, memory_order_relaxed);
    for (unsigned i = 0; i < ledger->worker_count; i++) {
        struct ctx *ctx = ledger->contexts[i];
        assert(ctx->wheel.count == 0); /* P1: nothing was to expire */
        assert(!wheel_has_messages(&ctx->wheel));
        ctx->takes_up = true;
        ctx->take_up_at = UINT32_MAX;
    }
}

/* False: another context has the entry for a moment. What it begins to stand for now, whoever makes
 * it links. */
static bool take_up_entry(struct ctx *ctx, struct id_entry *entry)
{
    uint64_t word = atomic_load_explicit(&entry->state, memory_order_relaxed);
    if (word_kind(word) != ENTRY_RESERVATION && word_kind(word) != ENTRY_SUPPLY)
        return true;
    if (!entry_take(entry, &word))
        return false;
    bool promises = word_kind(word) == ENTRY_RESERVATION && !state_final(word_state(word));
    if (promises && entry->awaits)
        sent_come_recover(ctx, entry, word);
    if (has_deadline(entry, word) && entry->owner == NO_OWNER)
        link_deadline(ctx, entry, word);
    entry_put(entry, word);
    return true;
}

static bool take_up_chunk(struct ctx *ctx, uint32_t chunk)
{
    struct id_table *ids = &ctx->ledger->ids;
    uint64_t bits = atomic_load_explicit(&ids->taken[chunk].bits, memory_order_relaxed);
    bool all = true;
    for (; bits != 0; bits &= bits - 1)
        all &= take_up_entry(ctx, entry_at(ids, chunk * 64 + (uint32_t)__builtin_ctzll(bits)));
    return all;
}

static void take_up_items(struct ctx *ctx, uint32_t first)
{
    uint32_t count = atomic_load_explicit(&ctx->ledger->items.count, memory_order_relaxed);
    for (uint32_t i = first; i < first + CHUNK_SLOTS && i < count; i++)
        note_sweeps_of(ctx, i);
}

bool ledger_take_up(struct ctx *ctx, unsigned chunks)
{
    struct ledger *ledger = ctx->ledger;
    uint32_t id_chunks = ledger->ids.chunk_count;
    uint32_t all = id_chunks + ledger->items.max_items / CHUNK_SLOTS + 1;
    if (!ctx->takes_up)
        return true;
    assert(!ledger_follows(ledger));
    if (ctx->take_up_at == UINT32_MAX) { /* its time has stood still: nothing was in it */
        wheel_init(&ctx->wheel, ctx->engine_ms);
        ctx->take_up_at = ctx->index;
    }
    for (; chunks > 0 && ctx->take_up_at < all; chunks--) {
        uint32_t at = ctx->take_up_at;
        if (at < id_chunks && !take_up_chunk(ctx, at)) /* twice does no harm */
            return false;
        if (at >= id_chunks)
            take_up_items(ctx, (at - id_chunks) * CHUNK_SLOTS);
        ctx->take_up_at += ledger->worker_count;
    }
    ctx->takes_up = ctx->take_up_at < all;
    if (!ctx->takes_up)
        atomic_fetch_sub_explicit(&ledger->taking_up, 1, memory_order_release);
    return !ctx->takes_up;
}
