/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/ledger/ledger.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/memory.h"
#include "engine/figures/figures.h"
#include "engine/ledger/ctx.h"
#include "engine/ops/locate.h"
#include "engine/ops/parts.h"
#include "engine/ops/precedence.h"
#include "engine/ops/refused.h"
#include "engine/ops/sale.h"
#include "engine/ops/send.h"
#include "engine/ops/supply.h"
#include "engine/ops/supply_watch.h"
#include "engine/replay/following.h"
#include "engine/sourcing/short_places.h"
#include "engine/sourcing/sourcing.h"
#include "engine/txn/txn.h"

/* A context, and the memory in which the folders above it plan. */
struct ctx_memory {
    struct ctx ctx;
    struct postings postings;
    struct order_plan order_plan;
    struct send_work send;
    struct candidates candidates;
    struct short_places short_places;
    struct promise_walks promise_walks;
    struct supply_work supply;
    struct sale_work sale;
    struct refused_work refused;
};

static struct ctx *make_ctx(struct ledger *ledger, uint8_t index)
{
    struct ctx_memory *memory = memory_reserve(sizeof *memory);
    if (!memory)
        return NULL;
    struct ctx *ctx = &memory->ctx;
    ctx->ledger = ledger;
    ctx->index = index;
    ctx->cursor.ctx = index;
    ctx->spare_item = UINT32_MAX;
    ctx->postings = &memory->postings;
    ctx->order_plan = &memory->order_plan;
    ctx->send = &memory->send;
    ctx->candidates = &memory->candidates;
    ctx->short_places = &memory->short_places;
    ctx->promise_walks = &memory->promise_walks;
    ctx->supply = &memory->supply;
    ctx->sale = &memory->sale;
    ctx->refused = &memory->refused;
    ctx->locating = memory_reserve(sizeof *ctx->locating);
    return ctx;
}

static bool make_contexts(struct ledger *ledger)
{
    for (unsigned i = 0; i < ledger->context_count; i++) {
        struct ctx *ctx = make_ctx(ledger, (uint8_t)i);
        if (!ctx)
            return false;
        ledger->contexts[i] = ctx;
        if (!ctx->locating || recent_init(&ctx->recent) != 0)
            return false;
    }
    return true;
}

struct ledger *ledger_create(const struct ledger_config *config)
{
    assert(config->contexts >= 1);
    assert(config->contexts + config->readers <= CONTEXTS_MAX);
    struct ledger *ledger = memory_reserve(sizeof *ledger);
    if (!ledger)
        return NULL;
    ledger->log = config->log;
    ledger->zones = config->zones;
    ledger->worker_count = config->contexts;
    ledger->context_count = config->contexts + config->readers;
    atomic_init(&ledger->client_count, 1); /* 0: no client */
    ledger->clients = memory_reserve(CLIENTS_MAX * sizeof *ledger->clients);
    atomic_store(&ledger->epoch, 1);
    atomic_store(&ledger->catalogue, catalogue_create());
    int items = items_init(&ledger->items, config->items, config->pools, config->hash_seed);
    int barcodes = barcodes_init(&ledger->barcodes, config->items);
    int ids =
        id_table_init(&ledger->ids, config->reservations, config->remember_ms, config->hash_seed);
    int returns = returns_init(&ledger->returns);
    int events = events_init(&ledger->events, config->events);
    int levels = levels_init(&ledger->crossings.levels, config->items);
    int refusals = refusals_init(&ledger->refusals);
    ledger->crossings.kept = UINT64_MAX;
    size_t shortages = ledger->items.unit_count * sizeof *ledger->shortages.of_pools;
    ledger->shortages.of_pools = items == 0 ? memory_reserve_scattered(shortages) : NULL;
    if (config->figures > 0)
        ledger->figures = figures_create(config->figures, ledger->context_count);
    bool figures = config->figures == 0 || ledger->figures;
    bool tables = items == 0 && barcodes == 0 && ids == 0 && returns == 0 && events == 0 &&
                  levels == 0 && ledger->shortages.of_pools && refusals == 0 && figures &&
                  ledger->clients;
    if (tables && atomic_load(&ledger->catalogue) && make_contexts(ledger) &&
        change_index_init(ledger) == 0)
        return ledger;
    ledger_destroy(ledger);
    return NULL;
}

struct events *ledger_events(struct ledger *ledger)
{
    return &ledger->events;
}

enum populated ledger_populate(struct ledger *ledger)
{
    return id_table_populate(&ledger->ids);
}

void ledger_destroy(struct ledger *ledger)
{
    if (!ledger)
        return;
    following_destroy(ledger);
    free_all_versions(ledger);
    change_index_destroy(ledger);
    barcodes_destroy(&ledger->barcodes);
    memory_release(ledger->shortages.of_pools,
                   ledger->items.unit_count * sizeof *ledger->shortages.of_pools);
    items_destroy(&ledger->items);
    id_table_destroy(&ledger->ids);
    returns_destroy(&ledger->returns);
    events_destroy(&ledger->events);
    levels_destroy(&ledger->crossings.levels);
    refusals_destroy(&ledger->refusals);
    figures_destroy(ledger->figures);
    for (unsigned i = 0; i < ledger->context_count && ledger->contexts[i]; i++) {
        recent_destroy(&ledger->contexts[i]->recent);
        memory_release(ledger->contexts[i]->locating, sizeof(struct locating));
        memory_release(ledger->contexts[i], sizeof(struct ctx_memory));
    }
    memory_release(ledger->clients, CLIENTS_MAX * sizeof *ledger->clients);
    memory_release(ledger, sizeof *ledger);
}

