/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/ledger/gauges.h"

#include <string.h>

#include "engine/ledger/ctx.h"

uint16_t ledger_channel_count(const struct ctx *ctx)
{
    return catalogue_now(ctx)->channel_count;
}

struct text ledger_channel_code(const struct ctx *ctx, uint16_t channel)
{
    return code_text(&catalogue_now(ctx)->channels[channel].code);
}

uint64_t ledger_units(const struct ledger *ledger, enum measure measure, uint16_t channel)
{
    return ledger->figures ? figures_units(ledger->figures, measure, channel) : 0;
}

uint64_t ledger_events_taken(const struct ledger *ledger, enum event_type type)
{
    return atomic_load_explicit(&ledger->events.by_type[type], memory_order_relaxed);
}

/* Of each two bits of the word, the lower one: they are the level `low`. */
static uint64_t lows_of(uint64_t word)
{
    return word >> 1 & ~word & UINT64_C(0x5555555555555555);
}

_Static_assert(LEVEL_LOW == 2 && LEVEL_OUT == 3, "as lows_of and levels_outs_of take them");

bool ledger_count_levels(struct ledger *ledger, uint16_t channel, struct level_counts *counts)
{
    struct crossing_watch *w = &ledger->crossings;
    *counts = (struct level_counts){ 0 };
    uint32_t items = atomic_load_explicit(&ledger->items.count, memory_order_acquire);
    if (atomic_exchange_explicit(&w->busy, true, memory_order_acquire))
        return false;
    const unsigned char *plane = levels_plane(&w->levels, channel);
    size_t bytes = (items / LEVELS_PER_BYTE + 8) & ~(size_t)7; /* at most the plane */
    for (size_t at = 0; at < bytes; at += sizeof(uint64_t)) {
        uint64_t word;
        memcpy(&word, plane + at, sizeof word);
        counts->out += (uint64_t)__builtin_popcountll(levels_outs_of(word));
        counts->low += (uint64_t)__builtin_popcountll(lows_of(word));
    }
    atomic_store_explicit(&w->busy, false, memory_order_release);
    return true;
}
