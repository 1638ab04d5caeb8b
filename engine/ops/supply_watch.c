/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/ops/supply_watch.h"

#include <assert.h>

#include "engine/ledger/claim.h"
#include "engine/ledger/sweeps.h"
#include "engine/ops/deadline.h"
#include "engine/ops/reservation.h"
#include "engine/store/supply_lines.h"

/* Wall clock; UINT64_MAX: nothing will change by itself. */
static uint64_t next_crossing(const struct ctx *ctx, const struct id_entry *entry)
{
    const struct catalogue *catalogue = catalogue_now(ctx);
    uint64_t next = entry->eta_ms > entry->watched_ms ? entry->eta_ms : UINT64_MAX;
    for (uint16_t i = 0; i < catalogue->channel_count; i++) {
        const struct channel *channel = &catalogue->channels[i];
        if (!channel->incoming || channel->horizon_s < 0 ||
            (uint64_t)channel->horizon_s * 1000 >= entry->eta_ms)
            continue;
        uint64_t at = entry->eta_ms - (uint64_t)channel->horizon_s * 1000;
        if (at > entry->watched_ms && at < next)
            next = at;
    }
    return next;
}

uint64_t supply_next_ms(const struct ctx *ctx, const struct id_entry *entry, uint64_t word)
{
    if (word_supply_state(word) != SUPPLY_IN_TRANSIT || entry->eta_ms == 0)
        return UINT64_MAX;
    return deadline_look_ms(ctx, next_crossing(ctx, entry));
}

void supply_watch(struct ctx *ctx, struct id_entry *entry, uint64_t word)
{
    if (!entry_over(word)) /* else settle_entry takes it out of its wheel */
        deadline_set(ctx, entry, supply_next_ms(ctx, entry, word));
}

/* Others may be in iterations that began before this time came. */
void supply_came_up(struct ledger *ledger, uint64_t wall_ms)
{
    _Atomic uint64_t *latest = &ledger->came_up_ms;
    uint64_t before = atomic_load_explicit(latest, memory_order_relaxed);
    while (before < wall_ms &&
           !atomic_compare_exchange_weak_explicit(latest, &before, wall_ms, memory_order_release,
                                                  memory_order_relaxed)) {
        /* another supply came up */
    }
}

static void record_due(struct ctx *ctx, const struct id_entry *entry, uint64_t word)
{
    struct due_fields f = { .fixed = { .head = head_of(ctx, RECORD_DUE, 0),
                                       .time_ms = ctx->wall_ms,
                                       .location = entry->location,
                                       .late = entry->eta_ms <= ctx->wall_ms },
                            .id = entry_id(entry, word) };
    f.fixed.head.client = 0; /* no client asked for this */
    struct record_builder b = due_begin(ctx->record, &f);
    uint32_t length = record_end(&b);
    uint64_t position = ctx_claim(ctx, length);
    supply_came_up(ctx->ledger, ctx->wall_ms);
    struct line_walk walk = line_walk_start(&ctx->ledger->ids, entry);
    const struct line_entry *line;
    while ((line = line_walk_next(&walk)) != NULL) {
        item_version_raise_of_pool(ctx, line->pool, position + length);
        sweep_later(ctx, line->pool); /* a backlog may be served from it now */
    }
    ctx_publish(ctx, position);
}

void supply_come_up(struct ctx *ctx, struct id_entry *entry, uint64_t word)
{
    bool live = word_supply_state(word) == SUPPLY_IN_TRANSIT && entry->eta_ms != 0;
    entry->owner = NO_OWNER;
    if (live && next_crossing(ctx, entry) <= ctx->wall_ms) {
        if (!ledger_has_room(ctx)) {
            entry->owner = ctx->index;
            wheel_link(&ctx->wheel, &ctx->ledger->ids, entry, ctx->engine_ms + WHEEL_TICK_MS);
            entry_put(entry, word);
            return;
        }
        record_due(ctx, entry, word);
        entry->watched_ms = ctx->wall_ms;
    }
    supply_watch(ctx, entry, word);
    settle_entry(ctx, entry, word);
}