struct ctx *ledger_ctx(struct ledger *ledger, unsigned index)
{
    assert(index < ledger->context_count);
    return ledger->contexts[index];
}

/* Handles a message: an entry that this context owns. */
static void read_message(struct ctx *ctx, struct id_entry *message, uint64_t word)
{
    struct id_table *ids = &ctx->ledger->ids;
    bool supply = word_kind(word) == ENTRY_SUPPLY;
    assert(supply || word_kind(word) == ENTRY_RESERVATION); /* in_inbox: its slot was not reused */
    message->in_inbox = false;
    if (message->owner == ctx->index) {
        wheel_unlink(&ctx->wheel, ids, message);
        message->owner = NO_OWNER;
        if (entry_over(word)) {
            slots_end(ids, &ctx->cursor, message, word);
        } else if (supply) {
            supply_watch(ctx, message, word);
        } else if (word_state(word) == STATE_HELD) {
            message->owner = ctx->index;
            wheel_link(&ctx->wheel, ids, message, message->expires_ms);
        } else {
            parts_watch(ctx, message, word);
        }
    }
    entry_put(message, word);
}

static void read_inbox(struct ctx *ctx)
{
    struct id_table *ids = &ctx->ledger->ids;
    struct id_entry *entry = wheel_take_inbox(&ctx->wheel, ids);
    while (entry) {
        struct id_entry *message = entry;
        uint64_t word;
        entry = wheel_inbox_next(ids, message);
        if (entry_take(message, &word))
            read_message(ctx, message, word);
        else
            wheel_send_again(&ctx->wheel, ids, message); /* next iteration: ledger_next_deadline */
    }
}

void ledger_begin(struct ctx *ctx, uint64_t engine_ms, uint64_t wall_ms)
{
    assert(engine_ms >= ctx->engine_ms);
    if (ctx->engine_ms == 0)
        wheel_init(&ctx->wheel, engine_ms);
    ctx->engine_ms = engine_ms;
    ctx->wall_ms = wall_ms;
    ctx->cursor.now_ms = engine_ms;
    ctx_enter(ctx);
    read_inbox(ctx);
    figures_tend(ctx->ledger->figures, ctx->index);
    refused_write(ctx);
    slots_share(&ctx->ledger->ids, &ctx->cursor);
}

void ledger_end(struct ctx *ctx)
{
    assert(ctx->preclaimed_at == ctx->preclaimed_end);
    ctx_leave(ctx);
}

const struct catalogue *ledger_catalogue(struct ctx *ctx)
{
    return catalogue_now(ctx);
}

enum { CALENDAR_ROW_WORK = 4 }; /* most are dates, and a date's text takes longer than a pool */

const struct calendar *ledger_calendar(struct ctx *ctx, uint32_t index)
{
    const struct catalogue *catalogue = ledger_catalogue(ctx);
    if (index >= catalogue->calendar_count)
        return NULL;
    const struct calendar *c = &catalogue->calendars[index];
    uint32_t rows = 1u + c->week_count + c->closed_count + c->extra_count;
    ctx->work += rows * CALENDAR_ROW_WORK;
    return c;
}

/* ---- prefetching ---- */

/* First the index words that say where to look. */
static void prefetch_places(struct ctx *ctx, struct prefetch_hint *hint)
{
    const struct items *items = &ctx->ledger->items;
    const struct id_table *ids = &ctx->ledger->ids;
    if (hint->sku.len > SKU_MAX)
        hint->sku.at = NULL;
    if (hint->id.len > ID_MAX)
        hint->id.at = NULL;
    hint->entry = 0;
    if (text_given(hint->sku)) {
        hint->sku_hash = sku_hash(items, hint->sku);
        items_prefetch_slot(items, hint->sku_hash);
    }
    if (text_given(hint->id)) {
        hint->id_hash = id_hash(ids, hint->id);
        id_table_prefetch_bucket(ids, hint->id_hash);
    }
}

void ledger_prefetch(struct ctx *ctx, unsigned stage, struct prefetch_hint *hint)
{
    struct ledger *ledger = ctx->ledger;
    uint32_t pool;
    switch (stage) {
    case 0:
        prefetch_places(ctx, hint);
        break;
    case 1: /* then what they point to */
        if (text_given(hint->sku))
            items_prefetch_named(&ledger->items, hint->sku_hash);
        if (text_given(hint->id))
            hint->entry = id_table_prefetch_entry(&ledger->ids, hint->id_hash);
        break;
    default: /* then the pool that a reservation draws from */
        if (hint->entry != 0 && id_table_only_draw(&ledger->ids, hint->entry - 1, &pool))
            items_prefetch_pool(&ledger->items, pool);
    }
}

/* ---- metrics ---- */

void ledger_metrics(const struct ledger *ledger, struct ledger_metrics *metrics)
{
    memset(metrics, 0, sizeof *metrics);
    for (unsigned i = 0; i < ledger->context_count; i++) {
        const struct counters *c = &ledger->contexts[i]->counters;
#define X(name) metrics->name += atomic_load_explicit(&c->name, memory_order_relaxed);
        LEDGER_COUNTERS(X)
#undef X
    }
    metrics->items = atomic_load_explicit(&ledger->items.count, memory_order_relaxed);
    metrics->pools = atomic_load_explicit(&ledger->items.pool_count, memory_order_relaxed);
    metrics->live = id_table_live(&ledger->ids);
    metrics->items_max = ledger->items.max_items;
    metrics->pools_max = ledger->items.max_pools;
    metrics->reservations_max = ledger->ids.max;
    metrics->ids_taken = id_table_taken(&ledger->ids);
    metrics->ids_remembered = id_table_remembered(&ledger->ids);
    metrics->remember_ms = ledger->ids.remember_ms;
}
